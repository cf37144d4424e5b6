/* SPDX-License-Identifier: Apache-2.0 */
#include "host_metrics_rig.h"

#include "base/process.h"

#include <sys/resource.h>

#define MOUNT "sys/fs/cgroup"
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SLICES MOUNT "/system.slice"

static void put_folder(const struct fixture *fixture, const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", fixture->root, name);
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
}

static void put_in(const struct fixture *fixture, const char *folder, const char *file,
                   const char *text)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s/%s", fixture->root, folder, file);
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    assert_true(fputs(text, stream) >= 0);
    assert_int_equal(fclose(stream), 0);
}

static void put_unit(const struct fixture *fixture, const char *folder, unsigned user_ms,
                     unsigned memory)
{
    char text[128];

    put_folder(fixture, folder);
    (void)snprintf(text, sizeof(text), "usage_usec 9\nuser_usec %u000\nsystem_usec 500000\n",
                   user_ms);
    put_in(fixture, folder, "cpu.stat", text);
    if (memory == 0)
        return;
    (void)snprintf(text, sizeof(text), "%u\n", memory);
    put_in(fixture, folder, "memory.current", text);
    (void)snprintf(text, sizeof(text), "%.*s", (int)(strrchr(folder, '/') - folder), folder);
    put_in(fixture, text, "cgroup.subtree_control", "cpu memory\n");
}

static void put_mount(const struct fixture *fixture, const char *point)
{
    char text[512];

    (void)snprintf(text, sizeof(text),
                   "20 1 0:19 / / rw shared:1 - ext4 /dev/a rw\n21 20 0:20\n\n"
                   "31 20 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
                   "32 20 0:29 / %s rw,relatime shared:4 master:1 - cgroup2 cgroup2 rw\n",
                   point);
    put_text(fixture, "proc/1/mountinfo", text);
}

static void open_units(struct fixture *fixture)
{
    open_groups(fixture, "units", NULL);
    put_folder(fixture, "sys/fs");
    put_folder(fixture, MOUNT);
    put_folder(fixture, SLICES);
    put_mount(fixture, "/" MOUNT);
}

static void a_unit_has_its_figures(void **statep)
{
    struct fixture *fixture = *statep;

    open_units(fixture);
    put_unit(fixture, SLICES "/nginx.service", 2500, 4096);
    put_in(fixture, SLICES "/nginx.service", "memory.max", "8192\n");
    put_in(fixture, SLICES "/nginx.service", "memory.events", "low 0\noom 7\noom_kill 3\n");
    put_in(fixture, SLICES "/nginx.service", "io.stat",
           "8:0 rbytes=10 wbytes=100 rios=1\n8:16 rbytes=5 wbytes=50\n");
    put_in(fixture, SLICES "/nginx.service", "pids.current", "12\n");
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 8);
    const struct event *user = find(fixture, "systemd.unit.cpu.time", "systemd.unit.name",
                                    "nginx.service", "cpu.mode", "user");
    is_sample(user, EVENT_SUM, "s", 2.5);
    assert_true(has_text(user, "process.linux.cgroup", "/system.slice/nginx.service"));
    is_sample(find(fixture, "systemd.unit.memory.usage", NULL, NULL, NULL, NULL), EVENT_UPDOWN,
              "By", 4096);
    is_sample(find(fixture, "systemd.unit.memory.limit", NULL, NULL, NULL, NULL), EVENT_UPDOWN,
              "By", 8192);
    is_sample(find(fixture, "systemd.unit.memory.oom_kills", NULL, NULL, NULL, NULL), EVENT_SUM,
              "{process}", 3);
    is_sample(find(fixture, "systemd.unit.disk.io", "disk.io.direction", "write", NULL, NULL),
              EVENT_SUM, "By", 150);
    is_sample(find(fixture, "systemd.unit.thread.count", NULL, NULL, NULL, NULL), EVENT_UPDOWN,
              "{thread}", 12);
}

