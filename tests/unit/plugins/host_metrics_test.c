/* SPDX-License-Identifier: Apache-2.0 */
/* host_metrics: over a folder that looks like a host's root. */
#include "fake_sink.h"
#include "folder.h"
#include "test.h"

#include <math.h>
#include <sys/stat.h>

extern const struct input input_host_metrics;

struct host_metrics_config {
    opt_list collect;
    opt_text root_path;
    opt_list filesystem_types;
};

struct fixture {
    char root[64];
    const char *groups[8];
    void *state;
    struct host_metrics_config config;
    struct sink *sink;
};

static int setup(void **statep)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    static const char *const folders[] = { "proc", "proc/1", "proc/1/net" };
    char path[128];

    assert_int_equal(sizeof(fixture->config), input_host_metrics.type.config_bytes);
    (void)snprintf(fixture->root, sizeof(fixture->root), "/tmp/spillway_host_XXXXXX");
    assert_non_null(mkdtemp(fixture->root));
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", fixture->root, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    fixture->state = calloc(1, input_host_metrics.type.state_bytes);
    fixture->config.root_path = fixture->root;
    fixture->sink = fake_sink_new();
    *statep = fixture;
    return 0;
}

static int teardown(void **statep)
{
    struct fixture *fixture = *statep;

    input_host_metrics.close(fixture->state);
    fake_sink_free(&fixture->sink);
    free(fixture->state);
    (void)folder_remove(fixture->root);
    free(fixture);
    return 0;
}

static void open_groups(struct fixture *fixture, const char *first, const char *second)
{
    struct host host = { .name = "host" };
    struct err err;

    fixture->groups[0] = first;
    fixture->groups[1] = second;
    fixture->config.collect =
        (struct text_list){ fixture->groups, second == NULL ? (size_t)1 : (size_t)2 };
    assert_true(input_host_metrics.open(fixture->state, &fixture->config, &host, &err));
}

static void put_file(const struct fixture *fixture, const char *name, const char *text,
                     size_t bytes)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", fixture->root, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static void put_text(const struct fixture *fixture, const char *name, const char *text)
{
    put_file(fixture, name, text, strlen(text));
}

static void collect(struct fixture *fixture)
{
    fake_sink_clear(fixture->sink);
    assert_int_equal(fake_sink_collect(fixture->sink, &input_host_metrics, fixture->state),
                     COLLECT_IDLE);
}

static bool has_text(const struct event *event, const char *key, const char *text)
{
    struct value value;

    return event_field(event, slice_of(key), &value) && value.kind == VALUE_TEXT &&
           slice_equals(value.text, slice_of(text));
}

/* The only sample of this name whose attributes are these; a key that is NULL asks for nothing. */
static const struct event *find(const struct fixture *fixture, const char *name, const char *key,
                                const char *text, const char *key2, const char *text2)
{
    const struct event *found = NULL;

    for (size_t i = 0; i < fixture->sink->event_count; i++) {
        const struct event *event = &fixture->sink->events[i];
        if (!slice_equals(event->body, slice_of(name)) ||
            (key != NULL && !has_text(event, key, text)) ||
            (key2 != NULL && !has_text(event, key2, text2)))
            continue;
        assert_null(found);
        found = event;
    }
    assert_non_null(found);
    return found;
}

static void is_near(double got, double wanted)
{
    if (fabs(got - wanted) > 1e-9 * fabs(wanted))
        fail_msg("got %.17g, wanted %.17g", got, wanted);
}

static void is_sample(const struct event *event, enum event_kind kind, const char *unit,
                      double number)
{
    assert_int_equal(event->kind, kind);
    assert_int_equal(event->unit.bytes, strlen(unit));
    assert_memory_equal(event->unit.data, unit, strlen(unit));
    is_near(event->number, number);
    assert_true(event->time_ns > 0);
    assert_int_equal(event->start_ns > 0, kind == EVENT_SUM);
    assert_true(event->start_ns < event->time_ns);
}

/* ---- bad input ---- */

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

/* ---- as it should be ---- */

