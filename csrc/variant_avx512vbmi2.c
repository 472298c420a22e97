/* The kernels for CPUs with AVX-512 (F, BW, DQ, VL) and VBMI2, which compresses 16-bit codes;
   empty when not compiled for them. */
#include "fastpr.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) &&                      \
    defined(__AVX512VL__) && defined(__AVX512VBMI2__) && defined(__GNUC__)

#include "histogram/avx512_histogram.h"
#include "ranks/avx512_ranks.h"
#include "ranks/label_ranks.h"
#include "histogram/score_histogram.h"

static int is_supported(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("fma");
}

const fastpr_variant fastpr_variant_avx512vbmi2 = FASTPR_VARIANT_ROW("avx512vbmi2");

#else

const fastpr_variant fastpr_variant_avx512vbmi2 = {.name = "avx512vbmi2"};

#endif
