/* The codes of 64 samples, in two registers of AVX-512; unlike those of encode.h with the
   labels in them, and only of 16 bits.

   The steps of finding codes stand between additions to tables of other codes, found
   before: additions retire in order, one a cycle, and arithmetic of 64 samples in one piece
   would let them run dry before its end. */
#ifndef FASTPR_AVX512_CODES_H
#define FASTPR_AVX512_CODES_H

#include <immintrin.h>

#include "accumulate.h"

/* Keeps what is before it before what is after it, in the compiler's order. */
#define FASTPR_IN_ORDER __asm__ volatile("" ::: "memory")

/* ---- the codes of 64 samples ---- */

typedef struct {
    __m512i low, high;
} group_codes;

/* What the encoders need besides samples; each kind sets what it reads. */
typedef struct {
    __m512 last, inverse_high, inverse_low;
    __m512d last_f64, inverse_high_f64, inverse_low_f64;
    __m512i last_u16, one, first_edge, last_edge;
    __m512i label_bits, other_bits; /* of labels of a byte */
} code_constants;

/* 64 labels as bits, and what of them is neither 0 nor 1. */
typedef struct {
    uint64_t bits;
    __m512i others;
} group_labels;

static inline group_labels wide_labels(const char *labels, int label_kind)
{
    group_labels group = {0, _mm512_setzero_si512()};
    if (label_kind == FASTPR_LABEL_I16) {
        for (int part = 0; part < 2; part++) {
            __m512i some = _mm512_loadu_si512(labels + 64 * part);
            __m512i others = _mm512_and_si512(some, _mm512_set1_epi16(-2));
            group.others = _mm512_or_si512(group.others, others);
            group.bits |= (uint64_t)_mm512_test_epi16_mask(some, _mm512_set1_epi16(1)) << 32 * part;
        }
    } else if (label_kind == FASTPR_LABEL_I32) {
        for (int part = 0; part < 4; part++) {
            __m512i some = _mm512_loadu_si512(labels + 64 * part);
            __m512i others = _mm512_and_si512(some, _mm512_set1_epi32(-2));
            group.others = _mm512_or_si512(group.others, others);
            group.bits |= (uint64_t)_mm512_test_epi32_mask(some, _mm512_set1_epi32(1)) << 16 * part;
        }
    } else {
        for (int part = 0; part < 8; part++) {
            __m512i some = _mm512_loadu_si512(labels + 64 * part);
            __m512i others = _mm512_and_si512(some, _mm512_set1_epi64(-2));
            group.others = _mm512_or_si512(group.others, others);
            group.bits |= (uint64_t)_mm512_test_epi64_mask(some, _mm512_set1_epi64(1)) << 8 * part;
        }
    }
    return group;
}

/* Codes of 32 samples from twice their values. */
FASTPR_ALWAYS_INLINE __m512i with_labels(__m512i twice, uint64_t labels)
{
    return _mm512_mask_add_epi16(twice, (__mmask32)labels, twice, _mm512_set1_epi16(1));
}

FASTPR_ALWAYS_INLINE void store_codes(uint16_t *to, group_codes group)
{
    _mm512_storeu_si512(to, group.low);
    _mm512_storeu_si512(to + 32, group.high);
}

/* ---- the weights of 64 samples ---- */

/* NaN, infinities and negative numbers but -0.0, as the classes of vfpclass have them. */
#define FASTPR_BAD_WEIGHTS 0xD9

/* Writes them as doubles, and returns 1 if one is negative or not finite. */
FASTPR_ALWAYS_INLINE int store_weights(const char *weights, int weight_kind, double *to)
{
    int bad = 0;
    if (weight_kind == FASTPR_WEIGHT_BOOL) {
        __m512i some = _mm512_loadu_si512(weights);
        uint64_t is_one = _mm512_test_epi8_mask(some, some);
        for (int j = 0; j < FASTPR_GROUP; j += 8)
            _mm512_storeu_pd(to + j,
                             _mm512_maskz_mov_pd((__mmask8)(is_one >> j), _mm512_set1_pd(1.0)));
        return 0;
    }
    for (int j = 0; j < FASTPR_GROUP; j += 8) {
        __m512d some = weight_kind == FASTPR_WEIGHT_F32
                           ? _mm512_cvtps_pd(_mm256_loadu_ps((const float *)weights + j))
                           : _mm512_loadu_pd((const double *)weights + j);
        bad |= _mm512_fpclass_pd_mask(some, FASTPR_BAD_WEIGHTS);
        _mm512_storeu_pd(to + j, some);
    }
    return bad != 0;
}

