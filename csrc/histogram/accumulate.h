/* Phase 2: codes are added to a table of counts, or their weights to a table of sums.

   Adding to a cell that was written just before waits for that write, and real
   scores are mostly one value. So eight pointers take turns, to as many copies of
   the table as the cache has room for.

   Cell 2 * value + label; a value is a bin, or a score of few values. The last value
   collects the scores that are not valid, and is left out when the table is folded. */
#ifndef FASTPR_ACCUMULATE_H
#define FASTPR_ACCUMULATE_H

#include "samples.h"

#define FASTPR_TURNS 8

/* A copy that starts 4096 bytes after another would share its cache sets. */
static inline size_t padded_stride(size_t num_cells, size_t cell_size)
{
    size_t per_line = 64 / cell_size;
    size_t stride = (num_cells + per_line - 1) / per_line * per_line;
    return stride * cell_size % 4096 ? stride : stride + per_line;
}

static inline int num_copies_within(size_t bytes, size_t stride, size_t cell_size)
{
    int copies = FASTPR_TURNS;
    while (copies > 1 && copies * stride * cell_size > bytes)
        copies /= 2;
    return copies;
}

/* ---- counts ---- */

#define FASTPR_COUNT_CACHE (128 * 1024)
#define FASTPR_MAX_PENDING ((int64_t)1 << 30) /* a uint32 holds it, the copies summed up */

typedef struct {
    uint32_t *cells;
    uint32_t *turn[FASTPR_TURNS];
    size_t num_cells, stride;
    int num_copies;
    int64_t num_pending;
} count_table;

/* Only the cells: a distance apart that is known can be longer. */
static inline void count_table_clear(count_table *self)
{
    for (int copy = 0; copy < self->num_copies; copy++)
        memset(self->turn[copy], 0, self->num_cells * sizeof *self->cells);
    self->num_pending = 0;
}

static inline int count_table_init(count_table *self, size_t num_cells)
{
    self->num_cells = num_cells;
#ifdef FASTPR_COUNT_STRIDE
    int fits = num_cells <= FASTPR_COUNT_STRIDE;
    self->stride = fits ? FASTPR_COUNT_STRIDE : num_cells;
    self->num_copies = fits ? FASTPR_TURNS : 1;
#else
    self->stride = padded_stride(num_cells, sizeof *self->cells);
    self->num_copies = num_copies_within(FASTPR_COUNT_CACHE, self->stride, sizeof *self->cells);
#endif
    self->cells = malloc(self->num_copies * self->stride * sizeof *self->cells);
    if (!self->cells)
        return -1;
    for (int turn = 0; turn < FASTPR_TURNS; turn++)
        self->turn[turn] = self->cells + (size_t)(turn % self->num_copies) * self->stride;
    count_table_clear(self);
    return 0;
}

static inline void count_table_merge_copies(count_table *self)
{
    for (int copy = 1; copy < self->num_copies; copy++) {
        const uint32_t *from = self->cells + (size_t)copy * self->stride;
        for (size_t cell = 0; cell < self->num_cells; cell++)
            self->cells[cell] += from[cell];
    }
}

/* ---- sums of weights ---- */

/* A sum of m weights that are not negative is off by at most (m-1) * 2^-53 of itself.
   About 2048 weights at most go to a cell of a copy before the copies are added to the totals,
   which keep what is rounded off in a second number; so two ways to split the data agree
   within 1e-12, however many they are. Tables with no room for copies add every weight
   in that way. */
#define FASTPR_SUM_CACHE (32 * 1024)
#define FASTPR_ROUNDS_PER_COPY 2048

typedef struct {
    double *cells;  /* num_copies tables; NULL if the errors are kept */
    double *totals; /* 2 * stride: the sums, then what was rounded off */
    double *turn[FASTPR_TURNS];
    size_t num_cells, stride;
    int num_copies;
    int64_t num_pending;
} sum_table;