static void cpu_times_are_in_seconds_by_mode_and_processor(void **statep)
{
    struct fixture *fixture = *statep;
    double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
    struct value cpu;

    open_groups(fixture, "cpu", NULL);
    put_text(fixture, "proc/stat",
             "cpu  300 20 110 2000 30 7 9 4 0 0\n"
             "cpu0 100 10 50 1000 20 3 4 2 0 0\n"
             "cpu1 200 10 60 1000 10 4 5 2\n"
             "intr 1 2 3\nbtime 1700000000\n");
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 2 * 7 + 1);
    is_sample(find(fixture, "system.cpu.logical.count", NULL, NULL, NULL, NULL), EVENT_UPDOWN,
              "{cpu}", 2);
    is_sample(&fixture->sink->events[0], EVENT_SUM, "s", 100 * tick);
    assert_true(has_text(&fixture->sink->events[0], "cpu.mode", "user"));
    assert_true(event_field(&fixture->sink->events[7], SLICE("cpu.logical_number"), &cpu));
    assert_int_equal(cpu.integer, 1);
    assert_true(has_text(&fixture->sink->events[12], "cpu.mode", "interrupt"));
    is_sample(&fixture->sink->events[12], EVENT_SUM, "s", (4 + 5) * tick);
}

static void load_averages_are_read(void **statep)
{
    struct fixture *fixture = *statep;

    open_groups(fixture, "load", NULL);
    put_text(fixture, "proc/loadavg", "0.05 1.25 12.10 2/345 6789\n");
    collect(fixture);
    is_sample(find(fixture, "system.cpu.load_average.1m", NULL, NULL, NULL, NULL), EVENT_GAUGE,
              "{thread}", 0.05);
    is_sample(find(fixture, "system.cpu.load_average.5m", NULL, NULL, NULL, NULL), EVENT_GAUGE,
              "{thread}", 1.25);
    is_sample(find(fixture, "system.cpu.load_average.15m", NULL, NULL, NULL, NULL), EVENT_GAUGE,
              "{thread}", 12.1);
}

static void memory_is_in_bytes_by_state(void **statep)
{
    struct fixture *fixture = *statep;

    open_groups(fixture, "memory", NULL);
    put_text(fixture, "proc/meminfo",
             "MemTotal:        1000 kB\nMemFree:          100 kB\nMemAvailable:     600 kB\n"
             "Buffers:           50 kB\nCached:           400 kB\nSwapCached:         9 kB\n"
             "SReclaimable:      20 kB\nHugePages_Total:    0\n");
    collect(fixture);
    is_sample(find(fixture, "system.memory.usage", "system.memory.state", "used", NULL, NULL),
              EVENT_UPDOWN, "By", 400 * 1024);
    is_sample(find(fixture, "system.memory.usage", "system.memory.state", "cached", NULL, NULL),
              EVENT_UPDOWN, "By", 420 * 1024);
    is_sample(find(fixture, "system.memory.utilization", "system.memory.state", "free", NULL, NULL),
              EVENT_GAUGE, "1", 0.1);
    is_sample(find(fixture, "system.memory.linux.available", NULL, NULL, NULL, NULL), EVENT_UPDOWN,
              "By", 600 * 1024);
}

static void a_mount_is_sampled_once_by_its_real_name_and_pseudo_ones_are_not(void **statep)
{
    struct fixture *fixture = *statep;
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/my disk", fixture->root);
    assert_int_equal(mkdir(path, 0700), 0);
    open_groups(fixture, "filesystem", NULL);
    put_text(fixture, "proc/1/mounts",
             "proc /proc proc rw 0 0\ntmpfs /run tmpfs rw 0 0\nserver:/x /nfs nfs4 rw 0 0\n"
             "/dev/sda1 /my\\040disk ext4 ro,relatime 0 0\n/dev/sda1 /proc xfs rw 0 0\n"
             "/dev/gone /not/there ext4 rw 0 0\n");
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 7);
    const struct event *limit = find(fixture, "system.filesystem.limit", NULL, NULL, NULL, NULL);
    const struct event *used = find(fixture, "system.filesystem.usage", "system.filesystem.state",
                                    "used", "system.filesystem.mountpoint", "/my disk");
    const struct event *unused = find(fixture, "system.filesystem.usage", "system.filesystem.state",
                                      "free", "system.filesystem.type", "ext4");
    const struct event *reserved =
        find(fixture, "system.filesystem.usage", "system.filesystem.state", "reserved",
             "system.filesystem.mode", "ro");
    assert_true(has_text(limit, "system.device", "/dev/sda1"));
    is_near(used->number + unused->number + reserved->number, limit->number);
    is_sample(find(fixture, "system.filesystem.utilization", "system.filesystem.state", "used",
                   NULL, NULL),
              EVENT_GAUGE, "1", used->number / limit->number);
}

