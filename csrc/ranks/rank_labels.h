/* The labels of a row: sorting them, and putting what was counted for them in order.
   Free of templates; everything is sorted as 64-bit integers. */
#ifndef FASTPR_RANK_LABELS_H
#define FASTPR_RANK_LABELS_H

#include "../fastpr.h"

#define FASTPR_SMALL_SORT 24

static inline void insertion_sort(int64_t *values, int64_t num_values)
{
    for (int64_t i = 1; i < num_values; i++) {
        int64_t value = values[i], j = i;
        for (; j > 0 && values[j - 1] > value; j--)
            values[j] = values[j - 1];
        values[j] = value;
    }
}

/* Merge sort from the bottom; scratch has room for num_values. */
static inline void sort_integers(int64_t *values, int64_t *scratch, int64_t num_values)
{
    if (num_values <= FASTPR_SMALL_SORT) {
        insertion_sort(values, num_values);
        return;
    }
    int64_t run = 1;
    while (run < num_values && values[run - 1] <= values[run])
        run++;
    if (run >= num_values)
        return; /* sorted already, as labels often are */
    for (int64_t start = 0; start < num_values; start += FASTPR_SMALL_SORT) {
        int64_t rest = num_values - start;
        insertion_sort(values + start, rest < FASTPR_SMALL_SORT ? rest : FASTPR_SMALL_SORT);
    }
    int64_t *from = values, *to = scratch;
    for (int64_t width = FASTPR_SMALL_SORT; width < num_values; width *= 2) {
        for (int64_t start = 0; start < num_values; start += 2 * width) {
            int64_t middle = start + width < num_values ? start + width : num_values;
            int64_t end = start + 2 * width < num_values ? start + 2 * width : num_values;
            int64_t left = start, right = middle;
            for (int64_t out = start; out < end; out++) {
                int take_left = right >= end || (left < middle && from[left] <= from[right]);
                to[out] = take_left ? from[left++] : from[right++];
            }
        }
        int64_t *other = from;
        from = to;
        to = other;
    }
    if (from != values)
        memcpy(values, from, (size_t)num_values * sizeof *values);
}

/* The place of each of some integers is how many are below it: that many comparisons take
   less time than the branches of other ways that the CPU does not foresee. */
#define FASTPR_COUNTING_SORT 256

static inline int32_t count_below(const int32_t *values, int64_t num_values, int32_t value)
{
    int32_t num = 0;
    for (int64_t j = 0; j < num_values; j++)
        num += values[j] < value;
    return num;
}

static inline int64_t padded(int64_t num_values)
{
    return (num_values + 15) / 16 * 16;
}

static inline void pad(int32_t *values, int64_t num_values)
{
    for (int64_t j = num_values; j < padded(num_values); j++)
        values[j] = INT32_MAX;
}

static inline int64_t read_id(const void *labels, int labels_are_int64, int64_t index)
{
    return labels_are_int64 ? ((const int64_t *)labels)[index] : ((const int32_t *)labels)[index];
}

/* What was counted for each of the distinct labels of a row, by ascending id. */
typedef struct {
    int64_t *ids;
    int32_t *num_before; /* classes that outrank the label; k for k or more */
    int32_t *num_above;  /* classes of a higher score; k for k or more */
    int32_t *num_equal;  /* classes of the same score; 0 where num_above is k */
    int64_t *order, *scratch;
    int32_t *values; /* with room for 16 more */
    void *active;    /* the labels of count_before.h */
} row_labels;

static inline void row_labels_free(row_labels *self)
{
    free(self->ids);
    free(self->num_before);
    free(self->num_above);
    free(self->num_equal);
    free(self->order);
    free(self->scratch);
    free(self->values);
    free(self->active);
}

static inline int row_labels_init(row_labels *self, int64_t most_labels, size_t active_size)
{
    size_t size = (size_t)most_labels + 1;
    self->ids = malloc(size * sizeof *self->ids);
    self->num_before = malloc(size * sizeof *self->num_before);
    self->num_above = malloc(size * sizeof *self->num_above);
    self->num_equal = malloc(size * sizeof *self->num_equal);
    self->order = malloc(size * sizeof *self->order);
    self->scratch = malloc(size * sizeof *self->scratch);
    self->values = malloc((size + 16) * sizeof *self->values);
    self->active = malloc(size * active_size);
    if (self->ids && self->num_before && self->num_above && self->num_equal && self->order &&
        self->scratch && self->values && self->active)
        return 0;
    row_labels_free(self);
    return -1;
}

