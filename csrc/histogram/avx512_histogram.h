/* Counting by hand for AVX-512: whole windows of samples, with codes of 16 bits. What is
   left of them, and codes of 32 bits, are for score_histogram.h. */
#ifndef FASTPR_AVX512_HISTOGRAM_H
#define FASTPR_AVX512_HISTOGRAM_H

/* Eight copies of a table, a distance apart that the compiler knows, or one. Copies are for
   codes that come again before the last addition is done; the few that do so often are
   counted otherwise here, and tables that stay in the first level cache matter more. */
#define FASTPR_COUNT_STRIDE 656 /* cells */
#define FASTPR_SUM_STRIDE 408

#include "avx512_hot_codes.h"

/* Groups whose codes and weights are written, and not yet added. */
#define FASTPR_SUM_LAG 2

#define FASTPR_COUNT_WINDOWS_16(KIND, ...) count_windows_##KIND(__VA_ARGS__)
#define FASTPR_SUM_WINDOWS_16(KIND, ...) sum_windows_##KIND(__VA_ARGS__)

#endif
