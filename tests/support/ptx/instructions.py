"""What each PTX instruction does, in C; runtime.h has the longer words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple


class UnknownPTX(NotImplementedError):  # noqa: N818 - of the translator, not a mistake
    """Something in a PTX text that the translator has no words for."""


C_TYPES = {
    "s8": "int8_t", "u8": "uint8_t", "b8": "uint8_t",
    "s16": "int16_t", "u16": "uint16_t", "b16": "uint16_t", "f16": "uint16_t", "bf16": "uint16_t",
    "s32": "int32_t", "u32": "uint32_t", "b32": "uint32_t", "f32": "float",
    "s64": "int64_t", "u64": "uint64_t", "b64": "uint64_t", "f64": "double", "pred": "int",
}  # fmt: skip
FLOATS = ("f32", "f64")
HALVES = ("f16", "bf16")
INTEGERS = ("s8", "u8", "b8", "s16", "u16", "b16", "s32", "u32", "b32", "s64", "u64", "b64")


class Instruction(NamedTuple):
    """An instruction, and the kernel that it is in."""

    kernel: Any
    name: str
    modifiers: list[str]
    operands: list[str]
    line: int

    def only(self, *known: str) -> list[str]:
        """Return the modifiers that are not among `known`, all of which have to be types."""
        rest = [modifier for modifier in self.modifiers if modifier not in known]
        for modifier in rest:
            if modifier not in C_TYPES:
                raise UnknownPTX(f"{self.name} with .{modifier}")
        return rest

    def kind(self, *known: str) -> str:
        """Return the one type."""
        kinds = self.only(*known)
        if len(kinds) != 1:
            raise UnknownPTX(f"{self.name} of types {kinds}")
        return kinds[0]

    def value(self, index: int, kind: str) -> str:
        """Return an operand as a value in C."""
        return value(self.kernel, self.operands[index], kind)

    def set(self, expression: str, kind: str, index: int = 0) -> str:
        """Return an assignment of a value in C."""
        return assign(self.kernel, self.operands[index], expression, kind)


def value(kernel: Any, operand: str, kind: str) -> str:
    """Return an operand as a value in C."""
    if kind == "pred" and operand.startswith("!"):
        return f"(!{kernel.bits(operand[1:])})"
    bits = kernel.bits(operand)
    if kind == "pred":
        return f"(({bits}) != 0)"
    if kind in FLOATS:
        return f"as_{kind}({bits})"
    return f"(({C_TYPES[kind]})({bits}))"


def assign(kernel: Any, operand: str, expression: str, kind: str) -> str:
    """Return an assignment of a value in C to a register; `_` takes anything."""
    if operand == "_":
        return ""
    found = kernel.register(operand)
    if found is None:
        raise UnknownPTX(f"operand {operand}")
    name, register_kind = found
    if register_kind == "pred":
        return f"{name} = ({expression}) != 0;"
    if kind in FLOATS:
        return f"{name} = result_{kind}({expression});"
    size = re.sub(r"\D", "", register_kind)
    return f"{name} = (uint{size}_t)({C_TYPES[kind]})({expression});"


def _unsigned(kind: str) -> str:
    return C_TYPES["u" + re.sub(r"\D", "", kind)]


def _signed(kind: str) -> str:
    return C_TYPES["s" + re.sub(r"\D", "", kind)]


def _bits_of(kind: str) -> int:
    return int(re.sub(r"\D", "", kind))


INSTRUCTIONS: dict[str, Callable[[Instruction], str]] = {}


def known(*names: str) -> Callable[[Any], Any]:
    def keep(function: Any) -> Any:
        for name in names:
            INSTRUCTIONS[name] = function
        return function

    return keep


# ---- arithmetic ----


@known("add", "sub")
def _add(self: Instruction) -> str:
    kind = self.kind("rn")
    sign = "+" if self.name == "add" else "-"
    if kind in FLOATS:
        return self.set(f"{self.value(1, kind)} {sign} {self.value(2, kind)}", kind)
    # the sum of unsigned integers wraps
    first, second = (f"(uint64_t){self.value(index, kind)}" for index in (1, 2))
    return self.set(f"{first} {sign} {second}", kind)


def _product(self: Instruction, kind: str, part: str) -> tuple[str, str]:
    """Return a product of integers, or the part of it that is asked for, and its type."""
    bits, sign = _bits_of(kind), kind[0]
    first, second = self.value(1, kind), self.value(2, kind)
    if part == "lo":
        return f"((uint64_t){first} * (uint64_t){second})", kind
    if part == "wide":
        if bits > 32:
            raise UnknownPTX("mul.wide of 64 bits")
        wide = f"{sign}{2 * bits}"
        return f"((uint64_t){first} * (uint64_t){second})", wide
    whole = "__int128" if sign == "s" else "unsigned __int128"
    return f"((uint64_t)((({whole}){first} * ({whole}){second}) >> {bits}))", kind


@known("mul", "mad")
def _multiply(self: Instruction) -> str:
    parts = [part for part in ("lo", "hi", "wide") if part in self.modifiers]
    kind = self.kind("rn", *parts)
    if kind in FLOATS:
        if parts or self.name == "mad":
            raise UnknownPTX(self.name)
        return self.set(f"{self.value(1, kind)} * {self.value(2, kind)}", kind)
    product, wide = _product(self, kind, parts[0])
    if self.name == "mad":
        product += f" + (uint64_t){self.value(3, wide)}"
    return self.set(product, wide)


@known("fma")
def _fma(self: Instruction) -> str:
    kind = self.kind("rn")
    if kind not in FLOATS or "rn" not in self.modifiers:
        raise UnknownPTX(self.name)
    function = "fmaf" if kind == "f32" else "fma"
    values = ", ".join(self.value(index, kind) for index in (1, 2, 3))
    return self.set(f"{function}({values})", kind)


@known("div", "rem")
def _divide(self: Instruction) -> str:
    kind = self.kind("rn")
    first, second = self.value(1, kind), self.value(2, kind)
    if kind in FLOATS:
        if self.modifiers[0] != "rn" or self.name == "rem":
            raise UnknownPTX(self.name)
        return self.set(f"{first} / {second}", kind)
    return self.set(f"{self.name}_{kind}({first}, {second})", kind)


@known("rcp", "sqrt")
def _root(self: Instruction) -> str:
    kind = self.kind("rn")
    if kind not in FLOATS or "rn" not in self.modifiers:
        raise UnknownPTX(self.name)
    one = self.value(1, kind)
    root = f"sqrt{'f' if kind == 'f32' else ''}({one})"
    return self.set(f"1 / {one}" if self.name == "rcp" else root, kind)


@known("min", "max")
def _least(self: Instruction) -> str:
    kind = self.kind()
    return self.set(f"{self.name}_{kind}({self.value(1, kind)}, {self.value(2, kind)})", kind)


@known("abs", "neg")
def _sign(self: Instruction) -> str:
    kind = self.kind()
    if kind in FLOATS:  # the sign of NaN, too
        bits = self.kernel.bits(self.operands[1])
        top = "0x80000000u" if kind == "f32" else "0x8000000000000000ull"
        change = f"^ {top}" if self.name == "neg" else f"& ~{top}"
        return self.set(f"{bits} {change}", "b" + kind[1:])
    one = self.value(1, kind)
    minus = f"(0 - (uint64_t){one})"
    return self.set(minus if self.name == "neg" else f"{one} < 0 ? {minus} : (uint64_t){one}", kind)


# ---- bits ----


@known("and", "or", "xor", "not")
def _logic(self: Instruction) -> str:
    kind = self.kind()
    if self.name == "not":
        one = self.value(1, kind)
        return self.set(f"!{one}" if kind == "pred" else f"~{one}", kind)
    sign = {"and": "&", "or": "|", "xor": "^"}[self.name]
    return self.set(f"{self.value(1, kind)} {sign} {self.value(2, kind)}", kind)


@known("shl", "shr")
def _shift(self: Instruction) -> str:
    kind = self.kind()
    sign = "" if self.name == "shl" else "s" if kind[0] == "s" else "u"
    count = self.value(2, "u32")
    return self.set(
        f"{self.name}_{sign}{_bits_of(kind)}({self.value(1, kind)}, {count})", kind
    )  # fmt: skip


@known("shf")
def _funnel(self: Instruction) -> str:
    kind = self.kind("l", "r", "wrap", "clamp")
    side = "left" if "l" in self.modifiers else "right"
    count = self.value(3, "u32")
    count = f"({count} & 31)" if "wrap" in self.modifiers else f"min_u32({count}, 32)"
    if kind != "b32":
        raise UnknownPTX(self.name)
    return self.set(f"shf_{side}({self.value(1, kind)}, {self.value(2, kind)}, {count})", kind)


@known("bfe", "bfi")
def _field(self: Instruction) -> str:
    kind = self.kind()
    bits = _bits_of(kind)
    if self.name == "bfe":
        one = f"({_unsigned(kind)}){self.value(1, kind)}"
        start, length = self.value(2, "u32"), self.value(3, "u32")
        return self.set(f"bfe({one}, {start}, {length}, {bits}, {int(kind[0] == 's')})", kind)
    values = ", ".join([self.value(1, kind), self.value(2, kind), self.value(3, "u32")])
    return self.set(f"bfi({values}, {self.value(4, 'u32')}, {bits})", kind)


@known("prmt")
def _permute(self: Instruction) -> str:
    kind = self.kind()
    return self.set(f"prmt({', '.join(self.value(index, kind) for index in (1, 2, 3))})", kind)


@known("brev", "popc", "clz")
def _count_bits(self: Instruction) -> str:
    kind = self.kind()
    one, bits = self.value(1, kind), _bits_of(kind)
    if self.name == "brev":
        return self.set(f"brev({one}, {bits})", kind)
    if self.name == "popc":
        return self.set(f"__builtin_popcountll({one})", "u32")
    return self.set(f"{one} ? __builtin_clzll({one}) - {64 - bits} : {bits}", "u32")


# ---- comparisons and choices ----

_COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
                "lo": "<", "ls": "<=", "hi": ">", "hs": ">="}  # fmt: skip


def _compared(name: str, kind: str, first: str, second: str) -> str:
    """Return a comparison in C; of floats, those with NaN are false but for the unordered ones."""
    ordered = f"({first} == {first} && {second} == {second})"
    if kind in FLOATS or kind in HALVES:
        if name in ("num", "nan"):
            return ordered if name == "num" else f"!{ordered}"
        if name == "ne":
            return f"({ordered} && {first} != {second})"
        if name[-1] == "u" and name[:-1] in _COMPARISONS:
            return f"(!{ordered} || {first} {_COMPARISONS[name[:-1]]} {second})"
        if name in ("lo", "ls", "hi", "hs"):
            raise UnknownPTX(f"setp.{name} of floats")
    return f"({first} {_COMPARISONS[name]} {second})"


@known("setp")
def _compare(self: Instruction) -> str:
    comparison, *rest = self.modifiers
    joins = [join for join in rest if join in ("and", "or", "xor")]
    kind = self._replace(modifiers=rest).kind(*joins)
    operands = [self.value(index, kind) for index in (1, 2)]
    if kind in HALVES:  # which float32 holds exactly
        operands = [f"from_{kind}({operand})" for operand in operands]
    result = _compared(comparison, kind, *operands)
    sign = {"and": "&", "or": "|", "xor": "^"}.get(joins[0]) if joins else None
    targets = self.operands[0].split("|")
    words = []  # the second target takes the opposite
    for truth in (result, f"!{result}")[: len(targets)]:
        joined = f"({truth}) {sign} {self.value(3, 'pred')}" if sign else truth
        words.append(f"const int t{len(words)} = {joined};")
    for index, target in enumerate(targets):
        words.append(assign(self.kernel, target, f"t{index}", "pred"))
    return f"{{ {' '.join(words)} }}"


@known("selp")
def _select(self: Instruction) -> str:
    kind = self.kind()
    kind = "b" + kind[1:] if kind in FLOATS else kind  # NaN stays as it is
    return self.set(
        f"{self.value(3, 'pred')} ? {self.value(1, kind)} : {self.value(2, kind)}", kind
    )


# ---- moves and conversions ----


@known("mov")
def _move(self: Instruction) -> str:
    kind = self.kind()
    target, source = self.operands
    if target.startswith("{") or source.startswith("{"):
        return _pack(self, kind, target, source)
    if kind in FLOATS:
        kind = "b" + kind[1:]
    return self.set(self.value(1, kind), kind)


def _pack(self: Instruction, kind: str, target: str, source: str) -> str:
    """Return what puts registers together, or takes one apart."""
    names = [name.strip() for name in (target + source).partition("{")[2].split("}")[0].split(",")]
    bits = _bits_of(kind) // len(names)
    part = f"b{bits}"
    if target.startswith("{"):
        words = [f"const uint64_t whole = {self.value(1, kind)};"]
        for index, name in enumerate(names):
            words.append(assign(self.kernel, name, f"whole >> {bits * index}", part))
        return f"{{ {' '.join(words)} }}"
    parts = [f"(uint64_t){value(self.kernel, name, part)} << {bits * index}"
             for index, name in enumerate(names)]  # fmt: skip
    return self.set(" | ".join(parts), kind)


_ROUNDINGS = {"rn": "nearbyint", "rz": "trunc", "rm": "floor", "rp": "ceil"}


@known("cvt")
def _convert(self: Instruction) -> str:
    to, source = self.only("rn", "rz", "rni", "rzi", "rmi", "rpi", "sat")
    modes = [mode for mode in self.modifiers if mode not in C_TYPES]
    saturates = "sat" in modes
    modes = [mode for mode in modes if mode != "sat"]
    mode = modes[0] if modes else ""
    one = self.value(1, source)
    if source in INTEGERS and to in INTEGERS:
        if saturates:
            low, high = _limits(to)
            one = f"clamp({one}, {low}, {high})"
        return self.set(one, to)
    if saturates:
        raise UnknownPTX("cvt.sat of floats")
    if source in INTEGERS and to in FLOATS and mode == "rn":
        return self.set(f"({C_TYPES[to]}){one}", to)
    if source in HALVES and to in FLOATS and not mode:
        return self.set(f"from_{source}({one})", to)
    if source in FLOATS and to in INTEGERS and mode[-1:] == "i":
        return self.set(f"{source}_to_{to}({_ROUNDINGS[mode[:-1]]}({one}))", to)
    if source == "f32" and to == "f64" and not mode:
        return self.set(f"(double){one}", to)
    if source == "f64" and to == "f32" and mode == "rn":
        return self.set(f"(float){one}", to)
    if source == to and to in FLOATS and mode[-1:] == "i":
        return self.set(f"{_ROUNDINGS[mode[:-1]]}{'f' if to == 'f32' else ''}({one})", to)
    raise UnknownPTX(f"cvt.{'.'.join(self.modifiers)}")


def _limits(kind: str) -> tuple[str, str]:
    bits = _bits_of(kind)
    if kind[0] == "s":
        return f"-((__int128)1 << {bits - 1})", f"((__int128)1 << {bits - 1}) - 1"
    return "0", f"((__int128)1 << {bits}) - 1"


# ---- control ----


def label(name: str) -> str:
    """Return a label in C."""
    return "at_" + re.sub(r"\W", "_", name)


@known("bra")
def _branch(self: Instruction) -> str:
    self.only("uni")
    return f"goto {label(self.operands[0])};"


@known("brx")
def _branch_by_index(self: Instruction) -> str:
    self.only("idx", "uni")
    targets = self.kernel.targets[label(self.operands[1])]
    cases = " ".join(f"case {index}: goto {name};" for index, name in enumerate(targets))
    index = self.value(0, "u32")
    otherwise = f'fail(me, {self.line}, "no branch %llu", {index});'
    return f"switch ({index}) {{ {cases} default: {otherwise} }}"


@known("ret", "exit")
def _return(self: Instruction) -> str:
    self.only("uni")
    return "return;"


@known("trap")
def _trap(self: Instruction) -> str:
    return f'fail(me, {self.line}, "a trap", 0);'
