"""What numba-cuda, ptxas and nvdisasm make of kernels, none of which needs a GPU.

As a program, it compiles a part of the forms of kernels, so that processes can share the work:
``python cuda_compile.py part num_parts folder module ...`` writes a JSON file.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple


def skip_tests(reason) -> None:
    """Skip the tests that import this, or fail if FASTPR_REQUIRE asks for c, as a full run does."""
    import pytest

    if "c" in os.environ.get("FASTPR_REQUIRE", "").split(","):
        raise RuntimeError(f"{reason}, and FASTPR_REQUIRE asks for c")
    pytest.skip(reason, allow_module_level=True)


if find_spec("numba_cuda") is None:
    skip_tests("numba-cuda is not installed, whose compiled kernels are looked at")
if os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0"):
    skip_tests("in the simulator nothing is compiled")

CAPABILITIES = ((8, 0), (9, 0), (10, 0))


class Resources(NamedTuple):
    """What ptxas says of a kernel: registers of a thread, and bytes."""

    registers: int
    spills: int
    stack: int
    shared: int


class Compiled(NamedTuple):
    """A form of a kernel."""

    name: str
    resources: dict[str, Resources]  # for each compute capability, such as "9.0"
    sass: list[str]  # instructions for 9.0
    fusable: list[str]  # see `fusable`


class _NoDevice(NamedTuple):
    """What stands for a GPU while functions that kernels call are compiled."""

    compute_capability: tuple[int, int]


@contextmanager
def _without_a_gpu():
    """Let device functions be compiled, for which numba-cuda asks the GPU what it is.

    It compiles them to LLVM's language, which is the same for all.
    """
    from numba.cuda import dispatcher

    before = dispatcher.get_current_device
    dispatcher.get_current_device = lambda: _NoDevice(CAPABILITIES[0])
    try:
        yield
    finally:
        dispatcher.get_current_device = before


@lru_cache(maxsize=1)
def _library(py_func, signature):
    """Return what `cuda.compile` makes before it writes PTX; most of the time goes by here."""
    from numba.cuda import compiler

    with _without_a_gpu():
        library, _ = compiler._compile_pyfunc_with_fixup(
            py_func, signature, device=False, abi="numba", cc=CAPABILITIES[0]
        )
    return library


def ptx(py_func, signature, cc) -> str:
    """Return the PTX of a kernel for a compute capability, such as (9, 0)."""
    return _library(py_func, signature).get_asm_str(cc=tuple(cc))


def fusable(text) -> list[str]:
    """Return additions of products that ptxas may round once or twice, as it likes.

    It does so where the PTX does not say ``.rn``, and the emulator rounds twice.
    """
    products = set(re.findall(r"\bmul\.f(?:32|64)\s+(%\w+),", text))
    additions = re.findall(r"\b(?:add|sub)\.f(?:32|64)\s+%\w+, [^;]+", text)
    return [line for line in additions if products & set(re.findall(r"%\w+", line)[1:])]


# ---- NVIDIA's tools ----


def tool(name: str) -> str:
    """Return the path of a program of the packages nvidia-cuda-nvcc and nvidia-cuda-nvdisasm."""
    spec = find_spec("nvidia.cu13")
    for folder in spec.submodule_search_locations if spec else ():
        found = Path(folder) / "bin" / name
        if found.exists():
            return str(found)
    raise RuntimeError(
        f"there is no {name} in the packages of nvidia.cu13; install nvidia-cuda-nvcc and "
        "nvidia-cuda-nvdisasm"
    )


def _run(*command) -> str:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed:\n{run.stderr}{run.stdout}")
    return run.stdout + run.stderr


def _as_one_module(texts) -> str:
    """Return the kernels of modules as one: starting NVIDIA's tools takes longer than they need."""
    modules = []
    for index, text in enumerate(texts):
        # variables of Numba itself, which no kernel uses
        text = re.sub(r"^\.common \.global [^\n]*NumbaEnv[^\n]*\n", "", text, flags=re.M)
        text = text.replace("_cudapy_smem", f"_cudapy_{index}_smem")
        if index:
            text = re.sub(r"^\.(version|target|address_size)[^\n]*\n", "", text, flags=re.M)
        modules.append(text)
    return "\n".join(modules)


def entry_name(text) -> str:
    """Return the name of the kernel in a module."""
    return re.search(r"\.entry\s+([\w$]+)", text)[1]


def assemble(texts, cc, max_registers, with_sass) -> list[tuple[Resources, list[str]]]:
    """Return what ptxas says of kernels, and what nvdisasm shows of them.

    Parameters
    ----------
    texts : list of str
        Modules of PTX of one kernel each.
    cc : tuple of int
        Compute capability.
    max_registers : int or None
        As many as a thread may have.
    with_sass : bool
        Whether to return instructions: and labels, which end in a colon.
    """
    names = [entry_name(text) for text in texts]
    with tempfile.TemporaryDirectory() as folder:
        source, built = Path(folder) / "kernels.ptx", Path(folder) / "kernels.cubin"
        source.write_text(_as_one_module(texts))
        most = [f"-maxrregcount={max_registers}"] if max_registers else []
        arch = f"-arch=sm_{cc[0]}{cc[1]}"
        said = _run(tool("ptxas"), "-v", arch, *most, str(source), "-o", str(built))
        lines = _disassembled(built) if with_sass else {}
    parts = re.split(r"Compiling entry function '([\w$]+)'", said)
    about = dict(zip(parts[1::2], parts[2::2], strict=True))
    return [(_read_resources(about[name]), lines.get(name, [])) for name in names]


