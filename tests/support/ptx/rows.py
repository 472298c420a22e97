"""Instructions of PTX, what they are given, and what the manual says comes out.

A row is the text with `d` for the result and `a`, `b`, `c` for the operands, the type of the
result, the type of the operands (one for all, or one each), their values, and the result.
"""

from __future__ import annotations

import math
import re

import numpy as np

DTYPES = {
    "s8": "i1", "u8": "u1", "s16": "i2", "u16": "u2", "b16": "u2", "f16": "f2", "s32": "i4",
    "u32": "u4", "b32": "u4", "f32": "f4", "s64": "i8", "u64": "u8", "b64": "u8", "f64": "f8",
}  # fmt: skip
PREFIXES = {"1": "%rs", "2": "%rs", "4": "%r", "8": "%rd", "f4": "%f", "f8": "%fd"}
SPACE = 8  # bytes for each value

NAN, INF = math.nan, math.inf
FIRST32, LAST32, FIRST64, LAST64 = -(2**31), 2**31 - 1, -(2**63), 2**63 - 1
TINY = np.float32(2.0**-149)
A, B = np.float32(1 + 2**-23), np.float32(1 - 2**-23)  # the product is 1 - 2**-46

ARITHMETIC = [
    ("add.s32 d, a, b;", "s32", "s32", (LAST32, 1), FIRST32),
    ("add.s64 d, a, b;", "s64", "s64", (LAST64, 2), FIRST64 + 1),
    ("add.s16 d, a, b;", "s16", "s16", (32767, 1), -32768),
    ("sub.u32 d, a, b;", "u32", "u32", (0, 1), 2**32 - 1),
    ("sub.s64 d, a, b;", "s64", "s64", (FIRST64, 1), LAST64),
    ("add.s32 d, a, -7;", "s32", "s32", (5,), -2),
    ("mul.lo.s32 d, a, b;", "s32", "s32", (65537, 65537), 131073),
    ("mul.lo.s64 d, a, b;", "s64", "s64", (2**62, 6), FIRST64),
    ("mul.hi.s32 d, a, b;", "s32", "s32", (-2, 2**30), -1),
    ("mul.hi.u32 d, a, b;", "u32", "u32", (2**32 - 1, 2**32 - 1), 2**32 - 2),
    ("mul.hi.u64 d, a, b;", "u64", "u64", (2**64 - 1, 2**64 - 1), 2**64 - 2),
    ("mul.hi.s64 d, a, b;", "s64", "s64", (-1, 1), -1),
    ("mul.wide.s32 d, a, b;", "s64", "s32", (FIRST32, FIRST32), 2**62),
    ("mul.wide.u32 d, a, b;", "u64", "u32", (2**32 - 1, 2**32 - 1), 2**64 - 2**33 + 1),
    ("mul.wide.s16 d, a, b;", "s32", "s16", (-32768, 3), -98304),
    ("mad.lo.s32 d, a, b, c;", "s32", "s32", (LAST32, 2, 5), 3),
    ("mad.wide.u32 d, a, b, c;", "u64", ("u32", "u32", "u64"), (2**31, 4, 9), 2**33 + 9),
    ("mad.hi.u32 d, a, b, c;", "u32", "u32", (2**31, 4, 2**32 - 1), 1),
    ("div.s32 d, a, b;", "s32", "s32", (-7, 2), -3),
    ("div.s32 d, a, b;", "s32", "s32", (FIRST32, -1), FIRST32),
    ("div.u32 d, a, b;", "u32", "u32", (2**32 - 1, 10), 429496729),
    ("div.s64 d, a, b;", "s64", "s64", (-(2**60), 7), -(2**60 // 7)),
    ("div.u64 d, a, b;", "u64", "u64", (2**64 - 1, 2**33), 2**31 - 1),
    ("div.u32 d, a, b;", "u32", "u32", (5, 0), 2**32 - 1),
    ("rem.s32 d, a, b;", "s32", "s32", (-7, 2), -1),
    ("rem.u64 d, a, b;", "u64", "u64", (2**64 - 1, 10), 5),
    ("min.s32 d, a, b;", "s32", "s32", (-1, 1), -1),
    ("min.u32 d, a, b;", "u32", "u32", (2**32 - 1, 1), 1),
    ("max.s64 d, a, b;", "s64", "s64", (-1, FIRST64), -1),
    ("max.u64 d, a, b;", "u64", "u64", (2**63, 1), 2**63),
    ("abs.s32 d, a;", "s32", "s32", (-9,), 9),
    ("abs.s32 d, a;", "s32", "s32", (FIRST32,), FIRST32),
    ("abs.s64 d, a;", "s64", "s64", (-(2**40),), 2**40),
    ("neg.s32 d, a;", "s32", "s32", (FIRST32,), FIRST32),
    ("neg.s64 d, a;", "s64", "s64", (3,), -3),
    ("neg.s16 d, a;", "s16", "s16", (3,), -3),
    # floats
    ("add.f32 d, a, b;", "f32", "f32", (1, 2**-24), 1),
    ("add.f64 d, a, b;", "f64", "f64", (1, 2**-24), 1 + 2**-24),
    ("sub.rn.f32 d, a, b;", "f32", "f32", (TINY * 3, TINY), TINY * 2),
    ("mul.f32 d, a, b;", "f32", "f32", (A, B), 1),
    ("mul.rn.f64 d, a, b;", "f64", "f64", (3, 0.1), 3 * 0.1),
    ("fma.rn.f32 d, a, b, c;", "f32", "f32", (A, B, -1), -(2.0**-46)),
    ("fma.rn.f64 d, a, b, c;", "f64", "f64", (0.1, 10, -1), 2.0**-54),
    ("div.rn.f32 d, a, b;", "f32", "f32", (1, 3), np.float32(1) / np.float32(3)),
    ("div.rn.f64 d, a, b;", "f64", "f64", (1, 0), INF),
    ("sqrt.rn.f64 d, a;", "f64", "f64", (2,), math.sqrt(2)),
    ("rcp.rn.f32 d, a;", "f32", "f32", (3,), np.float32(1) / np.float32(3)),
    ("abs.f32 d, a;", "f32", "f32", (-0.0,), 0.0),
    ("neg.f64 d, a;", "f64", "f64", (0.0,), -0.0),
    ("min.f32 d, a, b;", "f32", "f32", (NAN, 3), 3),
    ("min.f32 d, a, b;", "f32", "f32", (3, NAN), 3),
    ("max.f64 d, a, b;", "f64", "f64", (NAN, NAN), NAN),
    ("min.f64 d, a, b;", "f64", "f64", (0.0, -0.0), -0.0),
    ("max.f32 d, a, b;", "f32", "f32", (-0.0, 0.0), 0.0),
    ("max.f32 d, a, b;", "f32", "f32", (-INF, 2), 2),
    ("add.f32 d, a, 0f3F800000;", "f32", "f32", (2,), 3),
    ("add.f64 d, a, 0d3FF0000000000000;", "f64", "f64", (2,), 3),
]

BITS = [
    ("and.b32 d, a, b;", "b32", "b32", (12, 10), 8),
    ("or.b64 d, a, b;", "b64", "b64", (2**40, 1), 2**40 + 1),
    ("xor.b16 d, a, b;", "b16", "b16", (0xFF00, 0x0FF0), 0xF0F0),
    ("not.b32 d, a;", "b32", "b32", (1,), 2**32 - 2),
    ("not.b16 d, a;", "b16", "b16", (0,), 65535),
    ("shl.b32 d, a, b;", "b32", "b32", (3, 31), 2**31),
    ("shl.b32 d, a, b;", "b32", "b32", (3, 32), 0),
    ("shl.b32 d, a, b;", "b32", "b32", (3, 2**32 - 1), 0),
    ("shl.b64 d, a, b;", "b64", ("b64", "b32"), (3, 63), 2**63),
    ("shl.b64 d, a, b;", "b64", ("b64", "b32"), (3, 64), 0),
    ("shr.u32 d, a, b;", "u32", "u32", (2**31, 31), 1),
    ("shr.u32 d, a, b;", "u32", "u32", (2**31, 40), 0),
    ("shr.s32 d, a, b;", "s32", ("s32", "u32"), (-8, 1), -4),
    ("shr.s32 d, a, b;", "s32", ("s32", "u32"), (-8, 99), -1),
    ("shr.s64 d, a, b;", "s64", ("s64", "u32"), (-8, 64), -1),
    ("shr.u64 d, a, b;", "u64", ("u64", "u32"), (2**63, 64), 0),
    ("shr.s16 d, a, b;", "s16", ("s16", "u32"), (-8, 20), -1),
    ("shf.l.wrap.b32 d, a, b, c;", "b32", "b32", (0x80000001, 0xF, 36), 0xF8),
    ("shf.r.wrap.b32 d, a, b, c;", "b32", "b32", (0x80000001, 0xF, 4), 0xF8000000),
    ("shf.r.clamp.b32 d, a, b, c;", "b32", "b32", (1, 0xF, 40), 0xF),
    ("shf.l.clamp.b32 d, a, b, c;", "b32", "b32", (7, 1, 40), 7),
    ("bfe.u32 d, a, b, c;", "u32", "u32", (0xABCD1234, 8, 8), 0x12),
    ("bfe.u32 d, a, b, c;", "u32", "u32", (0xABCD1234, 28, 8), 0xA),
    ("bfe.s32 d, a, b, c;", "s32", ("s32", "u32", "u32"), (0xC0, 4, 4), -4),
    ("bfe.s32 d, a, b, c;", "s32", ("s32", "u32", "u32"), (-8, 28, 8), -1),
    ("bfe.u64 d, a, b, c;", "u64", ("u64", "u32", "u32"), (2**63 + 5, 60, 4), 8),
    ("bfe.u32 d, a, b, c;", "u32", "u32", (5, 0, 0), 0),
    ("bfi.b32 d, a, b, 8, 4;", "b32", "b32", (0xFF, 0), 0xF00),
    ("bfi.b32 d, a, b, 28, 8;", "b32", "b32", (0x12, 0xFFFFFFFF), 0x2FFFFFFF),
    ("bfi.b64 d, a, b, 60, 4;", "b64", "b64", (5, 1), 5 * 2**60 + 1),
    ("bfi.b32 d, a, b, 3, 0;", "b32", "b32", (5, 6), 6),
    ("prmt.b32 d, a, b, c;", "b32", "b32", (0x33221100, 0x77665544, 0x0123), 0x00112233),
    ("prmt.b32 d, a, b, c;", "b32", "b32", (0x33221180, 0x77665544, 0x7748), 0x777744FF),
    ("brev.b32 d, a;", "b32", "b32", (0b1011,), 0b1101 << 28),
    ("brev.b64 d, a;", "b64", "b64", (1,), 2**63),
    ("popc.b32 d, a;", "u32", "b32", (0xF0F1,), 9),
    ("popc.b64 d, a;", "u32", "b64", (2**64 - 1,), 64),
    ("clz.b32 d, a;", "u32", "b32", (1,), 31),
    ("clz.b32 d, a;", "u32", "b32", (0,), 32),
    ("clz.b64 d, a;", "u32", "b64", (2**40,), 23),
    ("mov.b64 d, {a, b};", "b64", "b32", (1, 2), 2**33 + 1),
    ("mov.b32 d, {a, b};", "b32", "b16", (1, 2), 2 * 65536 + 1),
    ("mov.b64 {_, d}, a;", "b32", "b64", (7 * 2**32 + 1,), 7),
    ("mov.b32 {d, _}, a;", "b16", "b32", (0x12345678,), 0x5678),
    ("mov.b32 d, a;", "b32", "f32", (1.0,), 0x3F800000),
    ("mov.b32 d, a;", "f32", "b32", (0x3F800000,), 1.0),
    ("mov.b64 d, a;", "b64", "f64", (-0.0,), 2**63),
    ("mov.f32 d, 0f7FC00001;", "b32", "b32", (), 0x7FC00001),
]

CONVERSIONS = [
    ("cvt.s64.s32 d, a;", "s64", "s32", (-5,), -5),
    ("cvt.u64.u32 d, a;", "u64", "u32", (2**32 - 5,), 2**32 - 5),
    ("cvt.u32.u64 d, a;", "u32", "u64", (2**40 + 7,), 7),
    ("cvt.s32.s16 d, a;", "s32", "s16", (-3,), -3),
    ("cvt.u32.u16 d, a;", "u32", "u16", (65535,), 65535),
    ("cvt.s32.s8 d, a;", "s32", "s32", (0x1FF,), -1),
    ("cvt.u16.u8 d, a;", "u16", "u16", (0x1FF,), 255),
    ("cvt.s16.s8 d, a;", "s16", "u16", (0x180,), -128),
    ("cvt.sat.u8.s32 d, a;", "u32", "s32", (300,), 255),
    ("cvt.sat.u8.s32 d, a;", "u32", "s32", (-300,), 0),
    ("cvt.sat.s32.u32 d, a;", "s32", "u32", (2**31,), LAST32),
    ("cvt.rn.f32.s32 d, a;", "f32", "s32", (2**24 + 1,), 2**24),
    ("cvt.rn.f32.u64 d, a;", "f32", "u64", (2**64 - 1,), 2.0**64),
    ("cvt.rn.f64.s64 d, a;", "f64", "s64", (2**53 + 1,), 2.0**53),
    ("cvt.rn.f64.u64 d, a;", "f64", "u64", (2**53 + 3,), 2.0**53 + 4),
    ("cvt.f64.f32 d, a;", "f64", "f32", (0.1,), float(np.float32(0.1))),
    ("cvt.rn.f32.f64 d, a;", "f32", "f64", (1 + 2**-24 + 2**-40,), 1 + 2**-23),
    ("cvt.rzi.s32.f32 d, a;", "s32", "f32", (-2.9,), -2),
    ("cvt.rzi.s32.f32 d, a;", "s32", "f32", (3e9,), LAST32),
    ("cvt.rzi.s32.f32 d, a;", "s32", "f32", (-INF,), FIRST32),
    ("cvt.rzi.s32.f32 d, a;", "s32", "f32", (NAN,), 0),
    ("cvt.rzi.u32.f32 d, a;", "u32", "f32", (-1,), 0),
    ("cvt.rzi.u32.f32 d, a;", "u32", "f32", (4294967040,), 4294967040),
    ("cvt.rzi.s32.f64 d, a;", "s32", "f64", (NAN,), FIRST32),
    ("cvt.rzi.s64.f32 d, a;", "s64", "f32", (NAN,), FIRST64),
    ("cvt.rzi.s64.f64 d, a;", "s64", "f64", (1e300,), LAST64),
    ("cvt.rzi.u64.f64 d, a;", "u64", "f64", (2.0**63,), 2**63),
    ("cvt.rzi.u64.f64 d, a;", "u64", "f64", (2.0**64,), 2**64 - 1),
    ("cvt.rzi.u64.f64 d, a;", "u64", "f64", (-3,), 0),
    ("cvt.rni.s32.f32 d, a;", "s32", "f32", (2.5,), 2),
    ("cvt.rmi.s32.f32 d, a;", "s32", "f32", (-0.5,), -1),
    ("cvt.rpi.s32.f64 d, a;", "s32", "f64", (0.5,), 1),
    ("cvt.rni.f32.f32 d, a;", "f32", "f32", (3.5,), 4),
    ("cvt.rmi.f64.f64 d, a;", "f64", "f64", (-0.5,), -1),
]


def _comparisons():
    results = {  # of (1, 2), (2, 2), (NaN, 2)
        "eq": (0, 1, 0), "ne": (1, 0, 0), "lt": (1, 0, 0), "le": (1, 1, 0), "gt": (0, 0, 0),
        "ge": (0, 1, 0), "equ": (0, 1, 1), "neu": (1, 0, 1), "ltu": (1, 0, 1), "leu": (1, 1, 1),
        "gtu": (0, 0, 1), "geu": (0, 1, 1), "num": (1, 1, 0), "nan": (0, 0, 1),
    }  # fmt: skip
    for name, expected in results.items():
        for kind in ("f32", "f64"):
            for first, result in zip((1, 2, NAN), expected, strict=True):
                text = f"setp.{name}.{kind} %p1, a, b; selp.b32 d, 1, 0, %p1;"
                yield text, "b32", kind, (first, 2), result
    for name, signed, unsigned in (("lt", 1, 0), ("gt", 0, 1), ("le", 1, 0), ("ge", 0, 1)):
        text = "setp.{}.{} %p1, a, b; selp.b32 d, 1, 0, %p1;"
        yield text.format(name, "s32"), "b32", "s32", (-1, 1), signed
        yield text.format(name, "u32"), "b32", "s32", (-1, 1), unsigned
        yield text.format(name, "s64"), "b32", "s64", (-1, 1), signed
    for name, result in (("lo", 0), ("ls", 0), ("hi", 1), ("hs", 1)):
        text = f"setp.{name}.u32 %p1, a, b; selp.b32 d, 1, 0, %p1;"
        yield text, "b32", "u32", (2**32 - 1, 1), result
    for join, result in (("and", 0), ("or", 1), ("xor", 1)):
        text = (f"setp.eq.s32 %p2, a, a; setp.lt.{join}.s32 %p1|%p3, a, b, %p2; "
                "selp.b32 d, 1, 0, %p1;")  # fmt: skip
        yield text, "b32", "s32", (5, 1), result
        yield text.replace("1, 0, %p1", "1, 0, %p3"), "b32", "s32", (5, 1), int(join != "xor")
        text = f"setp.eq.s32 %p1, a, a; setp.ne.s32 %p2, a, a; {join}.pred %p3, %p1, %p2; "
        yield text + "selp.b32 d, 1, 0, %p3;", "b32", "s32", (5,), result
    text = "setp.eq.s32 %p1, a, b; not.pred %p2, %p1; selp.s64 d, -1, 1, %p2;"
    yield text, "s64", "s32", (1, 2), -1
    yield "setp.eq.s32 %p1, a, b; selp.f32 d, 0f3F800000, 0f00000000, %p1;", "f32", "s32", (1, 1), 1
    yield "setp.eq.s32 %p1, a, b; @%p1 mov.u32 d, 7; @!%p1 mov.u32 d, 8;", "u32", "s32", (1, 1), 7
    yield "setp.eq.s32 %p1, a, b; @%p1 mov.u32 d, 7; @!%p1 mov.u32 d, 8;", "u32", "s32", (1, 2), 8


ROWS = [*ARITHMETIC, *BITS, *CONVERSIONS, *_comparisons()]


def _register(kind, number):
    dtype = DTYPES[kind]
    return PREFIXES.get(dtype, PREFIXES.get(dtype[1:])) + str(number)


def operand_kinds(row):
    """Return the type of each operand."""
    _, _, kinds, values, _ = row
    return (kinds,) * len(values) if isinstance(kinds, str) else kinds


def module(rows) -> str:
    """Return a kernel that writes what each row makes of its operands, which it reads."""
    lines, place = [], 0
    for index, row in enumerate(rows):
        text, result, *_ = row
        names = {"d": _register(result, 0)}
        for name, kind in zip("abc", operand_kinds(row), strict=False):
            names[name] = _register(kind, "abc".index(name) + 1)
            lines.append(f"ld.global.{kind} {names[name]}, [%in+{SPACE * place}];")
            place += 1
        for name, register in names.items():
            text = re.sub(rf"(?<![\w.%]){name}\b", register, text)
        lines += [text, f"st.global.{result} [%out+{SPACE * index}], {names['d']};"]
    return "\n".join([
        ".version 8.0", ".target sm_90", ".address_size 64",
        ".visible .entry rows(.param .u64 inputs, .param .u64 outputs)", "{",
        ".reg .pred %p<4>;", ".reg .b16 %rs<4>;", ".reg .b32 %r<4>;", ".reg .b64 %rd<4>;",
        ".reg .f32 %f<4>;", ".reg .f64 %fd<4>;", ".reg .b64 %in;", ".reg .b64 %out;",
        "ld.param.u64 %in, [inputs];", "ld.param.u64 %out, [outputs];",
        *lines, "ret;", "}", "",
    ])  # fmt: skip
