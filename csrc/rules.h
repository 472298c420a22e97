/* The rules of fastpr/backends/rules.py, by hand: the one twin of that text. */
#ifndef FASTPR_RULES_H
#define FASTPR_RULES_H

#include <stdint.h>

/* The largest i with score >= thresholds[i], for thresholds that do not
   decrease and a score that is at least thresholds[0]. */
#define FASTPR_DEFINE_BIN_INDEX(KIND, SCORE)                                                       \
    static inline int32_t fastpr_bin_index_##KIND(SCORE score, const SCORE *thresholds,            \
                                                  int32_t num_thresholds)                          \
    {                                                                                              \
        int32_t low = 0;                                                                           \
        int32_t high = num_thresholds;                                                             \
        while (high - low > 1) {                                                                   \
            int32_t middle = (low + high) / 2;                                                     \
            if (score >= thresholds[middle])                                                       \
                low = middle;                                                                      \
            else                                                                                   \
                high = middle;                                                                     \
        }                                                                                          \
        return low;                                                                                \
    }

FASTPR_DEFINE_BIN_INDEX(f32, float)
FASTPR_DEFINE_BIN_INDEX(f64, double)
FASTPR_DEFINE_BIN_INDEX(u8, uint8_t)
FASTPR_DEFINE_BIN_INDEX(u16, uint16_t)

/* Whether a class comes before another one in the ranking of a row. Every kind of score is
   a double without rounding. */
static inline int fastpr_outranks(double score, int64_t class_id, double other_score,
                                  int64_t other_id)
{
    int is_nan = score != score;
    int other_is_nan = other_score != other_score;
    if (is_nan || other_is_nan)
        return other_is_nan && (!is_nan || class_id < other_id);
    return score > other_score || (score == other_score && class_id < other_id);
}

#endif
