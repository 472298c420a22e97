/* The kernels as the rule says, sample by sample: the plain sibling of the fast ones, of
   the same signature. Not fast. */
#include "fastpr.h"
#include "ranks/rule_ranks.h"

static int64_t read_label(const void *labels, int label_kind, int64_t index)
{
    switch (label_kind) {
    case FASTPR_LABEL_I8:
        return ((const int8_t *)labels)[index];
    case FASTPR_LABEL_I16:
        return ((const int16_t *)labels)[index];
    case FASTPR_LABEL_I32:
        return ((const int32_t *)labels)[index];
    case FASTPR_LABEL_I64:
        return ((const int64_t *)labels)[index];
    default:
        return ((const uint8_t *)labels)[index] != 0;
    }
}

static double read_weight(const void *weights, int weight_kind, int64_t index)
{
    switch (weight_kind) {
    case FASTPR_WEIGHT_F32:
        return (double)((const float *)weights)[index];
    case FASTPR_WEIGHT_F64:
        return ((const double *)weights)[index];
    default:
        return ((const uint8_t *)weights)[index] != 0;
    }
}

/* On the bits, so that no floating-point mode can change it. */
static int is_valid_f32(float score)
{
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    return bits <= 0x3F800000u || bits == 0x80000000u;
}

static int is_valid_f64(double score)
{
    uint64_t bits;
    memcpy(&bits, &score, sizeof bits);
    return bits <= 0x3FF0000000000000u || bits == 0x8000000000000000u;
}

/* Sums of weights are kept with what was rounded off, in rounded[2][num_thresholds]. */
#define FASTPR_DEFINE_RULE(KIND, INDEX, SCORE, READ, IS_VALID)                                     \
    static int score_histogram_##KIND(FASTPR_HISTOGRAM_ARGUMENTS(SCORE))                           \
    {                                                                                              \
        double *rounded = calloc(2 * (size_t)num_thresholds, sizeof *rounded);                     \
        if (!rounded)                                                                              \
            return -1;                                                                             \
        for (int64_t index = 0; index < num_samples; index++) {                                    \
            SCORE score = READ;                                                                    \
            int64_t label = read_label(labels, label_kind, index);                                 \
            double weight = weights ? read_weight(weights, weight_kind, index) : 1.0;              \
            int bad_weight = !(weight >= 0.0 && weight <= 1.7976931348623157e308);                 \
            report[0] += !(IS_VALID);                                                              \
            report[1] |= label != 0 && label != 1;                                                 \
            report[2] |= bad_weight;                                                               \
            if (!(IS_VALID) || (label != 0 && label != 1) || bad_weight)                           \
                continue;                                                                          \
            int32_t bin = fastpr_bin_index_##INDEX(score, thresholds, num_thresholds);             \
            int64_t cell = label * num_thresholds + bin;                                           \
            if (weights) {                                                                         \
                double total = sums[cell] + weight;                                                \
                double part = total - sums[cell];                                                  \
                rounded[cell] += (sums[cell] - (total - part)) + (weight - part);                  \
                sums[cell] = total;                                                                \
            } else {                                                                               \
                counts[cell]++;                                                                    \
            }                                                                                      \
        }                                                                                          \
        for (int32_t cell = 0; weights && cell < 2 * num_thresholds; cell++)                       \
            sums[cell] += rounded[cell];                                                           \
        free(rounded);                                                                             \
        return 0;                                                                                  \
    }

FASTPR_DEFINE_RULE(f32, f32, float, scores[index], is_valid_f32(score))
FASTPR_DEFINE_RULE(f64, f64, double, scores[index], is_valid_f64(score))
FASTPR_DEFINE_RULE(u8, u8, uint8_t, scores[index], 1)
FASTPR_DEFINE_RULE(u16, u16, uint16_t, scores[index], 1)

/* The bits of halves that are not negative are in the order of their values; 0x8000 is
   -0.0, and whatever is above the bits of 1.0 is above 1, negative or NaN. */
FASTPR_DEFINE_RULE(half, u16, uint16_t, scores[index] == 0x8000 ? 0 : scores[index],
                   score <= thresholds[num_thresholds - 1])

static int is_supported(void)
{
    return 1;
}

const fastpr_variant fastpr_variant_rule = {
    "rule",
    is_supported,
    score_histogram_f32,
    score_histogram_f64,
    score_histogram_u8,
    score_histogram_u16,
    score_histogram_half,
    {label_ranks_8, label_ranks_16, label_ranks_32, label_ranks_64},
    {label_counts_8, label_counts_16, label_counts_32, label_counts_64},
};
