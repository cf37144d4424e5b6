/* SPDX-License-Identifier: Apache-2.0 */
/* What the log says of tenants: the ones that matter most by name, and none left out. */
#include "test.h"

#include "base/clock.h"
#include "base/log.h"
#include "class_lines.h"
#include "own_catalog.h"
#include "own_ledger.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PIECE = 16 * 1024, PIECES = 16, NAMED = 8 };

static const struct plugin_type *const inputs[] = { &input_nothing.type, NULL };
const struct catalog catalog = { inputs, known_processors, known_outputs };

static struct feed feed = { .full_events = 1000, .full_bytes = 1 << 20 };

static struct lane *make_lane(void)
{
    struct lane *lane = lane_new(
        &(struct lane_config){ .capacity_bytes = (size_t)PIECE * PIECES,
                               .piece_bytes = PIECE,
                               .overflow = LANE_DROP_NEWEST,
                               .shed = { .high = 1 },
                               .classes = { .by = CLASS_BY_FIELD, .field = "tenant", .max = 16 },
                               .weight = 1,
                               .books = ledger_lane(ledger, "in", "out", false),
                               .feed = &feed });
    assert_non_null(lane);
    return lane;
}

static void offer(struct lane *lane, const char *tenant, size_t count, int64_t boot_ms)
{
    struct attribute attribute = { SLICE("tenant"),
                                   { .kind = VALUE_TEXT, .text = slice_of(tenant) } };
    struct event event = { .body = SLICE("x"), .attributes = &attribute, .attribute_count = 1 };

    for (size_t i = 0; i < count; i++)
        (void)lane_offer(lane, &event, 0, 1, &(struct run_info){ .boot_ms = boot_ms }, NULL);
}

static const char *lines_of(struct lane *lane)
{
    static char text[8192];
    int fd = memfd_create("log", MFD_CLOEXEC);

    log_set_fd(fd);
    class_lines_write(lane, "in", "out");
    log_set_fd(STDERR_FILENO);
    ssize_t bytes = pread(fd, text, sizeof(text) - 1, 0);
    assert_true(bytes >= 0);
    text[bytes] = '\0';
    (void)close(fd);
    return text;
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;

    for (; (text = strstr(text, part)) != NULL; text++)
        count++;
    return count;
}

static void empty(struct lane *lane, int64_t boot_ms)
{
    for (struct piece *piece; (piece = lane_gather(lane, 0, boot_ms)) != NULL;)
        lane_give_back(lane, &piece);
}

/* Ten tenants, of which each that comes has waited a second longer than the one before. */
static void the_longest_waits_have_a_line_each_and_the_others_one_together(void **unused)
{
    (void)unused;
    struct lane *lane = make_lane();
    int64_t now_ms = clock_boot_ms();
    char name[16];

    for (int i = NAMED + 1; i >= 0; i--) {
        (void)snprintf(name, sizeof(name), "t%d", i);
        offer(lane, name, 1 + (size_t)i, now_ms - 20000 + 1000 * i);
    }
    empty(lane, now_ms);
    const char *text = lines_of(lane);
    assert_int_equal(count_of(text, "msg=class input=in output=out class=t"), NAMED);
    assert_non_null(strstr(text, "class=t0 admitted=1 shed=0 refused=0 evicted=0 gathered=1 "
                                 "waiting=0 longest_wait_ms=20000"));
    assert_non_null(strstr(text, "class=t7 admitted=8"));
    assert_non_null(strstr(text,
                           "msg=\"further classes\" input=in output=out classes=2 admitted=19 "
                           "dropped=0 gathered=19 waiting=0 longest_wait_ms=12000"));
    assert_string_equal(lines_of(lane), ""); /* nothing since */
    lane_free(&lane);
}

static void who_lost_most_comes_first_and_few_need_no_line_together(void **unused)
{
    (void)unused;
    struct lane *lane = make_lane();
    int64_t now_ms = clock_boot_ms();

    offer(lane, "old", 1, now_ms - 5000);
    offer(lane, "loud", 10000, now_ms);
    const char *text = lines_of(lane);
    const char *loud = strstr(text, "class=loud"), *old = strstr(text, "class=old");
    assert_non_null(loud);
    assert_non_null(old);
    assert_true(loud < old);
    const char *wait = strstr(old, "gathered=0 waiting=1 longest_wait_ms=");
    assert_non_null(wait);
    assert_true(atoi(strrchr(wait, '=') + 1) >= 5000); /* it goes on */
    assert_null(strstr(text, "further"));
    empty(lane, now_ms);
    lane_free(&lane);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_waits_have_a_line_each_and_the_others_one_together),
        cmocka_unit_test(who_lost_most_comes_first_and_few_need_no_line_together),
    };
    return RUN_WITH_LEDGER(tests);
}