static inline int sum_table_init(sum_table *self, size_t num_cells)
{
    self->num_cells = num_cells;
    self->stride = padded_stride(num_cells, sizeof *self->cells);
    self->num_copies = num_copies_within(FASTPR_SUM_CACHE, self->stride, sizeof *self->cells);
#ifdef FASTPR_SUM_STRIDE
    if (num_cells <= FASTPR_SUM_STRIDE) {
        self->stride = FASTPR_SUM_STRIDE;
        self->num_copies = FASTPR_TURNS;
    }
#endif
    self->num_pending = 0;
    self->cells = NULL;
    self->totals = calloc(2 * self->stride, sizeof *self->totals);
    if (!self->totals)
        return -1;
    if (self->num_copies == 1)
        return 0;
    self->cells = calloc(self->num_copies * self->stride, sizeof *self->cells);
    if (!self->cells) {
        free(self->totals);
        return -1;
    }
    for (int turn = 0; turn < FASTPR_TURNS; turn++)
        self->turn[turn] = self->cells + (size_t)(turn % self->num_copies) * self->stride;
    return 0;
}

/* sum + rounded stay the exact total to about 2^-106 (Knuth, TwoSum). */
static inline void add_exactly(double *sum, double *rounded, double value)
{
    double total = *sum + value;
    double part = total - *sum;
    *rounded += (*sum - (total - part)) + (value - part);
    *sum = total;
}

/* Eight cells at a time: vectors, with the copies of each cell added in their order. */
static inline void sum_table_merge_copies(sum_table *self)
{
    if (!self->cells)
        return;
    double *sums = self->totals, *rounded = self->totals + self->stride;
    for (size_t cell = 0; cell < self->stride; cell += 8) {
        double terms[8] = {0};
        for (int copy = 0; copy < self->num_copies; copy++)
            for (int lane = 0; lane < 8; lane++)
                terms[lane] += self->cells[(size_t)copy * self->stride + cell + lane];
        for (int lane = 0; lane < 8; lane++)
            add_exactly(&sums[cell + lane], &rounded[cell + lane], terms[lane]);
    }
    memset(self->cells, 0, self->num_copies * self->stride * sizeof *self->cells);
    self->num_pending = 0;
}

/* ---- folding: values to bins ---- */

/* Bin i has the values from edges[i] up to edges[i+1]; without edges, the value i. */
static inline void fold_counts(count_table *self, const uint16_t *edges, int32_t num_values,
                               int32_t num_thresholds, int64_t *counts)
{
    count_table_merge_copies(self);
    if (!edges) {
        for (int32_t bin = 0; bin < num_thresholds; bin++) {
            counts[bin] += self->cells[2 * bin];
            counts[num_thresholds + bin] += self->cells[2 * bin + 1];
        }
        return;
    }
    for (int32_t bin = 0; bin < num_thresholds; bin++) {
        int32_t first = edges[bin];
        int32_t end = bin + 1 < num_thresholds ? edges[bin + 1] : num_values;
        int64_t negatives = 0, positives = 0;
        for (int32_t value = first; value < end; value++) {
            negatives += self->cells[2 * value];
            positives += self->cells[2 * value + 1];
        }
        counts[bin] += negatives;
        counts[num_thresholds + bin] += positives;
    }
}

static inline void fold_sums(sum_table *self, const uint16_t *edges, int32_t num_values,
                             int32_t num_thresholds, double *sums)
{
    sum_table_merge_copies(self);
    for (int32_t bin = 0; bin < num_thresholds; bin++) {
        int32_t first = edges ? edges[bin] : bin;
        int32_t end = !edges ? bin + 1 : bin + 1 < num_thresholds ? edges[bin + 1] : num_values;
        for (int label = 0; label < 2; label++) {
            double sum = 0.0, rounded = 0.0;
            for (int32_t value = first; value < end; value++) {
                add_exactly(&sum, &rounded, self->totals[2 * value + label]);
                rounded += self->totals[self->stride + 2 * value + label];
            }
            sums[label * num_thresholds + bin] += sum + rounded;
        }
    }
}

#endif
