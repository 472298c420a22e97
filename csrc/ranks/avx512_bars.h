/* Which float32 scores can matter, 64 at a time, by hand for AVX-512. */
#ifndef FASTPR_AVX512_BARS_H
#define FASTPR_AVX512_BARS_H

#include <immintrin.h>

#include "../fastpr.h"

#define FASTPR_LANES 16

/* Classes that are read at once: at first few, since the labels of a poor model are out soon,
   and then more and more. What follows a look costs as much as some hundred classes; in long
   rows the first lines come from memory, and fewer of them matter more. */
#define FASTPR_FIRST_CHUNK 64
#define FASTPR_FIRST_CHUNK_OF_SHORT 128
#define FASTPR_LONG_ROW 4096
#define FASTPR_MOST_CHUNK 2048

static inline int32_t first_chunk(int32_t num_scores)
{
    return num_scores < FASTPR_LONG_ROW ? FASTPR_FIRST_CHUNK_OF_SHORT : FASTPR_FIRST_CHUNK;
}

/* The bits of a key at or above the bar: (bits - first) <= width, as set_bar has it. */
typedef struct {
    uint32_t first, width;
} score_range;

static inline score_range range_from(int32_t bar, uint32_t infinity)
{
    if (bar > 0)
        return (score_range){(uint32_t)bar, infinity - (uint32_t)bar};
    return (score_range){0, 0x80000000u | (uint32_t)-bar};
}

/* Keys from bits, and the lowest for NaN. */
static inline __m512i keys_from(__m512i bits, uint32_t infinity)
{
    __m512i magnitude = _mm512_and_si512(bits, _mm512_set1_epi32(INT32_MAX));
    __m512i sign = _mm512_srai_epi32(bits, 31);
    __mmask16 there = _mm512_cmple_epi32_mask(magnitude, _mm512_set1_epi32((int)infinity));
    return _mm512_mask_sub_epi32(_mm512_set1_epi32(INT32_MIN), there,
                                 _mm512_xor_si512(magnitude, sign), sign);
}

static inline uint64_t passes_of(const uint32_t *scores, int num, score_range range)
{
    const __m512i from = _mm512_set1_epi32((int)range.first);
    const __m512i most = _mm512_set1_epi32((int)range.width);
    uint64_t passes = 0;
    for (int part = 0; part < 4; part++) {
        int rest = num - 16 * part;
        __mmask16 there = (__mmask16)(rest >= 16 ? 0xFFFF : rest > 0 ? (1 << rest) - 1 : 0);
        __m512i some = _mm512_maskz_loadu_epi32(there, scores + 16 * part);
        some = _mm512_sub_epi32(some, from);
        passes |= (uint64_t)_mm512_mask_cmple_epu32_mask(there, some, most) << 16 * part;
    }
    return passes;
}

/* Writes a bit for each of num scores, at most FASTPR_MOST_CHUNK of them, 64 to a word, and
   returns the bits of all words. */
static inline uint64_t find_passes(const uint32_t *scores, int32_t num, score_range range,
                                   uint64_t *passes)
{
    uint64_t any = 0;
    for (; num >= 64; num -= 64, scores += 64)
        any |= *passes++ = passes_of(scores, 64, range);
    if (num)
        any |= *passes = passes_of(scores, num, range);
    return any;
}

#endif
