/* Phase 1: a block of samples becomes a block of codes, 2 * bin + label.

   A template over the type of a code: included once with FASTPR_CODE uint16_t and
   once with uint32_t. Every function handles exactly FASTPR_BLOCK samples and has
   no branch in its loop, so that the compiler makes vectors of it.

   The bin of a score s is guessed as c = rint(s * (T-1)), which is it or one more,
   and then decided by comparing s with the threshold c/(T-1) in the dtype of s.
   That threshold is computed again, to the last bit, instead of looked up: i/(T-1)
   with T <= 65537 is either a number of the dtype or at least 2^-17 of a half ulp
   away from where its rounding changes, and the error of each form below is far
   smaller. tests/backends/test_rules.py holds them to the table.

   Validity is read off the bits, so that no floating-point mode (flush to zero,
   denormals are zero) can change it. The vector loop only finds out whether a block
   has anything but scores in [0, 1] (-0.0 raises the alarm too); mark_invalid then
   gives the invalid ones the bin T, one past the last. */

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define FASTPR_HAS_FMA 1
#else
#define FASTPR_HAS_FMA 0
#endif

#define FASTPR_DEFINE_MARK_INVALID(KIND, SCORE, BITS, ONE, MINUS_ZERO)                             \
    static inline int64_t FASTPR_NAME(mark_invalid_##KIND)(const SCORE *scores, int num_scores,    \
                                                           int32_t num_values, FASTPR_CODE *codes) \
    {                                                                                              \
        int64_t num_invalid = 0;                                                                   \
        for (int j = 0; j < num_scores; j++) {                                                     \
            BITS bits;                                                                             \
            memcpy(&bits, scores + j, sizeof bits);                                                \
            if (bits <= ONE || bits == MINUS_ZERO)                                                 \
                continue;                                                                          \
            codes[j] = (FASTPR_CODE)(2 * num_values);                                              \
            num_invalid++;                                                                         \
        }                                                                                          \
        return num_invalid;                                                                        \
    }

FASTPR_DEFINE_MARK_INVALID(f32, float, uint32_t, 0x3F800000u, 0x80000000u)
FASTPR_DEFINE_MARK_INVALID(f64, double, uint64_t, 0x3FF0000000000000u, 0x8000000000000000u)

/* Adding 1.5 * 2^23 rounds a small float to an integer and leaves that integer in the low
   bits, where a code of 16 bits needs nothing else. */
static inline int64_t FASTPR_NAME(encode_f32)(const float *scores, int32_t num_thresholds,
                                              FASTPR_CODE *codes)
{
    const float last = (float)(num_thresholds - 1);
    const float round_to_integer = 12582912.0f;
    const uint32_t integer_zero = 0x4B400000u;
#if FASTPR_HAS_FMA
    const float inverse_high = 1.0f / last;
    const float inverse_low = (float)(1.0 / (double)last - (double)inverse_high);
#else
    const double inverse = 1.0 / (double)last;
#endif
    uint32_t largest = 0;
    for (int j = 0; j < FASTPR_BLOCK; j++) {
        float score = scores[j];
        uint32_t score_bits, guess_bits;
        memcpy(&score_bits, &score, sizeof score);
        largest = score_bits > largest ? score_bits : largest;
#if FASTPR_HAS_FMA
        float guess = __builtin_fmaf(score, last, round_to_integer);
        float nearest = guess - round_to_integer;
        float threshold = __builtin_fmaf(nearest, inverse_high, nearest * inverse_low);
#else
        float guess = score * last + round_to_integer;
        float nearest = guess - round_to_integer;
        float threshold = (float)((double)nearest * inverse);
#endif
        memcpy(&guess_bits, &guess, sizeof guess);
        codes[j] = (FASTPR_CODE)(2 * (guess_bits - integer_zero - (score < threshold)));
    }
    return largest <= 0x3F800000u
               ? 0
               : FASTPR_NAME(mark_invalid_f32)(scores, FASTPR_BLOCK, num_thresholds, codes);
}

static inline int64_t FASTPR_NAME(encode_f64)(const double *scores, int32_t num_thresholds,
                                              FASTPR_CODE *codes)
{
    const double last = (double)(num_thresholds - 1);
    const double round_to_integer = 6755399441055744.0; /* 1.5 * 2^52 */
    const uint64_t integer_zero = 0x4338000000000000u;
    const uint64_t one = 0x3FF0000000000000u;
#if FASTPR_HAS_FMA
    const double inverse_high = 1.0 / last;
    const double inverse_low = __builtin_fma(-inverse_high, last, 1.0) / last;
#endif
    uint64_t alarm = 0; /* in the sign: no 64-bit maximum before AVX-512 */
    for (int j = 0; j < FASTPR_BLOCK; j++) {
        double score = scores[j];
        uint64_t score_bits, guess_bits;
        memcpy(&score_bits, &score, sizeof score);
        alarm |= (one - score_bits) | score_bits;
#if FASTPR_HAS_FMA
        double guess = __builtin_fma(score, last, round_to_integer);
        double nearest = guess - round_to_integer;
        double threshold = __builtin_fma(nearest, inverse_high, nearest * inverse_low);
#else
        double guess = score * last + round_to_integer;
        double nearest = guess - round_to_integer;
        double threshold = nearest / last;
#endif
        memcpy(&guess_bits, &guess, sizeof guess);
        codes[j] = (FASTPR_CODE)(2 * (guess_bits - integer_zero - (score < threshold)));
    }
    return !(alarm >> 63)
               ? 0
               : FASTPR_NAME(mark_invalid_f64)(scores, FASTPR_BLOCK, num_thresholds, codes);
}

