"""Updates from device arrays that a state has accepted and not read yet."""

from __future__ import annotations

import os
import sys
from typing import Any, Generic, Protocol, TypeVar

Seen = TypeVar("Seen")
Seen_co = TypeVar("Seen_co", covariant=True)

# How much of many bad updates a message names.
_MAX_TEXTS, _MAX_ORDINALS = 8, 20

# In the place of an update of which is only known that it was left out, because more than
# _MAX_ORDINALS before it were.
UNKNOWN = (sys.maxsize, "")

# What a forked child has of its parent's, whose memory it could not give back.
_of_parents: list[object] = []


class DeviceWork(Protocol[Seen_co]):
    """Updates of one state that are on their way, on devices. Used by one thread at a time."""

    def add(self, item: Any, ordinal: int, /) -> None:
        """Start counting an update, without waiting; all of it, or nothing when it raises.

        Parameters
        ----------
        item
            What the update's arrays were read as.
        ordinal : int
            The number of the update, counted from 1.
        """

    def finish(self) -> tuple[Seen_co, list[tuple[int, str]]]:
        """Wait, and return what was counted since the last call; it can then be used again.

        When it raises something other than OverflowError, the next call returns the same.

        Returns
        -------
        seen
            What was counted.
        refused : list of (int, str)
            The ordinals of updates that hold bad data, which are left out whole, and what is
            wrong with each.

        Raises
        ------
        OverflowError
            If it would be too large. It is not used again.
        """


class Pending(Generic[Seen]):
    """The device work of a state, and which of its updates are in it.

    Parameters
    ----------
    work : DeviceWork
        Nothing was added to it yet.
    """

    __slots__ = ("_first", "_last", "_process", "_work")

    def __init__(self, work: DeviceWork[Seen]) -> None:
        self._work = work
        self._process = os.getpid()
        self._first = self._last = 0

    @property
    def is_empty(self) -> bool:
        """Whether all of it was read."""
        return self._first == 0

    @property
    def is_of_this_process(self) -> bool:
        """Whether no fork lies in between; then it can be used."""
        return self._process == os.getpid()

    @property
    def work(self) -> Any:
        """The device work."""
        return self._work

    def add(self, item: Any, ordinal: int) -> None:
        """Start counting an update."""
        self._work.add(item, ordinal)
        self._first = self._first or ordinal
        self._last = ordinal

    def check_process(self) -> None:
        """Raise RuntimeError in a process that was forked since."""
        if not self.is_of_this_process:
            raise RuntimeError(
                "the state has updates from device arrays that were not read before this process "
                "was forked, and they are its parent's; call compute() before forking, or reset()"
            )

    def finish(self) -> tuple[Seen, list[tuple[int, str]]]:
        """Wait, and return what `DeviceWork.finish` does; `clear` is to be called after it."""
        return self._work.finish()

    def left_out(self, error: OverflowError | ValueError) -> OverflowError | ValueError:
        """Return an error that says which updates are left out for it."""
        which = f"update {self._first}"
        if self._first != self._last:
            which = f"those updates from {self._first} to {self._last} that were on a device"
        kind = OverflowError if isinstance(error, OverflowError) else ValueError
        return kind(f"{error} ({which}, not read before, left out)")

    def clear(self) -> None:
        """Note that all of it was read."""
        self._first = self._last = 0

    def discard(self) -> bool:
        """Forget what was added; return whether it can be used again."""
        if not self.is_of_this_process:
            _of_parents.append(self._work)
            return False
        if not self.is_empty:
            try:
                self._work.finish()  # arrays are to live until kernels have used them
            except Exception:  # whatever it is, it is to be forgotten
                return False
            self.clear()
        return True


def bad_updates(refused: list[tuple[int, str]]) -> ValueError:
    """Return the error that names updates which were left out, and what is wrong with them."""
    refused = sorted(refused)
    if len(refused) == 1:
        ordinal, text = refused[0]
        return ValueError(f"update {ordinal} holds bad data and was left out: {text}")
    named = [str(ordinal) for ordinal, _ in refused[:_MAX_ORDINALS]]
    if len(refused) > _MAX_ORDINALS:
        named.append(f"{len(refused) - _MAX_ORDINALS} more")
    texts = [f"Update {ordinal}: {text}" for ordinal, text in refused[:_MAX_TEXTS]]
    return ValueError(
        f"updates {', '.join(named[:-1])} and {named[-1]} hold bad data and were left out. "
        f"{'. '.join(texts)}"
    )
