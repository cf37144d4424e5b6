/* SPDX-License-Identifier: Apache-2.0 */
#include "host_metrics_rig.h"

#include <sys/syscall.h>
#include <time.h>

static int64_t set_back_s; /* by how much the wall clock was set back */

/* In place of the C library's. */
int clock_gettime(clockid_t id, struct timespec *ret)
{
    int failed = (int)syscall(SYS_clock_gettime, id, ret);

    if (id == CLOCK_REALTIME)
        ret->tv_sec -= set_back_s;
    return failed;
}

static void sums_begin_before_their_time_also_when_the_clock_was_set_back(void **statep)
{
    struct fixture *fixture = *statep;

    open_groups(fixture, "uptime", "disk");
    put_text(fixture, "proc/uptime", "5 5\n");
    put_text(fixture, "proc/diskstats", "8 0 sda 10 1 20 3000 40 2 60 7000 0 9000 10000\n");
    set_back_s = clock_boot_ms() / MS_PER_S + 1000;
    collect(fixture);
    int64_t time_ns = fixture->sink->events[1].time_ns, now_ns = clock_real_ns();
    set_back_s = 0;
    assert_in_range(now_ns, time_ns, time_ns + NS_PER_S * 60);
    for (size_t i = 0; i < fixture->sink->event_count; i++)
        assert_true(fixture->sink->events[i].start_ns <= fixture->sink->events[i].time_ns);
    assert_true(fixture->sink->event_count >= 7);
}

static void a_root_that_is_not_absolute_is_an_error(void **statep)
{
    struct fixture *fixture = *statep;
    struct err err = { "" };

    open_groups(fixture, "cpu", NULL);
    fixture->config.root_path = "host";
    assert_false(input_host_metrics.type.check(&fixture->config, &err));
    assert_string_equal(err.text, "root_path 'host' does not begin with '/'");
}

static void a_group_that_fails_is_told_and_counted_and_the_others_go_on(void **statep)
{
    struct fixture *fixture = *statep;

    open_groups(fixture, "memory", "load");
    put_text(fixture, "proc/loadavg", "0.50 1.25 12.05 2/345 6789\n");
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 3);
    assert_int_equal(fixture->sink->numbers[SINK_COLLECT_FAILURES], 1);
    assert_int_equal(fixture->sink->tell_count, 1);
    assert_string_equal(fixture->sink->tells[0].what, "memory");
    put_text(fixture, "proc/meminfo", "MemTotal: 8 kB\nMemFree: 4 kB\n");
    collect(fixture);
    assert_int_equal(fixture->sink->numbers[SINK_COLLECT_FAILURES], 0);
    (void)find(fixture, "system.memory.limit", NULL, NULL, NULL, NULL);
}

static void garbage_fails_a_group_and_never_makes_a_sample(void **statep)
{
    static const struct {
        const char *group, *file, *text;
    } cases[] = {
        { "cpu", "proc/stat", "" },
        { "cpu", "proc/stat", "cpu" },
        { "cpu", "proc/stat", "cpu0\ncpux 1 2 3 4 5 6 7 8\ncpu1 1 2 3\ncpu2 1 2 3 4 5 6 7 -8\n" },
        { "cpu", "proc/stat", "cpu0 1 2 3 4 5 6 7 99999999999999999999999\n" },
        { "load", "proc/loadavg", "" },
        { "load", "proc/loadavg", "1.0 1.0" },
        { "load", "proc/loadavg", "1.0.0 nan inf" },
        { "memory", "proc/meminfo", "MemTotal:\nMemFree: 1 kB\n" },
        { "memory", "proc/meminfo", "MemTotal: 0 kB\nMemFree: 0 kB\n" },
        { "memory", "proc/meminfo", "MemTotal: 99999999999999999999 kB\nMemFree: 1 kB" },
        { "filesystem", "proc/1/mounts", "" },
        { "filesystem", "proc/1/mounts", "/dev/a /\n\n \n" },
        { "disk", "proc/diskstats", "\n8 0\n8 0 sda 1 2 3\n" },
        { "network", "proc/1/net/dev", ":\n : 1 2\neth0: 1 2 3\n" },
        { "uptime", "proc/uptime", "soon" },
        { "processes", "proc/stat", "processes\nprocs_running -1\n" },
        { "pressure", "proc/pressure/cpu", "some avg10=0.00 total=\nfull\n\ntotal=5\n" },
        { "temperature", ZONE "/temp", "warm\n" },
        { "top_processes", "proc/22/stat", "22 (no end S 1\n" },
        { "top_processes", "proc/22/stat", "22 (a) S 1 1 1 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0\n" },
        { "top_processes", "proc/22/stat",
          "22 (a) S 1 1 1 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 18446744073709551615 1 1\n" },
    };
    struct fixture *fixture = *statep;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        open_groups(fixture, cases[i].group, NULL);
        put_text(fixture, cases[i].file, cases[i].text);
        collect(fixture);
        assert_int_equal(fixture->sink->event_count, 0);
        assert_int_equal(fixture->sink->numbers[SINK_COLLECT_FAILURES], 1);
        input_host_metrics.close(fixture->state);
        memset(fixture->state, 0, input_host_metrics.type.state_bytes);
    }
    open_groups(fixture, "cpu", NULL);
}

