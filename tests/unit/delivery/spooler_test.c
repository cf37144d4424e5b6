/* SPDX-License-Identifier: Apache-2.0 */
/* The thread of a spool: who waits for it is told of all that changes there. */
#include "delivery/spooler.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/wake.h"
#include "delivery/stand.h"

#include <unistd.h>

enum { PATIENCE_MS = 60 * 1000 };

/* A stand with the thread at the real time, and one who waits for it, as batch workers do. */
struct office {
    struct stand stand;
    struct lock lock;
    struct wake told;
    struct spooler *spooler;
};

static void note_told(void *context)
{
    wake_bump(&((struct office *)context)->told);
}

/* One batch is on disk, and read for the probe; ago_ms: when the free space was looked at. */
static void open_office(struct office *office, const struct spool_config *spool, int64_t ago_ms)
{
    struct delivery_config config = defaults;

    memset(office, 0, sizeof(*office));
    config.concurrency_max = 1;
    open_store(&office->stand.store, MIB);
    office->stand.store.config = *spool;
    restart_store(&office->stand.store);
    office->stand.now_ms = clock_now_ms() - ago_ms;
    start_stand(&office->stand, &config);
    break_endpoint(&office->stand);
    (void)run_spool(&office->stand);
    lock_init(&office->lock, "delivery");
}

static void start_office(struct office *office)
{
    struct spooler_config config = { .name = "main",
                                     .path = "/folder",
                                     .lock = &office->lock,
                                     .delivery = office->stand.delivery,
                                     .spool = office->stand.store.spool,
                                     .on_done = note_told,
                                     .context = office };
    struct err err = { "" };

    office->spooler = spooler_start(&config, &office->stand.store.files, &err);
    assert_non_null(office->spooler);
}

static void close_office(struct office *office)
{
    spooler_begin_stop(office->spooler, clock_now_ms());
    assert_true(spooler_end_stop(office->spooler, INT64_MAX));
    assert_true(spooler_end_stop(office->spooler, 0)); /* it may be asked again */
    spooler_free(&office->spooler);
    check_stand(&office->stand);
    delivery_abandon(office->stand.delivery);
    delivery_free(&office->stand.delivery);
    close_store(&office->stand.store);
    lock_fini(&office->lock);
}

/* Sleeps until something is told, and returns whether it was. */
static bool is_told(struct office *office, uint32_t *seen)
{
    wake_wait(&office->told, *seen, PATIENCE_MS);
    bool is_new = wake_read(&office->told) != *seen;

    *seen = wake_read(&office->told);
    return is_new;
}

static uint64_t state_of(const struct office *office)
{
    return numbers_get(office->stand.store.rig.numbers, NUMBER_spool_state);
}

static void put_one(struct office *office)
{
    lock_take(&office->lock);
    put_with(&office->stand, 1, NULL);
    lock_drop(&office->lock);
    spooler_wake(office->spooler);
}

/* The one segment has a batch that is to be sent: it is not evicted, and no job is done. */
static void that_no_room_can_be_made_is_told_though_nothing_was_done(void **unused)
{
    (void)unused;
    struct office office;
    uint32_t seen = 0;
    open_office(&office, &(struct spool_config){ .max_bytes = 800 }, -PATIENCE_MS);
    start_office(&office);
    assert_true(is_told(&office, &seen)); /* that it has nothing to do */
    put_one(&office);
    assert_true(is_told(&office, &seen));
    assert_int_equal(state_of(&office), 1);
    close_office(&office);
}

/* It may have found room for what waits in its sources, or none for what is there. */
static void a_look_at_the_disk_is_told(void **unused)
{
    (void)unused;
    struct office office;
    uint32_t seen = 0;
    struct spool_config config = { .max_bytes = MIB, .min_free_bytes = MIB };
    config.waits_when_full = true;
    open_office(&office, &config, PATIENCE_MS);
    office.stand.store.fake.capacity = MIB; /* less is free than is to be */
    start_office(&office);
    assert_true(is_told(&office, &seen));
    put_one(&office);
    assert_true(is_told(&office, &seen));
    assert_int_equal(state_of(&office), 0);
    close_office(&office);
}

static struct wake hung;
static _Atomic bool hangs;

static int write_and_hang(struct spool_disk *disk, int fd, const struct slice *parts,
                          unsigned count, uint64_t at)
{
    (void)disk, (void)fd, (void)parts, (void)count, (void)at;
    wake_bump(&hung);
    while (atomic_load(&hangs))
        (void)usleep(1000);
    return 0;
}

/* It is in that call while it is waited for; then it comes back all the same. */
static void one_that_is_left_behind_tells_nothing_of_what_it_did(void **unused)
{
    (void)unused;
    static struct office office;
    uint32_t seen = wake_read(&hung);
    open_office(&office, &(struct spool_config){ .max_bytes = MIB }, 0);
    office.stand.store.fake.disk.write = write_and_hang;
    atomic_store(&hangs, true);
    start_office(&office);
    put_one(&office);
    while (wake_read(&hung) == seen)
        wake_wait(&hung, seen, PATIENCE_MS);
    spooler_begin_stop(office.spooler, clock_now_ms());
    assert_false(spooler_end_stop(office.spooler, clock_now_ms() + 1));
    assert_false(spooler_end_stop(office.spooler, 0)); /* to be asked again */
    spooler_leave_behind(office.spooler);
    lock_take(&office.lock);
    delivery_leave_spool(office.stand.delivery);
    delivery_abandon(office.stand.delivery);
    lock_drop(&office.lock);
    atomic_store(&hangs, false);
    assert_false(spooler_end_stop(office.spooler, clock_now_ms() + 50)); /* it stands */
    lock_take(&office.lock);
    assert_int_equal(stock(&office.stand, ACCOUNT_ready), 1);
    assert_int_equal(flow(&office.stand, FLOW_spill), 1); /* of the batch before */
    lock_drop(&office.lock);
    rig_close(&office.stand.store.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(that_no_room_can_be_made_is_told_though_nothing_was_done),
        cmocka_unit_test(a_look_at_the_disk_is_told),
        cmocka_unit_test(one_that_is_left_behind_tells_nothing_of_what_it_did),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
