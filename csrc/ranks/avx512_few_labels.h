/* Rows of float32 scores with at most 16 labels, by hand for AVX-512: the labels of a row are
   the lanes of a vector, and a class that may come before some of them is compared with all at
   once. What count_before.h says of bars and of labels that are out holds here too. */
#ifndef FASTPR_AVX512_FEW_LABELS_H
#define FASTPR_AVX512_FEW_LABELS_H

#include "avx512_bars.h"

/* With more of 64 classes, all of them are compared with one label after the other. */
#define FASTPR_SPARSE_CLASSES 12

typedef struct {
    __m512i ids, keys, before;
    __mmask16 active; /* labels that are not out */
} few_labels;

static inline __m512i lane_numbers(void)
{
    return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

/* Reads 8 ids, and says which of them are in range. */
static inline __mmask8 read_wide_ids(const int64_t *ids, __mmask8 there, int32_t num_ids,
                                     __m256i *narrow)
{
    __m512i wide = _mm512_maskz_loadu_epi64(there, ids);
    *narrow = _mm512_cvtepi64_epi32(wide);
    return _mm512_mask_cmplt_epu64_mask(there, wide, _mm512_set1_epi64(num_ids));
}

/* Only the lanes of labels in range that are in no lane before are active. */
static inline few_labels read_few_labels(const void *labels, int labels_are_int64, int64_t start,
                                         int num_labels, int32_t num_ids)
{
    few_labels self;
    __mmask16 there = (__mmask16)((1u << num_labels) - 1);
    if (labels_are_int64) {
        const int64_t *own = (const int64_t *)labels + start;
        __m256i low, high = _mm256_setzero_si256();
        __mmask8 low_there = read_wide_ids(own, (__mmask8)there, num_ids, &low), high_there = 0;
        if (num_labels > 8)
            high_there = read_wide_ids(own + 8, (__mmask8)(there >> 8), num_ids, &high);
        self.ids = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
        there = (__mmask16)(low_there | high_there << 8);
    } else {
        self.ids = _mm512_maskz_loadu_epi32(there, (const int32_t *)labels + start);
        there = _mm512_mask_cmplt_epu32_mask(there, self.ids, _mm512_set1_epi32(num_ids));
    }
    self.ids = _mm512_mask_mov_epi32(_mm512_set1_epi32(-1), there, self.ids);
    __m512i lanes = lane_numbers();
    __mmask16 repeated = 0;
    for (int distance = 1; distance < num_labels; distance++) {
        lanes = _mm512_sub_epi32(lanes, _mm512_set1_epi32(1));
        repeated |= _mm512_mask_cmpeq_epi32_mask((__mmask16)(0xFFFFu << distance), self.ids,
                                                 _mm512_permutexvar_epi32(lanes, self.ids));
    }
    self.active = (__mmask16)(there & ~repeated);
    self.before = _mm512_setzero_si512();
    return self;
}

/* Counts one class for each label that it comes before. */
static inline void count_class(few_labels *self, const uint32_t *scores, int32_t id,
                               uint32_t infinity, int is_positive)
{
    const __m512i one = _mm512_set1_epi32(1);
    __m512i key = _mm512_set1_epi32((int)scores[id]);
    if (!is_positive)
        key = keys_from(key, infinity);
    /* above, or as high and of a lower id */
    __mmask16 wins = _mm512_cmpgt_epi32_mask(self->ids, _mm512_set1_epi32(id));
    __m512i keys = _mm512_mask_sub_epi32(self->keys, wins, self->keys, one);
    __mmask16 before = _mm512_cmpgt_epi32_mask(key, keys);
    self->before = _mm512_mask_add_epi32(self->before, before, self->before, one);
}

/* The same for each of 64 classes that has a bit. */
static inline void count_many_classes(few_labels *self, const uint32_t *scores, int32_t start,
                                      uint64_t some, uint32_t infinity)
{
    __m512i keys[4];
    int32_t label_keys[FASTPR_LANES], label_ids[FASTPR_LANES], before[FASTPR_LANES] = {0};
    for (int part = 0; part < 4; part++) {
        __mmask16 there = (__mmask16)(some >> 16 * part);
        __m512i bits = _mm512_maskz_loadu_epi32(there, scores + start + 16 * part);
        keys[part] =
            _mm512_mask_mov_epi32(_mm512_set1_epi32(INT32_MIN), there, keys_from(bits, infinity));
    }
    _mm512_storeu_si512(label_keys, self->keys);
    _mm512_storeu_si512(label_ids, self->ids);
    for (unsigned left = self->active; left; left &= left - 1) {
        int lane = __builtin_ctz(left);
        const __m512i key = _mm512_set1_epi32(label_keys[lane]);
        uint64_t above = 0, equal = 0;
        for (int part = 0; part < 4; part++) {
            above |= (uint64_t)_mm512_cmpgt_epi32_mask(keys[part], key) << 16 * part;
            equal |= (uint64_t)_mm512_cmpeq_epi32_mask(keys[part], key) << 16 * part;
        }
        int32_t own = label_ids[lane] - start;
        uint64_t lower = own <= 0 ? 0 : own >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << own) - 1;
        before[lane] = __builtin_popcountll(above | (equal & lower));
    }
    self->before = _mm512_add_epi32(self->before, _mm512_loadu_si512(before));
}

