/* What count_before.h does with a block of 64 float32 scores, by hand for AVX-512: compilers
   make no use of its compress instruction. */
#ifndef FASTPR_AVX512_RANKS_H
#define FASTPR_AVX512_RANKS_H

#include "avx512_few_labels.h"
#include "avx512_many_labels.h"

/* The keys of num scores, or of the first 64, and the lowest in place of the others. */
static inline void read_keys_32(const uint32_t *scores, int num, uint32_t infinity, int32_t *keys)
{
    const __m512i zero = _mm512_setzero_si512(), lowest = _mm512_set1_epi32(INT32_MIN);
    const __m512i infinite = _mm512_set1_epi32((int)infinity);
    const __m512i all_but_sign = _mm512_set1_epi32(INT32_MAX);
    for (int part = 0; part < 4; part++) {
        int rest = num - 16 * part;
        __mmask16 there = (__mmask16)(rest >= 16 ? 0xFFFF : rest > 0 ? (1 << rest) - 1 : 0);
        __m512i some = _mm512_maskz_loadu_epi32(there, scores + 16 * part);
        __m512i key = _mm512_and_si512(some, all_but_sign);         /* the magnitude */
        there = _mm512_mask_cmple_epi32_mask(there, key, infinite); /* not NaN */
        key = _mm512_mask_sub_epi32(key, _mm512_movepi32_mask(some), zero, key);
        _mm512_storeu_si512(keys + 16 * part, _mm512_mask_mov_epi32(lowest, there, key));
    }
}

static inline int count_above_32(const int32_t *keys, int32_t key)
{
    __m512i threshold = _mm512_set1_epi32(key);
    uint64_t above = 0;
    for (int part = 0; part < 4; part++) {
        __m512i some = _mm512_loadu_si512(keys + 16 * part);
        above |= (uint64_t)_mm512_cmpgt_epi32_mask(some, threshold) << 16 * part;
    }
    return (int)__builtin_popcountll(above);
}

/* Those above, and of the same key those of a lower id. */
static inline int count_around_32(const int32_t *keys, const int32_t *ids, int32_t key, int32_t id)
{
    __m512i threshold = _mm512_set1_epi32(key), own = _mm512_set1_epi32(id);
    uint64_t before = 0;
    for (int part = 0; part < 4; part++) {
        __m512i some = _mm512_loadu_si512(keys + 16 * part);
        __m512i their_ids = _mm512_loadu_si512(ids + 16 * part);
        __mmask16 is_equal = _mm512_cmpeq_epi32_mask(some, threshold);
        __mmask16 is_before = _mm512_mask_cmplt_epi32_mask(is_equal, their_ids, own);
        is_before |= _mm512_cmpgt_epi32_mask(some, threshold);
        before |= (uint64_t)is_before << 16 * part;
    }
    return (int)__builtin_popcountll(before);
}

/* Appends 16 scores and their ids, where `passes` has a bit, and returns how many there are
   then. Stores whole vectors, so there must be room for 16 more. */
static inline int append_avx512(__m512i scores, __mmask16 passes, int32_t id, uint32_t *bits,
                                int32_t *ids, int num)
{
    const __m512i steps = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i own_ids = _mm512_add_epi32(_mm512_set1_epi32(id), steps);
    _mm512_storeu_si512(bits + num, _mm512_maskz_compress_epi32(passes, scores));
    _mm512_storeu_si512(ids + num, _mm512_maskz_compress_epi32(passes, own_ids));
    return num + __builtin_popcount(passes);
}

/* Collects, of 64 scores, those with (score - first) <= width. */
static inline int collect_32(const uint32_t *scores, uint32_t first, uint32_t width, int32_t id,
                             uint32_t *bits, int32_t *ids, int num)
{
    const __m512i from = _mm512_set1_epi32((int)first), most = _mm512_set1_epi32((int)width);
    __m512i some[4];
    __mmask16 passes[4];
    for (int part = 0; part < 4; part++) {
        some[part] = _mm512_loadu_si512(scores + 16 * part);
        passes[part] = _mm512_cmple_epu32_mask(_mm512_sub_epi32(some[part], from), most);
    }
    if (!((passes[0] | passes[1]) | (passes[2] | passes[3])))
        return num;
    for (int part = 0; part < 4; part++)
        num = append_avx512(some[part], passes[part], id + 16 * part, bits, ids, num);
    return num;
}

/* The same for fewer than 64. */
static inline int collect_rest_32(const uint32_t *scores, int num_scores, uint32_t first,
                                  uint32_t width, int32_t id, uint32_t *bits, int32_t *ids, int num)
{
    const __m512i from = _mm512_set1_epi32((int)first), most = _mm512_set1_epi32((int)width);
    for (int start = 0; start < num_scores; start += 16) {
        int rest = num_scores - start;
        __mmask16 there = (__mmask16)(rest < 16 ? (1 << rest) - 1 : 0xFFFF);
        __m512i some = _mm512_maskz_loadu_epi32(there, scores + start);
        __mmask16 passes = _mm512_mask_cmple_epu32_mask(there, _mm512_sub_epi32(some, from), most);
        num = append_avx512(some, passes, id + start, bits, ids, num);
    }
    return num;
}

/* ---- whole rows, of which only ranks are wanted ---- */

typedef struct {
    int has_few, has_list; /* which rows can be ranked by hand */
    class_list list;
} by_hand;

static inline int by_hand_init(by_hand *self, int is_simple, int64_t most_labels,
                               int64_t num_classes, int32_t k)
{
    memset(self, 0, sizeof *self);
    self->has_few = is_simple;
    self->has_list = is_simple && most_labels > FASTPR_LANES && k <= FASTPR_MANY_RANKS &&
                     num_classes <= FASTPR_MANY_CLASSES;
    return self->has_list ? class_list_init(&self->list, num_classes, k) : 0;
}

static inline void by_hand_free(by_hand *self)
{
    if (self->has_list)
        class_list_free(&self->list);
}

/* Returns the number of distinct labels of a row; or -1, if it is not to be ranked by hand. */
static inline int64_t rank_by_hand(by_hand *self, const uint32_t *scores, int32_t num_scores,
                                   const void *labels, int labels_are_int64, int64_t label_start,
                                   int64_t num_labels, int32_t k, uint32_t infinity, int32_t *ranks)
{
    if (self->has_few && num_labels <= FASTPR_LANES)
        return rank_few_labels(scores, num_scores, labels, labels_are_int64, label_start,
                               num_labels, k, infinity, ranks);
    if (self->has_list && num_labels <= FASTPR_MANY_LABELS)
        return rank_many_labels(&self->list, scores, num_scores, labels, labels_are_int64,
                                label_start, num_labels, infinity, ranks);
    return -1;
}

#endif
