"""The command ``fastpr evaluate``: right numbers from good files, one clear line for bad ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("click")
pytest.importorskip("rich")
pytest.importorskip("PIL")
tifffile = pytest.importorskip("tifffile")

from click.testing import CliRunner, Result  # noqa: E402
from PIL import Image  # noqa: E402

import fastpr  # noqa: E402
from fastpr.cli import commands  # noqa: E402
from fastpr.cli.report import operating_points  # noqa: E402
from fastpr.dispatch import choose_backend  # noqa: E402

RNG = np.random.default_rng()
SHAPE = (13, 17)
OLD = b"an older file"


def run(*arguments: object, status: int = 0) -> Result:
    """Run the command in this process; an exception that would be a traceback fails."""
    result = CliRunner().invoke(commands.fastpr, [str(a) for a in arguments], prog_name="fastpr")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result


def run_process(*arguments: object, status: int = 0, code: str = "") -> tuple[str, str]:
    """Run the command as users do; `code` runs first."""
    start = (
        ["-c", f"{code}\nimport fastpr.cli; fastpr.cli.main()"] if code else ["-m", "fastpr.cli"]
    )
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", *start, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def results(*arguments: object, folder: Path) -> dict[str, Any]:
    """The JSON of an evaluation."""

    def refuse(token: str) -> None:
        raise AssertionError(f"not strict JSON: {token}")

    run("evaluate", *arguments, "--json", folder / "out.json")
    return json.loads((folder / "out.json").read_text(), parse_constant=refuse)


def brute_force(
    pairs: list[tuple[np.ndarray, np.ndarray]], num_thresholds: int = 201
) -> dict[str, list[int]]:
    """Counts by the definition: of scores and bool labels, threshold by threshold."""
    counts: dict[str, list[int]] = {"tp": [], "fp": [], "tn": [], "fn": []}
    last = num_thresholds - 1
    for i in range(num_thresholds):
        tp = fp = tn = fn = 0
        for scores, labels in pairs:
            if scores.dtype.kind == "u":
                above = scores.astype(object) * last >= i * np.iinfo(scores.dtype).max
                above = above.astype(bool)
            else:
                above = scores >= scores.dtype.type(i / last)
            tp += int((above & labels).sum())
            fp += int((above & ~labels).sum())
            tn += int((~above & ~labels).sum())
            fn += int((~above & labels).sum())
        for name, value in zip(("tp", "fp", "tn", "fn"), (tp, fp, tn, fn), strict=True):
            counts[name].append(value)
    return counts


def random_scores(dtype: str) -> np.ndarray:
    if dtype.startswith("u"):
        return RNG.integers(0, np.iinfo(dtype).max, SHAPE, dtype=dtype, endpoint=True)
    scores = RNG.random(SHAPE).astype(dtype)
    scores.ravel()[:4] = (0, 1, 0.7, 0.355)  # on the thresholds themselves
    return scores


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        np.savez(path, array)
    elif path.suffix == ".png":
        Image.fromarray(array).save(path)
    else:
        tifffile.imwrite(path, array)
    return path


@pytest.fixture(autouse=True)
def _same_random_numbers_in_any_order_of_tests() -> None:
    RNG.bit_generator.state = np.random.default_rng(11).bit_generator.state


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A good pair of files."""
    scores = save(tmp_path / "scores.npy", random_scores("f4"))
    return scores, save(tmp_path / "labels.png", RNG.integers(0, 2, SHAPE, dtype=np.uint8))


# ---- right numbers