/* Counts the classes that have a bit in some words, of which there is a multiple of 8. */
static inline void count_passes(few_labels *self, const uint32_t *scores, int32_t start,
                                const uint64_t *passes, int num_words, uint32_t infinity,
                                int is_positive)
{
    for (int first = 0; first < num_words; first += 8) {
        __m512i words = _mm512_loadu_si512(passes + first);
        unsigned some = _mm512_test_epi64_mask(words, words);
        for (; some; some &= some - 1) {
            int word = first + __builtin_ctz(some);
            int32_t id = start + 64 * word;
            uint64_t left = passes[word];
            if (__builtin_popcountll(left) > FASTPR_SPARSE_CLASSES) {
                count_many_classes(self, scores, id, left, infinity);
                continue;
            }
            for (; left; left &= left - 1)
                count_class(self, scores, id + __builtin_ctzll(left), infinity, is_positive);
        }
    }
}

/* The lowest key that still matters, when all classes before num_seen were counted. */
static inline int32_t find_bar(const few_labels *self, int32_t num_seen)
{
    __mmask16 passed = _mm512_cmplt_epi32_mask(self->ids, _mm512_set1_epi32(num_seen));
    __m512i matters = _mm512_mask_add_epi32(self->keys, passed, self->keys, _mm512_set1_epi32(1));
    return _mm512_mask_reduce_min_epi32(self->active, matters);
}

static inline void count_row_of_few(few_labels *self, const uint32_t *scores, int32_t num_scores,
                                    int32_t k, uint32_t infinity)
{
    uint64_t passes[FASTPR_MOST_CHUNK / 64 + 8];
    int32_t most = first_chunk(num_scores);
    for (int32_t start = 0; start < num_scores && self->active;) {
        int32_t bar = find_bar(self, start);
        if (bar > (int32_t)infinity)
            return;
        score_range range = range_from(bar, infinity);
        int32_t length = num_scores - start < most ? num_scores - start : most;
        if (find_passes(scores + start, length, range, passes)) {
            int num_words = (length + 63) / 64;
            _mm512_storeu_si512(passes + num_words, _mm512_setzero_si512());
            if (bar > 0)
                count_passes(self, scores, start, passes, num_words, infinity, 1);
            else
                count_passes(self, scores, start, passes, num_words, infinity, 0);
            self->active &= _mm512_cmplt_epi32_mask(self->before, _mm512_set1_epi32(k));
        }
        start += length;
        most = most < FASTPR_MOST_CHUNK ? 2 * most : most;
    }
}

/* One step of a bitonic sort: puts lanes in order with those `distance` away. */
static inline __m512i sort_step(__m512i values, int size, int distance)
{
    const __m512i lanes = lane_numbers();
    __m512i others = _mm512_xor_si512(lanes, _mm512_set1_epi32(distance));
    __mmask16 is_later = _mm512_test_epi32_mask(lanes, _mm512_set1_epi32(distance));
    __mmask16 descends = _mm512_test_epi32_mask(lanes, _mm512_set1_epi32(size));
    others = _mm512_permutexvar_epi32(others, values);
    return _mm512_mask_max_epi32(_mm512_min_epi32(values, others), is_later ^ descends, values,
                                 others);
}

/* The first num lanes ascending; the others are not below them. */
static inline __m512i sort_lanes(__m512i values, int num)
{
    values = sort_step(values, 2, 1);
    values = sort_step(values, 4, 2);
    values = sort_step(values, 4, 1);
    values = sort_step(values, 8, 4);
    values = sort_step(values, 8, 2);
    values = sort_step(values, 8, 1);
    if (num <= 8)
        return values;
    values = sort_step(values, 16, 8);
    values = sort_step(values, 16, 4);
    values = sort_step(values, 16, 2);
    return sort_step(values, 16, 1);
}

/* Writes the ranks of the labels of a row, ascending, and returns their number; or writes
   nothing and returns -1, if a label is NaN. */
static inline int64_t rank_few_labels(const uint32_t *scores, int32_t num_scores,
                                      const void *labels, int labels_are_int64, int64_t label_start,
                                      int64_t num_labels, int32_t k, uint32_t infinity,
                                      int32_t *ranks)
{
    few_labels self =
        read_few_labels(labels, labels_are_int64, label_start, (int)num_labels, num_scores);
    __mmask16 all = self.active;
    int num = __builtin_popcount(all);
    __m512i bits = _mm512_setzero_si512();
    bits = _mm512_mask_i32gather_epi32(bits, all, self.ids, scores, 4);
    self.keys = keys_from(bits, infinity);
    if (_mm512_cmpeq_epi32_mask(self.keys, _mm512_set1_epi32(INT32_MIN)))
        return -1;
    count_row_of_few(&self, scores, num_scores, k, infinity);
    __m512i found = _mm512_mask_mov_epi32(_mm512_set1_epi32(k), self.active, self.before);
    found = _mm512_mask_mov_epi32(_mm512_set1_epi32(INT32_MAX), all, found);
    found = sort_lanes(found, (int)num_labels);
    _mm512_mask_storeu_epi32(ranks, (__mmask16)((1u << num) - 1), found);
    return num;
}

#endif
