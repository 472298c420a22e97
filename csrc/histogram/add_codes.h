/* Phase 2 for one type of code: a template, as encode.h is. */

static inline int FASTPR_NAME(all_equal)(const FASTPR_CODE *codes)
{
    FASTPR_CODE first = codes[0], differences = 0;
    for (int j = 0; j < FASTPR_GROUP; j++)
        differences |= codes[j] ^ first;
    return !differences;
}

/* While it is at it, has the scores and labels of later groups fetched from memory. */
static inline void FASTPR_NAME(add_counts)(count_table *self, const FASTPR_CODE *codes,
                                           int num_codes, const char *scores_ahead,
                                           size_t score_bytes, const char *labels_ahead,
                                           size_t label_bytes)
{
    uint32_t *const t0 = self->turn[0], *const t1 = self->turn[1], *const t2 = self->turn[2],
                    *const t3 = self->turn[3], *const t4 = self->turn[4], *const t5 = self->turn[5],
                    *const t6 = self->turn[6], *const t7 = self->turn[7];
    int j = 0;
    for (; j + FASTPR_GROUP <= num_codes; j += FASTPR_GROUP) {
        const FASTPR_CODE *group = codes + j;
        prefetch_bytes(scores_ahead + j * score_bytes, FASTPR_GROUP * score_bytes);
        prefetch_bytes(labels_ahead + j * label_bytes, FASTPR_GROUP * label_bytes);
        if (FASTPR_NAME(all_equal)(group)) { /* most of a segmentation */
            t0[group[0]] += FASTPR_GROUP;
            continue;
        }
        for (int k = 0; k < FASTPR_GROUP; k += FASTPR_TURNS) {
            t0[group[k]]++;
            t1[group[k + 1]]++;
            t2[group[k + 2]]++;
            t3[group[k + 3]]++;
            t4[group[k + 4]]++;
            t5[group[k + 5]]++;
            t6[group[k + 6]]++;
            t7[group[k + 7]]++;
        }
    }
    for (; j < num_codes; j++)
        self->turn[j % FASTPR_TURNS][codes[j]]++;
    self->num_pending += num_codes;
}

static inline void FASTPR_NAME(add_sums)(sum_table *self, const FASTPR_CODE *codes,
                                         const double *weights, int num_codes)
{
    if (!self->cells) {
        double *sums = self->totals, *rounded = self->totals + self->stride;
        for (int j = 0; j < num_codes; j++)
            add_exactly(&sums[codes[j]], &rounded[codes[j]], weights[j]);
        return;
    }
    double *const t0 = self->turn[0], *const t1 = self->turn[1], *const t2 = self->turn[2],
                  *const t3 = self->turn[3], *const t4 = self->turn[4], *const t5 = self->turn[5],
                  *const t6 = self->turn[6], *const t7 = self->turn[7];
    int j = 0;
    for (; j + FASTPR_TURNS <= num_codes; j += FASTPR_TURNS) {
        t0[codes[j]] += weights[j];
        t1[codes[j + 1]] += weights[j + 1];
        t2[codes[j + 2]] += weights[j + 2];
        t3[codes[j + 3]] += weights[j + 3];
        t4[codes[j + 4]] += weights[j + 4];
        t5[codes[j + 5]] += weights[j + 5];
        t6[codes[j + 6]] += weights[j + 6];
        t7[codes[j + 7]] += weights[j + 7];
    }
    for (; j < num_codes; j++)
        self->turn[j % FASTPR_TURNS][codes[j]] += weights[j];
    self->num_pending += num_codes;
    if (self->num_pending > (int64_t)FASTPR_ROUNDS_PER_COPY * self->num_copies - FASTPR_BLOCK)
        sum_table_merge_copies(self);
}
