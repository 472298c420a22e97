/* Rows of float32 scores with some hundred labels, by hand for AVX-512.

   A label in the top k is among the best k classes, so the row leaves behind a list: the
   classes that are not below the worst label, in the order of their ids. When it is long, it
   is cut down to about the best k, and the worst of these is the bar for what follows. The
   labels on the list at the end are compared with all of it. */
#ifndef FASTPR_AVX512_MANY_LABELS_H
#define FASTPR_AVX512_MANY_LABELS_H

#include "avx512_bars.h"
#include "rank_labels.h"

#define FASTPR_MANY_LABELS 256
#define FASTPR_MANY_RANKS 4096        /* the highest k */
#define FASTPR_MANY_CLASSES (1 << 17) /* in longer rows the labels matter little */
#define FASTPR_CLASSES_AT_ONCE 4      /* taken from a word without a branch */

typedef struct {
    uint64_t *is_label; /* a bit for each class; between rows all are 0 */
    uint64_t *is_rank;  /* a bit for each rank below k, as well */
    int32_t *ids, *keys;
    int64_t num, num_keys; /* on the list; the keys of the last ones may be bits still */
    int64_t most;          /* before it is cut down */
    int32_t k;
} class_list;

static inline void class_list_free(class_list *self)
{
    free(self->is_label);
    free(self->is_rank);
    free(self->ids);
    free(self->keys);
}

static inline int class_list_init(class_list *self, int64_t num_classes, int32_t k)
{
    self->k = k;
    self->most = k > 64 ? (int64_t)k + k / 2 : 96;
    size_t room = (size_t)self->most + FASTPR_MOST_CHUNK + 64; /* to store whole vectors */
    self->is_label = calloc((size_t)num_classes / 64 + 1, sizeof *self->is_label);
    self->is_rank = calloc((size_t)k / 64 + 1, sizeof *self->is_rank);
    self->ids = malloc(room * sizeof *self->ids);
    self->keys = malloc(room * sizeof *self->keys);
    if (self->is_label && self->is_rank && self->ids && self->keys)
        return 0;
    class_list_free(self);
    return -1;
}

/* Marks the labels that are in range, and returns their number. */
static inline int64_t mark_labels(class_list *self, const void *labels, int labels_are_int64,
                                  int64_t start, int64_t num_labels, const uint32_t *scores,
                                  int32_t num_scores, uint32_t infinity, int32_t *worst,
                                  int32_t *best)
{
    int64_t num = 0, num_distinct = 0;
    int32_t *ids = self->ids;
    for (int64_t i = 0; i < num_labels; i++) {
        int64_t id = read_id(labels, labels_are_int64, start + i);
        ids[num] = (int32_t)id;
        num += id >= 0 && id < num_scores;
    }
    __m512i lowest = _mm512_set1_epi32(INT32_MAX), highest = _mm512_set1_epi32(INT32_MIN);
    for (int64_t i = 0; i < num; i += 16) {
        __mmask16 there = (__mmask16)(num - i < 16 ? (1 << (num - i)) - 1 : 0xFFFF);
        __m512i own = _mm512_loadu_si512(ids + i);
        own = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), there, own, scores, 4);
        own = keys_from(own, infinity);
        lowest = _mm512_mask_min_epi32(lowest, there, lowest, own);
        highest = _mm512_mask_max_epi32(highest, there, highest, own);
    }
    *worst = _mm512_reduce_min_epi32(lowest);
    *best = _mm512_reduce_max_epi32(highest);
    for (int64_t i = 0; i < num; i++) {
        uint64_t *word = &self->is_label[ids[i] >> 6], bit = (uint64_t)1 << (ids[i] & 63);
        num_distinct += !(*word & bit);
        *word |= bit;
    }
    return num_distinct;
}

static inline void unmark_labels(class_list *self, const void *labels, int labels_are_int64,
                                 int64_t start, int64_t num_labels, int32_t num_scores)
{
    for (int64_t i = 0; i < num_labels; i++) {
        int64_t id = read_id(labels, labels_are_int64, start + i);
        if (id >= 0 && id < num_scores)
            self->is_label[id >> 6] = 0;
    }
}

/* Appends the classes that have a bit in a word. */
static inline int64_t append_word(class_list *self, const uint32_t *scores, int32_t start,
                                  uint64_t left, int64_t num)
{
    int64_t end = num + __builtin_popcountll(left);
    for (; left; num += FASTPR_CLASSES_AT_ONCE) {
        for (int step = 0; step < FASTPR_CLASSES_AT_ONCE; step++) {
            int32_t own = start + __builtin_ctzll(left + !left); /* beyond the last any class */
            self->ids[num + step] = own;
            self->keys[num + step] = (int32_t)scores[own];
            left &= left - 1;
        }
    }
    return end;
}

