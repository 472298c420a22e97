/* What PTX instructions do that C has no operator for. */

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float as_f32(uint32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static inline double as_f64(uint64_t bits) {
    double value;
    memcpy(&value, &bits, 8);
    return value;
}

static inline uint32_t bits_f32(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

static inline uint64_t bits_f64(double value) {
    uint64_t bits;
    memcpy(&bits, &value, 8);
    return bits;
}

/* What a GPU makes of NaN in float32 does not depend on the operands. */
static inline uint32_t result_f32(float value) {
    return value != value ? 0x7fffffffu : bits_f32(value);
}

static inline uint64_t result_f64(double value) { return bits_f64(value); }

static inline float from_f16(uint16_t bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const float size = exponent == 31 ? (fraction ? NAN : INFINITY)
                       : exponent     ? ldexpf(1024 + fraction, exponent - 25)
                                      : ldexpf(fraction, -24);
    return bits & 0x8000 ? -size : size;
}

static inline float from_bf16(uint16_t bits) { return as_f32((uint32_t)bits << 16); }

#define MIN_MAX(type, name)                                                            \
    static inline type min_##name(type a, type b) { return b < a ? b : a; }            \
    static inline type max_##name(type a, type b) { return b > a ? b : a; }
MIN_MAX(int16_t, s16)
MIN_MAX(uint16_t, u16)
MIN_MAX(int32_t, s32)
MIN_MAX(uint32_t, u32)
MIN_MAX(int64_t, s64)
MIN_MAX(uint64_t, u64)

/* A number wins over NaN, and 0 is more than -0. */
#define FLOAT_MIN_MAX(type, name)                                                      \
    static inline type min_##name(type a, type b) {                                    \
        if (a != a) return b;                                                          \
        return b < a || (a == b && signbit(b)) ? b : a;                                \
    }                                                                                  \
    static inline type max_##name(type a, type b) {                                    \
        if (a != a) return b;                                                          \
        return b > a || (a == b && signbit(a)) ? b : a;                                \
    }
FLOAT_MIN_MAX(float, f32)
FLOAT_MIN_MAX(double, f64)

/* A rounded float as an integer from `low` to `high`, NaN as the PTX manual says. */
#define TO_INTEGER(type, name, low, high, nan_of_32, nan_of_64)                        \
    static inline type f32_to_##name(double x) {                                       \
        return x != x ? (type)(nan_of_32) : x <= (double)(low) ? (low)                 \
             : x >= (double)(high) ? (high) : (type)x;                                 \
    }                                                                                  \
    static inline type f64_to_##name(double x) {                                       \
        return x != x ? (type)(nan_of_64) : x <= (double)(low) ? (low)                 \
             : x >= (double)(high) ? (high) : (type)x;                                 \
    }
TO_INTEGER(int8_t, s8, INT8_MIN, INT8_MAX, 0, 1u << 7)
TO_INTEGER(uint8_t, u8, 0, UINT8_MAX, 0, 1u << 7)
TO_INTEGER(int16_t, s16, INT16_MIN, INT16_MAX, 0, 1u << 15)
TO_INTEGER(uint16_t, u16, 0, UINT16_MAX, 0, 1u << 15)
TO_INTEGER(int32_t, s32, INT32_MIN, INT32_MAX, 0, 1u << 31)
TO_INTEGER(uint32_t, u32, 0, UINT32_MAX, 0, 1u << 31)
TO_INTEGER(int64_t, s64, INT64_MIN, INT64_MAX, 1ull << 63, 1ull << 63)
TO_INTEGER(uint64_t, u64, 0, UINT64_MAX, 1ull << 63, 1ull << 63)

/* Integers that are made to fit; every integer type but uint64 has its values in int64. */
static inline __int128 clamp(__int128 value, __int128 low, __int128 high) {
    return value < low ? low : value > high ? high : value;
}

#define SHIFT(unsigned_type, signed_type, bits)                                        \
    static inline unsigned_type shl_##bits(unsigned_type value, uint32_t count) {      \
        return count >= bits ? 0 : (unsigned_type)(value << count);                    \
    }                                                                                  \
    static inline unsigned_type shr_u##bits(unsigned_type value, uint32_t count) {     \
        return count >= bits ? 0 : value >> count;                                     \
    }                                                                                  \
    static inline signed_type shr_s##bits(signed_type value, uint32_t count) {         \
        return value >> (count >= bits ? bits - 1 : count);                            \
    }
SHIFT(uint16_t, int16_t, 16)
SHIFT(uint32_t, int32_t, 32)
SHIFT(uint64_t, int64_t, 64)

static inline uint32_t shf_left(uint32_t low, uint32_t high, uint32_t count) {
    return (uint32_t)(((uint64_t)high << 32 | low) << count >> 32);
}

static inline uint32_t shf_right(uint32_t low, uint32_t high, uint32_t count) {
    return (uint32_t)(((uint64_t)high << 32 | low) >> count);
}

/* Dividing by 0 gives all ones, and what a remainder then is, the manual leaves open. */
#define DIVIDE(type, name, low)                                                        \
    static inline type div_##name(type a, type b) {                                    \
        return b == 0 ? (type)-1 : (low) && b == (type)-1 ? (type)(0 - (uint64_t)a) : a / b; \
    }                                                                                  \
    static inline type rem_##name(type a, type b) {                                    \
        return b == 0 ? a : (low) && b == (type)-1 ? 0 : a % b;                        \
    }
DIVIDE(int16_t, s16, 1)
DIVIDE(uint16_t, u16, 0)
DIVIDE(int32_t, s32, 1)
DIVIDE(uint32_t, u32, 0)
DIVIDE(int64_t, s64, 1)
DIVIDE(uint64_t, u64, 0)

static inline uint64_t field_mask(uint32_t length) {
    return length >= 64 ? ~0ull : (1ull << length) - 1;
}

static inline uint64_t bfe(uint64_t value, uint32_t start, uint32_t length, int bits,
                           int is_signed) {
    start &= 255;
    length &= 255;
    if (length == 0) return 0;
    const uint64_t last = start + length - 1 < (uint32_t)bits ? start + length - 1 : bits - 1;
    const int sign = is_signed && value >> last & 1;
    const uint64_t field = (start >= (uint32_t)bits ? 0 : value >> start) & field_mask(length);
    const uint32_t known = start >= (uint32_t)bits ? 0 : (uint32_t)last - start + 1;
    return sign ? field | ~field_mask(known) : field & field_mask(known);
}

static inline uint64_t bfi(uint64_t field, uint64_t base, uint32_t start, uint32_t length,
                           uint32_t bits) {
    start &= 255;
    length &= 255;
    if (start >= bits || length == 0) return base;
    const uint64_t mask = field_mask(length) << start;
    return (base & ~mask) | (field << start & mask);
}

static inline uint64_t brev(uint64_t value, int bits) {
    uint64_t result = 0;
    for (int i = 0; i < bits; i++) result |= (value >> i & 1) << (bits - 1 - i);
    return result;
}

static inline uint32_t prmt(uint32_t a, uint32_t b, uint32_t selector) {
    const uint64_t bytes = (uint64_t)b << 32 | a;
    uint32_t result = 0;
    for (int i = 0; i < 4; i++) {
        const uint32_t choice = selector >> 4 * i & 15;
        uint32_t byte = bytes >> 8 * (choice & 7) & 255;
        if (choice & 8) byte = byte & 128 ? 255 : 0; /* its sign in all bits */
        result |= byte << 8 * i;
    }
    return result;
}

static inline uint64_t next_inc(uint64_t old, uint64_t last) { return old >= last ? 0 : old + 1; }
