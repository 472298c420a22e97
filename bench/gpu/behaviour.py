"""Order, lifetime, threads, errors: what updates promise beside the right counts."""

from __future__ import annotations

import copy
import math
import pickle
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

import fastpr
from gpu import data as gpu_data
from gpu.data import assert_counts, make, table_of, whole_weights
from gpu.place import Place, Scale
from gpu.producers import producers_of
from gpu.results import Results

State = fastpr.PrecisionRecallAtEqualThresholds
BUSY_SECONDS = 0.05
AT_ONCE_SECONDS = 0.01


def run(place: Place, scale: Scale, results: Results, shard: tuple[int, int]) -> None:
    """Check every promise."""
    num = scale.num_samples(22)
    for check in (
        update_does_not_wait, weighted_update_does_not_wait, ranking_update_does_not_wait,
        memory_can_be_given_back, memory_can_be_given_back_to_another_stream, streams_of_their_own,
        one_state_from_two_streams, arrays_of_two_streams, two_threads_one_state,
        two_threads_two_states, same_bytes_each_time, tensors_that_require_grad,
        bad_updates_are_named_and_left_out, bad_ranks_are_named_and_left_out,
        host_and_device_updates_mix, copies_merges_and_pickles, rankings_are_those_of_the_host,
    ):  # fmt: skip
        name = check.__name__.replace("_", " ")
        results.check("behaviour", name, partial(check, place, num, results.notes))
    for name, check in producers_of(place, results.notes).items():
        results.check("behaviour", name, partial(check, place, num, results.notes))


Notes = dict[str, Any]


# ---- order ----


def _returns_at_once(place: Place, state: Any, update: Callable[[], Any], notes: Notes,
                     name: str, late: Any, values: Any) -> None:  # fmt: skip
    """Update with what a busy stream is still to write; the stream has to be busy afterwards."""
    update()  # compiled by now
    state.reset()
    place.synchronize()
    place.keep_busy(BUSY_SECONDS)
    late.copy_(values)
    start = time.perf_counter()
    update()
    seconds = time.perf_counter() - start
    is_idle = place.is_idle()
    notes[f"{name} behind {BUSY_SECONDS} s of work returned after"] = seconds
    if place.is_cuda:
        assert not is_idle, "the stream was done when update returned: it has waited"
        assert seconds < AT_ONCE_SECONDS, f"update returned after {seconds:.4f} s"


def update_does_not_wait(place: Place, num: int, notes: Notes) -> None:
    scores, labels = make("uniform", num, place)
    state, late = State(), torch.zeros_like(scores)
    _returns_at_once(
        place, state, lambda: state.update(labels, late), notes, "update", late, scores
    )
    assert_counts(state.compute(), table_of(scores, labels, 201))


def weighted_update_does_not_wait(place: Place, num: int, notes: Notes) -> None:
    scores, labels = make("uniform", num, place)
    weights = whole_weights(num, place)
    state, late = State(), torch.zeros_like(weights)
    _returns_at_once(
        place, state, lambda: state.update(labels, scores, late), notes, "weighted update", late,
        weights,
    )  # fmt: skip
    assert_counts(state.compute(), table_of(scores, labels, 201, weights))