def _read_resources(said) -> Resources:
    def number(pattern):
        return sum(int(value) for value in re.findall(pattern, said))

    return Resources(
        int(re.search(r"Used (\d+) registers", said)[1]),
        number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads"),
        number(r"(\d+) bytes stack frame") + number(r"(\d+) bytes cumulative stack size"),
        number(r"(\d+) bytes smem"),
    )


def resources(text, cc, max_registers=None) -> Resources:
    """Return what ptxas says of a kernel."""
    return assemble([text], cc, max_registers, False)[0][0]


def sass(text, cc, max_registers=None) -> list[str]:
    """Return the instructions of a kernel, and labels, which end in a colon."""
    return assemble([text], cc, max_registers, True)[0][1]


def _disassembled(cubin) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    lines = []
    for line in _run(tool("nvdisasm"), "-ndf", str(cubin)).split("\n"):
        instruction = re.match(r"\s+/\*[0-9a-f]{4,}\*/\s+(.*?)\s*;", line)
        label = re.match(r"(\.L_x_\d+):", line)
        section = re.match(r"\.text\.([\w$]+):", line)
        if section:
            lines = found.setdefault(section[1], [])
        elif instruction:
            lines.append(instruction[1])
        elif label:
            lines.append(f"{label[1]}:")
    return found


def opcode(instruction: str) -> str:
    """Return the name of an instruction with its modifiers."""
    return re.sub(r"^@!?\w+\s+", "", instruction).split(" ")[0]


def loops(lines) -> list[list[str]]:
    """Return what is between each branch that goes back and where it goes to."""
    places = {line[:-1]: index for index, line in enumerate(lines) if line.endswith(":")}
    found = []
    for index, line in enumerate(lines):
        target = re.search(r"\bBRA\b.*`\((\.L_x_\d+)\)", line)
        if target and places[target[1]] < index:
            inside = lines[places[target[1]] : index + 1]
            # to itself is what is behind the end of a kernel
            body = [part for part in inside if not part.endswith(":")]
            if len(body) > 1:
                found.append(body)
    return found


# ---- all forms ----


def forms(modules):
    """Return (name, Python function, signature, most registers) of all forms of some modules."""
    return [form for name in modules for form in import_module(name).compiled_forms()]


def compile_part(all_forms) -> list[Compiled]:
    """Return what forms become; one that Numba cannot compile has its message as the SASS."""
    compiled, groups = [], {}
    for name, py_func, signature, max_registers in all_forms:
        compiled.append(Compiled(name, {}, [], []))
        try:
            texts = [ptx(py_func, signature, cc) for cc in CAPABILITIES]
        except Exception as error:  # any of Numba's; the test of the form shows it
            compiled[-1].sass.append(f"{type(error).__name__}: {error}")
        else:
            compiled[-1].fusable.extend(fusable(texts[0]))
            groups.setdefault(max_registers, []).append((compiled[-1], texts))
    for max_registers, members in groups.items():
        for index, cc in enumerate(CAPABILITIES):
            texts = [texts[index] for _, texts in members]
            built = assemble(texts, cc, max_registers, cc == (9, 0))
            for (form, _), (said, lines) in zip(members, built, strict=True):
                form.resources[f"{cc[0]}.{cc[1]}"] = said
                form.sass.extend(lines)
    return compiled


def compile_forms(modules, folder, num_processes=2) -> dict[str, Compiled]:
    """Return what all forms of some modules become, by name, with so many processes."""
    runs = [
        subprocess.Popen(
            [sys.executable, __file__, str(part), str(num_processes), str(folder), *modules]
        )
        for part in range(num_processes)
    ]
    codes = [run.wait() for run in runs]
    if any(codes):
        raise RuntimeError("compiling failed; its messages are above")
    found = [one for path in Path(folder).glob("*.json") for one in json.loads(path.read_text())]
    return {
        name: Compiled(name, {cc: Resources(*one) for cc, one in said.items()}, *rest)
        for name, said, *rest in found
    }


def _main(part, num_parts, folder, *modules) -> None:
    found = forms(modules)
    # neighbours share functions, which are compiled once
    start, stop = (len(found) * place // int(num_parts) for place in (int(part), int(part) + 1))
    compiled = compile_part(found[start:stop])
    (Path(folder) / f"{part}.json").write_text(json.dumps(compiled))


if __name__ == "__main__":
    _main(*sys.argv[1:])
