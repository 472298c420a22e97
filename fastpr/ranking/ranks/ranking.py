"""Rows become ranks where they are; what follows from ranks does not know where that was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.protocol import RankBlock
from fastpr.ranking.ranks.device import DeviceRanking
from fastpr.ranking.ranks.host import HostRanking
from fastpr.ranking.rows.device import DeviceRows
from fastpr.ranking.rows.host import Rows

Part = TypeVar("Part")


class Ranking(Protocol):
    """The ranking of the rows of one update."""

    def check(self) -> NDArray[np.float64] | None:
        """Return the weights of rows, if there are any, after all checks that need no scores."""

    def finish(
        self, finish: Callable[[int, int, RankBlock], Part], combine: Callable[[Part], None]
    ) -> None:
        """Rank all rows; see `fastpr.ranking.ranks.host.HostRanking.finish`."""


def ranking_of(
    rows: Rows | DeviceRows, k: int, *, with_labels: bool, with_ties: bool, backend: str | None
) -> Ranking:
    """Return the ranking of rows on the host or on a device.

    Parameters
    ----------
    rows : Rows or DeviceRows
        What is to be ranked.
    k : int
        Ranks end here; at least 1.
    with_labels, with_ties : bool
        Whether blocks have `labels`, and `num_above` and `num_equal`.
    backend : str, optional
        Which kernels rank rows of the host.
    """
    if isinstance(rows, DeviceRows):
        return DeviceRanking(rows, k, with_labels=with_labels, with_ties=with_ties)
    return HostRanking(rows, k, with_labels=with_labels, with_ties=with_ties, backend=backend)
