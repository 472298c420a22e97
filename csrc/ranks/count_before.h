/* How many classes of a row come before each of its labels. No floating-point mode (flush to
   zero, denormals are zero) can change a rank: scores are read as their bits, and compared as
   keys, which are signed integers in the order of the scores. -0.0 and 0.0 have the same key,
   and NaN has FASTPR_KEY_MIN, below all numbers.

   A template, included once for each width of a score, with
     FASTPR_BITS     an unsigned integer of that width,
     FASTPR_KEY      a signed integer that holds all keys,
     FASTPR_KEY_MIN  its lowest value,
     FASTPR_NAME(x)  the name of x for that width,
     FASTPR_BY_HAND  where what reads 64 scores has been written with intrinsics: read_keys,
                     count_above, count_around and collect (avx512_ranks.h).

   A row is read once, in blocks of 64. A class that is below the worst label still in the
   running changes nothing, and one unsigned comparison of its bits says so. The few others
   are collected, and up to 64 of them at a time are compared with all labels. A label that
   has k classes before it is out, and the next worst raises the bar; with no label left, the
   rest of the row is not read. */

#define FASTPR_SIGN ((FASTPR_BITS)((FASTPR_BITS)1 << (8 * sizeof(FASTPR_BITS) - 1)))
#define FASTPR_LARGEST ((FASTPR_BITS) ~(FASTPR_BITS)0)

typedef struct {
    FASTPR_KEY key;
    int32_t id; /* counted from the first score, so it may be negative in a piece of a row */
    int32_t index;
    int32_t before, above, equal;
} FASTPR_NAME(label);

typedef struct {
    FASTPR_NAME(label) * labels; /* those in the running */
    int64_t num_labels;
    int32_t k;
    int is_over;          /* whether the rest of the row can change anything */
    FASTPR_BITS infinity; /* its bits; 0 for unsigned integers */
    FASTPR_BITS first, width;
    int num_collected;
    FASTPR_BITS bits[3 * FASTPR_BATCH]; /* room for two blocks, and to store whole vectors */
    int32_t ids[3 * FASTPR_BATCH];
    row_labels *row;
} FASTPR_NAME(race);

static inline FASTPR_KEY FASTPR_NAME(key_of)(FASTPR_BITS bits, FASTPR_BITS infinity)
{
    if (!infinity)
        return (FASTPR_KEY)bits;
    FASTPR_BITS magnitude = bits & (FASTPR_BITS)(FASTPR_SIGN - 1);
    FASTPR_KEY key = bits & FASTPR_SIGN ? -(FASTPR_KEY)magnitude : (FASTPR_KEY)magnitude;
    return magnitude > infinity ? FASTPR_KEY_MIN : key;
}

/* Which bits are those of a key at or above the bar: (bits - first) <= width. Where the bar
   is not positive, positive NaNs pass as well, and fall out when they get a key. */
static inline void FASTPR_NAME(set_bar)(FASTPR_NAME(race) * self, FASTPR_KEY bar)
{
    FASTPR_BITS highest = self->infinity ? self->infinity : FASTPR_LARGEST;
    if (bar > (FASTPR_KEY)highest) {
        self->is_over = 1;
    } else if (self->infinity && bar <= 0) {
        self->first = 0;
        self->width = (FASTPR_BITS)(FASTPR_SIGN | (FASTPR_BITS)-bar);
    } else {
        self->first = (FASTPR_BITS)bar;
        self->width = (FASTPR_BITS)(highest - self->first);
    }
}

static inline void FASTPR_NAME(put_out)(FASTPR_NAME(race) * self, const FASTPR_NAME(label) * label)
{
    self->row->num_before[label->index] = self->k;
    self->row->num_above[label->index] = self->k;
    self->row->num_equal[label->index] = 0;
}

