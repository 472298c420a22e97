/* label_ranks and label_counts as the rule says, each label against every class: for
   variant_rule.c. Not fast. */
#include <math.h>

#include "rank_labels.h"
#include "../rules.h"

static double half_as_double(uint16_t bits, uint64_t infinity)
{
    if (infinity == 0x7F80) { /* bfloat16 */
        uint32_t wide = (uint32_t)bits << 16;
        float value;
        memcpy(&value, &wide, sizeof value);
        return (double)value;
    }
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double size = exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                  : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                 : ldexp(fraction, -24);
    return bits & 0x8000 ? -size : size;
}

#define READ_8(scores, index) ((const uint8_t *)(scores))[index]
#define READ_16(scores, index) half_as_double(((const uint16_t *)(scores))[index], infinity)
#define READ_32(scores, index) (double)((const float *)(scores))[index]
#define READ_64(scores, index) ((const double *)(scores))[index]

#define FASTPR_DEFINE_RULE_RANKS(WIDTH)                                                            \
    static void count_classes_##WIDTH(uint64_t infinity, const void *scores, int64_t num_scores,   \
                                      double label_score, int64_t label, int64_t counts[3])        \
    {                                                                                              \
        (void)infinity;                                                                            \
        counts[0] = counts[1] = counts[2] = 0;                                                     \
        for (int64_t j = 0; j < num_scores; j++) {                                                 \
            double score = READ_##WIDTH(scores, j);                                                \
            counts[0] += fastpr_outranks(score, j, label_score, label);                            \
            counts[1] += fastpr_outranks(score, 1, label_score, 0);                                \
            counts[2] += fastpr_outranks(score, 0, label_score, 1);                                \
        }                                                                                          \
        counts[2] -= counts[1]; /* of the same score */                                            \
    }                                                                                              \
                                                                                                   \
    static int label_ranks_##WIDTH(FASTPR_RANK_ARGUMENTS)                                          \
    {                                                                                              \
        for (int64_t row = 0; row < num_rows; row++) {                                             \
            int64_t start = score_starts ? score_starts[row] : row * row_stride;                   \
            int64_t num_scores = score_starts ? score_starts[row + 1] - start : num_classes;       \
            int64_t label_start = label_starts ? label_starts[row] : row * num_labels;             \
            int64_t own = label_starts ? label_starts[row + 1] - label_start : num_labels;         \
            const void *row_scores = (const char *)scores + start * (WIDTH / 8);                   \
            row_labels counts;                                                                     \
            if (row_labels_init(&counts, own, 1))                                                  \
                return -1;                                                                         \
            int64_t num =                                                                          \
                distinct_labels(labels, labels_are_int64, label_start, own, num_ids, &counts);     \
            for (int64_t i = 0; i < num; i++) {                                                    \
                int64_t id = counts.ids[i], found[3] = {k, k, 0};                                  \
                if (id < num_scores)                                                               \
                    count_classes_##WIDTH(infinity, row_scores, num_scores,                        \
                                          READ_##WIDTH(row_scores, id), id, found);                \
                counts.num_before[i] = (int32_t)(found[0] < k ? found[0] : k);                     \
                counts.num_above[i] = (int32_t)(found[1] < k ? found[1] : k);                      \
                counts.num_equal[i] = (int32_t)(found[1] < k ? found[2] : 0);                      \
            }                                                                                      \
            num_relevant[row] = num;                                                               \
            write_ranks(&counts, num, k, ranks + label_start,                                      \
                        ranked_labels ? ranked_labels + label_start : NULL,                        \
                        num_above ? num_above + label_start : NULL,                                \
                        num_above ? num_equal + label_start : NULL);                               \
            row_labels_free(&counts);                                                              \
        }                                                                                          \
        return 0;                                                                                  \
    }                                                                                              \
                                                                                                   \
    static int label_counts_##WIDTH(FASTPR_COUNT_ARGUMENTS)                                        \
    {                                                                                              \
        (void)k;                                                                                   \
        for (int64_t i = 0; i < num_labels; i++) {                                                 \
            int64_t found[3];                                                                      \
            count_classes_##WIDTH(infinity, scores, num_scores, READ_##WIDTH(label_scores, i),     \
                                  ids[i] - first, found);                                          \
            num_before[i] += found[0];                                                             \
            if (num_above) {                                                                       \
                num_above[i] += found[1];                                                          \
                num_equal[i] += found[2];                                                          \
            }                                                                                      \
        }                                                                                          \
        return 0;                                                                                  \
    }

FASTPR_DEFINE_RULE_RANKS(8)
FASTPR_DEFINE_RULE_RANKS(16)
FASTPR_DEFINE_RULE_RANKS(32)
FASTPR_DEFINE_RULE_RANKS(64)
