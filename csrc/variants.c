/* The run-time table of variants, best first, and the functions Python calls. */
#include "fastpr.h"

static const fastpr_variant *const variants[] = {
    &fastpr_variant_avx512,
    &fastpr_variant_avx2,
    &fastpr_variant_baseline,
    &fastpr_variant_rule,
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