static inline void FASTPR_NAME(put_in)(FASTPR_NAME(race) * self, const FASTPR_NAME(label) * label,
                                       int32_t before, int32_t above, int32_t equal)
{
    self->row->num_before[label->index] = before < self->k ? before : self->k;
    self->row->num_above[label->index] = above;
    self->row->num_equal[label->index] = equal;
}

/* ---- few labels: each against a batch ---- */

#ifndef FASTPR_BY_HAND
static inline int FASTPR_NAME(count_above)(const FASTPR_KEY *keys, FASTPR_KEY key)
{
    FASTPR_KEY num = 0; /* as wide as a key, so that the loop is one of vectors */
    for (int j = 0; j < FASTPR_BATCH; j++)
        num += keys[j] > key;
    return (int)num;
}

/* The keys of num scores, or of the first 64, and the lowest in place of the others. */
static inline void FASTPR_NAME(read_keys)(const FASTPR_BITS *scores, int num, FASTPR_BITS infinity,
                                          FASTPR_KEY *keys)
{
    if (num >= FASTPR_BATCH) {
        for (int j = 0; j < FASTPR_BATCH; j++)
            keys[j] = FASTPR_NAME(key_of)(scores[j], infinity);
        return;
    }
    for (int j = 0; j < num; j++)
        keys[j] = FASTPR_NAME(key_of)(scores[j], infinity);
    for (int j = num; j < FASTPR_BATCH; j++)
        keys[j] = FASTPR_KEY_MIN;
}

/* Those above, and of the same key those of a lower id. */
static inline int FASTPR_NAME(count_around)(const FASTPR_KEY *keys, const int32_t *ids,
                                            FASTPR_KEY key, int32_t id)
{
    FASTPR_KEY num = 0;
    for (int j = 0; j < FASTPR_BATCH; j++)
        num += keys[j] > key - (ids[j] < id);
    return (int)num;
}
#endif

static inline void FASTPR_NAME(count_batch)(FASTPR_NAME(race) * self, int num, int with_ties)
{
    FASTPR_KEY keys[FASTPR_BATCH];
    FASTPR_NAME(read_keys)(self->bits, num, self->infinity, keys);
    int32_t first_id = self->ids[0], last_id = self->ids[num - 1];
    FASTPR_KEY bar = 0;
    int64_t num_left = 0;
    for (int64_t i = 0; i < self->num_labels; i++) {
        FASTPR_NAME(label) label = self->labels[i];
        if (label.id > last_id)
            label.before += FASTPR_NAME(count_above)(keys, label.key - 1);
        else if (label.id < first_id)
            label.before += FASTPR_NAME(count_above)(keys, label.key);
        else
            label.before += FASTPR_NAME(count_around)(keys, self->ids, label.key, label.id);
        if (with_ties) {
            int above = FASTPR_NAME(count_above)(keys, label.key);
            label.above += above;
            label.equal += FASTPR_NAME(count_above)(keys, label.key - 1) - above;
        }
        if ((with_ties ? label.above : label.before) >= self->k) {
            FASTPR_NAME(put_out)(self, &label);
            continue;
        }
        self->labels[num_left] = label;
        /* classes of the same score that are still to come are after this label's own */
        FASTPR_KEY matters = label.key + (!with_ties && label.id <= last_id);
        bar = num_left && bar < matters ? bar : matters;
        num_left++;
    }
    self->num_labels = num_left;
    if (num_left)
        FASTPR_NAME(set_bar)(self, bar);
    else
        self->is_over = 1;
}

static inline void FASTPR_NAME(finish)(FASTPR_NAME(race) * self, int with_ties)
{
    if (self->num_collected)
        FASTPR_NAME(count_batch)(self, self->num_collected, with_ties);
    for (int64_t i = 0; i < self->num_labels; i++) {
        const FASTPR_NAME(label) *label = &self->labels[i];
        FASTPR_NAME(put_in)(self, label, label->before, label->above, label->equal);
    }
}

/* ---- many labels: each class of a batch finds its place among them ---- */

