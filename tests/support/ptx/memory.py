"""PTX instructions that touch memory, and barriers, in C."""

from __future__ import annotations

import re

from ptx.instructions import C_TYPES, Instruction, UnknownPTX, assign, known, value

SPACES = ("global", "shared", "local", "param")
# What says how caches are used, and for whom what is written is there: with one thread at a
# time all is there for all. (`nc` is a promise that nobody writes, which is not checked.)
_HINTS = ("ca", "cg", "cs", "lu", "cv", "wb", "wt", "nc", "L1::no_allocate", "L1::evict_last",
          "L1::evict_first", "L2::64B", "L2::128B", "L2::256B", "L2::cache_hint", "volatile",
          "relaxed", "acquire", "release", "acq_rel", "weak", "cta", "gpu", "sys")  # fmt: skip


def _memory(self: Instruction, *known_modifiers: str) -> tuple[str, str]:
    """Return the space and the type of an access."""
    modifiers = ["shared" if name == "shared::cta" else name for name in self.modifiers]
    spaces = [name for name in modifiers if name in SPACES]
    kind = self._replace(modifiers=modifiers).kind(*_HINTS, *SPACES, *known_modifiers)
    return (spaces[0] if spaces else "generic"), kind


def _place(self: Instruction, space: str, address: str, size: str, access: str, data: str) -> str:
    """Return the checked place in memory of an address, in C."""
    if space == "shared":
        return f"shared_at(me, {address}, {size}, {access}, {data}, {self.line})"
    if space == "local":
        return f"local_at(me, {address}, {size}, {self.line})"
    hint = self.kernel.hint()
    if space == "global":
        return f"global_at(me, {address}, {size}, {access}, {hint}, {self.line})"
    return f"generic_at(me, {address}, {size}, {access}, {data}, {hint}, {self.line})"


def _bits_type(kind: str) -> tuple[str, str]:
    """Return the type of what is moved to or from memory, in PTX and in C."""
    kind = "b" + kind[1:] if kind[0] == "f" else kind
    return kind, C_TYPES[kind]


def _vector(operand: str) -> list[str]:
    return [name.strip() for name in operand.strip("{}").split(",")]


@known("ld", "ldu")
def _load(self: Instruction) -> str:
    space, kind = _memory(self, "v2", "v4", "v8")
    kind, c_type = _bits_type(kind)
    target, source = self.operands
    if space == "param":
        index, declared = self.kernel.parameters[source.strip("[] ")]
        if re.sub(r"\D", "", declared) != re.sub(r"\D", "", kind):
            raise UnknownPTX("a part of a parameter")
        return self.set(f"({c_type})launch->params[{index}]", kind)
    names = _vector(target)
    place = _place(self, space, self.kernel.address(source), "sizeof(data)", "READ", "NULL")
    words = [f"{c_type} data[{len(names)}];", f"memcpy(data, {place}, sizeof data);"]
    words += [assign(self.kernel, name, f"data[{i}]", kind) for i, name in enumerate(names)]
    return f"{{ {' '.join(words)} }}"


@known("st")
def _store(self: Instruction) -> str:
    space, kind = _memory(self, "v2", "v4", "v8")
    kind, c_type = _bits_type(kind)
    target, source = self.operands
    values = ", ".join(value(self.kernel, name, kind) for name in _vector(source))
    place = _place(self, space, self.kernel.address(target), "sizeof(data)", "WRITE", "data")
    return f"{{ const {c_type} data[] = {{{values}}}; memcpy({place}, data, sizeof data); }}"


_ATOMIC = {
    "add": "old + b", "and": "old & b", "or": "old | b", "xor": "old ^ b", "exch": "b",
    "min": "b < old ? b : old", "max": "b > old ? b : old", "inc": "next_inc(old, b)",
    "cas": "old == b ? c : old",
}  # fmt: skip


@known("atom", "red")
def _atomic(self: Instruction) -> str:
    operations = [name for name in self.modifiers if name in _ATOMIC]
    space, kind = _memory(self, *_ATOMIC)
    operation = operations[0]
    if kind == "f32" or (kind == "f64" and operation != "add") or space in ("local", "param"):
        raise UnknownPTX(f"{self.name}.{operation}.{kind}")  # f32: flushes denormals, or not
    if kind[0] == "s" and operation == "add":
        kind = "u" + kind[1:]  # which wraps
    c_type = C_TYPES[kind]
    first = 1 if self.name == "atom" else 0
    place = _place(self, space, self.kernel.address(self.operands[first]), f"sizeof({c_type})",
                   "ATOMIC", "NULL")  # fmt: skip
    words = [f"const {c_type} b = {self.value(first + 1, kind)};"]
    if operation == "cas":
        words.append(f"const {c_type} c = {self.value(first + 2, kind)};")
    words += [
        f"{c_type} *place = ({c_type} *){place};",
        f"const {c_type} old = *place;",
        f"*place = {_ATOMIC[operation]};",
    ]
    if self.name == "atom":
        words.append(self.set("old", kind))
    return f"{{ {' '.join(words)} }}"


@known("prefetch", "prefetchu")
def _prefetch(self: Instruction) -> str:
    return ""


@known("membar", "fence")
def _fence(self: Instruction) -> str:
    return ""  # with one thread at a time all that was written is there


@known("cvta")
def _convert_address(self: Instruction) -> str:
    space = next(name for name in self.modifiers if name in ("global", "shared", "local"))
    kind = self.kind("to", space)
    one = self.value(1, "u64")
    if kind != "u64":
        raise UnknownPTX("cvta of 32 bits")
    if space == "shared":
        one += " - SHARED_BASE" if "to" in self.modifiers else " + SHARED_BASE"
    return self.set(one, kind)


# ---- barriers ----


@known("bar", "barrier")
def _barrier(self: Instruction) -> str:
    modifiers = [name for name in self.modifiers if name not in ("cta", "aligned")]
    if modifiers == ["sync"] and len(self.operands) == 1:
        return f"wait_at(me, AT_BARRIER, {self.value(0, 'u32')}, 0, {self.line});"
    if modifiers == ["warp", "sync"]:
        return f"wait_at(me, AT_WARP_BARRIER, 0, {self.value(0, 'u32')}, {self.line});"
    raise UnknownPTX(f"{self.name}.{'.'.join(self.modifiers)}")
