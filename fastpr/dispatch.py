"""Which backend counts, and how its blocks become one table."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import IO, Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastpr import parallel
from fastpr._version import __version__
from fastpr.backends.protocol import Backend

# Best first: what "auto" tries in this order on host arrays. On 2**26 float32 scores with
# bool labels, T = 201 and 2 threads, bench/figures.py measured c up to 1.4 times as fast as
# numba, and never slower by more than the noise; and c has nothing to compile in a new
# process. reference is the oracle of the tests, about 100 times slower. The figures are in
# bench/results/.
_MODULES = {
    "c": "fastpr.backends.c",
    "numba": "fastpr.backends.numba_cpu",
    "reference": "fastpr.backends.reference",
}
BACKEND_NAMES = tuple(_MODULES)


Part = TypeVar("Part")

_INT64, _FLOAT64 = np.dtype(np.int64), np.dtype(np.float64)


class BackendUnavailable(RuntimeError):  # noqa: N818 - a state of the machine, not a mistake
    """A backend that was asked for by name cannot be used here; the message says why."""


_loaded: dict[str, Backend] = {}
_reasons: dict[str, str] = {}


def _load(name: str) -> Backend:
    """Import a backend once; raise ImportError if it cannot work here."""
    if name in _loaded:
        return _loaded[name]
    if name not in _reasons:
        try:
            _loaded[name] = import_module(_MODULES[name])
            return _loaded[name]
        except ImportError as error:
            _reasons[name] = str(error)
    raise ImportError(_reasons[name])


def available_backends() -> list[str]:
    """Return the names of the backends that work here, the fastest first.

    Every backend is loaded to find out, so the first call can take a second.

    Returns
    -------
    list of str
        A part of ``["c", "numba", "reference"]``.

    Examples
    --------
    >>> "reference" in available_backends()
    True
    """
    names = []
    for name in BACKEND_NAMES:
        try:
            _load(name)
        except ImportError:
            continue
        names.append(name)
    return names


def check_backend(backend: str | None) -> str | None:
    """Return `backend` if it is None, "auto" or a known name, else say what is known."""
    if backend is None or (
        isinstance(backend, str) and (backend == "auto" or backend in BACKEND_NAMES)
    ):
        return backend
    raise ValueError(
        f"backend must be one of {', '.join(map(repr, ('auto', *BACKEND_NAMES)))} or None, "
        f"got {backend!r}"
    )


def choose_backend(backend: str | None = None) -> tuple[str, Backend]:
    """Return the backend for host arrays: as named, by FASTPR_BACKEND, or the fastest here.

    Parameters
    ----------
    backend : str, optional
        A name; None or "auto" to leave the choice to the environment variable
        FASTPR_BACKEND, and then to what is there.

    Returns
    -------
    tuple of (str, Backend)
        The name and the module.

    Raises
    ------
    BackendUnavailable
        If a backend that was named does not work here. There is no falling back.
    ValueError
        If the name is not that of a backend.
    """
    name = backend
    if name is None or check_backend(name) == "auto":
        name = os.environ.get("FASTPR_BACKEND") or "auto"
        if name != "auto" and name not in BACKEND_NAMES:
            raise ValueError(
                f"the environment variable FASTPR_BACKEND must be one of "
                f"{', '.join(('auto', *BACKEND_NAMES))}, got {name!r}"
            )
    if name != "auto":
        try:
            return name, _load(name)
        except ImportError as error:
            raise BackendUnavailable(
                f"backend {name!r} is not available: {error} "
                f"(available: {', '.join(available_backends())})"
            ) from None
    for candidate in BACKEND_NAMES:
        try:
            return candidate, _load(candidate)
        except ImportError:
            continue
    raise BackendUnavailable("no backend works here; fastpr.doctor() says why")


class BlockSource(Protocol):
    """Samples that can be read as contiguous blocks; see `fastpr.inputs.Samples`."""

    kernel: str
    num_samples: int
    has_weight_array: bool

    def blocks(self, start: int, stop: int) -> Iterable[tuple[NDArray[Any], ...]]:
        """Return (scores, labels[, weights]) of the samples from `start` to `stop`, in C order."""


def score_histogram(
    samples: BlockSource, thresholds: NDArray[Any], backend: str | None
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Count samples into a table, in parallel if they are many.

    Parameters
    ----------
    samples : BlockSource
        Canonical samples.
    thresholds : ndarray, shape (T,)
        In the dtype of the scores.
    backend : str, optional
        See `choose_backend`.

    Returns
    -------
    table : ndarray of int64 or, with an array of weights, float64, shape (2, T)
        By label and bin.
    report : ndarray of int64, shape (3,)
        See `Backend.score_histogram`.
    """
    _, module = choose_backend(backend)
    if samples.num_samples < parallel.MIN_PARALLEL:
        return _count(samples, thresholds, module, 0, samples.num_samples)
    slices = parallel.slices(samples.num_samples)
    total, total_report = _empty(samples, thresholds)

    def combine(part: tuple[NDArray[Any], NDArray[np.int64]]) -> None:
        with np.errstate(over="ignore"):  # infinite sums are an error later, with a message
            np.add(total, part[0], out=total)
        np.add(total_report, part[1], out=total_report)

    parallel.run(
        lambda index: _count(samples, thresholds, module, *slices[index]), len(slices), combine
    )
    return total, total_report