/* By score descending, then id; scratch has room for num. Labels come by id. */
static inline void FASTPR_NAME(sort_labels)(FASTPR_NAME(label) * labels,
                                            FASTPR_NAME(label) * scratch, int64_t num)
{
    FASTPR_NAME(label) *from = labels, *to = scratch;
    for (int64_t width = 1; width < num; width *= 2) {
        for (int64_t start = 0; start < num; start += 2 * width) {
            int64_t middle = start + width < num ? start + width : num;
            int64_t end = start + 2 * width < num ? start + 2 * width : num;
            int64_t left = start, right = middle;
            for (int64_t out = start; out < end; out++) {
                int take_left =
                    right >= end || (left < middle && from[left].key >= from[right].key);
                to[out] = take_left ? from[left++] : from[right++];
            }
        }
        FASTPR_NAME(label) *other = from;
        from = to;
        to = other;
    }
    if (from != labels)
        memcpy(labels, from, (size_t)num * sizeof *labels);
}

/* Drops the labels that k others of the same row come before. */
static inline void FASTPR_NAME(keep_best)(FASTPR_NAME(race) * self, int with_ties)
{
    int64_t num = self->num_labels;
    FASTPR_NAME(label) *labels = self->labels;
    if (num <= self->k)
        return;
    int64_t kept = self->k;
    while (with_ties && kept < num && labels[kept].key == labels[self->k - 1].key)
        kept++;
    for (int64_t i = kept; i < num; i++)
        FASTPR_NAME(put_out)(self, &labels[i]);
    self->num_labels = kept;
}

/* The number of labels, the best first, for which the class of a key is not before them. */
static inline int64_t FASTPR_NAME(place_of)(const FASTPR_NAME(label) * labels, int64_t num,
                                            FASTPR_KEY key, int32_t id)
{
    const FASTPR_NAME(label) *base = labels;
    while (num > 1) {
        int64_t half = num / 2;
        int goes_on =
            (base[half - 1].key > key) | ((base[half - 1].key == key) & (base[half - 1].id <= id));
        base = goes_on ? base + half : base;
        num -= half;
    }
    return base - labels + ((base->key > key) | ((base->key == key) & (base->id <= id)));
}

/* While labels are many, their counts are those of the classes whose place is right before
   theirs, and the sums follow at the end. The last sum decides which labels are out. */
static inline void FASTPR_NAME(place_batch)(FASTPR_NAME(race) * self, int num, int with_ties,
                                            int64_t *worst)
{
    FASTPR_KEY keys[FASTPR_BATCH];
    FASTPR_NAME(read_keys)(self->bits, num, self->infinity, keys);
    FASTPR_NAME(label) *labels = self->labels;
    int64_t num_labels = self->num_labels;
    int32_t last_id = self->ids[num - 1];
    for (int j = 0; j < num; j++) {
        int64_t place = FASTPR_NAME(place_of)(labels, num_labels, keys[j], self->ids[j]);
        labels[place].before++;
        if (with_ties) {
            int64_t above = FASTPR_NAME(place_of)(labels, num_labels, keys[j], INT32_MAX);
            int64_t at_least = FASTPR_NAME(place_of)(labels, num_labels, keys[j], INT32_MIN);
            labels[above].above++;
            labels[at_least].equal++;
            *worst += above < num_labels;
        } else {
            *worst += place < num_labels;
        }
    }
    while (num_labels && *worst >= self->k) {
        num_labels--;
        *worst -= with_ties ? labels[num_labels].above : labels[num_labels].before;
        FASTPR_NAME(put_out)(self, &labels[num_labels]);
        /* what stands before a label that is out, stands before none */
        labels[num_labels].before = labels[num_labels].above = labels[num_labels].equal = 0;
    }
    self->num_labels = num_labels;
    if (num_labels) {
        const FASTPR_NAME(label) *last = &labels[num_labels - 1];
        FASTPR_NAME(set_bar)(self, last->key + (!with_ties && last->id <= last_id));
    } else {
        self->is_over = 1;
    }
}

