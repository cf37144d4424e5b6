/* SPDX-License-Identifier: Apache-2.0 */
/* receive_summary: numbers go into the check when the answer is decided, so that a retried batch is
 * no duplicate. */
#include "cli/receive_summary.h"

#include <ctype.h>
#include <stdlib.h>

void summary_init(struct summary *summary)
{
    lock_init(&summary->lock, "receive.summary");
    check_init(&summary->lines);
    check_init(&summary->batches);
}

void summary_fini(struct summary *summary)
{
    check_fini(&summary->batches);
    check_fini(&summary->lines);
    lock_fini(&summary->lock);
}

/* FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return hash == 0 ? 1 : hash;
}

/* true: it was there before. */
static bool remember_key(struct key_set *set, const char *key)
{
    uint64_t hash = hash_text(key);
    size_t at = hash % SUMMARY_KEYS;

    if (key[0] == '\0')
        return false;
    if (set->used > SUMMARY_KEYS / 4 * 3)
        memset(set, 0, sizeof(*set));
    for (; set->slots[at] != 0; at = (at + 1) % SUMMARY_KEYS) {
        if (set->slots[at] == hash)
            return true;
    }
    set->slots[at] = hash;
    set->used++;
    return false;
}

struct batch_place {
    uint32_t run;
    uint64_t sequence;
};

/* Keys are "<agent>-<start>-<output>-<sequence>", with "/0" or "/1" for each time it was cut in
 * two: parts have their parent's sequence. Before the lock, for a new run takes one itself. */
static struct batch_place find_batch(struct summary *summary, const char *key)
{
    struct batch_place place = { .run = CHECK_NO_RUN };
    const char *dash = strrchr(key, '-');
    const char *at = dash == NULL ? key : dash + 1;

    for (; isdigit((unsigned char)*at) && place.sequence < CHECK_NUMBERS; at++)
        place.sequence = place.sequence * 10 + (uint64_t)(*at - '0');
    if (dash != NULL && at > dash + 1 && (*at == '\0' || *at == '/'))
        place.run = check_run(&summary->batches, (struct slice){ key, (size_t)(dash - key) });
    return place;
}

static void check_numbers(struct summary *summary, const struct request_facts *facts,
                          struct batch_place batch) NEEDS_LOCK(&summary->lock)
{
    const struct number_range *ranges = (const void *)facts->ranges.data;
    size_t count = facts->ranges.bytes / sizeof(*ranges);

    for (size_t i = 0; i < count; i++) {
        for (uint32_t n = 0; n < ranges[i].count; n++)
            (void)check_add(&summary->lines, ranges[i].run, ranges[i].first + n);
    }
    summary->several += facts->several;
    latency_merge(&summary->latency, &facts->latency);
    if (batch.run != CHECK_NO_RUN)
        (void)check_add(&summary->batches, batch.run, batch.sequence);
}

void summary_received(struct summary *summary, const struct request_facts *facts)
{
    struct batch_place batch = find_batch(summary, facts->key);

    lock_take(&summary->lock);
    summary->requests++;
    summary->bytes_wire += facts->wire_bytes;
    summary->bytes_expanded += facts->expanded_bytes;
    summary->events_received += facts->counted ? facts->events : facts->told_events;
    summary->header_mismatches +=
        facts->counted && facts->has_told && facts->told_events != facts->events;
    summary->resent += remember_key(&summary->received_keys, facts->key);
    if (summary->check_all)
        check_numbers(summary, facts, batch);
    lock_drop(&summary->lock);
}

static void acknowledge(struct summary *summary, const struct request_facts *facts,
                        struct batch_place batch) NEEDS_LOCK(&summary->lock)
{
    summary->requests_acknowledged++;
    summary->events_acknowledged += facts->counted ? facts->events : facts->told_events;
    summary->events_told += facts->told_events;
    summary->repeated += remember_key(&summary->acknowledged_keys, facts->key);
    if (!summary->check_all)
        check_numbers(summary, facts, batch);
}

void summary_answered(struct summary *summary, unsigned status, const struct request_facts *facts)
{
    struct batch_place batch = find_batch(summary, facts->key);

    lock_take(&summary->lock);
    summary->answers[status]++;
    if (status / 100 == 2)
        acknowledge(summary, facts, batch);
    lock_drop(&summary->lock);
}

void summary_misbehaved(struct summary *summary, enum fault_kind kind,
                        const struct request_facts *facts)
{
    struct batch_place batch = find_batch(summary, facts->key);

    lock_take(&summary->lock);
    summary->misdeeds[kind]++;
    if (kind == FAULT_ENDLESS) /* no sender can wait for its end: its status is all there is */
        acknowledge(summary, facts, batch);
    lock_drop(&summary->lock);
}

static uint64_t sum_missing(const struct check *check, uint64_t first)
{
    uint64_t missing = 0;

    for (uint32_t i = 0; i < check->count; i++)
        missing += check_missing(&check->runs[i], first);
    return missing;
}

static uint64_t sum_duplicates(const struct check *check)
{
    uint64_t duplicate = 0;

    for (uint32_t i = 0; i < check->count; i++)
        duplicate += check->runs[i].duplicate;
    return duplicate;
}

struct summary_verdict summary_verdict(struct summary *summary)
{
    lock_take(&summary->lock);
    struct summary_verdict verdict = {
        .changes = summary->requests + summary->requests_broken,
        .events = summary->events_received,
        .missing = sum_missing(&summary->lines, summary->first_number),
        .duplicate = sum_duplicates(&summary->lines),
        .missing_batches = sum_missing(&summary->batches, 1),
        .mismatches = summary->header_mismatches + summary->undecodable,
    };
    for (unsigned status = 0; status < SUMMARY_STATUSES; status++)
        verdict.changes += summary->answers[status];
    for (unsigned kind = 0; kind < FAULT_KINDS; kind++)
        verdict.changes += summary->misdeeds[kind];
    lock_drop(&summary->lock);
    return verdict;
}