KINDS = [
    (".npy", "f2", ".npy", "i8"),
    (".npy", "f4", ".png", "u1"),
    (".npy", "f8", ".npy", "bool"),
    (".npz", "f4", ".npz", "u2"),
    (".png", "u1", ".png", "bool"),
    (".png", "u2", ".tif", "u1"),
    (".tif", "f4", ".png", "u2"),
    (".tif", "u2", ".npy", "i1"),
]


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_counts_of_two_files_are_those_of_the_definition(
    tmp_path: Path, kind: tuple[str, str, str, str]
) -> None:
    suffix, dtype, labels_suffix, labels_dtype = kind
    scores = random_scores(dtype)
    labels = RNG.random(SHAPE) > 0.6
    found = results(
        save(tmp_path / f"p{suffix}", scores),
        save(tmp_path / f"q{labels_suffix}", labels.astype(labels_dtype)),
        folder=tmp_path,
    )
    expected = brute_force([(scores, labels)])
    assert {name: found[name] for name in expected} == expected


def test_counts_of_two_folders_add_up(tmp_path: Path) -> None:
    pairs = []
    for i, (suffix, dtype, labels_suffix, labels_dtype) in enumerate(KINDS):
        scores, labels = random_scores(dtype)[: i + 1], (RNG.random(SHAPE) > 0.4)[: i + 1]
        save(tmp_path / "p" / f"{i}{suffix}", scores)
        save(tmp_path / "q" / f"{i}{labels_suffix}", labels.astype(labels_dtype))
        pairs.append((scores, labels))
    found = results(tmp_path / "p", tmp_path / "q", "--thresholds", 11, folder=tmp_path)
    expected = brute_force(pairs, 11)
    assert {name: found[name] for name in expected} == expected
    assert found["totals"]["files"] == len(KINDS)