static inline int64_t drop_repeated(int64_t *ids, int64_t num)
{
    int64_t num_distinct = num > 0;
    for (int64_t i = 1; i < num; i++) {
        ids[num_distinct] = ids[i];
        num_distinct += ids[i] != ids[num_distinct - 1];
    }
    return num_distinct;
}

/* Puts num ids in order; repeated ones share a place, and leave the next one empty. */
static inline int64_t sort_ids_by_counting(const int32_t *values, int64_t num, int64_t *ids)
{
    for (int64_t i = 0; i < num; i++)
        ids[i] = -1;
    for (int64_t i = 0; i < num; i++)
        ids[count_below(values, padded(num), values[i])] = values[i];
    int64_t num_distinct = 0;
    for (int64_t i = 0; i < num; i++) {
        ids[num_distinct] = ids[i];
        num_distinct += ids[i] >= 0;
    }
    return num_distinct;
}

/* The ids in [0, num_ids), ascending and each once; returns their number. */
static inline int64_t distinct_labels(const void *labels, int labels_are_int64, int64_t start,
                                      int64_t num_labels, int32_t num_ids, row_labels *self)
{
    int64_t num = 0, *ids = self->ids;
    int is_ascending = 1;
    for (int64_t i = 0; i < num_labels; i++) {
        int64_t id = read_id(labels, labels_are_int64, start + i);
        int is_label = id >= 0 && id < num_ids;
        ids[num] = id;
        self->values[num] = (int32_t)id;
        is_ascending &= !is_label || !num || ids[num - 1] <= id;
        num += is_label;
    }
    if (num > FASTPR_SMALL_SORT && num <= FASTPR_COUNTING_SORT && !is_ascending) {
        pad(self->values, num);
        return sort_ids_by_counting(self->values, num, ids);
    }
    if (!is_ascending)
        sort_integers(ids, self->scratch, num);
    return drop_repeated(ids, num);
}

/* Writes the ranks of a row, ascending; those of rank k by num_above, if asked, and id. */
static inline void write_ranks(row_labels *self, int64_t num_labels, int32_t k, int32_t *ranks,
                               int64_t *ranked_labels, int32_t *num_above, int32_t *num_equal)
{
    int64_t num_in = 0, num_out = 0, *out = self->scratch;
    for (int64_t i = 0; i < num_labels; i++) {
        int64_t before = self->num_before[i];
        self->order[num_in] = before << 32 | i;
        self->values[num_in] = self->num_before[i];
        num_in += before < k;
    }
    if (num_in > FASTPR_SMALL_SORT && num_in <= FASTPR_COUNTING_SORT) {
        pad(self->values, num_in);
        memcpy(out, self->order, (size_t)num_in * sizeof *out);
        for (int64_t i = 0; i < num_in; i++)
            self->order[count_below(self->values, padded(num_in), self->values[i])] = out[i];
    } else {
        sort_integers(self->order, self->scratch, num_in);
    }
    for (int64_t i = 0; i < num_in; i++)
        ranks[i] = (int32_t)(self->order[i] >> 32);
    for (int64_t i = num_in; i < num_labels; i++)
        ranks[i] = k;
    if (!ranked_labels && !num_above)
        return;
    if (num_in < num_labels) {
        int64_t *others = self->order + num_in;
        for (int64_t i = 0; i < num_labels; i++) {
            if (self->num_before[i] < k)
                continue;
            others[num_out++] = (num_above ? (int64_t)self->num_above[i] << 32 : 0) | i;
        }
        if (num_above)
            sort_integers(others, out, num_out);
    }
    for (int64_t i = 0; i < num_labels; i++) {
        int32_t label = (int32_t)(self->order[i] & 0x7fffffff);
        if (ranked_labels)
            ranked_labels[i] = self->ids[label];
        if (num_above) {
            num_above[i] = self->num_above[label];
            num_equal[i] = self->num_equal[label];
        }
    }
}

#endif
