/* Codes on their way to the tables, and those that need not go there one by one.

   What a core can do is one store a cycle, and adding a code to a table is one; so codes that
   can be counted otherwise are. A group of 64 samples of one code is one addition. Where few
   codes are most of the samples, as in nearly all real scores, masks of the samples that
   have them are counted by popcount, and only the other codes go to the tables. */
#ifndef FASTPR_AVX512_HOT_CODES_H
#define FASTPR_AVX512_HOT_CODES_H

#include "avx512_codes.h"

#define FASTPR_MOST_HOT 4

/* Codes are read from the queue when the write, of whole registers, has long been done. */
#define FASTPR_QUEUE_LAG 128
#define FASTPR_QUEUE_LENGTH 2048

/* ---- the queue ---- */

typedef struct {
    _Alignas(64) uint16_t codes[FASTPR_QUEUE_LENGTH + FASTPR_GROUP];
    int begin, end;
} code_queue;

static inline void queue_to_front(code_queue *self)
{
    self->end -= self->begin;
    memmove(self->codes, self->codes + self->begin, (size_t)self->end * sizeof *self->codes);
    self->begin = 0;
}

/* Counts all but about the last `num_kept`, which may not be written yet. */
static void queue_count(code_queue *self, uint32_t *cells, int has_copies, int num_kept)
{
    int begin = self->begin, stop = self->end - num_kept;
    if (has_copies) {
        for (; begin + 8 <= stop; begin += 8)
            count_8(cells, FASTPR_COUNT_STRIDE, self->codes + begin);
    } else {
        for (; begin + 8 <= stop; begin += 8)
            count_8(cells, 0, self->codes + begin);
    }
    for (; !num_kept && begin < stop; begin++)
        cells[self->codes[begin]]++;
    self->begin = begin;
    queue_to_front(self);
}

/* Stores whole registers, so there must be room for 32 more. */
FASTPR_ALWAYS_INLINE int append_32(__m512i codes, __mmask32 chosen, uint16_t *to, int end)
{
#ifdef __AVX512VBMI2__
    _mm512_storeu_si512(to + end, _mm512_maskz_compress_epi16(chosen, codes));
    return end + __builtin_popcount(chosen);
#else
    for (int half = 0; half < 2; half++) {
        __m256i some = half ? _mm512_extracti64x4_epi64(codes, 1) : _mm512_castsi512_si256(codes);
        __mmask16 own = (__mmask16)(chosen >> 16 * half);
        __m512i wide = _mm512_maskz_compress_epi32(own, _mm512_cvtepu16_epi32(some));
        _mm256_storeu_si256((void *)(to + end), _mm512_cvtepi32_epi16(wide));
        end += __builtin_popcount(own);
    }
    return end;
#endif
}

/* ---- hot codes ---- */

typedef struct {
    uint16_t codes[FASTPR_MOST_HOT]; /* all different */
    int64_t counts[FASTPR_MOST_HOT]; /* in the last window, or an estimate */
    int num;                         /* that are worth looking for; 0 for none */
} hot_codes;

static inline int64_t count_in_group(const uint16_t *codes, uint16_t code)
{
    const __m512i own = _mm512_set1_epi16((short)code);
    return __builtin_popcount(_mm512_cmpeq_epi16_mask(_mm512_loadu_si512(codes), own)) +
           __builtin_popcount(_mm512_cmpeq_epi16_mask(_mm512_loadu_si512(codes + 32), own));
}

/* Puts a code in the place of the rarest, if it is found more often and not there yet. */
static inline void make_hot(hot_codes *self, uint16_t code, int64_t count)
{
    int rarest = 0;
    for (int j = 0; j < FASTPR_MOST_HOT; j++) {
        if (self->codes[j] == code)
            return;
        rarest = self->counts[j] < self->counts[rarest] ? j : rarest;
    }
    if (count <= self->counts[rarest])
        return;
    self->codes[rarest] = code;
    self->counts[rarest] = count;
}

/* The most frequent first, and only as many as pay for being looked for. */
static inline void choose_hot(hot_codes *self)
{
    int64_t most = 0;
    for (int i = 1; i < FASTPR_MOST_HOT; i++)
        for (int j = i; j > 0 && self->counts[j - 1] < self->counts[j]; j--) {
            int64_t count = self->counts[j];
            uint16_t code = self->codes[j];
            self->counts[j] = self->counts[j - 1];
            self->codes[j] = self->codes[j - 1];
            self->counts[j - 1] = count;
            self->codes[j - 1] = code;
        }
    for (int j = 0; j < FASTPR_MOST_HOT; j++)
        most += self->counts[j];
    int64_t two = self->counts[0] + self->counts[1];
    self->num = most < FASTPR_WINDOW / 2 ? 0 : most - two < FASTPR_WINDOW / 16 ? 2 : 4;
}

/* Learns from the last 64 codes that were queued, which stand for `num_queued` of a window. */
static inline void look_for_hot(hot_codes *self, const code_queue *queue, int64_t num_queued)
{
    if (queue->end < FASTPR_GROUP || (self->num && num_queued < FASTPR_WINDOW / 16))
        return;
    const uint16_t *codes = queue->codes + queue->end - FASTPR_GROUP;
    if (!self->num)
        for (int j = 0; j < FASTPR_MOST_HOT; j++)
            self->counts[j] = count_in_group(codes, self->codes[j]) * num_queued / FASTPR_GROUP;
    for (int j = 0; j < FASTPR_GROUP; j += 4)
        make_hot(self, codes[j], count_in_group(codes, codes[j]) * num_queued / FASTPR_GROUP);
    choose_hot(self);
}

/* Codes of a group that are none of the hot ones go to the queue; those that are, are counted,
   but for those of the last hot code, which are what is left of the window. */
FASTPR_ALWAYS_INLINE int filter_group(group_codes group, const hot_codes *hot, int num_hot,
                                      int64_t *counts, uint16_t *queue, int end)
{
    __mmask32 low = 0xFFFFFFFF, high = 0xFFFFFFFF; /* still to be counted */
    for (int j = 0; j < num_hot; j++) {
        const __m512i own = _mm512_set1_epi16((short)hot->codes[j]);
        __mmask32 low_others = _mm512_mask_cmpneq_epi16_mask(low, group.low, own);
        __mmask32 high_others = _mm512_mask_cmpneq_epi16_mask(high, group.high, own);
        if (j + 1 < num_hot)
            counts[j] +=
                __builtin_popcountll(_mm512_kunpackd(high ^ high_others, low ^ low_others));
        low = low_others;
        high = high_others;
    }
    if (!(low | high))
        return end;
    return append_32(group.high, high, queue, append_32(group.low, low, queue, end));
}

FASTPR_ALWAYS_INLINE int is_one_code(group_codes group)
{
    __m512i first = _mm512_broadcastw_epi16(_mm512_castsi512_si128(group.low));
    return !(_mm512_cmpneq_epi16_mask(group.low, first) |
             _mm512_cmpneq_epi16_mask(group.high, first));
}

FASTPR_ALWAYS_INLINE uint16_t first_code(group_codes group)
{
    return (uint16_t)_mm_cvtsi128_si32(_mm512_castsi512_si128(group.low));
}

#endif
