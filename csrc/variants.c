/* The run-time table of variants, best first, and the functions Python calls. */
#include "fastpr.h"

static const fastpr_variant *const variants[] = {
    &fastpr_variant_avx512vbmi2, &fastpr_variant_avx512, &fastpr_variant_avx2,
    &fastpr_variant_baseline,    &fastpr_variant_rule,
};

int fastpr_num_variants(void)
{
    return (int)(sizeof variants / sizeof variants[0]);
}

const fastpr_variant *fastpr_get_variant(int index)
{
    return variants[index];
}

const char *fastpr_variant_name(const fastpr_variant *variant)
{
    return variant->name;
}

int fastpr_variant_is_built(const fastpr_variant *variant)
{
    return variant->score_histogram_f32 != NULL;
}

int fastpr_variant_is_supported(const fastpr_variant *variant)
{
    return fastpr_variant_is_built(variant) && variant->is_supported();
}

#define FASTPR_DEFINE_ENTRY(KIND, SCORE)                                                           \
    int fastpr_score_histogram_##KIND(const fastpr_variant *variant,                               \
                                      FASTPR_HISTOGRAM_ARGUMENTS(SCORE))                           \
    {                                                                                              \
        return variant->score_histogram_##KIND(scores, labels, label_kind, weights, weight_kind,   \
                                               num_samples, thresholds, num_thresholds, counts,    \
                                               sums, report);                                      \
    }

FASTPR_DEFINE_ENTRY(f32, float)
FASTPR_DEFINE_ENTRY(f64, double)
FASTPR_DEFINE_ENTRY(u8, uint8_t)
FASTPR_DEFINE_ENTRY(u16, uint16_t)
FASTPR_DEFINE_ENTRY(half, uint16_t)

/* The bits of infinity, and which of the widths: what kernels know of a kind of scores. */
static const struct {
    uint64_t infinity;
    int width;
} score_kinds[] = {
    [FASTPR_SCORE_U8] = {0, 0},
    [FASTPR_SCORE_F16] = {0x7C00, 1},
    [FASTPR_SCORE_BF16] = {0x7F80, 1},
    [FASTPR_SCORE_F32] = {0x7F800000, 2},
    [FASTPR_SCORE_F64] = {0x7FF0000000000000, 3},
};

int fastpr_label_ranks(const fastpr_variant *variant, int score_kind, const void *scores,
                       int64_t row_stride, const int64_t *score_starts, int64_t num_classes,
                       int64_t num_rows, const void *labels, int labels_are_int64,
                       const int64_t *label_starts, int64_t num_labels, int32_t num_ids, int32_t k,
                       int64_t *num_relevant, int32_t *ranks, int64_t *ranked_labels,
                       int32_t *num_above, int32_t *num_equal)
{
    return variant->label_ranks[score_kinds[score_kind].width](
        score_kinds[score_kind].infinity, scores, row_stride, score_starts, num_classes, num_rows,
        labels, labels_are_int64, label_starts, num_labels, num_ids, k, num_relevant, ranks,
        ranked_labels, num_above, num_equal);
}

int fastpr_label_counts(const fastpr_variant *variant, int score_kind, const void *scores,
                        int64_t num_scores, int64_t first, const int64_t *ids,
                        const void *label_scores, int64_t num_labels, int32_t k,
                        int64_t *num_before, int64_t *num_above, int64_t *num_equal)
{
    return variant->label_counts[score_kinds[score_kind].width](
        score_kinds[score_kind].infinity, scores, num_scores, first, ids, label_scores, num_labels,
        k, num_before, num_above, num_equal);
}
