"""PTX as C: each virtual register becomes a local variable, each instruction a few words of C.

Registers hold bits, as unsigned integers of their size, and an instruction says what they
mean. Addresses of shared memory begin at FIRST_SHARED of runtime.h; generic ones, and those
of global and local memory, are addresses of the host. An instruction, a modifier or a directive
that is not known is an error: nothing is passed over. The manual is
https://docs.nvidia.com/cuda/parallel-thread-execution/.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ptx import memory as ptx_memory  # noqa: F401 - has more of the instructions
from ptx.instructions import INSTRUCTIONS, Instruction, UnknownPTX, label

SIZES = {"b8": 1, "u8": 1, "s8": 1, "b16": 2, "u16": 2, "s16": 2, "f16": 2, "b32": 4, "u32": 4,
         "s32": 4, "f32": 4, "b64": 8, "u64": 8, "s64": 8, "f64": 8}  # fmt: skip
FIRST_SHARED = 1024  # as in runtime.h
_IGNORED = (".version", ".target", ".address_size", ".file", ".loc", ".pragma")
_IGNORED_BOUNDS = (".maxntid", ".minnctapersm", ".maxnreg", ".reqntid")

_SPECIAL = {f"%{name}.{axis}": f"{value}[{index}]"
            for name, value in (("tid", "me->tid"), ("ntid", "launch->block"),
                                ("ctaid", "block_index"), ("nctaid", "launch->grid"))
            for index, axis in enumerate("xyz")}  # fmt: skip
_SPECIAL |= {
    "%laneid": "(me->number % WARP)",
    "%dynamic_smem_size": "((uint32_t)launch->dynamic_shared)",
    "%total_smem_size": "((uint32_t)shared_size)",
    "WARP_SZ": "((uint32_t)WARP)",
}


@dataclass
class Source:
    """The C text of a kernel, and what has to be known to run it."""

    text: str
    parameters: list[str]  # their types
    static_shared: int
    num_instructions: int


@dataclass
class Kernel:
    """What is known of a kernel while its PTX is read."""

    registers: dict[str, str] = field(default_factory=dict)  # name in PTX: type
    scopes: list[dict[str, str]] = field(default_factory=list)
    symbols: dict[str, str] = field(default_factory=dict)  # name: its address, in C
    parameters: dict[str, tuple[int, str]] = field(default_factory=dict)
    targets: dict[str, list[str]] = field(default_factory=dict)  # tables of labels
    static_shared: int = 0
    extern_shared: list[str] = field(default_factory=list)
    extern_align: int = 1
    local_size: int = 0
    num_hints: int = 0
    line: int = 0

    # ---- operands ----

    def register(self, name: str) -> tuple[str, str] | None:
        """Return the C name and the type of a register."""
        for scope in reversed(self.scopes):
            if name in scope:
                name = scope[name]
                break
        if name in self.registers:
            return "v" + re.sub(r"\W", "_", name), self.registers[name]
        return None

    def bits(self, operand: str) -> str:
        """Return what an operand holds, as an unsigned integer in C."""
        if found := self.register(operand):
            return found[0]
        if operand in _SPECIAL:
            return _SPECIAL[operand]
        if operand in self.symbols:
            return self.symbols[operand]
        if re.fullmatch(r"0[fF][0-9a-fA-F]{8}", operand):
            return f"0x{operand[2:]}u"
        if re.fullmatch(r"0[dD][0-9a-fA-F]{16}", operand):
            return f"0x{operand[2:]}ull"
        if re.fullmatch(r"-?(0[xX][0-9a-fA-F]+|\d+)U?", operand):
            return f"0x{int(operand.rstrip('U'), 0) & (2**64 - 1):x}ull"
        raise UnknownPTX(f"operand {operand}")

    def address(self, operand: str) -> str:
        """Return the address that stands in brackets, in C."""
        inner = re.fullmatch(r"\[\s*([^\s+\[\]]+)\s*(?:\+\s*(-?\w+))?\s*\]", operand)
        if inner is None:
            raise UnknownPTX(f"address {operand}")
        base = f"(uint64_t)({self.bits(inner[1])})"
        return base if inner[2] is None else f"({base} + (uint64_t)({int(inner[2], 0)}ll))"

    def hint(self) -> str:
        """Return a place for an instruction to remember a region of memory in."""
        self.num_hints += 1
        return f"&hints[{self.num_hints - 1}]"

    # ---- directives ----

    def declare_registers(self, text: str) -> None:
        """Read `.reg .b32 %r<5>`, or a list of names."""
        found = re.fullmatch(r"\.reg\s+\.(\w+)\s+(.*)", text, re.S)
        if found is None or not (found[1] == "pred" or found[1] in SIZES):
            raise UnknownPTX(text)
        for name in re.split(r"\s*,\s*", found[2].strip()):
            many = re.fullmatch(r"(%?[\w$]+)<(\d+)>", name)
            names = [f"{many[1]}{i}" for i in range(int(many[2]))] if many else [name]
            for one in names:
                unique = one
                if self.scopes:
                    unique = f"{one}_in_{self.line}"
                    self.scopes[-1][one] = unique
                self.registers[unique] = found[1]

    def declare_variable(self, text: str) -> None:
        """Read a `.shared` or `.local` array, or a `.global` one that nothing is in."""
        found = re.fullmatch(
            r"((?:\.(?:extern|visible|common|weak)\s+)*)\.(shared|local|global)"
            r"\s+(?:\.align\s+(\d+)\s+)?\.(\w+)\s+([\w$]+)(\[\d*\])?",
            text,
        )
        if found is None or found[4] not in SIZES:
            raise UnknownPTX(text)
        qualifiers, space, align, kind, name, length = found.groups()
        if space == "global":
            return  # of Numba itself; to use one is an error, as it is no symbol
        align = int(align or SIZES[kind])
        if space == "shared" and "extern" in qualifiers:
            self.extern_shared.append(name)
            self.extern_align = max(self.extern_align, align)
            return
        size = SIZES[kind] * (int(length[1:-1]) if length else 1)
        if space == "shared":
            start = -(-self.static_shared // align) * align
            self.static_shared = start + size
            self.symbols[name] = f"{FIRST_SHARED + start}ull"
        else:
            start = -(-self.local_size // align) * align
            self.local_size = start + size
            self.symbols[name] = f"(LOCAL_BASE + {start})"

    def place_dynamic_shared(self) -> None:
        """Let the arrays of dynamic shared memory begin where the static ones end."""
        if not self.extern_shared:
            return
        align = max(16, self.extern_align)  # of ptxas
        start = -(-self.static_shared // align) * align
        self.static_shared = start
        for name in self.extern_shared:
            self.symbols[name] = f"{FIRST_SHARED + start}ull"


def _without_comments(ptx: str) -> str:
    """Return PTX without comments, on the same lines."""
    ptx = re.sub(r"/\*.*?\*/", lambda found: "\n" * found[0].count("\n"), ptx, flags=re.S)
    return re.sub(r"//[^\n]*", "", ptx)


def _statements(ptx: str, first_line: int):
    """Yield (line, statement) with labels, braces and what ends in a semicolon apart."""
    token = re.compile(r"\s*([\w$%]+\s*:(?!:)|[{}]|[^;{}]*(?:\{[^{}\n]*\}[^;{}]*)*;)", re.S)
    position = 0
    while ptx[position:].strip():
        found = token.match(ptx, position)
        if found is None:
            raise UnknownPTX(ptx[position : position + 80].strip())
        line = first_line + ptx.count("\n", 0, found.start(1))
        yield line, found[1].rstrip(";").strip()
        position = found.end()


def _split_entry(ptx: str):
    """Return what comes before the one kernel of a module, its head, and its body."""
    entries = list(re.finditer(r"(?:\.visible\s+)?\.entry\s+([\w$]+)\s*\(([^)]*)\)([^{]*)\{", ptx))
    if len(entries) != 1 or re.search(r"^\s*(\.\w+\s+)*\.func\b", ptx, re.M):
        raise UnknownPTX("a module that is not one kernel alone")
    entry = entries[0]
    end = ptx.rindex("}")
    return ptx[: entry.start()], entry, ptx[entry.end() : end], ptx.count("\n", 0, entry.end()) + 1


def _read_parameters(kernel: Kernel, text: str) -> list[str]:
    types = []
    for index, parameter in enumerate(filter(str.strip, text.split(","))):
        found = re.fullmatch(r"\s*\.param\s+\.(\w+)\s+([\w$]+)\s*", parameter)
        if found is None or found[1] not in SIZES:
            raise UnknownPTX(parameter.strip())
        kernel.parameters[found[2]] = index, found[1]
        types.append(found[1])
    return types


def _directive(kernel: Kernel, text: str) -> None:
    if text.startswith(".reg"):
        kernel.declare_registers(text)
    elif re.match(r"(\.(extern|visible|common|weak)\s+)*\.(shared|local|global)\b", text):
        kernel.declare_variable(text)
    elif text.split()[0] not in _IGNORED:
        raise UnknownPTX(text)


def _instruction(kernel: Kernel, text: str, line: int) -> str:
    """Return an instruction in C."""
    found = re.fullmatch(r"(?:@(!?)(%?[\w$]+)\s+)?([a-z][\w.:]*)\s*(.*)", text, re.S)
    if found is None:
        raise UnknownPTX(text)
    negated, predicate, opcode, rest = found.groups()
    operands = [part.strip() for part in re.split(r",(?![^{\[(]*[}\])])", rest) if part.strip()]
    name, *modifiers = opcode.split(".")
    if name not in INSTRUCTIONS:
        raise UnknownPTX(text)
    words = INSTRUCTIONS[name](Instruction(kernel, name, modifiers, operands, line))
    if predicate is None:
        return words
    return f"if ({negated}{kernel.bits(predicate)}) {{ {words} }}"


def _body(kernel: Kernel, text: str, first_line: int) -> tuple[list[str], int]:
    lines, num_instructions, block = [], 0, []

    def end_block(line: int) -> None:
        if block:
            lines.extend([f"STEPS({len(block)}, {line});", *block])
            block.clear()

    for line, statement in _statements(text, first_line):
        kernel.line = line
        try:
            if statement == "{":
                kernel.scopes.append({})
            elif statement == "}":
                kernel.scopes.pop()
            elif statement.endswith(":"):
                end_block(line)
                lines.append(f"{label(statement[:-1].strip())}:;")
            elif statement.startswith(".branchtargets"):
                table = lines.pop()[:-2]
                names = statement.partition(" ")[2].split(",")
                kernel.targets[table] = [label(name.strip()) for name in names]
            elif statement.startswith("."):
                _directive(kernel, statement)
            elif statement:
                num_instructions += 1
                block.append(_instruction(kernel, statement, line))
                if re.search(r"\bbra\b|\bbrx\b|\bret\b|\bbar", statement):
                    end_block(line)
        except UnknownPTX as error:
            raise UnknownPTX(f"line {line} of the PTX: {error} is not known: {statement}") from None
    end_block(0)
    return lines, num_instructions


def translate(ptx: str) -> Source:
    """Return a module of one kernel as C.

    Parameters
    ----------
    ptx : str
        As NVVM writes it.

    Returns
    -------
    Source

    Raises
    ------
    UnknownPTX
        If there is something in it that this translator has no words for.
    """
    kernel = Kernel()
    module, entry, body, first_line = _split_entry(_without_comments(ptx))
    types = _read_parameters(kernel, entry[2])
    for line, statement in _statements(_one_a_line(module), 1):
        kernel.line = line
        _directive(kernel, statement)
    _check_bounds(entry[3])
    for found in re.finditer(r"^\s*(\.local[^;]*|\.shared[^;]*);", body, re.M):
        kernel.declare_variable(found[1].strip())
    kernel.place_dynamic_shared()
    body = re.sub(r"^\s*(\.local|\.shared)[^;]*;", "", body, flags=re.M)
    lines, num_instructions = _body(kernel, body, first_line)
    variables = []
    for name in kernel.registers:
        c_name, kind = kernel.register(name)
        c_type = "int" if kind == "pred" else f"uint{8 * SIZES[kind]}_t"
        variables.append(f"{c_type} {c_name} = 0;")
    text = "\n".join([
        f"#define DYNAMIC_SHARED_AT {kernel.static_shared}",
        f"#define LOCAL_SIZE {-(-kernel.local_size // 64) * 64}",
        f"#define STACK_SIZE {(16 * len(variables) + 65536) // 4096 * 4096}",
        f"#define NUM_HINTS {kernel.num_hints + 1}",
        '#include "runtime.h"',
        "static void ptx_kernel(Thread *me) {",
        *variables, *lines,
        "}",
    ])  # fmt: skip
    return Source(text + "\n", types, kernel.static_shared, num_instructions)


def _one_a_line(module: str) -> str:
    """Let the directives that end with their line end in a semicolon, like the others."""
    return re.sub(r"^(\s*\.(?:version|target|address_size|file)[^\n;]*)$", r"\1;", module,
                  flags=re.M)  # fmt: skip


def _check_bounds(text: str) -> None:
    """Let only those pass that are for ptxas."""
    for directive in filter(str.strip, text.split("\n")):
        if directive.split()[0] not in _IGNORED_BOUNDS:
            raise UnknownPTX(directive.strip())
