/* Windows of samples of one kind: a template, included for each with FASTPR_SCORE,
   FASTPR_KIND(name) for the names, and FASTPR_MARK_INVALID of encode.h. */

/* Samples from which groups are taken, and what was noticed on the way. */
typedef struct {
    const FASTPR_SCORE *scores;
    const char *labels;
    const char *weights; /* or NULL */
    int label_kind, weight_kind;
    size_t label_bytes, weight_bytes;
    int64_t ahead; /* samples from here to what is fetched from memory */
    int32_t num_values;
    code_constants constants;
    __m512i others; /* labels that are neither 0 nor 1, as bits */
    int64_t num_invalid;
    int has_bad_weights;
} FASTPR_KIND(samples);

FASTPR_ALWAYS_INLINE void FASTPR_KIND(advance)(FASTPR_KIND(samples) * self, int64_t num_samples)
{
    self->scores += num_samples;
    self->labels += (size_t)num_samples * self->label_bytes;
    if (self->weights)
        self->weights += (size_t)num_samples * self->weight_bytes;
}

/* What few groups need: scores that are not valid get the code of what is left out. Takes no
   samples, so that those of a window can stay in registers. */
static group_codes FASTPR_KIND(without_invalid)(const FASTPR_SCORE *scores, int32_t num_values,
                                                group_codes group, int64_t *num_invalid)
{
    uint16_t codes[FASTPR_GROUP];
    store_codes(codes, group);
    *num_invalid += FASTPR_MARK_INVALID(scores, FASTPR_GROUP, num_values, codes);
    return (group_codes){_mm512_loadu_si512(codes), _mm512_loadu_si512(codes + 32)};
}

/* The labels and then the codes of a group, which is asked for long before it comes. */
FASTPR_ALWAYS_INLINE group_codes FASTPR_KIND(codes_of)(FASTPR_KIND(samples) * self, int start,
                                                       const ready_codes *ready)
{
    const FASTPR_SCORE *scores = self->scores + start;
    const char *labels = self->labels + (size_t)start * self->label_bytes;
    prefetch_bytes((const char *)(scores + self->ahead), FASTPR_GROUP * sizeof *scores);
    group_labels own;
    if (FASTPR_UNLIKELY(self->label_bytes > 1)) {
        prefetch_bytes(labels + (size_t)self->ahead * self->label_bytes,
                       FASTPR_GROUP * self->label_bytes);
        own = wide_labels(labels, self->label_kind);
    } else {
        prefetch_bytes(labels + self->ahead, FASTPR_GROUP);
        __m512i some = _mm512_loadu_si512(labels);
        own.bits = _mm512_test_epi8_mask(some, self->constants.label_bits);
        own.others = _mm512_and_si512(some, self->constants.other_bits);
    }
    self->others = _mm512_or_si512(self->others, own.others);
    int alarm;
    group_codes group =
        FASTPR_KIND(encode_group)(scores, own.bits, &self->constants, ready, &alarm);
    if (FASTPR_UNLIKELY(alarm)) {
        int64_t num_invalid = 0;
        group = FASTPR_KIND(without_invalid)(scores, self->num_values, group, &num_invalid);
        self->num_invalid += num_invalid;
    }
    return group;
}

/* All codes go to the queue, but those of groups of one code; returns how many. */
FASTPR_ALWAYS_INLINE int64_t FASTPR_KIND(plain_window)(FASTPR_KIND(samples) * all, uint32_t *cells,
                                                       size_t stride, code_queue *queue)
{
    FASTPR_KIND(samples) samples = *all;
    ready_codes ready = {.counts = cells, .stride = stride}, none = {.codes = NULL};
    int begin = queue->begin, end = queue->end;
    int64_t num_queued = 0;
    for (int j = 0; j < FASTPR_WINDOW; j += FASTPR_GROUP) {
        group_codes group;
        if (end - begin >= FASTPR_GROUP + FASTPR_QUEUE_LAG) {
            ready.codes = queue->codes + begin;
            group = FASTPR_KIND(codes_of)(&samples, j, &ready);
            begin += FASTPR_GROUP;
        } else {
            group = FASTPR_KIND(codes_of)(&samples, j, &none);
        }
        if (is_one_code(group)) {
            cells[first_code(group)] += FASTPR_GROUP;
            continue;
        }
        store_codes(queue->codes + end, group);
        end += FASTPR_GROUP;
        num_queued += FASTPR_GROUP;
        if (end < FASTPR_QUEUE_LENGTH)
            continue;
        queue->begin = begin;
        queue->end = end;
        queue_to_front(queue);
        begin = queue->begin;
        end = queue->end;
    }
    queue->begin = begin;
    queue->end = end;
    *all = samples;
    return num_queued;
}

