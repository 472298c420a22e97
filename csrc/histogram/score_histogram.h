/* The kernels of one variant: a file that includes this compiles them all with its own
   instructions. Scores and labels go through two phases, a block at a time, so that the
   first is a vector loop without branches and the second a chain-free scalar one. */
#ifndef FASTPR_SCORE_HISTOGRAM_H
#define FASTPR_SCORE_HISTOGRAM_H

#include "accumulate.h"
#include "../fastpr.h"

#define FASTPR_CODE uint16_t
#define FASTPR_NAME(name) name##_in_16
#include "add_codes.h"
#include "encode.h"
#undef FASTPR_CODE
#undef FASTPR_NAME
#undef FASTPR_DEFINE_ADD_LABELS
#undef FASTPR_DEFINE_MARK_INVALID
#undef FASTPR_HAS_FMA

#define FASTPR_CODE uint32_t
#define FASTPR_NAME(name) name##_in_32
#include "add_codes.h"
#include "encode.h"
#undef FASTPR_CODE
#undef FASTPR_NAME

#ifdef FASTPR_AVX512_HISTOGRAM_H
#define FASTPR_SCORE float
#define FASTPR_KIND(name) name##_f32
#define FASTPR_MARK_INVALID mark_invalid_f32_in_16
#include "avx512_windows.h"
#undef FASTPR_MARK_INVALID
#undef FASTPR_SCORE
#undef FASTPR_KIND

#define FASTPR_SCORE double
#define FASTPR_KIND(name) name##_f64
#define FASTPR_MARK_INVALID mark_invalid_f64_in_16
#include "avx512_windows.h"
#undef FASTPR_MARK_INVALID
#undef FASTPR_SCORE
#undef FASTPR_KIND

#define FASTPR_SCORE uint8_t
#define FASTPR_KIND(name) name##_u8
#define FASTPR_MARK_INVALID mark_invalid_u8_in_16
#include "avx512_windows.h"
#undef FASTPR_MARK_INVALID
#undef FASTPR_SCORE
#undef FASTPR_KIND

#define FASTPR_SCORE uint16_t
#define FASTPR_KIND(name) name##_u16
#define FASTPR_MARK_INVALID mark_invalid_u16_in_16
#include "avx512_windows.h"
#undef FASTPR_MARK_INVALID
#undef FASTPR_KIND

#define FASTPR_KIND(name) name##_half
#define FASTPR_MARK_INVALID mark_invalid_half_in_16
#include "avx512_windows.h"
#undef FASTPR_MARK_INVALID
#undef FASTPR_SCORE
#undef FASTPR_KIND
#else
#define FASTPR_COUNT_WINDOWS_16(KIND, ...) 0
#define FASTPR_SUM_WINDOWS_16(KIND, ...) 0
#endif
#define FASTPR_COUNT_WINDOWS_32(KIND, ...) 0
#define FASTPR_SUM_WINDOWS_32(KIND, ...) 0

/* A block shorter than FASTPR_BLOCK is made whole with samples that are valid and not
   counted, so that phase 1 has no second form for the rest. */
static inline const void *whole_block(const void *start, size_t item_size, int64_t num_items,
                                      double *room)
{
    if (num_items >= FASTPR_BLOCK)
        return start;
    memset(room, 0, FASTPR_BLOCK * sizeof *room);
    memcpy(room, start, (size_t)num_items * item_size);
    return room;
}

/* Scores are put into num_values values: the bins themselves, or, with edges, the values
   that scores of few bits have, which edges leads to bins. */