static inline void FASTPR_NAME(finish_places)(FASTPR_NAME(race) * self, int with_ties,
                                              int64_t *worst)
{
    if (self->num_collected && self->num_labels)
        FASTPR_NAME(place_batch)(self, self->num_collected, with_ties, worst);
    int32_t before = 0, above = 0, at_least = 0;
    for (int64_t i = 0; i < self->num_labels; i++) {
        const FASTPR_NAME(label) *label = &self->labels[i];
        before += label->before;
        above += label->above;
        at_least += label->equal;
        FASTPR_NAME(put_in)(self, label, before, above, at_least - above);
    }
}

/* ---- the pass over a row ---- */

#ifndef FASTPR_BY_HAND
static inline int FASTPR_NAME(any_passes)(const FASTPR_BITS *scores, FASTPR_BITS first,
                                          FASTPR_BITS width)
{
    FASTPR_BITS any = 0;
    for (int j = 0; j < FASTPR_BATCH; j++)
        any |= (FASTPR_BITS)(scores[j] - first) <= width;
    return any != 0;
}

/* Collects, of fewer than 64 scores, those with (score - first) <= width. */
static inline int FASTPR_NAME(collect_rest)(const FASTPR_BITS *scores, int num_scores,
                                            FASTPR_BITS first, FASTPR_BITS width, int32_t id,
                                            FASTPR_BITS *bits, int32_t *ids, int num)
{
    for (int j = 0; j < num_scores; j++) {
        bits[num] = scores[j];
        ids[num] = id + j;
        num += (FASTPR_BITS)(scores[j] - first) <= width;
    }
    return num;
}

/* The same for 64. */
static inline int FASTPR_NAME(collect)(const FASTPR_BITS *scores, FASTPR_BITS first,
                                       FASTPR_BITS width, int32_t id, FASTPR_BITS *bits,
                                       int32_t *ids, int num)
{
    if (!FASTPR_NAME(any_passes)(scores, first, width))
        return num;
    return FASTPR_NAME(collect_rest)(scores, FASTPR_BATCH, first, width, id, bits, ids, num);
}
#endif

static inline void FASTPR_NAME(count_collected)(FASTPR_NAME(race) * self, int with_ties,
                                                int64_t *worst, int many)
{
    int num = self->num_collected < FASTPR_BATCH ? self->num_collected : FASTPR_BATCH;
    if (many)
        FASTPR_NAME(place_batch)(self, num, with_ties, worst);
    else
        FASTPR_NAME(count_batch)(self, num, with_ties);
    self->num_collected -= num;
    if (!self->num_collected)
        return;
    memcpy(self->bits, self->bits + FASTPR_BATCH, FASTPR_BATCH * sizeof *self->bits);
    memcpy(self->ids, self->ids + FASTPR_BATCH, FASTPR_BATCH * sizeof *self->ids);
}

static inline void FASTPR_NAME(run_race)(FASTPR_NAME(race) * self, const FASTPR_BITS *scores,
                                         int64_t num_scores, int with_ties, int many)
{
    int64_t worst = 0, start = 0;
    /* k classes can put a label out, so looking at fewer is of little use */
    int enough = self->k < FASTPR_FEW_CLASSES ? FASTPR_FEW_CLASSES
                 : self->k < FASTPR_BATCH     ? self->k
                                              : FASTPR_BATCH;
    for (; start + FASTPR_BATCH <= num_scores && !self->is_over; start += FASTPR_BATCH) {
        const FASTPR_BITS *block = scores + start;
        self->num_collected = FASTPR_NAME(collect)(block, self->first, self->width, (int32_t)start,
                                                   self->bits, self->ids, self->num_collected);
        if (self->num_collected >= enough)
            FASTPR_NAME(count_collected)(self, with_ties, &worst, many);
    }
    if (start < num_scores && !self->is_over) {
        self->num_collected = FASTPR_NAME(collect_rest)(scores + start, (int)(num_scores - start),
                                                        self->first, self->width, (int32_t)start,
                                                        self->bits, self->ids, self->num_collected);
        if (self->num_collected >= FASTPR_BATCH)
            FASTPR_NAME(count_collected)(self, with_ties, &worst, many);
    }
    if (many)
        FASTPR_NAME(finish_places)(self, with_ties, &worst);
    else
        FASTPR_NAME(finish)(self, with_ties);
}