/* ---- additions to the tables, in between ---- */

/* 64 codes that are ready, and the tables they go to, of counts or, with weights, of sums;
   `codes` is NULL if there are none. What is NULL must be so for the compiler too, and so
   must the cells from one copy of a table to the next be known to it: with a register for
   each of eight pointers there would be none left, and an addition would be one more load. */
typedef struct {
    uint32_t *counts;
    double *sums;
    size_t stride;
    const uint16_t *codes;
    const double *weights;
} ready_codes;

/* Reads four codes at a time: with a load for each, loads would be as scarce as stores. */
#define FASTPR_ADD_8(TERM)                                                                         \
    uint64_t first, second;                                                                        \
    memcpy(&first, codes, sizeof first);                                                           \
    memcpy(&second, codes + 4, sizeof second);                                                     \
    cells[(uint16_t)first] += TERM(0);                                                             \
    cells[stride + (uint16_t)(first >> 16)] += TERM(1);                                            \
    cells[2 * stride + (uint16_t)(first >> 32)] += TERM(2);                                        \
    cells[3 * stride + (first >> 48)] += TERM(3);                                                  \
    cells[4 * stride + (uint16_t)second] += TERM(4);                                               \
    cells[5 * stride + (uint16_t)(second >> 16)] += TERM(5);                                       \
    cells[6 * stride + (uint16_t)(second >> 32)] += TERM(6);                                       \
    cells[7 * stride + (second >> 48)] += TERM(7);

#define FASTPR_ONE(index) 1
#define FASTPR_WEIGHT(index) weights[index]

FASTPR_ALWAYS_INLINE void count_8(uint32_t *cells, size_t stride,
                                  const uint16_t *codes){FASTPR_ADD_8(FASTPR_ONE)}

FASTPR_ALWAYS_INLINE void sum_8(double *cells, size_t stride, const uint16_t *codes,
                                const double *weights){FASTPR_ADD_8(FASTPR_WEIGHT)}

/* Eight of those that are ready, from `start`. */
FASTPR_ALWAYS_INLINE void add_8_between(const ready_codes *ready, int start)
{
    if (!ready->codes)
        return;
    FASTPR_IN_ORDER;
    if (ready->weights)
        sum_8(ready->sums, ready->stride, ready->codes + start, ready->weights + start);
    else
        count_8(ready->counts, ready->stride, ready->codes + start);
    FASTPR_IN_ORDER;
}

FASTPR_ALWAYS_INLINE void add_32_between(const ready_codes *ready, int start)
{
    for (int j = start; j < start + 32; j += 8)
        add_8_between(ready, j);
}

/* ---- encoders: csrc/histogram/encode.h says what each computes ----

   Each adds codes that are ready in between, and sets `alarm` if a score may not be valid. */