static void a_container_is_known_by_its_id_however_its_runtime_names_it(void **statep)
{
    static const char *const names[] = { "docker-" ID ".scope", "cri-containerd-" ID ".scope", ID };
    struct fixture *fixture = *statep;
    char path[256];

    for (size_t i = 0; i < 3; i++) {
        open_units(fixture);
        (void)snprintf(path, sizeof(path), SLICES "/%s", names[i]);
        put_unit(fixture, path, 1000, 0);
        collect(fixture);
        const struct event *event =
            find(fixture, "container.cpu.time", "container.id", ID, "cpu.mode", "user");
        struct value value;
        assert_int_equal(event_field(event, SLICE("systemd.unit.name"), &value), i < 2);
        input_host_metrics.close(fixture->state);
        memset(fixture->state, 0, input_host_metrics.type.state_bytes);
        (void)strcat(strcpy(path, fixture->root), "/" MOUNT);
        (void)folder_remove(path);
    }
    open_units(fixture);
}

static void the_busiest_since_the_last_round_and_the_largest_are_chosen(void **statep)
{
    struct fixture *fixture = *statep;

    open_units(fixture);
    put_unit(fixture, SLICES "/old.service", 90000, 10);
    put_unit(fixture, SLICES "/large.service", 10, 5000);
    put_unit(fixture, SLICES "/third.service", 20, 20);
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 6);
    (void)find(fixture, "systemd.unit.memory.usage", "systemd.unit.name", "old.service", NULL,
               NULL);
    put_unit(fixture, SLICES "/third.service", 30, 20);
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 6);
    (void)find(fixture, "systemd.unit.memory.usage", "systemd.unit.name", "third.service", NULL,
               NULL);
    /* A unit that is new began after the last round, and all its time is of this one. */
    int64_t before_ns = fixture->sink->events[0].time_ns;
    put_unit(fixture, SLICES "/new.service", 50, 1);
    collect(fixture);
    const struct event *event = find(fixture, "systemd.unit.cpu.time", "systemd.unit.name",
                                     "new.service", "cpu.mode", "user");
    assert_int_equal(event->start_ns, before_ns);
}

static void what_is_below_a_unit_counts_to_it(void **statep)
{
    struct fixture *fixture = *statep;

    open_units(fixture);
    fixture->config.top_count = 100;
    put_folder(fixture, MOUNT "/user.slice");
    put_unit(fixture, MOUNT "/user.slice/user@7.service", 10, 10);
    put_folder(fixture, MOUNT "/user.slice/user@7.service/app.slice");
    put_unit(fixture, MOUNT "/user.slice/user@7.service/app.slice/a.service", 10, 10);
    put_unit(fixture, MOUNT "/init.scope", 10, 10);
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 2 * 3);
}

static void without_the_memory_controller_it_is_told_once_and_the_rest_goes_on(void **statep)
{
    struct fixture *fixture = *statep;

    open_units(fixture);
    put_folder(fixture, MOUNT "/unified v2");
    put_mount(fixture, "/" MOUNT "/unified\\040v2");
    put_unit(fixture, MOUNT "/unified v2/a.service", 10, 0);
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 2);
    assert_true(fake_sink_told(fixture->sink, "memory controller"));
    assert_int_equal(fixture->sink->numbers[SINK_COLLECT_FAILURES], 0);
    put_unit(fixture, MOUNT "/unified v2/a.service", 20, 0);
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 2);
    assert_int_equal(fixture->sink->tell_count, 0);
}

