/* The kernels label_ranks and label_counts of one variant, for scores of 8 to 64 bits. */
#ifndef FASTPR_LABEL_RANKS_H
#define FASTPR_LABEL_RANKS_H

#include "rank_labels.h"

#define FASTPR_BATCH 64
#define FASTPR_MOST_PREFETCHED 128
#define FASTPR_FEW_CLASSES 16

/* With more labels, finding the place of a class among them takes less time than comparing
   it with each. */
#define FASTPR_FEW_LABELS 256

/* Rows so short that all of it fits into a few registers. */
#define FASTPR_SHORT_ROW 256
#define FASTPR_SHORT_WORK 32 /* labels times blocks of 64 classes */

static const int32_t fastpr_positions[FASTPR_SHORT_ROW] = {
    0,   1,   2,   3,   4,   5,   6,   7,   8,   9,   10,  11,  12,  13,  14,  15,  16,  17,  18,
    19,  20,  21,  22,  23,  24,  25,  26,  27,  28,  29,  30,  31,  32,  33,  34,  35,  36,  37,
    38,  39,  40,  41,  42,  43,  44,  45,  46,  47,  48,  49,  50,  51,  52,  53,  54,  55,  56,
    57,  58,  59,  60,  61,  62,  63,  64,  65,  66,  67,  68,  69,  70,  71,  72,  73,  74,  75,
    76,  77,  78,  79,  80,  81,  82,  83,  84,  85,  86,  87,  88,  89,  90,  91,  92,  93,  94,
    95,  96,  97,  98,  99,  100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113,
    114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 130, 131, 132,
    133, 134, 135, 136, 137, 138, 139, 140, 141, 142, 143, 144, 145, 146, 147, 148, 149, 150, 151,
    152, 153, 154, 155, 156, 157, 158, 159, 160, 161, 162, 163, 164, 165, 166, 167, 168, 169, 170,
    171, 172, 173, 174, 175, 176, 177, 178, 179, 180, 181, 182, 183, 184, 185, 186, 187, 188, 189,
    190, 191, 192, 193, 194, 195, 196, 197, 198, 199, 200, 201, 202, 203, 204, 205, 206, 207, 208,
    209, 210, 211, 212, 213, 214, 215, 216, 217, 218, 219, 220, 221, 222, 223, 224, 225, 226, 227,
    228, 229, 230, 231, 232, 233, 234, 235, 236, 237, 238, 239, 240, 241, 242, 243, 244, 245, 246,
    247, 248, 249, 250, 251, 252, 253, 254, 255,
};

#define FASTPR_BITS uint8_t
#define FASTPR_KEY int32_t
#define FASTPR_KEY_MIN INT32_MIN
#define FASTPR_NAME(name) name##_8
#include "count_before.h"
#undef FASTPR_BITS
#undef FASTPR_NAME

#define FASTPR_BITS uint16_t
#define FASTPR_NAME(name) name##_16
#include "count_before.h"
#undef FASTPR_BITS
#undef FASTPR_NAME

#define FASTPR_BITS uint32_t
#ifdef FASTPR_AVX512_RANKS_H
#define FASTPR_BY_HAND
#endif
#define FASTPR_NAME(name) name##_32
#include "count_before.h"
#undef FASTPR_BITS
#undef FASTPR_NAME
#undef FASTPR_KEY
#undef FASTPR_KEY_MIN

#define FASTPR_BITS uint64_t
#define FASTPR_KEY int64_t
#define FASTPR_KEY_MIN INT64_MIN
#define FASTPR_NAME(name) name##_64
#include "count_before.h"
#undef FASTPR_BITS
#undef FASTPR_NAME
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