/* floor(u * (T-1) / 65535) without a division; u * 65536 needs a case of its own,
   where the sum below would not fit. */
static inline int64_t FASTPR_NAME(encode_u16)(const uint16_t *scores, int32_t num_thresholds,
                                              FASTPR_CODE *codes)
{
    const uint32_t last = (uint32_t)(num_thresholds - 1);
    if (last == 65536) {
        for (int j = 0; j < FASTPR_BLOCK; j++)
            codes[j] = (FASTPR_CODE)(2 * ((uint32_t)scores[j] + (scores[j] == 65535)));
        return 0;
    }
    for (int j = 0; j < FASTPR_BLOCK; j++) {
        uint32_t product = scores[j] * last;
        codes[j] = (FASTPR_CODE)(2 * ((product + (product >> 16) + 1) >> 16));
    }
    return 0;
}

/* Scores of few values are counted value by value, and the values put into bins
   afterwards (fold_counts in accumulate.h). */
static inline int64_t FASTPR_NAME(encode_u8)(const uint8_t *scores, int32_t num_values,
                                             FASTPR_CODE *codes)
{
    (void)num_values;
    for (int j = 0; j < FASTPR_BLOCK; j++)
        codes[j] = (FASTPR_CODE)(2 * scores[j]);
    return 0;
}

/* The bits of a float16 or bfloat16 that is not negative are in its order, so they
   are the values; num_values - 1 stands for 1.0. */
static inline int64_t FASTPR_NAME(mark_invalid_half)(const uint16_t *scores, int num_scores,
                                                     int32_t num_values, FASTPR_CODE *codes)
{
    int64_t num_invalid = 0;
    for (int j = 0; j < num_scores; j++) {
        if (scores[j] < num_values || scores[j] == 0x8000) /* -0.0 */
            continue;
        codes[j] = (FASTPR_CODE)(2 * num_values);
        num_invalid++;
    }
    return num_invalid;
}

static inline int64_t FASTPR_NAME(encode_half)(const uint16_t *scores, int32_t num_values,
                                               FASTPR_CODE *codes)
{
    int32_t num_invalid = 0;
    for (int j = 0; j < FASTPR_BLOCK; j++) {
        int32_t value = scores[j] == 0x8000 ? 0 : scores[j]; /* -0.0 */
        int32_t invalid = value >= num_values;
        codes[j] = (FASTPR_CODE)(2 * (invalid ? num_values : value));
        num_invalid += invalid;
    }
    return num_invalid;
}

/* All integers are valid. */
static inline int64_t FASTPR_NAME(mark_invalid_u8)(const uint8_t *scores, int num_scores,
                                                   int32_t num_values, FASTPR_CODE *codes)
{
    (void)scores, (void)num_scores, (void)num_values, (void)codes;
    return 0;
}

static inline int64_t FASTPR_NAME(mark_invalid_u16)(const uint16_t *scores, int num_scores,
                                                    int32_t num_values, FASTPR_CODE *codes)
{
    (void)scores, (void)num_scores, (void)num_values, (void)codes;
    return 0;
}

#define FASTPR_DEFINE_ADD_LABELS(KIND, LABEL)                                                      \
    static inline int FASTPR_NAME(add_labels_##KIND)(const LABEL *labels, FASTPR_CODE *codes)      \
    {                                                                                              \
        LABEL others = 0;                                                                          \
        for (int j = 0; j < FASTPR_BLOCK; j++) {                                                   \
            codes[j] |= (FASTPR_CODE)(labels[j] & 1);                                              \
            others |= labels[j];                                                                   \
        }                                                                                          \
        return (others & ~(LABEL)1) != 0;                                                          \
    }

FASTPR_DEFINE_ADD_LABELS(i8, uint8_t)
FASTPR_DEFINE_ADD_LABELS(i16, uint16_t)
FASTPR_DEFINE_ADD_LABELS(i32, uint32_t)
FASTPR_DEFINE_ADD_LABELS(i64, uint64_t)

static inline void FASTPR_NAME(add_labels_bool)(const uint8_t *labels, FASTPR_CODE *codes)
{
    for (int j = 0; j < FASTPR_BLOCK; j++)
        codes[j] |= (FASTPR_CODE)(labels[j] != 0);
}

/* Returns 1 if a label was neither 0 nor 1. */
static inline int FASTPR_NAME(add_labels)(const void *labels, int label_kind, FASTPR_CODE *codes)
{
    switch (label_kind) {
    case FASTPR_LABEL_I8:
        return FASTPR_NAME(add_labels_i8)(labels, codes);
    case FASTPR_LABEL_I16:
        return FASTPR_NAME(add_labels_i16)(labels, codes);
    case FASTPR_LABEL_I32:
        return FASTPR_NAME(add_labels_i32)(labels, codes);
    case FASTPR_LABEL_I64:
        return FASTPR_NAME(add_labels_i64)(labels, codes);
    default:
        FASTPR_NAME(add_labels_bool)(labels, codes);
        return 0;
    }
}