static void types_that_the_user_names_replace_the_local_ones(void **statep)
{
    struct fixture *fixture = *statep;
    const char *types[] = { "tmpfs" };

    fixture->config.filesystem_types = (struct text_list){ types, 1 };
    open_groups(fixture, "filesystem", NULL);
    put_text(fixture, "proc/1/mounts", "tmpfs /proc tmpfs rw 0 0\n/dev/sda1 / ext4 rw 0 0\n");
    collect(fixture);
    assert_true(has_text(find(fixture, "system.filesystem.limit", NULL, NULL, NULL, NULL),
                         "system.device", "tmpfs"));
}

static void disks_have_bytes_operations_and_times_by_direction(void **statep)
{
    struct fixture *fixture = *statep;

    open_groups(fixture, "disk", NULL);
    put_text(fixture, "proc/diskstats",
             "   7       0 loop0 5 0 8 1 0 0 0 0 0 1 1\n"
             "   8       0 sda 10 1 20 3000 40 2 60 7000 0 9000 10000 0 0 0 0\n"
             "   8      16 sdb 0 0 0 0 0 0 0 0 0 0 0\n");
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 7);
    is_sample(find(fixture, "system.disk.io", "system.device", "sda", "disk.io.direction", "read"),
              EVENT_SUM, "By", 20 * 512);
    is_sample(find(fixture, "system.disk.io", "system.device", "sda", "disk.io.direction", "write"),
              EVENT_SUM, "By", 60 * 512);
    is_sample(find(fixture, "system.disk.operations", "disk.io.direction", "write", NULL, NULL),
              EVENT_SUM, "{operation}", 40);
    is_sample(find(fixture, "system.disk.operation_time", "disk.io.direction", "write", NULL, NULL),
              EVENT_SUM, "s", 7);
    is_sample(find(fixture, "system.disk.io_time", NULL, NULL, NULL, NULL), EVENT_SUM, "s", 9);
}

static void interfaces_have_their_columns_by_direction(void **statep)
{
    struct fixture *fixture = *statep;

    open_groups(fixture, "network", NULL);
    put_text(
        fixture, "proc/1/net/dev",
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs\n"
        "    lo: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n"
        "eth0:0:100 200 300 400 0 0 0 0 500 600 700 800 0 0 0 0\n");
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 16);
    is_sample(find(fixture, "system.network.io", "network.interface.name", "lo",
                   "network.io.direction", "transmit"),
              EVENT_SUM, "By", 5);
    is_sample(find(fixture, "system.network.packet.count", "network.interface.name", "eth0:0",
                   "network.io.direction", "receive"),
              EVENT_SUM, "{packet}", 200);
    is_sample(find(fixture, "system.network.errors", "network.interface.name", "eth0:0",
                   "network.io.direction", "transmit"),
              EVENT_SUM, "{error}", 700);
    is_sample(find(fixture, "system.network.packet.dropped", "network.interface.name", "lo",
                   "network.io.direction", "receive"),
              EVENT_SUM, "{packet}", 4);
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
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_root_that_is_not_absolute_is_an_error),
        TEST(a_group_that_fails_is_told_and_counted_and_the_others_go_on),
        TEST(garbage_fails_a_group_and_never_makes_a_sample),
        TEST(a_file_without_end_fails_and_memory_stays_bounded),
        TEST(too_many_interfaces_are_left_out_and_told),
        TEST(cpu_times_are_in_seconds_by_mode_and_processor),
        TEST(load_averages_are_read),
        TEST(memory_is_in_bytes_by_state),
        TEST(a_mount_is_sampled_once_by_its_real_name_and_pseudo_ones_are_not),
        TEST(types_that_the_user_names_replace_the_local_ones),
        TEST(disks_have_bytes_operations_and_times_by_direction),
        TEST(interfaces_have_their_columns_by_direction),
        TEST(a_new_round_reads_anew_on_the_same_descriptor),
        TEST(this_host_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