static void a_host_without_version_2_fails_the_group(void **statep)
{
    static const char *const texts[] = { "",
                                         "\n",
                                         "31 20 0:28 / /sys/fs/cgroup rw - cgroup cgroup rw\n",
                                         "1 2 3 / /x rw - cgroup2x",
                                         "1 2 3 / x rw - cgroup2 c rw\n",
                                         "1 2 3 / /a\\04 rw - cgroup2 c rw\n",
                                         "1 2 3 / /" MOUNT "\\000b rw - cgroup2 c rw\n",
                                         "1 2 3 / /a rw cgroup2\n",
                                         "- cgroup2\n",
                                         "1 2 3 / /not/there rw - cgroup2 c rw\n" };
    struct fixture *fixture = *statep;

    open_units(fixture);
    put_unit(fixture, SLICES "/a.service", 10, 10);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        put_text(fixture, "proc/1/mountinfo", texts[i]);
        collect(fixture);
        assert_int_equal(fixture->sink->event_count, 0);
        assert_int_equal(fixture->sink->numbers[SINK_COLLECT_FAILURES], 1);
    }
}

static void garbage_and_what_has_vanished_are_passed_over(void **statep)
{
    static const char *const times[] = { "",
                                         "\n",
                                         "user_usec\nsystem_usec 1\n",
                                         "user_usec 1\n",
                                         "user_usec -1\nsystem_usec 1\n",
                                         "user_usec 99999999999999999999\nsystem_usec 1\n" };
    struct fixture *fixture = *statep;
    char path[64];

    open_units(fixture);
    fixture->config.top_count = 100;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        (void)snprintf(path, sizeof(path), SLICES "/bad%zu.service", i);
        put_folder(fixture, path);
        put_in(fixture, path, "cpu.stat", times[i]);
    }
    put_folder(fixture, SLICES "/gone.service"); /* its files are gone before its folder */
    put_unit(fixture, SLICES "/ugly.service", 10, 0);
    put_in(fixture, SLICES, "cgroup.subtree_control", "cpu memory\n");
    put_in(fixture, SLICES "/ugly.service", "memory.current", "much\n");
    put_in(fixture, SLICES "/ugly.service", "memory.max", "max\n");
    put_in(fixture, SLICES "/ugly.service", "memory.events", "oom_kill\n");
    put_in(fixture, SLICES "/ugly.service", "io.stat",
           "8:0 rbytes= wbytes=1\n8:16 rbytes=18446744073709551615\n8:32 rbytes=1\n");
    put_in(fixture, SLICES "/ugly.service", "pids.current", "\0");
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 2);
    assert_int_equal(fixture->sink->numbers[SINK_COLLECT_FAILURES], 0);
}

static void devices_of_a_unit_are_summed_however_many_and_never_in_part(void **statep)
{
    enum { DEVICES = 200, TOO_MANY = 3000, LINE_BYTES = 64 };
    struct fixture *fixture = *statep;
    static char text[TOO_MANY * LINE_BYTES];
    size_t bytes = 0;

    open_units(fixture);
    put_unit(fixture, SLICES "/a.service", 10, 0);
    for (unsigned i = 0; i < TOO_MANY; i++) {
        if (i == DEVICES) {
            put_in(fixture, SLICES "/a.service", "io.stat", text);
            collect(fixture);
            is_sample(
                find(fixture, "systemd.unit.disk.io", "disk.io.direction", "read", NULL, NULL),
                EVENT_SUM, "By", DEVICES * 1000000.0);
        }
        bytes += (size_t)snprintf(text + bytes, LINE_BYTES, "8:%u rbytes=1000000 wbytes=2\n", i);
    }
    put_in(fixture, SLICES "/a.service", "io.stat", text);
    put_unit(fixture, SLICES "/a.service", 20, 0);
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 2);
}