def test_json_holds_everything_and_hangs_together(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    found = results(*pair, folder=tmp_path)
    assert list(found) == [
        "version", "options", "totals", "best_f1", "thresholds", "tp", "fp", "tn", "fn",
        "precision", "recall", "f1", "iou",
    ]  # fmt: skip
    assert found["version"] == fastpr.__version__
    assert found["thresholds"] == [i / 200 for i in range(201)]
    tp, fp, fn = (np.array(found[name]) for name in ("tp", "fp", "fn"))
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(found["precision"], np.nan_to_num(tp / (tp + fp)))
    np.testing.assert_array_equal(found["recall"], tp / (tp + fn))
    np.testing.assert_allclose(found["f1"], 2 * tp / (2 * tp + fp + fn), rtol=1e-15)
    np.testing.assert_allclose(found["iou"], tp / (tp + fp + fn), rtol=1e-15)
    labels = np.asarray(Image.open(pair[1]))
    assert found["totals"] == {
        "files": 1,
        "samples": labels.size,
        "positives": int(labels.sum()),
        "negatives": int((1 - labels).sum()),
        "ignored": 0,
        "skipped_files": 0,
        "skipped_folders": 0,
    }
    assert found["options"]["thresholds"] == 201
    assert found["options"]["predictions"] == str(pair[0])
    best = found["best_f1"]
    assert best["f1"] == max(found["f1"]) == found["f1"][best["index"]]
    assert best["threshold"] == found["thresholds"][best["index"]]


def test_the_best_f1_on_a_plateau_is_at_the_lowest_threshold(tmp_path: Path) -> None:
    scores = save(tmp_path / "p.npy", np.array([0.2, 0.21, 0.8, 0.81]))
    labels = save(tmp_path / "q.npy", np.array([0, 0, 1, 1]))
    best = results(scores, labels, "--thresholds", 11, folder=tmp_path)["best_f1"]
    assert (best["threshold"], best["f1"]) == (0.3, 1.0)


def test_nothing_positive_gives_strict_json_and_a_note(tmp_path: Path) -> None:
    scores = save(tmp_path / "p.npy", np.array([0.2, 0.8]))
    labels = save(tmp_path / "q.npy", np.array([0, 0]))
    assert results(scores, labels, folder=tmp_path)["totals"]["positives"] == 0
    assert "no sample is positive" in run("evaluate", scores, labels).output


@pytest.mark.parametrize("positive", ["nonzero", "3", "-1", "0", "300", str(10**30)])
@pytest.mark.parametrize("dtype", ["u1", "i2"])
def test_positive_chooses_the_label(tmp_path: Path, positive: str, dtype: str) -> None:
    scores = random_scores("f4")
    labels = RNG.integers(-1 if dtype == "i2" else 0, 5, SHAPE).astype(dtype)
    found = results(
        save(tmp_path / "p.npy", scores), save(tmp_path / "q.npy", labels),
        "--positive", positive, folder=tmp_path,
    )  # fmt: skip
    chosen = labels != 0 if positive == "nonzero" else labels.astype(object) == int(positive)
    expected = brute_force([(scores, np.asarray(chosen, bool))])
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize("positive", [None, "nonzero", "1"])
def test_ignored_labels_count_nowhere_and_counts_stay_integers(
    tmp_path: Path, positive: str | None
) -> None:
    scores = random_scores("f4")
    labels = RNG.choice(np.array([0, 1, 255], np.uint8), SHAPE)
    options = [] if positive is None else ["--positive", positive]
    found = results(
        save(tmp_path / "p.npy", scores), save(tmp_path / "q.png", labels),
        "--ignore", 255, *options, folder=tmp_path,
    )  # fmt: skip
    kept = labels != 255
    expected = brute_force([(scores[kept], labels[kept] == 1)])
    assert {name: found[name] for name in expected} == expected
    assert all(type(value) is int for name in expected for value in found[name])
    totals = found["totals"]
    assert totals["ignored"] == int((~kept).sum())
    assert totals["positives"] + totals["negatives"] + totals["ignored"] == labels.size


def test_a_negative_label_can_be_ignored(tmp_path: Path) -> None:
    scores = save(tmp_path / "p.npy", np.array([0.2, 0.8, 0.9]))
    labels = save(tmp_path / "q.npy", np.array([0, 1, -1]))
    assert results(scores, labels, "--ignore", -1, folder=tmp_path)["totals"]["ignored"] == 1


def test_keys_name_arrays_of_both_files_or_of_each(tmp_path: Path) -> None:
    scores, labels = random_scores("f4"), RNG.random(SHAPE) > 0.5
    np.savez(tmp_path / "both.npz", scores=scores, mask=labels)
    np.savez(tmp_path / "other.npz", scores=labels, mask=scores)
    both, other = tmp_path / "both.npz", tmp_path / "other.npz"
    expected = brute_force([(scores, labels)])["tp"]
    options = ["--key", "scores", "--labels-key", "mask"]
    assert results(both, both, *options, folder=tmp_path)["tp"] == expected
    assert results(both, other, "--key", "scores", folder=tmp_path)["tp"] == expected


def test_the_state_file_loads_as_a_state_that_was_fed_directly(tmp_path: Path) -> None:
    direct = fastpr.PrecisionRecallAtEqualThresholds(51)
    for i in range(3):
        scores, labels = random_scores("f4"), RNG.random(SHAPE) > 0.5
        save(tmp_path / "p" / f"{i}.npy", scores)
        save(tmp_path / "q" / f"{i}.png", labels)
        direct.update(labels, scores)
    (tmp_path / "s.fastpr").write_bytes(OLD)
    run("evaluate", tmp_path / "p", tmp_path / "q", "--thresholds", 51, "--state",
        tmp_path / "s.fastpr")  # fmt: skip
    assert fastpr.PrecisionRecallAtEqualThresholds.load(tmp_path / "s.fastpr") == direct
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "q", "s.fastpr"]


@pytest.mark.parametrize("backend", fastpr.available_backends())
def test_a_named_backend_gives_the_same_counts(
    tmp_path: Path, pair: tuple[Path, Path], backend: str
) -> None:
    named = results(*pair, "--backend", backend, folder=tmp_path)
    chosen = results(*pair, folder=tmp_path)
    assert named["options"]["backend"] == backend
    assert chosen["options"]["backend"] == choose_backend()[0]
    assert named["tp"] == chosen["tp"]


# ---- what is printed


