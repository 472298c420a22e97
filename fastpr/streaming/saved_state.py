"""What the states share about being saved: bytes, files and pickles."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from numpy.typing import NDArray

from fastpr.backends.choose import check_backend
from fastpr.streaming import storage

Seen = TypeVar("Seen")
State = TypeVar("State", bound="SavedState[Any]")


class SavedState(Generic[Seen]):
    """A metric that can be saved: options, and what was seen, become a header and tables.

    The one class that derives from it is `fastpr.streaming.state.StreamingState`.

    A metric says what is below; its constructor takes the options, and `use_locking`, `backend`
    and `name`, which are not saved in bytes and files.
    """

    # The metric of saved states, and all entries of the header in each schema it was saved in;
    # it is saved in the last of them.
    _METRIC: ClassVar[str]
    _HEADER_KEYS: ClassVar[Mapping[int, frozenset[str]]]
    # A longer file is something else.
    _MAX_BYTES: ClassVar[int]
    name: str | None
    _use_locking: bool
    _backend: str | None
    _seen: Seen

    # ---- what a metric says of itself ----

    def _options(self) -> dict[str, Any]:
        """Return the options that change numbers, as the header of a saved state has them."""
        raise NotImplementedError

    def _differences(self: State, other: State) -> list[str]:
        """Return the options that change numbers and differ, with both values."""
        ours, theirs = self._options(), other._options()
        return [f"{key} {ours[key]} and {theirs[key]}" for key in ours if ours[key] != theirs[key]]

    def _is_same_metric(self, other: SavedState[Any]) -> bool:
        return other._METRIC == self._METRIC

    def _to_saved(self, seen: Seen) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        """Return what the header holds besides the options, and the tables."""
        raise NotImplementedError

    @classmethod
    def _saved_options(cls, header: Mapping[str, Any], tables: memoryview) -> dict[str, Any]:
        """Return the arguments of a new state; ValueError where the header is wrong.

        What only a constructor checks may be left to it.
        """
        raise NotImplementedError

    def _saved_seen(self, header: Mapping[str, Any], tables: memoryview) -> Seen:
        """Return what `_to_saved` gave, or raise ValueError if it cannot have."""
        raise NotImplementedError

    @classmethod
    def _max_bytes(cls, start: bytes) -> int:
        """Return how long a saved state that begins in this way can be at most."""
        return cls._MAX_BYTES

    def _read(self) -> Seen:
        """Return all that was seen."""
        raise NotImplementedError

    # ---- bytes and files ----

    def to_bytes(self) -> bytes:
        """Return the tables and the options that change numbers; equal states, equal bytes.

        Examples
        --------
        >>> import fastpr
        >>> state = fastpr.AveragePrecisionAtK(k=1).update([0], [[0.2, 0.1]])
        >>> fastpr.AveragePrecisionAtK.from_bytes(state.to_bytes()) == state
        True
        """
        return self._packed(self._read(), max(self._HEADER_KEYS))

    def _packed(self, seen: Seen, schema: int) -> bytes:
        entries, tables = self._to_saved(seen)
        header = {"metric": self._METRIC, **self._options(), **entries}
        kept = self._HEADER_KEYS[schema]
        return storage.pack({key: header[key] for key in kept}, tables, schema)

    @classmethod
    def from_bytes(
        cls: type[State],
        data: bytes,
        *,
        use_locking: bool = True,
        backend: str | None = None,
        name: str | None = None,
    ) -> State:
        """Return a state from what `to_bytes` returned.

        Parameters
        ----------
        data : bytes-like
            What `to_bytes` returned.
        use_locking, backend, name
            As for a new state; they are not part of the bytes.

        Raises
        ------
        ValueError
            If the data are not a whole, undamaged state of this metric.
        """
        check_backend(backend)
        schema, header, tables = storage.unpack_header(data)
        if header.get("metric") != cls._METRIC:
            raise ValueError(
                f"the saved state is of the metric {header.get('metric')!r}, not {cls._METRIC!r}"
            )
        storage.check_schema(schema, max(cls._HEADER_KEYS))
        if different := sorted(header.keys() ^ cls._HEADER_KEYS[schema]):
            raise ValueError(
                f"the saved state has an unknown or a missing entry: {', '.join(different)}"
            )
        options = cls._saved_options(header, tables)
        options.update(use_locking=use_locking, backend=backend, name=name)
        try:
            state = cls(**options)
        except TypeError as error:
            raise ValueError(f"the saved state has an option of a wrong type: {error}") from None

        state._seen = state._saved_seen(header, tables)
        if state._packed(state._seen, schema) != bytes(data):
            raise ValueError(
                "the saved state was not written by fastpr: its header is spelled otherwise"
            )
        return state

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state to a file, whole or not at all; an existing file is replaced.

        Parameters
        ----------
        path : path-like
            Where to.

        Raises
        ------
        OSError
            If the file cannot be written. An old file is then as it was.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> import fastpr
        >>> state = fastpr.AveragePrecisionAtK(k=1).update([0], [[0.2, 0.1]])
        >>> with TemporaryDirectory() as folder:
        ...     state.save(f"{folder}/model.fastpr")
        ...     same = fastpr.AveragePrecisionAtK.load(f"{folder}/model.fastpr")
        >>> same == state
        True
        """
        storage.write_atomically(path, self.to_bytes())

    @classmethod
    def load(
        cls: type[State],
        path: str | os.PathLike[str],
        *,
        use_locking: bool = True,
        backend: str | None = None,
        name: str | None = None,
    ) -> State:
        """Return the state that `save` wrote.

        Parameters
        ----------
        path : path-like
            Where from.
        use_locking, backend, name
            As for a new state; they are not part of the file.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is not a whole, undamaged state of this metric.
        """
        check_backend(backend)  # what is wrong with it is not wrong with the file
        with open(path, "rb") as file:
            try:
                data = storage.read(file, cls._max_bytes)
                return cls.from_bytes(data, use_locking=use_locking, backend=backend, name=name)
            except ValueError as error:
                raise ValueError(f"{os.fsdecode(path)}: {error}") from None

    # ---- pickles ----

    def __getstate__(self) -> dict[str, Any]:
        return {
            "data": self.to_bytes(),
            "use_locking": self._use_locking,
            "backend": self._backend,
            "name": self.name,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(self.from_bytes(**state).__dict__)