/* Appends those of some words, a multiple of 8, and asks for what is read after them. */
static inline void append_classes(class_list *self, const uint32_t *scores, int32_t start,
                                  const uint64_t *passes, int num_words)
{
    for (int first = 0; first < num_words; first += 8) {
        __m512i words = _mm512_loadu_si512(passes + first);
        unsigned some = _mm512_test_epi64_mask(words, words);
        for (; some; some &= some - 1) {
            int word = first + __builtin_ctz(some);
            int32_t id = start + 64 * word;
            for (int line = 0; line < 4; line++)
                FASTPR_PREFETCH(scores + id + 64 * num_words + 16 * line);
            self->num = append_word(self, scores, id, passes[word], self->num);
        }
    }
}

/* Turns what are bits still into keys; behind the last one come the lowest keys. */
static inline void make_keys(class_list *self, uint32_t infinity)
{
    for (int64_t j = self->num_keys; j < self->num; j += 16) {
        __m512i bits = _mm512_loadu_si512(self->keys + j);
        _mm512_storeu_si512(self->keys + j, keys_from(bits, infinity));
    }
    self->num_keys = self->num;
    _mm512_storeu_si512(self->keys + self->num, _mm512_set1_epi32(INT32_MIN));
}

static inline int64_t num_at_least(const class_list *self, int32_t key)
{
    const __m512i least = _mm512_set1_epi32(key), one = _mm512_set1_epi32(1);
    __m512i counts = _mm512_setzero_si512();
    for (int64_t j = 0; j < self->num; j += 16) {
        __m512i keys = _mm512_loadu_si512(self->keys + j);
        counts = _mm512_mask_add_epi32(counts, _mm512_cmpge_epi32_mask(keys, least), counts, one);
    }
    return _mm512_reduce_add_epi32(counts);
}

static inline void keep_at_least(class_list *self, int32_t low)
{
    const __m512i least = _mm512_set1_epi32(low);
    int64_t num = 0;
    for (int64_t j = 0; j < self->num; j += 16) {
        __m512i ids = _mm512_loadu_si512(self->ids + j);
        __m512i keys = _mm512_loadu_si512(self->keys + j);
        __mmask16 stays = _mm512_cmpge_epi32_mask(keys, least);
        _mm512_storeu_si512(self->ids + num, _mm512_maskz_compress_epi32(stays, ids));
        _mm512_storeu_si512(self->keys + num, _mm512_maskz_compress_epi32(stays, keys));
        num += __builtin_popcount(stays);
    }
    self->num = num;
}

/* Where too many have the key `low`, the first of them complete the best k. */
static inline void keep_first_equal(class_list *self, int32_t low)
{
    int64_t num_equal = self->k - num_at_least(self, low + 1), num = 0;
    for (int64_t j = 0; j < self->num; j++) {
        int32_t key = self->keys[j];
        self->ids[num] = self->ids[j];
        self->keys[num] = key;
        num += key > low || (key == low && num_equal > 0);
        num_equal -= key == low;
    }
    self->num = num;
}

/* Cuts the list down to the best k or some more, and returns a key that all of these reach;
   no key is below `low`. */
static inline int32_t keep_best_classes(class_list *self, int32_t low)
{
    __m512i highest = _mm512_set1_epi32(INT32_MIN);
    for (int64_t j = 0; j < self->num; j += 16)
        highest = _mm512_max_epi32(highest, _mm512_loadu_si512(self->keys + j));
    int32_t high = _mm512_reduce_max_epi32(highest);
    int64_t num = self->num, enough = self->k + self->k / 8;
    while (num > enough && low < high) {
        int32_t middle = (int32_t)(((int64_t)low + high + 1) >> 1);
        int64_t num_middle = num_at_least(self, middle);
        if (num_middle >= self->k) {
            low = middle;
            num = num_middle;
        } else {
            high = middle - 1;
        }
    }
    if (num == self->num) /* NaN passes a bar that is not positive */
        num = num_at_least(self, low);
    if (num > enough)
        keep_first_equal(self, low);
    else
        keep_at_least(self, low);
    self->num_keys = self->num;
    _mm512_storeu_si512(self->keys + self->num, _mm512_set1_epi32(INT32_MIN));
    return low;
}