def test_the_table_reads_well_when_piped(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    save(tmp_path / "p" / "a.npy", np.load(pair[0]))
    save(tmp_path / "q" / "a.png", np.asarray(Image.open(pair[1])))
    (tmp_path / "q" / "notes.txt").touch()
    (tmp_path / "q" / "sub").mkdir()
    out, err = run_process("evaluate", tmp_path / "p", tmp_path / "q")
    lines = [line.split() for line in out.splitlines()]
    assert ["threshold", "precision", "recall", "F1", "IoU"] in lines
    rows = [line for line in lines if len(line) >= 5 and line[0][0] in "01"]
    assert {float(row[0]) for row in rows} >= {i / 10 for i in range(11)}
    assert len(rows) <= 12
    assert sum(row[5:] == ["best", "F1"] for row in rows) == 1
    assert "files:   1 pair, 1 file skipped" in out
    assert "221 (" in out
    assert "\x1b" not in out + err
    assert "…" not in out
    assert err == "note: 1 sub-folder not entered\n"


@pytest.mark.parametrize("variables", [{"COLUMNS": "20"}, {"PYTHONIOENCODING": "ascii"}])
def test_the_table_survives_odd_surroundings(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    out, _ = run_process("evaluate", *pair)
    heading = next(line for line in out.splitlines() if "threshold" in line)
    assert heading.replace("|", " ").split() == ["threshold", "precision", "recall", "F1", "IoU"]


@pytest.mark.parametrize("num_thresholds", [2, 3, 10, 11, 12, 201, 65537])
def test_operating_points_are_few_even_and_hold_both_ends(num_thresholds: int) -> None:
    points = operating_points(num_thresholds)
    assert len(points) == min(11, num_thresholds)
    assert (points[0], points[-1]) == (0, num_thresholds - 1)
    steps = np.diff(points)
    assert steps.min() >= 1
    assert steps.max() - steps.min() <= 1


def test_version_help_and_doctor_answer() -> None:
    assert fastpr.__version__ in run("--version").output
    assert "--positive" in run("evaluate", "--help").output
    assert "reference" in run_process("doctor")[0]


# ---- bad input


def untouched(tmp_path: Path, *arguments: object, status: int = 1) -> str:
    """Run what must fail; its files must stay as they were, byte for byte."""
    state, document = tmp_path / "old.state", tmp_path / "old.json"
    state.write_bytes(OLD)
    document.write_bytes(OLD)
    before = sorted(tmp_path.rglob("*"))
    output = run("evaluate", *arguments, "--state", state, "--json", document, status=status).output
    assert state.read_bytes() == document.read_bytes() == OLD
    assert sorted(tmp_path.rglob("*")) == before
    return " ".join(output.split())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1, 1.5])
def test_a_score_out_of_range_names_the_file_even_where_it_is_ignored(
    tmp_path: Path, bad: float
) -> None:
    for i in range(3):
        scores = random_scores("f4")
        if i == 1:
            scores[2, 3] = bad
        save(tmp_path / "p" / f"{i}.npy", scores)
        save(tmp_path / "q" / f"{i}.npy", np.full(SHAPE, 255, np.uint8))
    output = untouched(tmp_path, tmp_path / "p", tmp_path / "q", "--ignore", 255)
    assert f"{tmp_path / 'p' / '1.npy'}: " in output


@pytest.mark.parametrize("options", [[], ["--ignore", "7"]])
def test_labels_beyond_0_and_1_name_the_file_and_the_options(
    tmp_path: Path, options: list[str]
) -> None:
    scores = save(tmp_path / "p.npy", random_scores("f4"))
    values = np.zeros(SHAPE, np.uint16)
    values[0, 5], values[3, 4] = 7, 255
    output = untouched(tmp_path, scores, save(tmp_path / "q.png", values), *options)
    assert str(tmp_path / "q.png") in output
    assert ("255 at index (3, 4)" if options else "7 at index (0, 5)") in output
    for hint in ("--positive nonzero", "--positive VALUE", "--ignore"):
        assert hint in output