def ranking_update_does_not_wait(place: Place, num: int, notes: Notes) -> None:
    labels, scores = gpu_data.rows(64, max(200, num // 64), 5, 2, place)
    state, late = fastpr.AveragePrecisionAtK(10), torch.zeros_like(scores)
    _returns_at_once(
        place, state, lambda: state.update(labels, late), notes, "ranking update", late, scores
    )
    expected = gpu_data.average_precisions(gpu_data.ranks_of(labels, scores), 10).mean()
    assert math.isclose(state.compute(), expected, rel_tol=1e-13), (state.compute(), expected)


# ---- lifetime ----


def memory_can_be_given_back(place: Place, num: int, notes: Notes) -> None:
    """Inputs are let go before they have been read, and their memory is written to."""
    scores, labels = make("uniform", num, place)
    weights = whole_weights(num, place)
    counted, weighed = State(), State()
    counted.update(labels, scores)
    weighed.update(labels, scores, weights)
    for _ in range(6):
        place.keep_busy(0.005)
        counted.update(labels.clone(), scores.clone())
        weighed.update(labels.clone(), scores.clone(), weights.clone())
        _ = [torch.full_like(scores, 0.25) for _ in range(4)]
        _ = [torch.ones_like(labels) for _ in range(4)]
    assert_counts(counted.compute(), 7 * table_of(scores, labels, 201))
    assert_counts(weighed.compute(), 7 * table_of(scores, labels, 201, weights))


def memory_can_be_given_back_to_another_stream(place: Place, num: int, notes: Notes) -> None:
    """What is read on one stream is let go, and written to on the stream it was made on."""
    scores, labels = make("uniform", num, place)
    state, reading = State(), place.stream()
    for _ in range(6):
        mine, theirs = scores.clone(), labels.clone()
        with place.on(reading):
            place.keep_busy(0.005)
            state.update(theirs, mine)
        del mine, theirs
        _ = [torch.full_like(scores, 0.25) for _ in range(4)]
        _ = [torch.ones_like(labels) for _ in range(4)]
    assert_counts(state.compute(), 6 * table_of(scores, labels, 201))


# ---- streams and threads ----


def streams_of_their_own(place: Place, num: int, notes: Notes) -> None:
    pairs = [make("uniform", num, place, seed=seed) for seed in (1, 2)]
    states, streams = [State(), State(1001)], [place.stream(), place.stream()]
    for _ in range(10):
        for state, stream, (scores, labels) in zip(states, streams, pairs, strict=True):
            with place.on(stream):
                state.update(labels, scores)
    for state, (scores, labels) in zip(states, pairs, strict=True):
        table = table_of(scores, labels, state.num_thresholds)
        assert_counts(state.compute(), 10 * table)


def one_state_from_two_streams(place: Place, num: int, notes: Notes) -> None:
    scores, labels = make("skewed 85/10/5", num, place)
    weights = whole_weights(num, place)
    counted, weighed, streams = State(), State(), [place.stream(), place.stream()]
    for i in range(20):
        with place.on(streams[i % 2]):
            counted.update(labels, scores)
            weighed.update(labels, scores, weights)
    assert_counts(counted.compute(), 20 * table_of(scores, labels, 201))
    assert_counts(weighed.compute(), 20 * table_of(scores, labels, 201, weights))


def arrays_of_two_streams(place: Place, num: int, notes: Notes) -> None:
    """Each update is made on its own stream right before it, behind other work there."""
    scores, labels = make("uniform", num, place)
    state, streams = State(), [place.stream() for _ in range(4)]
    place.synchronize()
    for i in range(12):
        with place.on(streams[i % 4]):
            place.keep_busy(0.003)
            late = torch.zeros_like(scores)
            late.copy_(scores)
            state.update(labels, late)
    assert_counts(state.compute(), 12 * table_of(scores, labels, 201))


def _in_threads(place: Place, functions: list[Callable[[], None]]) -> None:
    errors: list[BaseException] = []
    barrier = threading.Barrier(len(functions))

    def work(function: Callable[[], None]) -> None:
        try:
            barrier.wait()
            with place.on(place.stream()):
                for _ in range(20):
                    function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def two_threads_one_state(place: Place, num: int, notes: Notes) -> None:
    scores, labels = make("uniform", num, place)
    state = State()
    place.synchronize()
    _in_threads(place, [lambda: state.update(labels, scores)] * 2)
    assert_counts(state.compute(), 40 * table_of(scores, labels, 201))


def two_threads_two_states(place: Place, num: int, notes: Notes) -> None:
    scores, labels = make("uniform", num, place)
    weights = whole_weights(num, place)
    counted, weighed = State(), State(33)
    place.synchronize()
    _in_threads(place, [
        lambda: counted.update(labels, scores), lambda: weighed.update(labels, scores, weights),
    ])  # fmt: skip
    assert_counts(counted.compute(), 20 * table_of(scores, labels, 201))
    assert_counts(weighed.compute(), 20 * table_of(scores, labels, 33, weights))


def same_bytes_each_time(place: Place, num: int, notes: Notes) -> None:
    generator = place.generator(3)
    weights = torch.rand(num, device=place.device, generator=generator, dtype=torch.float64)
    for name in gpu_data.DISTRIBUTIONS:
        scores, labels = make(name, num, place)
        for arrays in ((labels, scores), (labels, scores, weights), (labels, scores, weights**9)):
            found = {State(1001).update(*arrays).to_bytes() for _ in range(5)}
            assert len(found) == 1, f"{name}: {len(found)} results of 5 runs differ"


def tensors_that_require_grad(place: Place, num: int, notes: Notes) -> None:
    scores, labels = make("uniform", num, place)
    table = table_of(scores, labels, 201)
    scores.requires_grad_()
    assert_counts(State().update(labels, scores).compute(), table)
    assert_counts(State().update(labels, scores.clone()).compute(), table)
    assert scores.grad is None
    ids, rows = gpu_data.rows(8, 500, 3, 2, place)
    ours = fastpr.label_ranks(ids, rows.clone().requires_grad_(), 10)
    assert np.array_equal(ours.ranks, fastpr.label_ranks(ids, rows, 10).ranks)


# ---- errors ----


def _refused(place: Place, state: Any, updates: list[tuple[Any, ...]], bad: list[int]) -> None:
    """Make updates; those that are bad have to be named, here at once or when it is read."""
    at_once = []
    for ordinal, arrays in enumerate(updates, 1):
        try:
            state.update(*arrays)
        except ValueError:
            at_once.append(ordinal)
    if not place.is_cuda:
        assert at_once == bad, f"{at_once} were refused, not {bad}"
        return
    assert not at_once, f"{at_once} were refused before the state was read"
    text = "no error"
    try:
        state.compute()
    except ValueError as error:
        text = str(error)
    named = ", ".join(map(str, bad[:-1])) + f" and {bad[-1]}"
    assert f"updates {named} hold bad data" in text, text


def bad_updates_are_named_and_left_out(place: Place, num: int, notes: Notes) -> None:
    scores, labels = make("uniform", num, place)
    whole = labels.to(torch.int32)
    weights = whole_weights(num, place)

    def spoilt(array: Any, index: int, value: float) -> Any:
        array = array.clone()
        array[index] = value
        return array

    updates: list[tuple[Any, ...]] = [
        (labels, scores),
        (labels, spoilt(scores, num // 2, math.nan)),
        (labels, scores),
        (labels, spoilt(scores, num - 1, 1.0000001)),
        (spoilt(whole, 17, 2), scores),
        (whole, scores),
        (labels, spoilt(scores, 0, -0.1)),
    ]
    state = State()
    _refused(place, state, updates, [2, 4, 5, 7])
    assert_counts(state.compute(), 3 * table_of(scores, labels, 201))
    state = State()
    updates = [
        (labels, scores, spoilt(weights, 3, -1)),
        (labels, scores, weights),
        (labels, scores, spoilt(weights, num - 1, math.inf)),
        (labels, spoilt(scores, 5, 2), weights),
    ]
    _refused(place, state, updates, [1, 3, 4])
    assert_counts(state.compute(), table_of(scores, labels, 201, weights))


def bad_ranks_are_named_and_left_out(place: Place, num: int, notes: Notes) -> None:
    labels, scores = gpu_data.rows(8, 500, 3, 2, place)
    weights = torch.ones(8, device=place.device)
    state = fastpr.AveragePrecisionAtK(10)
    updates = [(labels, scores, weights), (labels, scores, -weights), (labels, scores, 0 / weights),
               (labels, scores, weights / 0)]  # fmt: skip
    _refused(place, state, updates, [2, 4])
    assert state.compute() == fastpr.average_precision_at_k(labels.cpu(), scores.cpu(), 10)


# ---- states ----


def host_and_device_updates_mix(place: Place, num: int, notes: Notes) -> None:
    scores, labels = make("uniform", num, place)
    state = State()
    for _ in range(3):
        state.update(labels, scores).update(labels.cpu().numpy(), scores.cpu().numpy())
        state.update(labels.cpu(), scores.cpu()).update(labels, scores, 2)
    assert_counts(state.compute(), 15.0 * table_of(scores, labels, 201))


def copies_merges_and_pickles(place: Place, num: int, notes: Notes) -> None:
    scores, labels = make("uniform", num, place)
    table = table_of(scores, labels, 201)
    first, second = (State().update(labels, scores) for _ in "ab")
    total = first + second
    for state in (
        copy.copy(total), pickle.loads(pickle.dumps(total)), State.from_bytes(total.to_bytes())
    ):  # fmt: skip
        assert_counts(state.update(labels, scores).compute(), 3 * table)
    first += second
    assert first == total
    first.reset()
    assert_counts(first.update(labels, scores).compute(), table)


def rankings_are_those_of_the_host(place: Place, num: int, notes: Notes) -> None:
    labels, scores = gpu_data.rows(200, 3000, 12, 2, place)
    state, on_host = (fastpr.RankingMetrics(20, ties="expected") for _ in "ab")
    weights = torch.rand(200, device=place.device, generator=place.generator(5))
    for values in (scores, scores.round(), scores.bfloat16()):
        state.update(labels, values, weights)
        on_host.update(labels.cpu(), values.cpu(), weights.cpu())
    assert state == on_host