/* NaN comes after every number: often k of them are found at once, and then it is out. */
static inline void FASTPR_NAME(count_nan)(const FASTPR_BITS *scores, int64_t num_scores,
                                          FASTPR_BITS infinity, int32_t k,
                                          const FASTPR_NAME(label) * labels, int64_t num_labels,
                                          row_labels *row)
{
    int64_t num_numbers = 0, num_nan = 0;
    for (int64_t i = 0; i < num_labels; i++)
        row->num_before[labels[i].index] = 0;
    for (int64_t j = 0, next = 0; j < num_scores && num_numbers < k; j++) {
        for (; next < num_labels && labels[next].id <= j; next++)
            row->num_before[labels[next].index] = (int32_t)num_nan;
        int is_nan = FASTPR_NAME(key_of)(scores[j], infinity) == FASTPR_KEY_MIN;
        num_nan += is_nan;
        num_numbers += !is_nan;
    }
    for (int64_t i = 0; i < num_labels; i++) {
        int32_t index = labels[i].index;
        int64_t nan_before = labels[i].id < num_scores ? row->num_before[index] : num_nan;
        int64_t before = num_numbers + nan_before;
        row->num_before[index] = (int32_t)(before < k ? before : k);
        row->num_above[index] = (int32_t)num_numbers;
        row->num_equal[index] = (int32_t)(num_numbers < k ? num_nan : 0);
    }
}

/* Fills row->num_before, num_above and num_equal for labels of these keys and ids. The
   labels are in row->active, which has room for twice their number. */
static inline void FASTPR_NAME(count_before)(const FASTPR_BITS *scores, int64_t num_scores,
                                             int64_t num_labels, int32_t k, FASTPR_BITS infinity,
                                             int with_ties, row_labels *row)
{
    FASTPR_NAME(label) *labels = row->active;
    FASTPR_KEY worst = 0;
    int64_t num = 0, num_nan = 0;
    FASTPR_NAME(label) *nan = labels + num_labels; /* from its other half */
    for (int64_t i = 0; i < num_labels; i++) {
        FASTPR_NAME(label) label = labels[i];
        if (label.key == FASTPR_KEY_MIN) {
            nan[num_nan++] = label;
            continue;
        }
        worst = num && worst < label.key ? worst : label.key;
        labels[num++] = label;
    }
    if (num_nan)
        FASTPR_NAME(count_nan)(scores, num_scores, infinity, k, nan, num_nan, row);
    if (!num)
        return;

    FASTPR_NAME(race) race;
    race.labels = labels;
    race.num_labels = num;
    race.k = k;
    race.infinity = infinity;
    race.is_over = 0;
    race.num_collected = 0;
    race.row = row;
    FASTPR_NAME(set_bar)(&race, worst);
    if (num <= FASTPR_FEW_LABELS && num <= k) {
        FASTPR_NAME(run_race)(&race, scores, num_scores, with_ties, 0);
        return;
    }
    FASTPR_NAME(sort_labels)(labels, labels + num_labels, num);
    FASTPR_NAME(keep_best)(&race, with_ties);
    FASTPR_NAME(set_bar)(&race, labels[race.num_labels - 1].key);
    if (race.num_labels <= FASTPR_FEW_LABELS) {
        FASTPR_NAME(run_race)(&race, scores, num_scores, with_ties, 0);
        return;
    }
    memset(&labels[race.num_labels], 0, sizeof *labels); /* what stands behind the last one */
    FASTPR_NAME(run_race)(&race, scores, num_scores, with_ties, 1);
}