def _empty(
    samples: BlockSource, thresholds: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    dtype = _FLOAT64 if samples.has_weight_array else _INT64
    return np.zeros((2, len(thresholds)), dtype), np.zeros(3, _INT64)


def _count(
    samples: BlockSource, thresholds: NDArray[Any], module: Backend, start: int, stop: int
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    table, report = _empty(samples, thresholds)
    for scores, labels, *rest in samples.blocks(start, stop):
        weights = rest[0] if rest else None
        module.score_histogram(samples.kernel, scores, labels, weights, thresholds, table, report)
    return table, report


class RankBlock(NamedTuple):
    """The ranks of the labels of some rows.

    Attributes
    ----------
    num_relevant : ndarray of int64, shape (num_rows,)
        The number of distinct labels of each row.
    starts : ndarray of int64, shape (num_rows,)
        Where the entries of each row begin in the following, `num_relevant` of them.
    ranks : ndarray of int32
        Ascending in each row; k stands for "not in the top k".
    labels : ndarray of int64 or None
        The label of each rank.
    num_above, num_equal : ndarray of int32 or None
        The number of classes scored higher than each label, or k if it is k or more; and
        then 0, else the number of classes of the same score, the label included.
    """

    num_relevant: NDArray[np.int64]
    starts: NDArray[np.int64]
    ranks: NDArray[np.int32]
    labels: NDArray[np.int64] | None
    num_above: NDArray[np.int32] | None
    num_equal: NDArray[np.int32] | None


class RowSource(Protocol):
    """Rows of scores and their labels; see `fastpr.rows.Rows`."""

    kernel: str
    num_rows: int
    num_classes: int
    num_scores: int
    readable_in_place: bool

    def block(self, start: int, stop: int) -> Any:
        """Return the rows from `start` to `stop`; see `fastpr.rows.RowBlock`."""

    def piece(self, row: int, first: int, stop: int) -> NDArray[Any]:
        """Return contiguous scores of some classes of a row."""

    def label_ids(self, row: int) -> NDArray[np.int64]:
        """Return the distinct labels of a row that are in range, ascending."""

    def label_scores(self, row: int, ids: NDArray[np.int64]) -> NDArray[Any]:
        """Return the scores of some classes of a row."""


# Scores that one call of a kernel reads. NumPy's share of a slice, and the memory for ranks,
# are small beside it; where rows have to be copied, it is what is copied at once.
_SLICE_SCORES = 1 << 21
_COPIED_SCORES = 1 << 18


def label_ranks(
    rows: RowSource,
    k: int,
    *,
    with_labels: bool,
    with_ties: bool,
    backend: str | None,
    finish: Callable[[int, int, RankBlock], Part],
    combine: Callable[[Part], None],
) -> None:
    """Rank the labels of rows, in parallel if there are many scores.

    Parameters
    ----------
    rows : RowSource
        Canonical rows.
    k : int
        Ranks end here; at least 1.
    with_labels, with_ties : bool
        Whether blocks have `labels`, and `num_above` and `num_equal`.
    backend : str, optional
        See `choose_backend`.
    finish : callable
        Takes the first row of a slice, the row after its last, and their ranks; returns a
        part. Runs in several threads at once.
    combine : callable
        Takes the parts, in the order of rows. Never runs in two threads at once.
    """
    _, module = choose_backend(backend)
    most = _SLICE_SCORES if rows.readable_in_place else _COPIED_SCORES
    per_row = max(1, rows.num_scores // max(rows.num_rows, 1))
    if per_row >= 2 * most and (
        not rows.readable_in_place or rows.num_rows < 4 * parallel.get_num_threads()
    ):
        for row in range(rows.num_rows):
            block = _rank_long_row(module, rows, row, k, with_labels, with_ties, most)
            combine(finish(row, row + 1, block))
        return
    length = max(1, most // per_row)

    def work(index: int) -> Part:
        start, stop = index * length, min((index + 1) * length, rows.num_rows)
        return finish(start, stop, _rank(module, rows, start, stop, k, with_labels, with_ties))

    num_slices = -(-rows.num_rows // length)
    if rows.num_scores >= parallel.MIN_PARALLEL:
        parallel.run(work, num_slices, combine)
    else:
        for index in range(num_slices):
            combine(work(index))


def _rank(
    module: Backend,
    rows: RowSource,
    start: int,
    stop: int,
    k: int,
    with_labels: bool,
    with_ties: bool,
) -> RankBlock:
    """Rank the labels of the rows from `start` to `stop`."""
    source = rows.block(start, stop)
    num_rows, num_entries = stop - start, len(source.labels)
    ranks = np.empty(num_entries, np.int32)
    num_relevant = np.empty(num_rows, np.int64)
    labels = np.empty(num_entries, np.int64) if with_labels else None
    above, equal = (np.empty(num_entries, np.int32) if with_ties else None for _ in range(2))
    module.label_ranks(
        rows.kernel, source.scores, source.score_starts, source.labels, source.label_starts,
        source.num_ids, k, num_relevant, ranks, labels, above, equal,
    )  # fmt: skip
    if source.label_starts is None:
        starts = np.arange(num_rows, dtype=np.int64) * (num_entries // num_rows)
    else:
        starts = source.label_starts[:-1]
    if labels is not None and source.ids is not None:
        _positions_to_ids(labels, num_relevant, starts, source)
    return RankBlock(num_relevant, starts, ranks, labels, above, equal)


def _positions_to_ids(
    labels: NDArray[np.int64], num_relevant: NDArray[np.int64], starts: NDArray[np.int64],
    source: Any,
) -> None:  # fmt: skip
    """Replace positions among the stored scores of a row by class ids."""
    row = np.repeat(np.arange(len(starts)), num_relevant)
    offset = np.arange(len(row)) - np.repeat(num_relevant.cumsum() - num_relevant, num_relevant)
    entry = starts[row] + offset
    position = labels[entry]
    begin, end = source.score_starts[row], source.score_starts[row + 1]
    stored = position < end - begin
    position[stored] = source.ids[(begin + position)[stored]]
    position[~stored] -= (end - begin)[~stored]
    labels[entry] = position


def _rank_long_row(
    module: Backend,
    rows: RowSource,
    row: int,
    k: int,
    with_labels: bool,
    with_ties: bool,
    length: int,
) -> RankBlock:
    """Rank the labels of one row, whose pieces go to all threads."""
    ids = rows.label_ids(row)
    scores = rows.label_scores(row, ids)
    totals = np.zeros((3 if with_ties else 1, len(ids)), np.int64)

    def work(index: int) -> NDArray[np.int64]:
        counts = np.zeros_like(totals)
        first = index * length
        piece = rows.piece(row, first, min(first + length, rows.num_classes))
        above, equal = counts[1:] if with_ties else (None, None)
        module.label_counts(rows.kernel, piece, first, ids, scores, k, counts[0], above, equal)
        return counts

    def add(counts: NDArray[np.int64]) -> None:
        np.add(totals, counts, out=totals)

    if len(ids):
        parallel.run(work, -(-rows.num_classes // length), add)
    ranks = np.minimum(totals[0], k)
    above = np.minimum(totals[-1 if not with_ties else 1], k)
    order = np.lexsort((ids, above, ranks))
    num_relevant, start = np.array([len(ids)]), np.zeros(1, np.int64)
    return RankBlock(
        num_relevant,
        start,
        ranks[order].astype(np.int32),
        ids[order] if with_labels else None,
        above[order].astype(np.int32) if with_ties else None,
        np.where(above < k, totals[-1], 0)[order].astype(np.int32) if with_ties else None,
    )


def doctor(file: IO[str] | None = None) -> None:
    """Print what is there, which backend host arrays get, and why.

    Parameters
    ----------
    file : text file, optional
        Where to print; standard output by default.
    """
    import platform

    out = file if file is not None else sys.stdout
    try:
        threads = str(parallel.get_num_threads())
    except ValueError as error:
        threads = str(error)
    lines = [
        f"fastpr {__version__}, Python {platform.python_version()}, NumPy {np.__version__}, "
        f"{platform.system()} {platform.machine()}",
        f"threads: {threads} (FASTPR_NUM_THREADS="
        f"{os.environ.get('FASTPR_NUM_THREADS', 'not set')})",
        "backends, the fastest first:",
    ]
    available = available_backends()
    for name in BACKEND_NAMES:
        state = _loaded[name].describe() if name in available else f"not there: {_reasons[name]}"
        lines.append(f"  {name:<10} {state}")
    try:
        chosen, _ = choose_backend()
    except (BackendUnavailable, ValueError) as error:
        lines.append(f"host arrays: no backend, because {error}")
    else:
        named = os.environ.get("FASTPR_BACKEND", "auto") not in ("", "auto")
        reason = "FASTPR_BACKEND says so" if named else "the fastest that is there"
        lines.append(f"host arrays: {chosen} ({reason})")
    print("\n".join(lines), file=out)
