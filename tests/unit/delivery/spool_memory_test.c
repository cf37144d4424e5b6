/* SPDX-License-Identifier: Apache-2.0 */
/* A spool on a host without memory: whichever request of a job is refused, that job is not done or
 * done later, and what is on disk already is neither lost nor counted twice. */
#include "base/auto.h"
#include "delivery/store.h"
#include "refused_memory.h"

enum { MIB = 1024 * 1024, MOST_REQUESTS = 40, LANES = 12 };

static void refuse_after(unsigned grants)
{
    memory_is_refused = true;
    memory_grants = grants;
}

/* Returns whether memory was refused. */
static bool grant_again(void)
{
    bool was_refused = memory_grants == 0;

    memory_is_refused = false;
    return was_refused;
}

/* The simulated disk is in memory too, but not in the agent's. */
static int write_all_the_same(struct spool_disk *disk, int fd, const struct slice *parts,
                              unsigned count, uint64_t at)
{
    bool was_refused = memory_is_refused;

    memory_is_refused = false;
    int written = fake_write(disk, fd, parts, count, at);
    memory_is_refused = was_refused;
    return written;
}

static struct batch *batch_of(struct store *store, struct books *const *lanes, size_t count)
{
    struct batch *batch = rig_empty_batch(&store->rig, "{\"body\":\"hello\"}\n");

    batch->runs = calloc(count, sizeof(*batch->runs));
    assert_non_null(batch->runs);
    batch->oldest_boot_ms = store->now.boot_ms;
    for (size_t i = 0; i < count; i++) {
        batch->runs[batch->run_count++] =
            (struct batch_run){ .books = lanes[i], .events = 1, .bytes = 10 };
        batch->events++;
        batch->bytes += 10;
        ledger_move(lanes[i], FLOW_admit, 1, 10);
        ledger_move_cell(lanes[i], FLOW_gather, batch->worker, 1, 10);
    }
    return batch;
}

static void note_spilled(const struct batch *batch)
{
    for (size_t i = 0; i < batch->run_count; i++)
        ledger_move(batch->runs[i].books, FLOW_spill, 1, 10);
}

/* The first batch is of that many lanes, the next of all: 0: the segment is new. */
static bool write_with_grants(unsigned grants, size_t lanes_before)
{
    struct store store;
    struct books *lanes[LANES];
    open_store(&store, MIB);
    store.fake.disk.write = write_all_the_same;
    for (unsigned i = 0; i < LANES; i++) {
        char name[] = { 'l', (char)('a' + i), '\0' };
        lanes[i] = ledger_lane(store.rig.ledger, name, "main", true);
        assert_non_null(lanes[i]);
    }
    AUTO(batch_free) struct batch *first = batch_of(&store, lanes, lanes_before);
    if (lanes_before > 0) {
        assert_true(write_batch(&store, first));
        note_spilled(first);
    }
    AUTO(batch_free) struct batch *second = batch_of(&store, lanes, LANES);
    refuse_after(grants);
    bool is_written = write_batch(&store, second);
    bool was_refused = grant_again();
    assert_true(is_written || was_refused);
    store.now.boot_ms += 60000; /* whatever it rested for */
    if (!is_written)
        assert_true(write_batch(&store, second));
    note_spilled(second);
    assert_int_equal(live_events(&store), lanes_before + LANES);
    assert_int_equal(drain_store(&store), lanes_before + LANES);
    close_store(&store);
    return was_refused;
}

static void a_batch_that_finds_no_memory_is_written_later(void **unused)
{
    (void)unused;
    for (size_t before = 0; before <= 4; before += 4) {
        unsigned grants = 0;
        while (write_with_grants(grants, before))
            assert_true(++grants < MOST_REQUESTS);
        assert_true(grants > 1); /* it does ask */
    }
}

static bool read_with_grants(unsigned grants)
{
    struct store store;
    struct spool_job job;
    uint64_t body_bytes, events = 0;
    bool was_refused = false;
    open_store(&store, MIB);
    store.fake.disk.write = write_all_the_same;
    for (uint64_t n = 1; n <= 3; n++)
        assert_true(spill(&store, n, 1000));
    for (int jobs = 0; jobs < 6; jobs++) {
        refuse_after(grants);
        bool has_job =
            spool_plan_read(store.spool, &store.now, store.now.boot_ms, &job, &body_bytes);
        struct batch *batch = has_job ? do_read_job(&store, &job) : NULL;
        was_refused |= grant_again();
        store.now.boot_ms += 60000;
        if (batch == NULL)
            continue;
        assert_non_null(batch->body); /* want of memory is not damage */
        events += batch->events;
        finish_batch(&store, &batch, FLOW_spool_deliver);
    }
    assert_int_equal(drain_store(&store) + events, 6);
    assert_int_equal(rig_flow(&store.rig, FLOW_spool_deliver), 6);
    close_store(&store);
    return was_refused;
}

static void a_batch_that_finds_no_memory_is_read_later(void **unused)
{
    unsigned grants = 0;
    (void)unused;
    while (read_with_grants(grants))
        assert_true(++grants < MOST_REQUESTS);
    assert_true(grants > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_that_finds_no_memory_is_written_later),
        cmocka_unit_test(a_batch_that_finds_no_memory_is_read_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
