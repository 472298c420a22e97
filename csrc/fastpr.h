/* What the translation units of the extension share. */
#ifndef FASTPR_H
#define FASTPR_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "prototypes.h"

/* The rule for thresholds needs IEEE arithmetic as written. */
#ifdef __FAST_MATH__
#error "fastpr must not be compiled with -ffast-math: it would change the counts"
#endif

#if defined(__GNUC__)
#define FASTPR_PREFETCH(address) __builtin_prefetch(address)
#define FASTPR_PREFETCH_SECOND_LEVEL(address) __builtin_prefetch(address, 0, 2)
#define FASTPR_ALWAYS_INLINE static inline __attribute__((always_inline))
#define FASTPR_UNLIKELY(condition) __builtin_expect(condition, 0)
#else
#define FASTPR_PREFETCH(address) ((void)(address))
#define FASTPR_PREFETCH_SECOND_LEVEL(address) ((void)(address))
#define FASTPR_ALWAYS_INLINE static inline
#define FASTPR_UNLIKELY(condition) (condition)
#endif

#define FASTPR_HISTOGRAM_ARGUMENTS(SCORE)                                                          \
    const SCORE *scores, const void *labels, int label_kind, const void *weights, int weight_kind, \
        int64_t num_samples, const SCORE *thresholds, int32_t num_thresholds, int64_t *counts,     \
        double *sums, int64_t *report

/* Scores as their bits; infinity is 0 for unsigned integers. */
#define FASTPR_RANK_ARGUMENTS                                                                      \
    uint64_t infinity, const void *scores, int64_t row_stride, const int64_t *score_starts,        \
        int64_t num_classes, int64_t num_rows, const void *labels, int labels_are_int64,           \
        const int64_t *label_starts, int64_t num_labels, int32_t num_ids, int32_t k,               \
        int64_t *num_relevant, int32_t *ranks, int64_t *ranked_labels, int32_t *num_above,         \
        int32_t *num_equal

#define FASTPR_COUNT_ARGUMENTS                                                                     \
    uint64_t infinity, const void *scores, int64_t num_scores, int64_t first, const int64_t *ids,  \
        const void *label_scores, int64_t num_labels, int32_t k, int64_t *num_before,              \
        int64_t *num_above, int64_t *num_equal

#define FASTPR_NUM_WIDTHS 4 /* of scores: 8, 16, 32 and 64 bits */

struct fastpr_variant {
    const char *name;
    int (*is_supported)(void);
    int (*score_histogram_f32)(FASTPR_HISTOGRAM_ARGUMENTS(float));
    int (*score_histogram_f64)(FASTPR_HISTOGRAM_ARGUMENTS(double));
    int (*score_histogram_u8)(FASTPR_HISTOGRAM_ARGUMENTS(uint8_t));
    int (*score_histogram_u16)(FASTPR_HISTOGRAM_ARGUMENTS(uint16_t));
    int (*score_histogram_half)(FASTPR_HISTOGRAM_ARGUMENTS(uint16_t));
    int (*label_ranks[FASTPR_NUM_WIDTHS])(FASTPR_RANK_ARGUMENTS);
    int (*label_counts[FASTPR_NUM_WIDTHS])(FASTPR_COUNT_ARGUMENTS);
};

/* A variant whose file was compiled without its instructions has no kernels. */
extern const fastpr_variant fastpr_variant_rule;
extern const fastpr_variant fastpr_variant_baseline;
extern const fastpr_variant fastpr_variant_avx2;
extern const fastpr_variant fastpr_variant_avx512;
extern const fastpr_variant fastpr_variant_avx512vbmi2;

#endif
