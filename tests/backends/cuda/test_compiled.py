"""Every form of every kernel, compiled for the GPUs of today; none is needed for that.

All are compiled to PTX and assembled for three compute capabilities; the instructions are
looked at for one of them.
"""

import cuda_compile
import pytest
from cuda_compile import CAPABILITIES, opcode
from numba import types

MODULES = (
    "fastpr.backends.cuda.histogram.forms",
    "fastpr.backends.cuda.ranks.kernels",
    "fastpr.backends.cuda.ranks.values",
)
FORMS = {form[0]: form for form in cuda_compile.forms(MODULES)}
# Of all registers of a multiprocessor, what is left for each thread of a block of 512.
MOST_REGISTERS = 65_536 // 512


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    return cuda_compile.compile_forms(MODULES, tmp_path_factory.mktemp("forms"))


def opcodes(lines):
    return {opcode(line) for line in lines}


def test_forms_have_distinct_names():
    assert len(FORMS) == len(cuda_compile.forms(MODULES))


@pytest.mark.parametrize("name", FORMS)
def test_a_form_compiles_and_stays_in_registers(compiled, name):
    form = compiled[name]
    assert len(form.resources) == len(CAPABILITIES), form.sass
    for cc, found in form.resources.items():
        assert (cc, found.spills, found.stack) == (cc, 0, 0)
        assert found.registers <= (FORMS[name][3] or MOST_REGISTERS), cc
    assert not {name.split(".")[0] for name in opcodes(form.sass)} & {"LDL", "STL"}


@pytest.mark.parametrize("name", [name for name in FORMS if "wide" in name])
def test_a_wide_form_reads_16_bytes_at_once_in_a_loop_without_calls(compiled, name):
    loops = map(opcodes, cuda_compile.loops(compiled[name].sass))
    hot = [loop for loop in loops if any(name.startswith("LDG.E.128") for name in loop)]
    assert hot
    # a division of 64 bits would be one
    assert not any(name.startswith("CALL") for loop in hot for name in loop)


@pytest.mark.parametrize("name", [name for name in FORMS if "unweighted" in name])
def test_unweighted_samples_are_counted_by_one_instruction_of_shared_memory(compiled, name):
    assert "ATOMS.POPC.INC.32" in opcodes(compiled[name].sass)


@pytest.mark.parametrize("name", FORMS)
def test_how_often_a_form_rounds_is_not_left_to_ptxas(compiled, name):
    assert compiled[name].fusable == []


# ---- the checks themselves ----


def _adds_up(values, out):
    for turn in range(out.size):
        out[turn] += values[turn]
    out[1] = values[0] // out[2]


INTEGERS = types.Array(types.int64, 1, "C")


PTXAS = """
ptxas info    : Function properties for kernel
    32 bytes stack frame, 24 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 64 registers, used 1 barriers, 16 bytes smem
"""


def test_what_ptxas_says_is_understood():
    assert cuda_compile._read_resources(PTXAS) == (64, 36, 32, 16)
    text = cuda_compile.ptx(_adds_up, types.void(INTEGERS, INTEGERS), (9, 0))
    found = cuda_compile.resources(text, (9, 0))
    assert 8 <= found.registers <= 64
    assert found[1:] == (0, 0, 0)


def test_loops_and_calls_are_found():
    text = cuda_compile.ptx(_adds_up, types.void(INTEGERS, INTEGERS), (9, 0))
    lines = cuda_compile.sass(text, (9, 0))
    assert {"CALL", "RET", "EXIT"} <= {name.split(".")[0] for name in opcodes(lines)}
    loops = cuda_compile.loops(lines)
    assert any({"LDG", "STG"} <= {name.split(".")[0] for name in opcodes(loop)} for loop in loops)
    assert all("BRA" in opcode(loop[-1]) for loop in loops)


def test_products_that_may_be_fused_are_found():
    product = "mul.f64 %fd3, %fd1, %fd2;\n"
    assert cuda_compile.fusable(product + "add.f64 %fd4, %fd3, %fd1;\n")
    assert cuda_compile.fusable(product + "sub.f64 %fd4, %fd1, %fd3;\n")
    assert not cuda_compile.fusable(product + "add.rn.f64 %fd4, %fd3, %fd1;\n")
    assert not cuda_compile.fusable(product + "add.f64 %fd4, %fd5, %fd1;\n")


def test_what_numba_cannot_compile_is_said():
    def unknown(out):
        out[0] = out.no_such_thing

    forms = [("it", unknown, types.void(INTEGERS), None)]
    compiled = cuda_compile.compile_part(forms)
    assert compiled[0].resources == {}
    assert "no_such_thing" in compiled[0].sass[0]
