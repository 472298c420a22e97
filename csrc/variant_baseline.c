/* The kernels for every CPU of the architecture. */
#include "ranks/label_ranks.h"
#include "histogram/score_histogram.h"

static int is_supported(void)
{
    return 1;
}

const fastpr_variant fastpr_variant_baseline = FASTPR_VARIANT_ROW("baseline");
