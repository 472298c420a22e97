/* From rows to the ranks of their labels: the kernels, for one width of scores. A template,
   as count_before.h is, and included after it. */

/* ---- short rows: each label against all, without a look for the few that matter ---- */

static inline int FASTPR_NAME(is_short)(int64_t num_scores, int64_t num_labels)
{
    return num_scores <= FASTPR_SHORT_ROW &&
           (num_scores + FASTPR_BATCH - 1) / FASTPR_BATCH * num_labels <= FASTPR_SHORT_WORK;
}

/* Returns 0, and has done nothing, if a label is NaN. */
static inline int FASTPR_NAME(count_short_row)(const FASTPR_BITS *scores, int64_t num_scores,
                                               int64_t num_labels, int32_t k, FASTPR_BITS infinity,
                                               int with_ties, row_labels *row)
{
    FASTPR_KEY keys[FASTPR_SHORT_ROW];
    int num = (int)num_scores;
    for (int start = 0; start < num; start += FASTPR_BATCH)
        FASTPR_NAME(read_keys)(scores + start, num - start, infinity, keys + start);
    for (int64_t i = 0; i < num_labels; i++) {
        int32_t id = (int32_t)row->ids[i];
        FASTPR_KEY key = keys[id];
        if (key == FASTPR_KEY_MIN)
            return 0;
        int before = 0, above = 0, at_least = 0;
        for (int start = 0; start < num; start += FASTPR_BATCH) {
            before += FASTPR_NAME(count_around)(keys + start, fastpr_positions, key, id - start);
            if (!with_ties)
                continue;
            above += FASTPR_NAME(count_above)(keys + start, key);
            at_least += FASTPR_NAME(count_above)(keys + start, key - 1);
        }
        row->num_before[i] = before < k ? before : k;
        row->num_above[i] = above < k ? above : k;
        row->num_equal[i] = above < k ? at_least - above : 0;
    }
    return 1;
}

/* Inlined early, as prefetch_bytes is. The next row: where it begins and its labels are is known,
 * but not to the CPU. */
FASTPR_ALWAYS_INLINE void FASTPR_NAME(prefetch_row)(const FASTPR_BITS *scores, int64_t num_scores,
                                                    const void *labels, int labels_are_int64,
                                                    int64_t label_start, int64_t num_labels)
{
    for (int line = 0; line < FASTPR_FIRST_LINES; line++)
        FASTPR_PREFETCH((const char *)scores + 64 * line);
    int64_t num = num_labels < FASTPR_MOST_PREFETCHED ? num_labels : FASTPR_MOST_PREFETCHED;
    for (int64_t i = 0; i < num; i++) {
        int64_t id = read_id(labels, labels_are_int64, label_start + i);
        if (id >= 0 && id < num_scores)
            FASTPR_PREFETCH(scores + id);
    }
}

/* ---- the kernels ---- */

/* Fills num_before, num_above and num_equal for the distinct labels row->ids. */
static inline void FASTPR_NAME(count_row)(const FASTPR_BITS *scores, int64_t num_scores,
                                          int64_t num_distinct, int32_t k, FASTPR_BITS infinity,
                                          int with_ties, row_labels *row)
{
    int64_t num_stored = num_distinct;
    if (!num_distinct)
        return;
    while (num_stored && row->ids[num_stored - 1] >= num_scores) {
        num_stored--; /* in no top k */
        row->num_before[num_stored] = row->num_above[num_stored] = k;
        row->num_equal[num_stored] = 0;
    }
    if (FASTPR_NAME(is_short)(num_scores, num_stored) &&
        FASTPR_NAME(count_short_row)(scores, num_scores, num_stored, k, infinity, with_ties, row))
        return;
    FASTPR_NAME(label) *active = row->active;
    for (int64_t i = 0; i < num_stored; i++) {
        int32_t id = (int32_t)row->ids[i];
        FASTPR_KEY key = FASTPR_NAME(key_of)(scores[id], infinity);
        active[i] = (FASTPR_NAME(label)){.key = key, .id = id, .index = (int32_t)i};
    }
    FASTPR_NAME(count_before)(scores, num_scores, num_stored, k, infinity, with_ties, row);
}

