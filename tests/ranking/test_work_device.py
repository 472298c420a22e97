"""What updates of rankings leave on devices until it is read: how much, for how long, and alive."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import rank_stand_in
from device_doubles import Cupy
from rank_stand_in import on_device
from ranking_rows import pair, row_weights, small_rows

import fastpr
from fastpr import AveragePrecisionAtK
from fastpr.ranking import work_device
from fastpr.ranking.ranks import device as rank_device
from fastpr.ranking.rows import device as device_rows

RAW_SCORES, ROWS = small_rows()
SCORES = RAW_SCORES[:40]
LABELS = np.array([row[:1] + row[-1:] for row in ROWS[:40]])
PAIR = pair(ROWS[:40])
WEIGHTS = row_weights(40)
BAD_LAST = np.append(WEIGHTS[:39], -1)
K = 4


@pytest.fixture(autouse=True)
def devices(monkeypatch):
    monkeypatch.delenv("FASTPR_BACKEND", raising=False)
    return rank_stand_in.install(monkeypatch)


@pytest.fixture
def device(devices):
    return devices[0]


def there(*arrays):
    return [on_device(array) for array in arrays]


def test_no_more_than_so_many_pieces_wait(monkeypatch, device):
    monkeypatch.setattr(work_device, "MAX_PIECES", 3)
    state = AveragePrecisionAtK(K)
    for index in range(8):
        state.update(*there(LABELS, SCORES, -WEIGHTS if index == 1 else WEIGHTS))
        waiting = sum(not pending.has_come for pending in device.ranks)
        assert waiting == min(index + 1, 3)
    with pytest.raises(ValueError, match=r"^update 2 holds bad data"):
        state.compute()
    expected = AveragePrecisionAtK(K)
    for _ in range(7):
        expected.update(LABELS, SCORES, WEIGHTS)
    assert state == expected


@pytest.mark.parametrize("labels", [LABELS, PAIR], ids=["dense", "ragged"])
def test_no_more_than_so_many_entries_wait(monkeypatch, device, labels):
    size = 40 + (labels[1] if isinstance(labels, tuple) else labels).size
    monkeypatch.setattr(rank_device, "MAX_ENTRIES", 3 * size)
    state, expected = AveragePrecisionAtK(K), AveragePrecisionAtK(K)
    for index in range(8):
        state.update(*there(labels, SCORES))
        expected.update(labels, SCORES)
        assert sum(not pending.has_come for pending in device.ranks) == min(index + 1, 3)
    assert state == expected


def test_an_update_that_is_too_much_waits_for_itself_but_for_its_last_piece(monkeypatch, device):
    monkeypatch.setattr(device_rows, "MAX_PIECE", 9)
    monkeypatch.setattr(rank_device, "MAX_ENTRIES", 1)
    state = AveragePrecisionAtK(K).update(*there(LABELS, SCORES))
    assert [pending.has_come for pending in device.ranks] == [True] * 13 + [False]
    state.update(*there(LABELS, SCORES, BAD_LAST))
    assert state._pending._work._seen.num_rows == 40
    with pytest.raises(ValueError, match=r"^update 2 holds bad data"):
        state.compute()
    assert state == AveragePrecisionAtK(K).update(LABELS, SCORES)


def test_what_is_done_is_read_before_anything_is_waited_for(monkeypatch, device):
    monkeypatch.setattr(work_device, "MAX_PIECES", 4)
    state = AveragePrecisionAtK(K)
    for _ in range(4):
        state.update(*there(LABELS, SCORES))
    for pending in device.ranks[:3]:
        pending.has_come = True
    state.update(*there(LABELS, SCORES))
    assert device.num_waits == 0
    work = state._pending._work
    assert (len(work._waiting), work._num_entries) == (2, 2 * 120)
    assert state.num_rows == 200
    assert (len(work._waiting), work._num_entries, work._num_done) == (0, 0, 0)


@pytest.mark.parametrize("most", [1 << 22, 12])
def test_arrays_are_kept_alive_until_kernels_are_done(monkeypatch, device, most):
    monkeypatch.setattr(device_rows, "MAX_PIECE", most)
    labels, scores = there(LABELS, SCORES)
    alive = [weakref.ref(scores), weakref.ref(labels)]
    state = AveragePrecisionAtK(K).update(labels, scores)
    assert all(owners == ([scores, labels],) for owners in device.owners)
    del labels, scores
    for pending in device.ranks:
        assert None not in [each() for each in alive]
        pending.has_come = True
        state.update(*there(LABELS[:0], SCORES[:0]))  # which looks what is done
    assert [each() for each in alive] == [None, None]
    assert state.num_rows == 40


def test_arrays_are_let_go_when_the_state_is_read(device):
    labels, scores = there(LABELS, SCORES)
    alive = [weakref.ref(scores), weakref.ref(labels)]
    state = AveragePrecisionAtK(K).update(labels, scores)
    del labels, scores
    assert state.num_rows == 40
    assert [each() for each in alive] == [None, None]


def test_what_is_done_is_asked_for_with_every_update(device):
    """So that what kernels have used up is not kept alive until the state is read."""
    state = AveragePrecisionAtK(K).update(*there(LABELS, SCORES))
    asked = []
    device.ranks[0].is_done = lambda: asked.append(0) or True
    state.update(*there(LABELS, SCORES))
    device.ranks[1].is_done = lambda: asked.append(1) or False
    state.update(*there(LABELS, SCORES)).update(*there(LABELS, SCORES))
    assert asked == [0, 1, 1]


def test_an_update_that_cannot_be_started_leaves_the_state_as_it_was(monkeypatch, device):
    monkeypatch.setattr(device_rows, "MAX_PIECE", 12)
    state = AveragePrecisionAtK(K).update(*there(LABELS[:4], SCORES[:4]))
    device.num_left = 3
    with pytest.raises(MemoryError):
        state.update(*there(LABELS, SCORES))
    assert [pending.has_come for pending in device.ranks] == [False, True, True, True]
    device.num_left = 99
    state.update(*there(LABELS[4:9], SCORES[4:9], -WEIGHTS[4:9]))
    with pytest.raises(ValueError, match=r"^update 2 holds bad data"):
        state.compute()
    assert state == AveragePrecisionAtK(K).update(LABELS[:4], SCORES[:4])


def test_a_read_that_fails_can_be_tried_again(monkeypatch, device):
    monkeypatch.setattr(device_rows, "MAX_PIECE", 12)
    state = AveragePrecisionAtK(K).update(*there(LABELS, SCORES)).update(*there(LABELS, SCORES))
    device.is_broken = True
    for _ in range(2):
        with pytest.raises(RuntimeError, match="gone"):
            state.compute()
    device.is_broken = False
    assert state == AveragePrecisionAtK(K).update(LABELS, SCORES).update(LABELS, SCORES)


def test_streams_wait_for_one_another_on_the_device(device):
    labels, weights = Cupy(LABELS, stream=7), Cupy(WEIGHTS, stream=8)
    AveragePrecisionAtK(K).update(labels, Cupy(SCORES, stream=9), weights)
    assert device.waited == [(9, ("event", 7)), (9, ("event", 8))]
    assert device.num_waits == 0


def test_every_device_ranks_its_rows(devices):
    state = AveragePrecisionAtK(K)
    for ordinal in (0, 1, 0, 1):
        labels, scores = (Cupy(array, device=ordinal) for array in (LABELS, SCORES))
        state.update(labels, scores)
    assert [len(device.ranks) for device in devices.values()] == [2, 2]
    expected = AveragePrecisionAtK(K).update(LABELS, SCORES)
    assert state == expected + expected + expected + expected


def test_functions_leave_little_on_the_device(monkeypatch, device):
    monkeypatch.setattr(device_rows, "MAX_PIECE", 9)
    monkeypatch.setattr(rank_device, "MAX_ENTRIES", 20)
    waiting = []
    rank = fastpr.backends.cuda.ranks.launch.rank

    def noting(*arguments):
        waiting.append(sum(not pending.has_come for pending in device.ranks))
        return rank(*arguments)

    monkeypatch.setattr(fastpr.backends.cuda.ranks.launch, "rank", noting)
    found = fastpr.average_precision_at_k(*there(LABELS, SCORES), K)
    assert found == fastpr.average_precision_at_k(LABELS, SCORES, K)
    assert (len(waiting), max(waiting)) == (14, 2)
