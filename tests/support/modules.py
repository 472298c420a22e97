"""Modules that are imported anew in a test, and are what they were after it."""

from __future__ import annotations

import sys

import pytest


def forget(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Let a package be imported anew, and all that is below it."""
    parent, _, last = package.rpartition(".")
    if hasattr(sys.modules.get(parent), last):  # an import puts another module there
        monkeypatch.delattr(sys.modules[parent], last)
    for name in [name for name in sys.modules if f"{name}.".startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, name)
