"""The command ``fastpr``.

Importing this package loads nothing of the extra ``cli``; `main` does.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

# What the extra `cli` installs: the name to import, and the name to install.
_NEEDED = {"click": "click", "rich": "rich", "PIL": "pillow", "tifffile": "tifffile"}


def main() -> None:
    """Run the command line; what ``fastpr`` and ``python -m fastpr.cli`` call.

    Raises
    ------
    SystemExit
        Always: 0 on success, 1 on bad data, 2 on wrong usage, 130 when interrupted.
    """
    missing = [package for module, package in _NEEDED.items() if find_spec(module) is None]
    if missing:
        print(
            f"fastpr: the command line needs {', '.join(missing)}; "
            'install with: pip install "fastpr[cli]"',
            file=sys.stderr,
        )
        raise SystemExit(1)
    try:
        from fastpr.cli.commands import fastpr

        fastpr(prog_name="fastpr")
    except KeyboardInterrupt:  # while importing; the commands handle their own
        print("fastpr: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
