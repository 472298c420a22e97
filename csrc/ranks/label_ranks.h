/* The kernels label_ranks and label_counts of one variant, for scores of 8 to 64 bits. */
#ifndef FASTPR_LABEL_RANKS_H
#define FASTPR_LABEL_RANKS_H

#include "rank_labels.h"

#define FASTPR_BATCH 64
/* Shorter rows are on their way already when it is their turn. */
#define FASTPR_PREFETCHED_ROW 2048

#define FASTPR_MOST_PREFETCHED 128
#define FASTPR_FIRST_LINES 8 /* of a row, asked for while the one before is ranked */

/* Classes that are collected before they are compared with labels, if k is not more: with
   fewer, comparing takes longer than what a higher bar saves. */
#define FASTPR_FEW_CLASSES 16

/* With more labels, finding the place of a class among them takes less time than comparing
   it with each. */
#define FASTPR_FEW_LABELS 256

/* Rows so short that all of it fits into a few registers, and so little work that comparing
   each label with all classes takes less time than looking for the few that matter. */
#define FASTPR_SHORT_ROW 256
#define FASTPR_SHORT_WORK 32 /* labels times blocks of 64 classes */

static const int32_t fastpr_positions[FASTPR_BATCH] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
};

#define FASTPR_BITS uint8_t
#define FASTPR_KEY int32_t
#define FASTPR_KEY_MIN INT32_MIN
#define FASTPR_NAME(name) name##_8
#include "count_before.h"
#include "rank_rows.h"
#undef FASTPR_BITS
#undef FASTPR_NAME
#undef FASTPR_SIGN
#undef FASTPR_LARGEST
#undef FASTPR_BY_HAND

#define FASTPR_BITS uint16_t
#define FASTPR_NAME(name) name##_16
#include "count_before.h"
#include "rank_rows.h"
#undef FASTPR_BITS
#undef FASTPR_NAME
#undef FASTPR_SIGN
#undef FASTPR_LARGEST
#undef FASTPR_BY_HAND

#define FASTPR_BITS uint32_t
#ifdef FASTPR_AVX512_RANKS_H
#define FASTPR_BY_HAND
#endif
#define FASTPR_NAME(name) name##_32
#include "count_before.h"
#include "rank_rows.h"
#undef FASTPR_BITS
#undef FASTPR_NAME
#undef FASTPR_SIGN
#undef FASTPR_LARGEST
#undef FASTPR_BY_HAND
#undef FASTPR_KEY
#undef FASTPR_KEY_MIN

#define FASTPR_BITS uint64_t
#define FASTPR_KEY int64_t
#define FASTPR_KEY_MIN INT64_MIN
#define FASTPR_NAME(name) name##_64
#include "count_before.h"
#include "rank_rows.h"
#undef FASTPR_BITS
#undef FASTPR_NAME
#undef FASTPR_SIGN
#undef FASTPR_LARGEST
#undef FASTPR_BY_HAND
#undef FASTPR_KEY
#undef FASTPR_KEY_MIN

#define FASTPR_VARIANT_ROW(NAME)                                                                   \
    {                                                                                              \
        NAME, is_supported, score_histogram_f32, score_histogram_f64, score_histogram_u8,          \
            score_histogram_u16, score_histogram_half,                                             \
            {label_ranks_8, label_ranks_16, label_ranks_32, label_ranks_64},                       \
        {                                                                                          \
            label_counts_8, label_counts_16, label_counts_32, label_counts_64                      \
        }                                                                                          \
    }

#endif