static void a_file_without_end_fails_and_memory_stays_bounded(void **statep)
{
    struct fixture *fixture = *statep;
    size_t bytes = (size_t)2 << 20;
    char *text = malloc(bytes);

    memset(text, '7', bytes);
    open_groups(fixture, "disk", NULL);
    put_file(fixture, "proc/diskstats", text, bytes);
    free(text);
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 0);
    assert_true(fake_sink_told(fixture->sink, "1 MiB"));
}

static void too_many_interfaces_are_left_out_and_told(void **statep)
{
    struct fixture *fixture = *statep;
    struct buf text = { 0 };

    for (int i = 0; i < 300; i++)
        (void)buf_printf(&text, "veth%d: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n", i);
    open_groups(fixture, "network", NULL);
    put_file(fixture, "proc/1/net/dev", text.data, text.bytes);
    buf_fini(&text);
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 256 * 8);
    assert_true(fake_sink_told(fixture->sink, "network"));
}

static void a_new_round_reads_anew_on_the_same_descriptor(void **statep)
{
    struct fixture *fixture = *statep;

    open_groups(fixture, "load", NULL);
    put_text(fixture, "proc/loadavg", "1.00 1.00 1.00 1/1 1\n");
    collect(fixture);
    put_text(fixture, "proc/loadavg", "2.00 2.00 2.00 1/1 1\n"); /* in place, as /proc does */
    collect(fixture);
    is_sample(find(fixture, "system.cpu.load_average.1m", NULL, NULL, NULL, NULL), EVENT_GAUGE,
              "{thread}", 2);
}

static void this_host_can_be_read(void **statep)
{
    struct fixture *fixture = *statep;

    fixture->config.root_path = "/";
    open_groups(fixture, "cpu", "network");
    collect(fixture);
    assert_int_equal(fixture->sink->numbers[SINK_COLLECT_FAILURES], 0);
    assert_true(fixture->sink->event_count > 8);
    input_host_metrics.close(fixture->state);
    memset(fixture->state, 0, input_host_metrics.type.state_bytes);
    open_groups(fixture, "top_processes", "connections");
    collect(fixture);
    assert_int_equal(fixture->sink->numbers[SINK_COLLECT_FAILURES], 0);
    assert_true(fixture->sink->event_count >= 11 + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sums_begin_before_their_time_also_when_the_clock_was_set_back),
        TEST(a_root_that_is_not_absolute_is_an_error),
        TEST(a_group_that_fails_is_told_and_counted_and_the_others_go_on),
        TEST(garbage_fails_a_group_and_never_makes_a_sample),
        TEST(a_file_without_end_fails_and_memory_stays_bounded),
        TEST(too_many_interfaces_are_left_out_and_told),
        TEST(a_new_round_reads_anew_on_the_same_descriptor),
        TEST(this_host_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