/* Only the codes that are not hot go to the queue; returns how many. */
FASTPR_ALWAYS_INLINE int64_t FASTPR_KIND(hot_window)(FASTPR_KIND(samples) * all, uint32_t *cells,
                                                     int has_copies, code_queue *queue,
                                                     hot_codes *hot, int num_hot)
{
    FASTPR_KIND(samples) samples = *all;
    ready_codes none = {.codes = NULL};
    int end = queue->end;
    int64_t num_queued = -(int64_t)end, num_counted = 0, counts[FASTPR_MOST_HOT] = {0};
    for (int j = 0; j < FASTPR_WINDOW; j += FASTPR_GROUP) {
        group_codes group = FASTPR_KIND(codes_of)(&samples, j, &none);
        end = filter_group(group, hot, num_hot, counts, queue->codes, end);
        if (end < FASTPR_QUEUE_LENGTH)
            continue;
        queue->end = end;
        queue_count(queue, cells, has_copies, FASTPR_QUEUE_LAG);
        num_queued += end - queue->end;
        end = queue->end;
    }
    queue->end = end;
    num_queued += end;
    queue_count(queue, cells, has_copies, FASTPR_QUEUE_LAG);
    for (int j = 0; j + 1 < num_hot; j++)
        num_counted += counts[j];
    counts[num_hot - 1] = FASTPR_WINDOW - num_queued - num_counted;
    for (int j = 0; j < num_hot; j++)
        cells[hot->codes[j]] += (uint32_t)counts[j];
    memcpy(hot->counts, counts, sizeof counts);
    *all = samples;
    return num_queued;
}

FASTPR_ALWAYS_INLINE FASTPR_KIND(samples)
    FASTPR_KIND(samples_of)(const FASTPR_SCORE *scores, const void *labels, int label_kind,
                            const uint16_t *edges, int32_t num_values, int32_t num_thresholds)
{
    return (FASTPR_KIND(samples)){
        .scores = scores,
        .labels = labels,
        .label_kind = label_kind,
        .label_bytes = label_size(label_kind),
        .num_values = num_values,
        .constants = constants_of(label_kind, edges, num_values, num_thresholds),
        .others = _mm512_setzero_si512(),
    };
}

FASTPR_ALWAYS_INLINE void FASTPR_KIND(report_on)(const FASTPR_KIND(samples) * samples,
                                                 int64_t *report)
{
    report[0] += samples->num_invalid;
    report[1] |= _mm512_test_epi64_mask(samples->others, samples->others) != 0;
    report[2] |= samples->has_bad_weights;
}