def test_float_labels_name_the_file(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    labels = save(tmp_path / "q.npy", np.zeros(SHAPE))
    output = untouched(tmp_path, pair[0], labels, "--positive", "nonzero")
    assert f"{labels}: labels are float64; save them as integers" in output


@pytest.mark.parametrize("scores", [np.zeros(SHAPE, "i4"), np.zeros(SHAPE, bool)])
def test_scores_of_another_dtype_name_the_file(
    tmp_path: Path, pair: tuple[Path, Path], scores: np.ndarray
) -> None:
    path = save(tmp_path / "p.npy", scores)
    assert f"{path}: " in untouched(tmp_path, path, pair[1])


def test_different_shapes_name_both_files(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    labels = save(tmp_path / "q.npy", np.zeros(SHAPE[::-1], np.uint8))
    output = untouched(tmp_path, pair[0], labels, "--ignore", 9)
    assert f"{pair[0]} has shape (13, 17), but {labels} has (17, 13)" in output


def test_a_truncated_file_in_a_folder_is_named(tmp_path: Path) -> None:
    for i in range(2):
        save(tmp_path / "p" / f"{i}.png", random_scores("u2"))
        path = save(tmp_path / "q" / f"{i}.png", np.zeros(SHAPE, np.uint8))
    path.write_bytes(path.read_bytes()[:-20])
    assert f"{path}: cannot be read" in untouched(tmp_path, tmp_path / "p", tmp_path / "q")


def test_a_missing_partner_is_an_error_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.npy").touch()
    save(tmp_path / "q" / "b.npy", np.zeros(3))
    output = untouched(tmp_path, tmp_path / "p", tmp_path / "q")
    assert f"{tmp_path / 'p' / 'a.npy'} has no partner in {tmp_path / 'q'}" in output


def test_a_missing_file_is_an_error(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    output = untouched(tmp_path, pair[0], tmp_path / "no.png")
    assert f"{tmp_path / 'no.png'}: there is no such file" in output


def test_several_arrays_without_a_key_list_the_keys(
    tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    np.savez(tmp_path / "q.npz", mask=np.zeros(SHAPE, bool), other=np.zeros(SHAPE, bool))
    output = untouched(tmp_path, pair[0], tmp_path / "q.npz")
    assert "mask, other" in output


def test_a_backend_that_is_not_there_says_so(
    tmp_path: Path, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose(name: str) -> None:
        raise fastpr.BackendUnavailable(f"backend {name!r} is not available: no compiler")

    monkeypatch.setattr(commands, "choose_backend", choose)
    assert "'c' is not available: no compiler" in untouched(tmp_path, *pair, "--backend", "c")


def test_a_wrong_environment_variable_is_named(
    tmp_path: Path, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTPR_BACKEND", "fastest")
    assert "FASTPR_BACKEND" in untouched(tmp_path, *pair, status=2)


def test_files_stay_when_writing_fails_and_the_table_is_shown(
    tmp_path: Path, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr("fastpr.io.staging.os.replace", full)
    output = untouched(tmp_path, *pair)
    assert "best F1:" in output
    assert "No space left on device" in output


# ---- wrong usage


def test_wrong_usage_exits_with_2_and_writes_nothing(
    tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    for options, message in [
        (["--positive", "x"], "'x' is neither an integer nor 'nonzero'"),
        (["--positive", "255", "--ignore", "255"], "cannot be both positive and ignored"),
        (["--ignore", "1"], "cannot be both positive and ignored"),
        (["--ignore", "x"], "not a valid integer"),
        (["--thresholds", "1"], "--thresholds"),
        (["--thresholds", "65538"], "--thresholds"),
        (["--backend", "fastest"], "--backend"),
        (["--key", "a"], "there is none"),
        (["--labels-key", "a"], "there is none"),
        (["extra"], "unexpected extra argument"),
    ]:
        assert message in untouched(tmp_path, *pair, *options, status=2)
    run("evaluate", pair[0], status=2)


@pytest.mark.parametrize("option", ["--json", "--state"])
def test_outputs_that_cannot_be_written_are_refused_before_the_work(
    tmp_path: Path, pair: tuple[Path, Path], option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "evaluate", None)  # it must not come this far
    before = [path.read_bytes() for path in pair]
    for path in (tmp_path / "no" / "out", tmp_path, *pair):
        output = run("evaluate", *pair, option, path, status=2).output
        assert str(path) in "".join(output.split("\n"))
        assert option in output
    assert [path.read_bytes() for path in pair] == before


def test_one_file_for_both_outputs_is_refused(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    out = tmp_path / "out"
    run("evaluate", *pair, "--json", out, "--state", tmp_path / "." / "out", status=2)
    assert not out.exists()


# ---- as a process


def test_a_process_exits_with_0_and_prints_the_table(pair: tuple[Path, Path]) -> None:
    out, err = run_process("evaluate", *pair)
    assert "best F1:" in out
    assert err == ""


def test_a_process_reports_bad_data_on_stderr_with_status_1(
    tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    pair[0].write_bytes(pair[0].read_bytes()[:200])
    (tmp_path / "s").write_bytes(OLD)
    out, err = run_process("evaluate", *pair, "--state", tmp_path / "s", status=1)
    assert out == ""
    assert err.startswith(f"Error: {pair[0]}: ")
    assert err.count("\n") == 1
    assert (tmp_path / "s").read_bytes() == OLD


def test_a_process_reports_wrong_usage_with_status_2(pair: tuple[Path, Path]) -> None:
    out, err = run_process("evaluate", *pair, "--positive", "x", status=2)
    assert out == ""
    assert "neither an integer" in err


def test_names_with_markup_and_odd_bytes_are_shown_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "[red]"
    folder.mkdir()
    name = os.fsdecode(b"caf\xe9.npy")
    try:
        np.save(folder / name, np.array([0.5, 2.0]))
    except OSError:
        pytest.skip("this file system refuses names that are not UTF-8")
    np.save(folder / "q.npy", np.array([0, 1]))
    _, err = run_process("evaluate", folder / name, folder / "q.npy", status=1)
    assert "[red]" in err
    np.save(folder / name, np.array([0.5, 1.0]))
    run_process("evaluate", folder / name, folder / "q.npy", "--json", folder / "out.json")
    assert json.loads((folder / "out.json").read_text())["tp"][0] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")
def test_ctrl_c_exits_with_130_and_writes_nothing(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    code = (
        "import fastpr.cli.evaluate as e, os, signal, time\n"
        # a shell starts what runs in its background with this signal ignored
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"e.read_labels = lambda *_: (os.kill(os.getpid(), {int(signal.SIGINT)}), time.sleep(9))"
    )
    (tmp_path / "s").write_bytes(OLD)
    out, err = run_process("evaluate", *pair, "--state", tmp_path / "s", status=130, code=code)
    assert (out, err) == ("", "interrupted\n")
    assert (tmp_path / "s").read_bytes() == OLD


@pytest.mark.parametrize("command", ["evaluate", "demo", "doctor"])
def test_a_reader_that_leaves_causes_no_noise(
    tmp_path: Path, pair: tuple[Path, Path], command: str
) -> None:
    arguments = [*pair, "--json", tmp_path / "out.json"] if command == "evaluate" else []
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-I", "-m", "fastpr.cli", command, *arguments],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(write)
    assert done.returncode == 1
    assert done.stderr == ""
    assert (tmp_path / "out.json").exists() == (command == "evaluate")


@pytest.mark.parametrize("module", ["click", "rich", "PIL", "tifffile"])
def test_a_missing_library_says_what_to_install(module: str) -> None:
    code = f"import sys; sys.modules[{module!r}] = None"
    out, err = run_process("demo", status=1, code=code)
    assert out == ""
    assert 'pip install "fastpr[cli]"' in err


def test_importing_fastpr_loads_nothing_of_the_command_line() -> None:
    code = (
        "import sys, fastpr\n"
        "print([m for m in ('click', 'rich', 'PIL', 'tifffile', 'fastpr.cli', 'fastpr.io')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
