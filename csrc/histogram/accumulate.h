/* Phase 2: codes are added to a table of counts, or their weights to a table of sums.

   Adding to a cell that was written just before waits for that write, and real
   scores are mostly one value. So eight pointers take turns, to as many copies of
   the table as the cache has room for.

   Cell 2 * value + label; a value is a bin, or a score of few values. The last value
   collects the scores that are not valid, and is left out when the table is folded. */
#ifndef FASTPR_ACCUMULATE_H
#define FASTPR_ACCUMULATE_H

#include "../fastpr.h"

#define FASTPR_BLOCK 512   /* samples between the two phases */
#define FASTPR_WINDOW 4096 /* samples that are counted in one way, by hand */
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

static inline size_t label_size(int label_kind)
{
    static const size_t sizes[] = {1, 1, 2, 4, 8};
    return sizes[label_kind];
}

static inline size_t weight_size(int weight_kind)
{
    static const size_t sizes[] = {1, 4, 8};
    return sizes[weight_kind];
}

/* ---- memory ahead ---- */

/* The scalar loop of phase 2 keeps the core too busy to run ahead to the loads of the next
   blocks, so it asks for them itself, a little with each group. Into the second level of the
   cache: the first has room for two dozen misses at a time, and when prefetches hold them all,
   the loads of the loop wait behind them. Measured on Zen 4 from DRAM, cycles a sample, one
   thread: skewed scores 1.40 without, 1.30 into the first level, 0.90 into the second; uniform
   2.5, 1.7, 1.5; coherent 0.86, 0.97, 0.78. */
#define FASTPR_GROUP 64
#define FASTPR_AHEAD 8192 /* samples; 2048 to 12288 were nearly as good */

/* Nothing is asked for behind the end. */
static inline int64_t samples_ahead(int64_t num_left)
{
    return num_left >= FASTPR_AHEAD + FASTPR_WINDOW ? FASTPR_AHEAD : 0;
}

static inline const char *address_ahead(const void *start, size_t item_size, int64_t num_left)
{
    return (const char *)start + (size_t)samples_ahead(num_left) * item_size;
}

/* Inlined early: gcc takes a function that does nothing but this for one without effects, and
   leaves calls of it out. */
FASTPR_ALWAYS_INLINE void prefetch_bytes(const char *start, size_t num_bytes)
{
    for (size_t offset = 0; offset < num_bytes; offset += 64)
        FASTPR_PREFETCH_SECOND_LEVEL(start + offset);
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
} counter;

/* Only the cells: a distance apart that is known can be longer. */
static inline void counter_clear(counter *self)
{
    for (int copy = 0; copy < self->num_copies; copy++)
        memset(self->turn[copy], 0, self->num_cells * sizeof *self->cells);
    self->num_pending = 0;
}

static inline int counter_init(counter *self, size_t num_cells)
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
    counter_clear(self);
    return 0;
}

static inline void counter_merge_copies(counter *self)
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
} summer;

static inline int summer_init(summer *self, size_t num_cells)
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
static inline void summer_merge_copies(summer *self)
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

/* The weights of a block as doubles; returns 1 if one is negative or not finite. */
#define FASTPR_DEFINE_READ_WEIGHTS(KIND, WEIGHT)                                                   \
    static inline int read_weights_##KIND(const WEIGHT *weights, double *out)                      \
    {                                                                                              \
        int num_good = 0;                                                                          \
        for (int j = 0; j < FASTPR_BLOCK; j++) {                                                   \
            double weight = (double)weights[j];                                                    \
            num_good += (weight >= 0.0) & (weight <= 1.7976931348623157e308);                      \
            out[j] = weight;                                                                       \
        }                                                                                          \
        return num_good != FASTPR_BLOCK;                                                           \
    }

FASTPR_DEFINE_READ_WEIGHTS(f32, float)
FASTPR_DEFINE_READ_WEIGHTS(f64, double)

static inline int read_weights(const void *weights, int weight_kind, double *out)
{
    switch (weight_kind) {
    case FASTPR_WEIGHT_F32:
        return read_weights_f32(weights, out);
    case FASTPR_WEIGHT_F64:
        return read_weights_f64(weights, out);
    default:
        for (int j = 0; j < FASTPR_BLOCK; j++)
            out[j] = ((const uint8_t *)weights)[j] != 0;
        return 0;
    }
}

/* ---- folding: values to bins ---- */

/* Bin i has the values from edges[i] up to edges[i+1]; without edges, the value i. */
static inline void fold_counts(counter *self, const uint16_t *edges, int32_t num_values,
                               int32_t num_thresholds, int64_t *counts)
{
    counter_merge_copies(self);
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

static inline void fold_sums(summer *self, const uint16_t *edges, int32_t num_values,
                             int32_t num_thresholds, double *sums)
{
    summer_merge_copies(self);
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