/* One round without it says nothing of when it began, or of what it used since. */
static void a_unit_that_was_missed_for_a_round_is_none_that_began_after_it(void **statep)
{
    struct fixture *fixture = *statep;

    open_units(fixture);
    put_unit(fixture, SLICES "/busy.service", 10, 0);
    put_unit(fixture, SLICES "/old.service", 90000, 0);
    collect(fixture);
    int64_t boot_ns = fixture->sink->events[0].start_ns;
    put_in(fixture, SLICES "/old.service", "cpu.stat", "\n");
    collect(fixture);
    put_unit(fixture, SLICES "/busy.service", 20, 0);
    put_unit(fixture, SLICES "/old.service", 90000, 5000);
    collect(fixture);
    (void)find(fixture, "systemd.unit.cpu.time", "systemd.unit.name", "busy.service", "cpu.mode",
               "user");
    const struct event *event = find(fixture, "systemd.unit.cpu.time", "systemd.unit.name",
                                     "old.service", "cpu.mode", "user");
    assert_int_equal(event->start_ns, boot_ns);
}

static void set_descriptors(rlim_t most)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = most < limit.rlim_max ? most : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void files_stay_open_as_long_as_their_unit_is_there_and_descriptors_are_plenty(void **statep)
{
    struct fixture *fixture = *statep;
    struct rlimit before;
    char path[256];

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    if (before.rlim_max < 4096)
        skip();
    set_descriptors(4096);
    open_units(fixture);
    put_unit(fixture, SLICES "/a.service", 10, 0);
    put_unit(fixture, SLICES "/b.service", 10, 20);
    collect(fixture);
    uint64_t open = process_open_fds();
    put_unit(fixture, SLICES "/b.service", 30, 40);
    collect(fixture);
    assert_int_equal(process_open_fds(), open);
    is_sample(find(fixture, "systemd.unit.memory.usage", NULL, NULL, NULL, NULL), EVENT_UPDOWN,
              "By", 40);
    (void)snprintf(path, sizeof(path), "%s/" SLICES "/b.service", fixture->root);
    (void)folder_remove(path);
    collect(fixture);
    assert_int_equal(process_open_fds(), open - 2);
    set_descriptors(4095); /* none is kept that was not before */
    put_unit(fixture, SLICES "/c.service", 10, 20);
    collect(fixture);
    assert_int_equal(process_open_fds(), open - 2);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void thousands_of_units_and_deep_ones_are_bounded_and_told(void **statep)
{
    struct fixture *fixture = *statep;
    char path[512];

    open_units(fixture);
    fixture->config.top_count = 2;
    for (unsigned i = 0; i < 2100; i++) {
        (void)snprintf(path, sizeof(path), SLICES "/u%u.service", i);
        put_unit(fixture, path, i, 0);
    }
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 2 * 2);
    assert_true(fake_sink_told(fixture->sink, "there are too many"));
    assert_int_equal(fixture->sink->numbers[SINK_COLLECT_FAILURES], 0);
    (void)strcat(strcpy(path, fixture->root), "/" SLICES);
    (void)folder_remove(path);
    (void)strcpy(path, MOUNT);
    for (unsigned i = 0; i < 20; i++) {
        (void)strcat(path, "/deep");
        put_folder(fixture, path);
    }
    (void)strcat(path, "/a.service");
    put_unit(fixture, path, 10, 10);
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 0);
    assert_true(fake_sink_told(fixture->sink, "there are too many"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_unit_has_its_figures),
        TEST(a_container_is_known_by_its_id_however_its_runtime_names_it),
        TEST(the_busiest_since_the_last_round_and_the_largest_are_chosen),
        TEST(what_is_below_a_unit_counts_to_it),
        TEST(without_the_memory_controller_it_is_told_once_and_the_rest_goes_on),
        TEST(a_host_without_version_2_fails_the_group),
        TEST(devices_of_a_unit_are_summed_however_many_and_never_in_part),
        TEST(a_unit_that_was_missed_for_a_round_is_none_that_began_after_it),
        TEST(garbage_and_what_has_vanished_are_passed_over),
        TEST(files_stay_open_as_long_as_their_unit_is_there_and_descriptors_are_plenty),
        TEST(thousands_of_units_and_deep_ones_are_bounded_and_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