static int FASTPR_NAME(label_ranks)(FASTPR_RANK_ARGUMENTS)
{
    int64_t most_labels = num_labels;
    for (int64_t row = 0; label_starts && row < num_rows; row++) {
        int64_t own = label_starts[row + 1] - label_starts[row];
        most_labels = own > most_labels ? own : most_labels;
    }
    row_labels counts;
    if (row_labels_init(&counts, most_labels, 2 * sizeof(FASTPR_NAME(label))))
        return -1;
    FASTPR_BITS own_infinity = (FASTPR_BITS)infinity;
#ifdef FASTPR_BY_HAND
    by_hand hand;
    int is_simple = !score_starts && !ranked_labels && !num_above;
    if (by_hand_init(&hand, is_simple, most_labels, num_classes, k)) {
        row_labels_free(&counts);
        return -1;
    }
#endif
    for (int64_t row = 0; row < num_rows; row++) {
        int64_t start = score_starts ? score_starts[row] : row * row_stride;
        int64_t num_scores = score_starts ? score_starts[row + 1] - start : num_classes;
        int64_t label_start = label_starts ? label_starts[row] : row * num_labels;
        int64_t own_labels = label_starts ? label_starts[row + 1] - label_start : num_labels;
        const FASTPR_BITS *row_scores = (const FASTPR_BITS *)scores + start;
        if (!score_starts && !label_starts && row + 1 < num_rows &&
            num_classes >= FASTPR_PREFETCHED_ROW)
            FASTPR_NAME(prefetch_row)(row_scores + row_stride, num_classes, labels,
                                      labels_are_int64, label_start + num_labels, num_labels);
#ifdef FASTPR_BY_HAND
        num_relevant[row] =
            rank_by_hand(&hand, row_scores, (int32_t)num_scores, labels, labels_are_int64,
                         label_start, own_labels, k, own_infinity, ranks + label_start);
        if (num_relevant[row] >= 0)
            continue;
#endif
        int64_t num_distinct =
            distinct_labels(labels, labels_are_int64, label_start, own_labels, num_ids, &counts);
        if (num_above)
            FASTPR_NAME(count_row)(row_scores, num_scores, num_distinct, k, own_infinity, 1,
                                   &counts);
        else
            FASTPR_NAME(count_row)(row_scores, num_scores, num_distinct, k, own_infinity, 0,
                                   &counts);
        num_relevant[row] = num_distinct;
        write_ranks(&counts, num_distinct, k, ranks + label_start,
                    ranked_labels ? ranked_labels + label_start : NULL,
                    num_above ? num_above + label_start : NULL,
                    num_above ? num_equal + label_start : NULL);
    }
#ifdef FASTPR_BY_HAND
    by_hand_free(&hand);
#endif
    row_labels_free(&counts);
    return 0;
}

static int FASTPR_NAME(label_counts)(FASTPR_COUNT_ARGUMENTS)
{
    row_labels counts;
    if (row_labels_init(&counts, num_labels, 2 * sizeof(FASTPR_NAME(label))))
        return -1;
    FASTPR_NAME(label) *active = counts.active;
    for (int64_t i = 0; i < num_labels; i++) {
        FASTPR_BITS bits = ((const FASTPR_BITS *)label_scores)[i];
        active[i] = (FASTPR_NAME(label)){
            .key = FASTPR_NAME(key_of)(bits, (FASTPR_BITS)infinity),
            .id = (int32_t)(ids[i] - first),
            .index = (int32_t)i,
        };
    }
    FASTPR_NAME(count_before)(scores, num_scores, num_labels, k, (FASTPR_BITS)infinity,
                              num_above != NULL, &counts);
    for (int64_t i = 0; i < num_labels; i++) {
        num_before[i] += counts.num_before[i];
        if (num_above) {
            num_above[i] += counts.num_above[i];
            num_equal[i] += counts.num_equal[i];
        }
    }
    row_labels_free(&counts);
    return 0;
}
