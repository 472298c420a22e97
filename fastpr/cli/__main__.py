"""``python -m fastpr.cli`` is ``fastpr``."""

from fastpr.cli import main

if __name__ == "__main__":
    main()
