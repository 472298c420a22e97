"""What was checked and measured, kept in a file as it comes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpu.place import Place

_SAVE_EVERY = 2.0
_TELL_EVERY = 10.0


class Results:
    """Checks by group, figures, and what is worth knowing about them.

    Parameters
    ----------
    place : Place
        Asked, after an error, whether it still answers.
    path : Path, optional
        Where all is kept, so that it is not lost with the process.
    deadline : float, optional
        When checks are no longer begun, as `time.monotonic` tells the time.
    """

    def __init__(
        self, place: Place, path: Path | None = None, deadline: float = float("inf")
    ) -> None:
        self.place, self._path, self._deadline = place, path, deadline
        self._saved = self._told = time.monotonic()
        self._is_broken = False
        self.groups: dict[str, dict[str, Any]] = {}
        self.figures: list[dict[str, Any]] = []
        self.notes: dict[str, Any] = {}

    def group(self, name: str) -> dict[str, Any]:
        return self.groups.setdefault(
            name, {"passed": 0, "failed": [], "not_run": [], "seconds": 0.0}
        )

    def check(self, group: str, name: str, function: Callable[[], Any]) -> bool:
        """Run a check, which raises where something is wrong; return whether it passed."""
        entry = self.group(group)
        now = time.monotonic()
        if self._is_broken or now > self._deadline:
            why = "the device is in error" if self._is_broken else "no time was left"
            entry["not_run"].append([name, why])
            return False
        try:
            function()
        except Exception as error:  # whatever it is, the others are to be run
            text = f"{type(error).__name__}: {error}"
            entry["failed"].append([name, text[:2000]])
            print(f"FAILED {group}: {name}: {text[:600]}", flush=True)
            if not isinstance(error, AssertionError):
                self._is_broken = not self.place.is_alive()
        else:
            entry["passed"] += 1
        entry["seconds"] += time.monotonic() - now
        self._tell(group, entry)
        return not self._is_broken

    def _tell(self, group: str, entry: dict[str, Any]) -> None:
        now = time.monotonic()
        if now - self._told > _TELL_EVERY:
            self._told = now
            print(f"  {group}: {entry['passed']} passed, {len(entry['failed'])} failed", flush=True)
        if now - self._saved > _SAVE_EVERY:
            self.save()

    def figure(self, name: str, reached: float, asked: float | None = None, *, unit: str,
               at_most: bool = False, **rest: Any) -> None:  # fmt: skip
        """Keep a figure, and whether it is what was asked for."""
        met = None
        if asked is not None:
            met = reached <= asked if at_most else reached >= asked
        self.figures.append(
            {"name": name, "asked": asked, "at_most": at_most, "reached": reached, "met": met,
             "unit": unit, **rest}
        )  # fmt: skip
        print(f"  {name}: {reached:.4g} {unit}", flush=True)
        self.save()

    # ---- files ----

    def as_dict(self) -> dict[str, Any]:
        return {"groups": self.groups, "figures": self.figures, "notes": self.notes}

    def save(self) -> None:
        if self._path is not None:
            self._saved = time.monotonic()
            self._path.write_text(json.dumps(self.as_dict(), indent=1) + "\n")

    def add(self, other: dict[str, Any]) -> None:
        """Add what another process kept."""
        for name, theirs in other["groups"].items():
            ours = self.group(name)
            for key in ours:
                ours[key] += theirs[key]
        self.figures += other["figures"]
        self.notes.update(other["notes"])

    @property
    def num_passed(self) -> int:
        return sum(entry["passed"] for entry in self.groups.values())

    @property
    def num_failed(self) -> int:
        return sum(len(entry["failed"]) for entry in self.groups.values())

    @property
    def num_not_run(self) -> int:
        return sum(len(entry["not_run"]) for entry in self.groups.values())
