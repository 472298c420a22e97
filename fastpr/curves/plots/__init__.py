"""Pictures of curves, with matplotlib."""