/* Counts whole windows, and returns of how many samples. */
static int64_t FASTPR_KIND(count_windows)(count_table *self, const FASTPR_SCORE *scores,
                                          const void *labels, int label_kind, int64_t num_samples,
                                          const uint16_t *edges, int32_t num_values,
                                          int32_t num_thresholds, int64_t *report)
{
    if (num_samples < FASTPR_WINDOW)
        return 0;
    FASTPR_KIND(samples)
    samples =
        FASTPR_KIND(samples_of)(scores, labels, label_kind, edges, num_values, num_thresholds);
    hot_codes hot = {.codes = {0, 1, 2, 3}};
    code_queue queue;
    queue.begin = queue.end = 0;
    uint32_t *cells = self->cells;
    int has_copies = self->num_copies > 1;
    int64_t start = 0, room = FASTPR_MAX_PENDING - self->num_pending;
    int64_t most = num_samples < room ? num_samples : room;
    for (; start + FASTPR_WINDOW <= most; start += FASTPR_WINDOW) {
        int64_t num_queued;
        samples.ahead = samples_ahead(num_samples - start);
        if (hot.num == 4)
            num_queued = FASTPR_KIND(hot_window)(&samples, cells, has_copies, &queue, &hot, 4);
        else if (hot.num == 2)
            num_queued = FASTPR_KIND(hot_window)(&samples, cells, has_copies, &queue, &hot, 2);
        else if (has_copies)
            num_queued = FASTPR_KIND(plain_window)(&samples, cells, FASTPR_COUNT_STRIDE, &queue);
        else
            num_queued = FASTPR_KIND(plain_window)(&samples, cells, 0, &queue);
        look_for_hot(&hot, &queue, num_queued);
        FASTPR_KIND(advance)(&samples, FASTPR_WINDOW);
    }
    queue_count(&queue, cells, has_copies, 0);
    self->num_pending += start;
    FASTPR_KIND(report_on)(&samples, report);
    return start;
}

/* ---- with weights ---- */

/* Adds the weights of whole windows, and returns of how many samples. */
static int64_t FASTPR_KIND(sum_windows)(sum_table *self, const FASTPR_SCORE *scores,
                                        const void *labels, int label_kind, const void *weights,
                                        int weight_kind, int64_t num_samples, const uint16_t *edges,
                                        int32_t num_values, int32_t num_thresholds, int64_t *report)
{
    if (num_samples < FASTPR_WINDOW || self->stride != FASTPR_SUM_STRIDE)
        return 0;
    FASTPR_KIND(samples)
    samples =
        FASTPR_KIND(samples_of)(scores, labels, label_kind, edges, num_values, num_thresholds);
    samples.weights = weights;
    samples.weight_kind = weight_kind;
    samples.weight_bytes = weight_size(weight_kind);
    const int64_t most_pending = (int64_t)FASTPR_ROUNDS_PER_COPY * self->num_copies;
    int64_t start = 0;
    ready_codes ready = {.sums = self->cells, .stride = FASTPR_SUM_STRIDE};
    ready_codes none = {.codes = NULL};
    for (; start + FASTPR_WINDOW <= num_samples; start += FASTPR_WINDOW) {
        _Alignas(64) uint16_t codes[FASTPR_SUM_LAG][FASTPR_GROUP];
        _Alignas(64) double group_weights[FASTPR_SUM_LAG][FASTPR_GROUP];
        samples.ahead = samples_ahead(num_samples - start);
        if (self->num_pending + FASTPR_WINDOW > most_pending)
            sum_table_merge_copies(self);
        for (int j = 0; j < FASTPR_WINDOW; j += FASTPR_GROUP) {
            int place = j / FASTPR_GROUP % FASTPR_SUM_LAG;
            group_codes group;
            if (j >= FASTPR_SUM_LAG * FASTPR_GROUP) {
                ready.codes = codes[place];
                ready.weights = group_weights[place];
                group = FASTPR_KIND(codes_of)(&samples, j, &ready);
            } else {
                group = FASTPR_KIND(codes_of)(&samples, j, &none);
            }
            store_codes(codes[place], group);
            const char *own = samples.weights + (size_t)j * samples.weight_bytes;
            prefetch_bytes(own + (size_t)samples.ahead * samples.weight_bytes,
                           FASTPR_GROUP * samples.weight_bytes);
            samples.has_bad_weights |= store_weights(own, weight_kind, group_weights[place]);
        }
        for (int place = 0; place < FASTPR_SUM_LAG; place++)
            for (int j = 0; j < FASTPR_GROUP; j += 8)
                sum_8(self->cells, FASTPR_SUM_STRIDE, codes[place] + j, group_weights[place] + j);
        self->num_pending += FASTPR_WINDOW;
        FASTPR_KIND(advance)(&samples, FASTPR_WINDOW);
    }
    FASTPR_KIND(report_on)(&samples, report);
    return start;
}
