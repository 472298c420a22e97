"""What the states share: adding up under a lock, merging, taking away and copying."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, Protocol, TypeGuard, TypeVar

from fastpr.backends.choose import check_backend
from fastpr.streaming.locks import ForkSafeLock, NoLock
from fastpr.streaming.pending import DeviceWork, Pending, bad_updates
from fastpr.streaming.saved_state import SavedState

T = TypeVar("T")
Result = TypeVar("Result")


class Addable(Protocol):
    """What a state has seen. Never written to, so whoever has it has a consistent whole."""

    def plus(self: T, other: T, /) -> T:
        """Return the sum, or raise OverflowError if it would be too large.

        ValueError if the two do not go together for what was seen, the options being equal.
        """

    def minus(self: T, other: T, /) -> T:
        """Return the difference, or raise ValueError if something would be negative."""


class Batch(Protocol):
    """What an update was given, checked as far as can be without reading it."""

    @property
    def is_on_device(self) -> bool:
        """Whether it is counted on a device, and waited for when the state is read."""


Seen = TypeVar("Seen", bound=Addable)
State = TypeVar("State", bound="StreamingState[Any, Any]")


class StreamingState(SavedState[Seen], Generic[Seen, Result]):
    """A metric over a stream of batches: options, and what was seen of the batches.

    A metric derives from it, has an ``update`` and a ``compute`` of its own, and says what is
    below. `_take_batch` counts batches on the host at once and commits them with `_add`;
    those on a device it hands to `_queue`, and they are waited for by `_read`, with which
    everything begins that looks at what was seen.

    Parameters
    ----------
    use_locking : bool
        Whether updates from several threads at once are exact.
    backend : str or None
        Which kernels count.
    name : str or None
        A name for `repr`.
    """

    # What a new state has seen.
    _NOTHING: ClassVar[Any]

    # Without what is pending; read it with `_read`.
    _seen: Seen
    _pending: Pending[Seen] | None

    def __init__(self, *, use_locking: bool, backend: str | None, name: str | None) -> None:
        self._backend = check_backend(backend)
        self._use_locking = bool(use_locking)
        self._lock = self._new_lock()
        self.name = name
        self._seen = self._NOTHING
        self._pending = None
        self._num_updates = 0

    # ---- what a metric says of itself ----

    def compute(self) -> Result:
        """Return the metric of everything so far; the state stays as it is."""
        raise NotImplementedError

    def _count_on_host(self, batch: Any) -> Seen:
        """Count a batch on the host, and raise what is wrong with it."""
        raise NotImplementedError

    def _described(self, seen: Seen) -> tuple[list[str], list[str]]:
        """Return the options and the totals that `repr` shows."""
        raise NotImplementedError

    def _check_left(self, seen: Seen) -> None:
        """Raise ValueError if no samples, or rows, can have such a difference."""

    def _new_device_work(self) -> DeviceWork[Seen]:
        """Return what counts the updates from device arrays of this state."""
        raise NotImplementedError

    # ---- what it is ----

    def _new_lock(self) -> ForkSafeLock | NoLock:
        return ForkSafeLock() if self._use_locking else NoLock()

    @property
    def backend(self) -> str | None:
        """The backend that was asked for."""
        return self._backend

    @property
    def use_locking(self) -> bool:
        """Whether updates from several threads at once are exact."""
        return self._use_locking

    def __repr__(self) -> str:
        parts, totals = self._described(self._read())
        if self.name is not None:
            parts.append(f"name={self.name!r}")
        return f"{type(self).__name__}({', '.join(parts + totals)})"

    # ---- streaming ----

    def result(self) -> Result:
        """Return what `compute` returns, under the name that Keras gives it."""
        return self.compute()

    def _take_batch(self: State, batch: Batch) -> State:
        """Add a batch, wherever it is; all of it, or nothing when it raises."""
        if batch.is_on_device:
            self._queue(batch)
        else:
            self._add(self._count_on_host(batch))
        return self

    def _add(self, added: Seen) -> None:
        """Commit what an update has counted; the lock is held for one addition."""
        with self._lock.current:
            self._seen = self._seen.plus(added)
            self._num_updates += 1

    def _queue(self, item: Any) -> None:
        """Let the device work of this state count an update; it is read with the next `_read`."""
        with self._lock.current:
            pending = self._pending
            if pending is None or (pending.is_empty and not pending.is_of_this_process):
                pending = Pending(self._new_device_work())
            pending.check_process()
            pending.add(item, self._num_updates + 1)
            self._pending = pending
            self._num_updates += 1

    def _read(self) -> Seen:
        """Return what was seen, once all that was queued is in.

        Raises
        ------
        ValueError
            If updates hold bad data; they are left out, and the next call returns.
        OverflowError, ValueError
            If there would be too much, or what was queued does not go with what was seen; it is
            left out, and the next call returns.
        RuntimeError
            If this process was forked from the one that queued it.
        """
        pending = self._pending
        if pending is None or pending.is_empty:
            return self._seen
        with self._lock.current:
            pending = self._pending
            if pending is None or pending.is_empty:  # another thread has read it
                return self._seen
            pending.check_process()
            try:
                added, refused = pending.finish()
                self._seen = self._seen.plus(added)
            except (OverflowError, ValueError) as error:
                self._pending = None
                raise pending.left_out(error) from None
            pending.clear()
            if refused:
                raise bad_updates(refused)
            return self._seen

    def reset(self) -> None:
        """Forget all that was seen, and updates from device arrays that are bad too.

        Examples
        --------
        >>> import fastpr
        >>> state = fastpr.AveragePrecisionAtK(k=1).update([0], [[0.2, 0.1]])
        >>> state.reset()
        >>> state == fastpr.AveragePrecisionAtK(k=1)
        True
        """
        with self._lock.current:
            if self._pending is not None and not self._pending.discard():
                self._pending = None
            self._seen = self._NOTHING
            self._num_updates = 0

    # ---- merging ----

    def _is_mergeable(self: State, other: object) -> TypeGuard[State]:
        return isinstance(other, StreamingState) and self._is_same_metric(other)

    def _check_options(self: State, other: State, what: str) -> None:
        """Raise ValueError if options that change numbers differ."""
        if different := self._differences(other):
            raise ValueError(
                f"states with different options cannot be {what}: {', '.join(different)}"
            )

    def merge(self: State, *others: State) -> State:
        """Add what other states have seen; all of it, or nothing when it raises.

        Parameters
        ----------
        *others : states of the same metric
            Their options that change numbers have to be equal. They stay as they are.

        Returns
        -------
        The state itself.

        Raises
        ------
        TypeError
            If one of them is not such a state.
        ValueError
            If options differ, or updates from device arrays hold bad data, which are named
            and left out.
        OverflowError
            If there would be 2**63 samples, or rows, or more.

        Examples
        --------
        >>> import fastpr
        >>> states = [fastpr.AveragePrecisionAtK(k=1).update([0], [[0.2, 0.1]]) for _ in range(3)]
        >>> states[0].merge(*states[1:])
        AveragePrecisionAtK(k=1, num_rows=3, num_empty=0)
        """
        for other in others:
            if not self._is_mergeable(other):
                name = type(self).__name__
                raise TypeError(f"only {name} can be merged into one, got {type(other).__name__}")
            self._check_options(other, "merged")
        self._read()
        seen = [other._read() for other in others]  # before the lock: one may be this state
        with self._lock.current:
            total = self._seen
            for added in seen:
                total = total.plus(added)
            self._seen = total
        return self

    def __add__(self: State, other: object) -> State:
        if not self._is_mergeable(other):
            return NotImplemented
        return self._copy().merge(other)

    def __radd__(self: State, other: object) -> State:
        if isinstance(other, int) and other == 0:  # sum(states)
            return self._copy()
        return NotImplemented

    def __iadd__(self: State, other: object) -> State:
        if not self._is_mergeable(other):
            return NotImplemented
        return self.merge(other)

    # ---- taking away what was merged ----

    def __sub__(self: State, other: object) -> State:
        """Return a state of what this one has seen and the other has not.

        The other has to have seen a part of it: a batch that leaves a sliding window, or the
        group that is left out. Then ``(a + b) - b == a`` for all but sums of weights, which
        agree within 1e-12.

        Raises
        ------
        ValueError
            If options that change numbers differ, or something would be negative.
        """
        if not self._is_mergeable(other):
            return NotImplemented
        return self._copy()._take_away(other)

    def __isub__(self: State, other: object) -> State:
        if not self._is_mergeable(other):
            return NotImplemented
        return self._take_away(other)

    def _take_away(self: State, other: State) -> State:
        """Take away what another state has seen; all of it, or nothing when it raises."""
        self._check_options(other, "subtracted")
        self._read()
        taken = other._read()  # before the lock: it may be this state
        with self._lock.current:
            left = self._seen.minus(taken)
            self._check_left(left)
            self._seen = left
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StreamingState):
            return NotImplemented
        return self.to_bytes() == other.to_bytes()

    __hash__ = None  # type: ignore[assignment]
    __array_ufunc__ = None  # so that NumPy does not add a state to each element of an array

    # ---- copying ----

    def _copy(self: State) -> State:
        """Return a state of the same options that has seen the same."""
        seen = self._read()
        copy = type(self).__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy._lock = copy._new_lock()
        copy._seen = seen
        copy._pending = None
        copy._num_updates = 0
        return copy

    __copy__ = _copy

    def __deepcopy__(self: State, memo: dict[int, Any]) -> State:
        return self._copy()  # tables are never written to


def seen_by(state: StreamingState[Seen, Any]) -> Seen:
    """Return what a state has seen, once all that was queued is in."""
    return state._read()
