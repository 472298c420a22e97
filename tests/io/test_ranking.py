"""Files of scores of classes, and of the labels of rows: arrays, sparse matrices, lists."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sample_files import refused

from fastpr.io import LabelLists, read_array, read_class_labels, read_class_scores

sparse = pytest.importorskip("scipy.sparse")

SCORES = np.random.default_rng(5).random((7, 9), dtype=np.float32)
READERS = (read_array, read_class_scores, read_class_labels)
FORMATS = ("csr", "csc", "coo")


def matrix() -> object:
    """A matrix with empty rows, and a zero that is stored."""
    dense = np.where(SCORES > 0.6, SCORES, 0)
    dense[[0, 4]] = 0
    result = sparse.csr_array(dense)
    result.data[2] = 0
    return result


def members(path: Path, **changes: object) -> Path:
    """Save the parts of a sparse matrix, some of them changed, or left out where None."""
    whole = matrix()
    parts = {
        "format": b"csr", "shape": whole.shape, "data": whole.data,
        "indices": whole.indices, "indptr": whole.indptr, **changes,
    }  # fmt: skip
    np.savez(path, **{name: part for name, part in parts.items() if part is not None})
    return path


# ---- what is read


@pytest.mark.parametrize("read", READERS)
def test_a_npy_file_is_mapped_and_read_only(tmp_path: Path, read: Callable[..., object]) -> None:
    np.save(tmp_path / "a.npy", SCORES)
    found = read(tmp_path / "a.npy")
    assert isinstance(found.base, np.memmap)
    assert not found.flags.writeable
    np.testing.assert_array_equal(found, SCORES)


@pytest.mark.parametrize("read", READERS)
def test_an_array_of_a_npz_file_is_the_only_one_or_chosen_by_its_key(
    tmp_path: Path, read: Callable[..., object]
) -> None:
    np.savez(tmp_path / "a.npz", SCORES)
    np.savez_compressed(tmp_path / "c.npz", x=SCORES, indices=[1], indptr=[0, 1])
    (tmp_path / "c.npz").rename(tmp_path / "b.NPZ")  # NumPy would add a suffix
    np.testing.assert_array_equal(read(tmp_path / "a.npz"), SCORES)
    np.testing.assert_array_equal(read(tmp_path / "b.NPZ", "x"), SCORES)


@pytest.mark.parametrize("kind", ["array", "matrix"])
@pytest.mark.parametrize("name", FORMATS)
def test_a_sparse_matrix_gives_back_what_is_stored(tmp_path: Path, name: str, kind: str) -> None:
    saved = getattr(sparse, f"{name}_{kind}")(matrix())
    sparse.save_npz(tmp_path / "a.npz", saved)
    found = read_class_scores(tmp_path / "a.npz")
    assert found.format == "csr"
    assert found.dtype == np.float32
    expected = matrix()
    for part in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))


@pytest.mark.parametrize("name", FORMATS)
def test_labels_of_a_sparse_matrix_are_its_columns_that_are_not_zero(
    tmp_path: Path, name: str
) -> None:
    sparse.save_npz(tmp_path / "a.npz", matrix().asformat(name))
    found = read_class_labels(tmp_path / "a.npz")
    assert isinstance(found, LabelLists)
    assert found.num_classes == 9
    assert found.indptr.dtype == np.int64
    rows, columns = np.nonzero(matrix().toarray())
    np.testing.assert_array_equal(found.indices, columns)
    np.testing.assert_array_equal(found.indptr, np.searchsorted(rows, np.arange(8)))


def test_repeated_entries_of_labels_count_by_their_sum(tmp_path: Path) -> None:
    path = members(
        tmp_path / "a.npz", shape=(2, 9), indptr=[0, 3, 5], indices=[4, 2, 4, 7, 7],
        data=[1.0, 1.0, -1.0, 1.0, 1.0],
    )  # fmt: skip
    found = read_class_labels(path)
    assert (found.indptr.tolist(), found.indices.tolist()) == ([0, 1, 2], [2, 7])


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int64", "float64"])
def test_labels_of_a_sparse_matrix_may_be_of_any_dtype(tmp_path: Path, dtype: str) -> None:
    sparse.save_npz(tmp_path / "a.npz", sparse.csr_array(np.eye(3, dtype=dtype)))
    assert read_class_labels(tmp_path / "a.npz").indices.tolist() == [0, 1, 2]


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint64"])
def test_lists_of_labels_are_read_as_they_are(tmp_path: Path, dtype: str) -> None:
    np.savez(
        tmp_path / "a.npz",
        indptr=np.array([0, 2, 2, 3], dtype),
        indices=np.array([5, 100, 0], dtype),
    )
    found = read_class_labels(tmp_path / "a.npz")
    assert found.indptr.dtype == np.int64
    assert found.indptr.tolist() == [0, 2, 2, 3]
    assert found.indices.dtype == dtype
    assert found.indices.tolist() == [5, 100, 0]
    assert found.num_classes is None


# ---- what is refused


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_missing_file_and_a_folder_are_refused(
    tmp_path: Path, suffix: str, read: Callable[..., object]
) -> None:
    assert refused(tmp_path / f"a{suffix}", read) == "there is no such file"
    (tmp_path / f"a{suffix}").mkdir()
    assert refused(tmp_path / f"a{suffix}", read) == "is not a regular file"


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("name", ["a.png", "a.csv", "a"])
def test_other_kinds_of_files_are_refused(
    tmp_path: Path, name: str, read: Callable[..., object]
) -> None:
    (tmp_path / name).touch()
    assert "must be .npy or .npz" in refused(tmp_path / name, read)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_python_objects_are_never_loaded(
    tmp_path: Path, name: str, read: Callable[..., object]
) -> None:
    save = np.save if name == "a.npy" else np.savez
    save(tmp_path / name, np.array([{"a": 1}, None]))
    assert "Python objects" in refused(tmp_path / name, read)


@pytest.mark.parametrize("member", ["format", "shape", "data", "indices", "indptr"])
def test_python_objects_in_a_sparse_matrix_are_never_loaded(tmp_path: Path, member: str) -> None:
    path = members(tmp_path / "a.npz", **{member: np.array([{"a": 1}, None])})
    for read in (read_class_scores, read_class_labels):
        assert f"'{member}' holds Python objects" in refused(path, read)


@pytest.mark.parametrize("read", READERS)
def test_what_is_not_numbers_is_refused(tmp_path: Path, read: Callable[..., object]) -> None:
    np.save(tmp_path / "a.npy", np.array(["a"]))
    assert "not numbers" in refused(tmp_path / "a.npy", read)
    np.savez(tmp_path / "a.npz", np.zeros(2, complex))
    assert "not numbers" in refused(tmp_path / "a.npz", read)


def test_a_sparse_matrix_of_complex_numbers_is_refused(tmp_path: Path) -> None:
    sparse.save_npz(tmp_path / "a.npz", matrix().astype(complex))
    assert "not numbers" in refused(tmp_path / "a.npz", read_class_scores)


@pytest.mark.parametrize("read", READERS)
def test_several_arrays_are_refused_with_their_keys(
    tmp_path: Path, read: Callable[..., object]
) -> None:
    np.savez(tmp_path / "a.npz", x=SCORES, indices=[1])
    assert "2 arrays; choose one by its key: x, indices" in refused(tmp_path / "a.npz", read)
    assert "no array 'y'; its keys are: x, indices" in refused(tmp_path / "a.npz", read, "y")


def test_a_sparse_matrix_is_no_plain_array(tmp_path: Path) -> None:
    assert "5 arrays" in refused(members(tmp_path / "a.npz"), read_array)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"format": b"lil"}, "in the format 'lil'; save its .tocsr()"),
        ({"indptr": None}, "in the format 'csr', but no array 'indptr'"),
        ({"format": b"coo"}, "in the format 'coo', but no array 'col'"),
        ({"shape": (63,)}, "of shape (63,); save one of two axes"),
        ({"shape": (7, 3)}, "damaged"),
        ({"shape": (8, 9)}, "damaged"),
        ({"shape": ("a", "b")}, "damaged"),
        ({"shape": (-7, 9)}, "damaged"),
        ({"data": np.zeros(3)}, "damaged"),
        ({"data": np.zeros((3, 3))}, "damaged"),
        ({"indptr": [0, 0, 9, 3, 3, 4, 5, 6]}, "damaged"),
        ({"indptr": [1] * 8}, "damaged"),
        ({"indptr": np.zeros(8)}, "'indptr' has dtype float64 and shape (8,); save integers, 1-D"),
        ({"indices": np.full(matrix().nnz, 9)}, "damaged"),
        ({"indices": np.full(matrix().nnz, -1)}, "damaged"),
        ({"indices": [[1]]}, "shape (1, 1); save integers, 1-D"),
    ],
)
def test_a_sparse_matrix_that_hangs_together_badly_is_refused(
    tmp_path: Path, changes: dict[str, object], why: str
) -> None:
    path = members(tmp_path / "a.npz", **changes)
    for read in (read_class_scores, read_class_labels):
        assert why in refused(path, read)


@pytest.mark.parametrize("name", ["bsr", "dia"])
def test_sparse_formats_that_store_more_or_less_than_was_set_are_refused(
    tmp_path: Path, name: str
) -> None:
    sparse.save_npz(tmp_path / "a.npz", matrix().asformat(name))
    assert f"{name!r}; save its .tocsr()" in refused(tmp_path / "a.npz", read_class_scores)


@pytest.mark.parametrize(
    ("name", "bad"), [("indptr", [0.0, 1.0]), ("indices", [[1]]), ("indices", [True])]
)
def test_lists_that_are_not_integers_in_a_row_are_refused(
    tmp_path: Path, name: str, bad: list[object]
) -> None:
    np.savez(tmp_path / "a.npz", **{"indptr": [0, 1], "indices": [5], name: bad})
    assert f"{name!r} has dtype" in refused(tmp_path / "a.npz", read_class_labels)


@pytest.mark.parametrize("read", [read_class_scores, read_class_labels])
def test_a_sparse_file_cut_anywhere_is_refused(tmp_path: Path, read: Callable[..., object]) -> None:
    path = tmp_path / "a.npz"
    sparse.save_npz(path, matrix())
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        refused(path, read)


def test_a_missing_scipy_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = members(tmp_path / "a.npz")
    monkeypatch.setitem(sys.modules, "scipy", None)
    for read in (read_class_scores, read_class_labels):
        assert refused(path, read).endswith("needs SciPy: pip install scipy")


def test_arrays_and_lists_need_no_scipy(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", SCORES)
    np.savez(tmp_path / "a.npz", indptr=[0, 1], indices=[3])
    code = (
        "import sys; from pathlib import Path; from fastpr.io import *\n"
        "read_class_scores(Path(sys.argv[1])); read_class_labels(Path(sys.argv[2]))\n"
        "print([m for m in sys.modules if m.startswith('scipy')])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, tmp_path / "a.npy", tmp_path / "a.npz"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