static inline void list_classes(class_list *self, const uint32_t *scores, int32_t num_scores,
                                int32_t worst, int32_t best, uint32_t infinity)
{
    uint64_t passes[FASTPR_MOST_CHUNK / 64 + 8];
    int32_t most = first_chunk(num_scores), low = worst;
    score_range range = range_from(low, infinity);
    self->num = self->num_keys = 0;
    for (int32_t start = 0; start < num_scores;) {
        int32_t length = num_scores - start < most ? num_scores - start : most;
        if (find_passes(scores + start, length, range, passes)) {
            int num_words = (length + 63) / 64;
            _mm512_storeu_si512(passes + num_words, _mm512_setzero_si512());
            append_classes(self, scores, start, passes, num_words);
            if (self->num >= self->most) {
                make_keys(self, infinity);
                low = keep_best_classes(self, low);
                if (self->num >= self->k) {
                    /* a class of that score that is still to come has k before it */
                    if (low > best || low >= (int32_t)infinity)
                        break;
                    range = range_from(low + 1, infinity);
                }
            }
        }
        start += length;
        most = most < FASTPR_MOST_CHUNK ? 2 * most : most;
    }
    make_keys(self, infinity);
}

static inline __m512i count_above_key(__m512i counts, const int32_t *keys, __m512i key)
{
    __mmask16 above = _mm512_cmpgt_epi32_mask(_mm512_loadu_si512(keys), key);
    return _mm512_mask_add_epi32(counts, above, counts, _mm512_set1_epi32(1));
}

/* The number of classes on the list that come before one of them: those in front of it in
   the list do so with the same key, too. */
static inline int32_t rank_on_list(const class_list *self, int64_t place)
{
    const int32_t *keys = self->keys;
    const __m512i key = _mm512_set1_epi32(keys[place]);
    const __m512i below = _mm512_sub_epi32(key, _mm512_set1_epi32(1));
    __m512i counts = _mm512_setzero_si512();
    int64_t own = place & ~(int64_t)15, j = 0;
    for (; j < own; j += 16)
        counts = count_above_key(counts, keys + j, below);
    __mmask16 in_front = (__mmask16)((1u << (place & 15)) - 1);
    counts = count_above_key(counts, keys + j, _mm512_mask_mov_epi32(key, in_front, below));
    for (j += 16; j < self->num; j += 16)
        counts = count_above_key(counts, keys + j, key);
    return _mm512_reduce_add_epi32(counts);
}

/* Sets the bits of the ranks of labels that are below k. */
static inline void rank_list(class_list *self)
{
    int64_t num_labels = 0;
    int32_t *places = self->ids; /* of the labels on the list */
    for (int64_t j = 0; j < self->num; j++) {
        int32_t id = self->ids[j];
        places[num_labels] = (int32_t)j;
        num_labels += self->is_label[id >> 6] >> (id & 63) & 1;
    }
    for (int64_t i = 0; i < num_labels; i++) {
        int32_t rank = rank_on_list(self, places[i]);
        uint64_t bit = (uint64_t)(rank < self->k) << (rank & 63);
        self->is_rank[(rank < self->k ? rank : 0) >> 6] |= bit;
    }
}

/* Writes the ranks that have a bit, and k for the others; takes the bits away. */
static inline void write_listed_ranks(class_list *self, int64_t num_labels, int32_t *ranks)
{
    int64_t num = 0;
    for (int64_t word = 0; word <= self->k / 64; word++) {
        uint64_t left = self->is_rank[word];
        self->is_rank[word] = 0;
        for (; left; left &= left - 1)
            ranks[num++] = (int32_t)(64 * word) + __builtin_ctzll(left);
    }
    for (; num < num_labels; num++)
        ranks[num] = self->k;
}

/* Writes the ranks of the labels of a row, ascending, and returns their number; or writes
   nothing and returns -1, if a label is NaN. */
static inline int64_t rank_many_labels(class_list *self, const uint32_t *scores, int32_t num_scores,
                                       const void *labels, int labels_are_int64,
                                       int64_t label_start, int64_t num_labels, uint32_t infinity,
                                       int32_t *ranks)
{
    int32_t worst, best;
    int64_t num = mark_labels(self, labels, labels_are_int64, label_start, num_labels, scores,
                              num_scores, infinity, &worst, &best);
    if (num && worst == INT32_MIN) {
        num = -1;
    } else if (num) {
        list_classes(self, scores, num_scores, worst, best, infinity);
        rank_list(self);
        write_listed_ranks(self, num, ranks);
    }
    unmark_labels(self, labels, labels_are_int64, label_start, num_labels, num_scores);
    return num;
}

#endif