/* The guesses of 16 scores, with the bin in their low bits, and which are one too high. */
#define FASTPR_GUESS_F32(part)                                                                     \
    __m512 scores_##part = _mm512_loadu_ps(scores + 16 * part);                                    \
    __m512 guess_##part =                                                                          \
        _mm512_fmadd_ps(scores_##part, constants->last, _mm512_set1_ps(12582912.0f));              \
    add_8_between(ready, 16 * part);                                                               \
    __m512 nearest_##part = _mm512_sub_ps(guess_##part, _mm512_set1_ps(12582912.0f));              \
    __m512 threshold_##part =                                                                      \
        _mm512_fmadd_ps(nearest_##part, constants->inverse_high,                                   \
                        _mm512_mul_ps(nearest_##part, constants->inverse_low));                    \
    add_8_between(ready, 16 * part + 8);                                                           \
    __mmask16 is_below_##part = _mm512_cmp_ps_mask(scores_##part, threshold_##part, _CMP_LT_OQ);

FASTPR_ALWAYS_INLINE __m512i join_guesses(__m512 first, __m512 second, __mmask32 is_below)
{
    const __m512i low_halves =
        _mm512_set_epi16(62, 60, 58, 56, 54, 52, 50, 48, 46, 44, 42, 40, 38, 36, 34, 32, 30, 28, 26,
                         24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    __m512i bins = _mm512_permutex2var_epi16(_mm512_castps_si512(first), low_halves,
                                             _mm512_castps_si512(second));
    bins = _mm512_add_epi16(bins, bins);
    return _mm512_mask_sub_epi16(bins, is_below, bins, _mm512_set1_epi16(2));
}

FASTPR_ALWAYS_INLINE __m512i largest_bits(__m512 first, __m512 second)
{
    return _mm512_max_epu32(_mm512_castps_si512(first), _mm512_castps_si512(second));
}

FASTPR_ALWAYS_INLINE group_codes encode_group_f32(const float *scores, uint64_t labels,
                                                  const code_constants *constants,
                                                  const ready_codes *ready, int *alarm)
{
    FASTPR_GUESS_F32(0)
    FASTPR_GUESS_F32(1)
    __m512i low = join_guesses(guess_0, guess_1, _mm512_kunpackw(is_below_1, is_below_0));
    FASTPR_GUESS_F32(2)
    FASTPR_GUESS_F32(3)
    __m512i high = join_guesses(guess_2, guess_3, _mm512_kunpackw(is_below_3, is_below_2));
    __m512i largest =
        _mm512_max_epu32(largest_bits(scores_0, scores_1), largest_bits(scores_2, scores_3));
    *alarm = _mm512_cmpgt_epu32_mask(largest, _mm512_set1_epi32(0x3F800000)) != 0;
    return (group_codes){with_labels(low, labels), with_labels(high, labels >> 32)};
}

/* Twice the bins of 8 scores, as 16-bit integers. */
FASTPR_ALWAYS_INLINE __m128i encode_8_f64(const double *scores, const code_constants *constants,
                                          __m512i *largest)
{
    const __m512d round_to_integer = _mm512_set1_pd(6755399441055744.0);
    __m512d some = _mm512_loadu_pd(scores);
    *largest = _mm512_max_epu64(*largest, _mm512_castpd_si512(some));
    __m512d guess = _mm512_fmadd_pd(some, constants->last_f64, round_to_integer);
    __m512d nearest = _mm512_sub_pd(guess, round_to_integer);
    __m512d threshold = _mm512_fmadd_pd(nearest, constants->inverse_high_f64,
                                        _mm512_mul_pd(nearest, constants->inverse_low_f64));
    __m128i bins = _mm512_cvtepi64_epi16(_mm512_castpd_si512(guess));
    __mmask8 is_below = _mm512_cmp_pd_mask(some, threshold, _CMP_LT_OQ);
    bins = _mm_add_epi16(bins, bins);
    return _mm_mask_sub_epi16(bins, is_below, bins, _mm_set1_epi16(2));
}

FASTPR_ALWAYS_INLINE __m512i encode_32_f64(const double *scores, const code_constants *constants,
                                           const ready_codes *ready, int start, __m512i *largest)
{
    __m128i parts[4];
    for (int part = 0; part < 4; part++) {
        parts[part] = encode_8_f64(scores + 8 * part, constants, largest);
        add_8_between(ready, start + 8 * part);
    }
    __m512i codes = _mm512_castsi128_si512(parts[0]);
    codes = _mm512_inserti64x2(codes, parts[1], 1);
    codes = _mm512_inserti64x2(codes, parts[2], 2);
    return _mm512_inserti64x2(codes, parts[3], 3);
}

FASTPR_ALWAYS_INLINE group_codes encode_group_f64(const double *scores, uint64_t labels,
                                                  const code_constants *constants,
                                                  const ready_codes *ready, int *alarm)
{
    __m512i largest = _mm512_setzero_si512();
    __m512i low = encode_32_f64(scores, constants, ready, 0, &largest);
    __m512i high = encode_32_f64(scores + 32, constants, ready, 32, &largest);
    *alarm = _mm512_cmpgt_epu64_mask(largest, _mm512_set1_epi64(0x3FF0000000000000)) != 0;
    return (group_codes){with_labels(low, labels), with_labels(high, labels >> 32)};
}

/* floor(u * last / 65535), as in encode.h: the high half of the product, and a carry. */
FASTPR_ALWAYS_INLINE __m512i encode_32_u16(const uint16_t *scores, const code_constants *constants)
{
    __m512i some = _mm512_loadu_si512(scores);
    __m512i low = _mm512_mullo_epi16(some, constants->last_u16);
    __m512i high = _mm512_mulhi_epu16(some, constants->last_u16);
    __m512i all_but_high = _mm512_xor_si512(high, _mm512_set1_epi16(-1));
    __m512i twice = _mm512_add_epi16(high, high);
    return _mm512_mask_add_epi16(twice, _mm512_cmpge_epu16_mask(low, all_but_high), twice,
                                 _mm512_set1_epi16(2));
}

FASTPR_ALWAYS_INLINE group_codes encode_group_u16(const uint16_t *scores, uint64_t labels,
                                                  const code_constants *constants,
                                                  const ready_codes *ready, int *alarm)
{
    *alarm = 0;
    __m512i low = with_labels(encode_32_u16(scores, constants), labels);
    add_32_between(ready, 0);
    __m512i high = with_labels(encode_32_u16(scores + 32, constants), labels >> 32);
    add_32_between(ready, 32);
    return (group_codes){low, high};
}

/* Scores of few bits are counted by value, and the values of one bin may share a cell: all
   of the first bin do, and all of the last but that of 1.0, where most of real scores are. */
FASTPR_ALWAYS_INLINE __m512i join_outer_values(__m512i values, const code_constants *constants)
{
    __mmask32 is_last = _mm512_cmpgt_epu16_mask(values, constants->last_edge);
    is_last = _mm512_mask_cmplt_epu16_mask(is_last, values, constants->one);
    values = _mm512_mask_mov_epi16(values, is_last, constants->last_edge);
    return _mm512_maskz_mov_epi16(_mm512_cmpge_epu16_mask(values, constants->first_edge), values);
}

FASTPR_ALWAYS_INLINE __m512i encode_32_u8(const uint8_t *scores, const code_constants *constants)
{
    __m512i values = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const void *)scores));
    values = join_outer_values(values, constants);
    return _mm512_add_epi16(values, values);
}

FASTPR_ALWAYS_INLINE group_codes encode_group_u8(const uint8_t *scores, uint64_t labels,
                                                 const code_constants *constants,
                                                 const ready_codes *ready, int *alarm)
{
    *alarm = 0;
    __m512i low = with_labels(encode_32_u8(scores, constants), labels);
    add_32_between(ready, 0);
    __m512i high = with_labels(encode_32_u8(scores + 32, constants), labels >> 32);
    add_32_between(ready, 32);
    return (group_codes){low, high};
}

/* Twice the bits of -0.0 is 0 again, in 16 of them. */
FASTPR_ALWAYS_INLINE __m512i encode_32_half(const uint16_t *scores, const code_constants *constants,
                                            int *alarm)
{
    __m512i values = _mm512_loadu_si512(scores);
    *alarm |= _mm512_cmpgt_epu16_mask(values, constants->one) != 0;
    values = join_outer_values(values, constants);
    return _mm512_add_epi16(values, values);
}

FASTPR_ALWAYS_INLINE group_codes encode_group_half(const uint16_t *scores, uint64_t labels,
                                                   const code_constants *constants,
                                                   const ready_codes *ready, int *alarm)
{
    *alarm = 0;
    __m512i low = with_labels(encode_32_half(scores, constants, alarm), labels);
    add_32_between(ready, 0);
    __m512i high = with_labels(encode_32_half(scores + 32, constants, alarm), labels >> 32);
    add_32_between(ready, 32);
    return (group_codes){low, high};
}

static inline code_constants constants_of(int label_kind, const uint16_t *edges, int32_t num_values,
                                          int32_t num_thresholds)
{
    const double last = (double)(num_values - 1);
    const float last_f32 = (float)last, inverse = 1.0f / last_f32;
    const double inverse_f64 = 1.0 / last;
    code_constants constants = {
        .last = _mm512_set1_ps(last_f32),
        .inverse_high = _mm512_set1_ps(inverse),
        .inverse_low = _mm512_set1_ps((float)(inverse_f64 - (double)inverse)),
        .last_f64 = _mm512_set1_pd(last),
        .inverse_high_f64 = _mm512_set1_pd(inverse_f64),
        .inverse_low_f64 = _mm512_set1_pd(__builtin_fma(-inverse_f64, last, 1.0) / last),
        .label_bits = _mm512_set1_epi8(label_kind == FASTPR_LABEL_BOOL ? -1 : 1),
        .other_bits = _mm512_set1_epi8(label_kind == FASTPR_LABEL_BOOL ? 0 : -2),
        .last_u16 = _mm512_set1_epi16((short)(num_values - 1)),
    };
    if (edges) {
        constants.one = _mm512_set1_epi16((short)(num_values - 1));
        constants.first_edge = _mm512_set1_epi16((short)edges[1]);
        constants.last_edge = _mm512_set1_epi16((short)edges[num_thresholds - 2]);
    }
    return constants;
}

#endif