#define FASTPR_DEFINE_PASS(KIND, SCORE, CODE, WIDTH)                                               \
    static int pass_##KIND##_##WIDTH(                                                              \
        const SCORE *scores, const void *labels, int label_kind, const void *weights,              \
        int weight_kind, int64_t num_samples, const uint16_t *edges, int32_t num_values,           \
        int32_t num_thresholds, int64_t *counts, double *sums, int64_t *report)                    \
    {                                                                                              \
        CODE codes[FASTPR_BLOCK];                                                                  \
        double block_weights[FASTPR_BLOCK];                                                        \
        double rest_of_scores[FASTPR_BLOCK], rest_of_labels[FASTPR_BLOCK],                         \
            rest_of_weights[FASTPR_BLOCK];                                                         \
        const size_t num_cells = 2 * ((size_t)num_values + 1);                                     \
        const size_t label_bytes = label_size(label_kind);                                         \
        const size_t weight_bytes = weight_size(weight_kind);                                      \
        count_table counting = {0};                                                                \
        sum_table summing = {0};                                                                   \
        if (weights ? sum_table_init(&summing, num_cells)                                          \
                    : count_table_init(&counting, num_cells))                                      \
            return -1;                                                                             \
        int64_t num_done;                                                                          \
        for (int64_t start = 0; start < num_samples; start += num_done) {                          \
            int64_t num_left = num_samples - start;                                                \
            int num_codes = num_left < FASTPR_BLOCK ? (int)num_left : FASTPR_BLOCK;                \
            const char *block_labels = (const char *)labels + (size_t)start * label_bytes;         \
            num_done =                                                                             \
                weights ? FASTPR_SUM_WINDOWS_##WIDTH(                                              \
                              KIND, &summing, scores + start, block_labels, label_kind,            \
                              (const char *)weights + (size_t)start * weight_bytes, weight_kind,   \
                              num_left, edges, num_values, num_thresholds, report)                 \
                        : FASTPR_COUNT_WINDOWS_##WIDTH(KIND, &counting, scores + start,            \
                                                       block_labels, label_kind, num_left, edges,  \
                                                       num_values, num_thresholds, report);        \
            if (num_done)                                                                          \
                continue;                                                                          \
            num_done = FASTPR_BLOCK;                                                               \
            report[0] += encode_##KIND##_in_##WIDTH(                                               \
                whole_block(scores + start, sizeof(SCORE), num_left, rest_of_scores), num_values,  \
                codes);                                                                            \
            report[1] |= add_labels_in_##WIDTH(                                                    \
                whole_block(block_labels, label_bytes, num_left, rest_of_labels), label_kind,      \
                codes);                                                                            \
            if (weights) {                                                                         \
                report[2] |=                                                                       \
                    read_weights(whole_block((const char *)weights + (size_t)start * weight_bytes, \
                                             weight_bytes, num_left, rest_of_weights),             \
                                 weight_kind, block_weights);                                      \
                add_sums_in_##WIDTH(&summing, codes, block_weights, num_codes);                    \
            } else {                                                                               \
                add_counts_in_##WIDTH(                                                             \
                    &counting, codes, num_codes,                                                   \
                    address_ahead(scores + start, sizeof(SCORE), num_left), sizeof(SCORE),         \
                    address_ahead(block_labels, label_bytes, num_left), label_bytes);              \
                if (counting.num_pending > FASTPR_MAX_PENDING) {                                   \
                    fold_counts(&counting, edges, num_values, num_thresholds, counts);             \
                    count_table_clear(&counting);                                                  \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        if (weights) {                                                                             \
            fold_sums(&summing, edges, num_values, num_thresholds, sums);                          \
            free(summing.cells);                                                                   \
            free(summing.totals);                                                                  \
        } else {                                                                                   \
            fold_counts(&counting, edges, num_values, num_thresholds, counts);                     \
            free(counting.cells);                                                                  \
        }                                                                                          \
        return 0;                                                                                  \
    }

FASTPR_DEFINE_PASS(f32, float, uint16_t, 16)
FASTPR_DEFINE_PASS(f32, float, uint32_t, 32)
FASTPR_DEFINE_PASS(f64, double, uint16_t, 16)
FASTPR_DEFINE_PASS(f64, double, uint32_t, 32)
FASTPR_DEFINE_PASS(u16, uint16_t, uint16_t, 16)
FASTPR_DEFINE_PASS(u16, uint16_t, uint32_t, 32)
FASTPR_DEFINE_PASS(u8, uint8_t, uint16_t, 16)
FASTPR_DEFINE_PASS(half, uint16_t, uint16_t, 16)

/* A code of 16 bits has room for bins up to 32,767, and one of them is for the scores
   that are not valid. */
#define FASTPR_WIDEST_IN_16 32767

#define FASTPR_DEFINE_SCORE_HISTOGRAM(KIND, SCORE)                                                 \
    static int score_histogram_##KIND(FASTPR_HISTOGRAM_ARGUMENTS(SCORE))                           \
    {                                                                                              \
        (void)thresholds;                                                                          \
        return (num_thresholds <= FASTPR_WIDEST_IN_16 ? pass_##KIND##_16 : pass_##KIND##_32)(      \
            scores, labels, label_kind, weights, weight_kind, num_samples, NULL, num_thresholds,   \
            num_thresholds, counts, sums, report);                                                 \
    }

FASTPR_DEFINE_SCORE_HISTOGRAM(f32, float)
FASTPR_DEFINE_SCORE_HISTOGRAM(f64, double)
FASTPR_DEFINE_SCORE_HISTOGRAM(u16, uint16_t)

static int score_histogram_half(FASTPR_HISTOGRAM_ARGUMENTS(uint16_t))
{
    int32_t num_values = thresholds[num_thresholds - 1] + 1;
    return pass_half_16(scores, labels, label_kind, weights, weight_kind, num_samples, thresholds,
                        num_values, num_thresholds, counts, sums, report);
}

static int score_histogram_u8(FASTPR_HISTOGRAM_ARGUMENTS(uint8_t))
{
    uint16_t *edges = malloc((size_t)num_thresholds * sizeof *edges);
    if (!edges)
        return -1;
    for (int32_t i = 0; i < num_thresholds; i++)
        edges[i] = thresholds[i];
    int status = pass_u8_16(scores, labels, label_kind, weights, weight_kind, num_samples, edges,
                            256, num_thresholds, counts, sums, report);
    free(edges);
    return status;
}

#endif
