/* The kernels for CPUs with AVX2 and FMA; empty when not compiled for them. */
#include "fastpr.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__GNUC__)

#include "ranks/label_ranks.h"
#include "histogram/score_histogram.h"

static int is_supported(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

const fastpr_variant fastpr_variant_avx2 = FASTPR_VARIANT_ROW("avx2");

#else

const fastpr_variant fastpr_variant_avx2 = {.name = "avx2"};

#endif
