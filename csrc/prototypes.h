/* Read twice: by the C compiler, and by cffi, which knows no preprocessor. */

enum fastpr_label_kind {
    FASTPR_LABEL_BOOL = 0, /* one byte, anything but 0 is true */
    FASTPR_LABEL_I8 = 1,   /* integers, 0 or 1; anything else is reported */
    FASTPR_LABEL_I16 = 2,
    FASTPR_LABEL_I32 = 3,
    FASTPR_LABEL_I64 = 4
};

enum fastpr_weight_kind { FASTPR_WEIGHT_BOOL = 0, FASTPR_WEIGHT_F32 = 1, FASTPR_WEIGHT_F64 = 2 };

/* One way of compiling the kernels; the rows of the run-time table. */
typedef struct fastpr_variant fastpr_variant;

int fastpr_num_variants(void);
const fastpr_variant *fastpr_get_variant(int index);
const char *fastpr_variant_name(const fastpr_variant *variant);
int fastpr_variant_is_built(const fastpr_variant *variant);
int fastpr_variant_is_supported(const fastpr_variant *variant);

/* Adds num_samples samples to a table. One function for each kind of scores:
   f32, f64, u8 and u16 (which stand for u / (2^bits - 1)), and half (the bits of
   float16 or bfloat16). thresholds are in the dtype of the scores, thresholds[0]
   is 0 and the last is the score 1.

   Without weights (NULL), counts[2][num_thresholds] (negative, positive) is
   added to, else sums[2][num_thresholds]; the other may be NULL.
   report[3] is added to: the number of scores outside [0, 1], which are in no
   bin; then not 0 if a label was neither 0 nor 1; then not 0 if a weight was
   negative or not finite.

   Returns 0, or -1 when there was no memory for the scratch tables. */
int fastpr_score_histogram_f32(const fastpr_variant *variant, const float *scores,
                               const void *labels, int label_kind, const void *weights,
                               int weight_kind, int64_t num_samples, const float *thresholds,
                               int32_t num_thresholds, int64_t *counts, double *sums,
                               int64_t *report);
int fastpr_score_histogram_f64(const fastpr_variant *variant, const double *scores,
                               const void *labels, int label_kind, const void *weights,
                               int weight_kind, int64_t num_samples, const double *thresholds,
                               int32_t num_thresholds, int64_t *counts, double *sums,
                               int64_t *report);
int fastpr_score_histogram_u8(const fastpr_variant *variant, const uint8_t *scores,
                              const void *labels, int label_kind, const void *weights,
                              int weight_kind, int64_t num_samples, const uint8_t *thresholds,
                              int32_t num_thresholds, int64_t *counts, double *sums,
                              int64_t *report);
int fastpr_score_histogram_u16(const fastpr_variant *variant, const uint16_t *scores,
                               const void *labels, int label_kind, const void *weights,
                               int weight_kind, int64_t num_samples, const uint16_t *thresholds,
                               int32_t num_thresholds, int64_t *counts, double *sums,
                               int64_t *report);
int fastpr_score_histogram_half(const fastpr_variant *variant, const uint16_t *scores,
                                const void *labels, int label_kind, const void *weights,
                                int weight_kind, int64_t num_samples, const uint16_t *thresholds,
                                int32_t num_thresholds, int64_t *counts, double *sums,
                                int64_t *report);

enum fastpr_score_kind {
    FASTPR_SCORE_U8 = 0,
    FASTPR_SCORE_F16 = 1, /* the bits of float16 */
    FASTPR_SCORE_BF16 = 2,
    FASTPR_SCORE_F32 = 3,
    FASTPR_SCORE_F64 = 4
};

/* Ranks the labels of num_rows rows of num_classes scores that begin row_stride scores apart;
   or, with score_starts[num_rows + 1], of rows that begin there.

   labels are int32 or int64, num_labels for each row, or as label_starts[num_rows + 1] says.
   Those outside [0, num_ids) are ignored, repeated ones count once; one that is not below
   the length of its row is a label, but in no top k.

   Writes num_relevant[num_rows], the number of distinct labels of each row, and from where
   its labels begin: their ranks, ascending, k for all from k on. If not NULL, the label of
   each rank, those of rank k by (num_above and) id; and, both or none, num_above, the
   number of classes scored higher or k, and num_equal, 0 where that is k, else the number
   of classes of the same score.

   Returns 0, or -1 when there was no memory for the labels of a row. */
int fastpr_label_ranks(const fastpr_variant *variant, int score_kind, const void *scores,
                       int64_t row_stride, const int64_t *score_starts, int64_t num_classes,
                       int64_t num_rows, const void *labels, int labels_are_int64,
                       const int64_t *label_starts, int64_t num_labels, int32_t num_ids, int32_t k,
                       int64_t *num_relevant, int32_t *ranks, int64_t *ranked_labels,
                       int32_t *num_above, int32_t *num_equal);

/* Adds, for labels of ascending ids and these scores, how many of num_scores classes from
   the id first on come before each, and, if not NULL, how many are scored higher and equal.
   A count that reaches k need not be exact. */
int fastpr_label_counts(const fastpr_variant *variant, int score_kind, const void *scores,
                        int64_t num_scores, int64_t first, const int64_t *ids,
                        const void *label_scores, int64_t num_labels, int32_t k,
                        int64_t *num_before, int64_t *num_above, int64_t *num_equal);
