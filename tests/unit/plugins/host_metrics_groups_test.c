/* SPDX-License-Identifier: Apache-2.0 */
/* What each group makes of the files that it reads. */
#include "host_metrics_rig.h"

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

static void put_times(struct fixture *fixture, unsigned reads, unsigned write_ms, unsigned io_ms)
{
    char text[128];

    (void)snprintf(text, sizeof(text), "8 0 sda %u 1 20 3000 40 2 60 %u 0 %u 10000\n", reads,
                   write_ms, io_ms);
    put_text(fixture, "proc/diskstats", text);
    collect(fixture);
}

static void times_of_disks_go_on_where_the_kernel_s_begin_anew(void **statep)
{
    struct fixture *fixture = *statep;
    static const double round_s = 4294967.296;

    open_groups(fixture, "disk", NULL);
    put_times(fixture, 10, 4294967000, 4294967295);
    put_times(fixture, 11, 1000, 500);
    is_sample(find(fixture, "system.disk.operation_time", "disk.io.direction", "write", NULL, NULL),
              EVENT_SUM, "s", round_s + 1);
    is_sample(find(fixture, "system.disk.operation_time", "disk.io.direction", "read", NULL, NULL),
              EVENT_SUM, "s", 3);
    is_sample(find(fixture, "system.disk.io_time", NULL, NULL, NULL, NULL), EVENT_SUM, "s",
              round_s + 0.5);
    put_times(fixture, 12, 900, 700); /* a little less is no round */
    is_sample(find(fixture, "system.disk.operation_time", "disk.io.direction", "write", NULL, NULL),
              EVENT_SUM, "s", round_s + 0.9);
    put_times(fixture, 1, 4, 5); /* another device under that name */
    is_sample(find(fixture, "system.disk.io_time", NULL, NULL, NULL, NULL), EVENT_SUM, "s", 0.005);
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

static void swap_is_in_bytes_and_faults_are_counted_by_what_they_waited_for(void **statep)
{
    struct fixture *fixture = *statep;

    open_groups(fixture, "paging", NULL);
    put_text(fixture, "proc/meminfo", "MemTotal: 9 kB\nSwapTotal: 1000 kB\nSwapFree: 750 kB\n");
    put_text(fixture, "proc/vmstat", "pgpgin 1\npswpin 5\npswpout 6\npgfault 100\npgmajfault 30\n");
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 8);
    is_sample(find(fixture, "system.paging.usage", "system.paging.state", "used", NULL, NULL),
              EVENT_UPDOWN, "By", 250 * 1024);
    is_sample(find(fixture, "system.paging.utilization", "system.paging.state", "free", NULL, NULL),
              EVENT_GAUGE, "1", 0.75);
    is_sample(
        find(fixture, "system.paging.faults", "system.paging.fault.type", "minor", NULL, NULL),
        EVENT_SUM, "{fault}", 70);
    is_sample(
        find(fixture, "system.paging.operations", "system.paging.direction", "out", NULL, NULL),
        EVENT_SUM, "{operation}", 6);
}

static void a_host_without_swap_has_none_in_use(void **statep)
{
    struct fixture *fixture = *statep;

    open_groups(fixture, "paging", NULL);
    put_text(fixture, "proc/meminfo", "SwapTotal: 0 kB\nSwapFree: 0 kB\n");
    put_text(fixture, "proc/vmstat", "pgfault 1\n");
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 2);
    is_sample(find(fixture, "system.paging.usage", "system.paging.state", "used", NULL, NULL),
              EVENT_UPDOWN, "By", 0);
}

static void uptime_is_in_seconds(void **statep)
{
    struct fixture *fixture = *statep;

    open_groups(fixture, "uptime", NULL);
    put_text(fixture, "proc/uptime", "12345.67 23456.78\n");
    collect(fixture);
    is_sample(find(fixture, "system.uptime", NULL, NULL, NULL, NULL), EVENT_GAUGE, "s", 12345.67);
}

static void processes_are_counted_as_the_kernel_does(void **statep)
{
    struct fixture *fixture = *statep;

    open_groups(fixture, "processes", NULL);
    put_text(fixture, "proc/stat", "cpu 1\nprocesses 4711\nprocs_running 3\nprocs_blocked 2\n");
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 3);
    is_sample(find(fixture, "system.process.created", NULL, NULL, NULL, NULL), EVENT_SUM,
              "{process}", 4711);
    is_sample(find(fixture, "system.process.count", "process.state", "blocked", NULL, NULL),
              EVENT_UPDOWN, "{process}", 2);
}

static void pressure_is_the_time_that_tasks_were_stalled(void **statep)
{
    struct fixture *fixture = *statep;

    open_groups(fixture, "pressure", NULL);
    put_text(fixture, "proc/pressure/cpu",
             "some avg10=1.00 avg60=2.00 avg300=3.00 total=1500000\n");
    put_text(fixture, "proc/pressure/memory", "some avg10=0.00 total=1\nfull avg10=0.00 total=2\n");
    put_text(fixture, "proc/pressure/io",
             "some avg10=0.00 total=3\nfull avg10=0.00 total=4000000\n");
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 5);
    is_sample(find(fixture, "system.linux.pressure.stall_time", "system.linux.pressure.resource",
                   "cpu", NULL, NULL),
              EVENT_SUM, "s", 1.5);
    is_sample(find(fixture, "system.linux.pressure.stall_time", "system.linux.pressure.resource",
                   "io", "system.linux.pressure.kind", "full"),
              EVENT_SUM, "s", 4);
}

static void connections_are_counted_by_state_over_both_protocols(void **statep)
{
    static const char heading[] =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n";
    struct fixture *fixture = *statep;
    struct buf text = { 0 };

    (void)buf_add_text(&text, heading);
    for (int i = 0; i < 1000; i++) /* more than one piece */
        (void)buf_printf(&text, "%4d: 0100007F:1F90 0200007F:%04X 01 00000000:00000000 00:00 0\n",
                         i, i);
    (void)buf_add_text(&text, "  9: 0100007F:0016 00000000:0000 0A 0:0 00:0 0\n"
                              "  9: 0100007F:0016 00000000:0000 0C 0:0 00:0 0\n"
                              "  9: 0100007F:0016 00000000:0000 ZZ 0:0 00:0 0\n\n:\n");
    open_groups(fixture, "connections", NULL);
    put_file(fixture, "proc/1/net/tcp", text.data, text.bytes);
    buf_fini(&text);
    put_text(fixture, "proc/1/net/tcp6",
             "  sl\n   0: 00000000000000000000000000000000:0016 00:0000 0A 0:0 00:0 0\n");
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 11);
    is_sample(find(fixture, "system.network.connection.count", "network.connection.state",
                   "established", "network.transport", "tcp"),
              EVENT_UPDOWN, "{connection}", 1000);
    is_sample(find(fixture, "system.network.connection.count", "network.connection.state", "listen",
                   NULL, NULL),
              EVENT_UPDOWN, "{connection}", 2);
}

static void thermal_zones_are_in_degrees(void **statep)
{
    struct fixture *fixture = *statep;

    open_groups(fixture, "temperature", NULL);
    put_text(fixture, ZONE "/temp", "45500\n");
    put_text(fixture, ZONE "/type", "x86_pkg_temp\n");
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 1);
    is_sample(find(fixture, "hw.temperature", "hw.name", "x86_pkg_temp", "hw.id", "thermal_zone0"),
              EVENT_GAUGE, "Cel", 45.5);
}

static void put_process(const struct fixture *fixture, unsigned pid, const char *name,
                        unsigned started, unsigned user, unsigned pages)
{
    char path[64], text[256];

    (void)snprintf(path, sizeof(path), "proc/%u/stat", pid);
    (void)snprintf(text, sizeof(text),
                   "%u (%s) S 1 1 1 0 -1 4194560 9 9 9 9 %u 7 0 0 20 -5 3 0 %u 4096 %u 1 1\n", pid,
                   name, user, started, pages);
    put_text(fixture, path, text);
}

static void the_busiest_and_the_largest_process_are_sampled(void **statep)
{
    struct fixture *fixture = *statep;
    double tick = 1.0 / (double)sysconf(_SC_CLK_TCK), page = (double)sysconf(_SC_PAGESIZE);

    open_groups(fixture, "top_processes", NULL);
    put_process(fixture, 1, "init", 0, 1000, 50);
    put_process(fixture, 22, "odd ) (name", 100, 10, 10);
    put_text(fixture, "proc/22/cgroup", "0::/system.slice/odd.service\n");
    collect(fixture);
    /* At first since it began: process 1 is both. */
    assert_int_equal(fixture->sink->event_count, 5);
    is_sample(find(fixture, "process.memory.usage", "process.executable.name", "init", NULL, NULL),
              EVENT_UPDOWN, "By", 50 * page);
    put_process(fixture, 1, "init", 0, 1001, 50);
    put_process(fixture, 22, "odd ) (name", 100, 60, 10);
    collect(fixture);
    assert_int_equal(fixture->sink->event_count, 10);
    const struct event *user = find(fixture, "process.cpu.time", "process.executable.name",
                                    "odd ) (name", "cpu.mode", "user");
    is_sample(user, EVENT_SUM, "s", 60 * tick);
    assert_true(has_text(user, "process.linux.cgroup", "/system.slice/odd.service"));
    is_sample(
        find(fixture, "process.thread.count", "process.executable.name", "odd ) (name", NULL, NULL),
        EVENT_UPDOWN, "{thread}", 3);
    /* The number is another process's now, which used less than the first. */
    put_process(fixture, 1, "init", 0, 1011, 50);
    put_process(fixture, 22, "young", 900, 62, 10);
    collect(fixture);
    (void)find(fixture, "process.thread.count", "process.executable.name", "young", NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cpu_times_are_in_seconds_by_mode_and_processor),
        TEST(load_averages_are_read),
        TEST(memory_is_in_bytes_by_state),
        TEST(a_mount_is_sampled_once_by_its_real_name_and_pseudo_ones_are_not),
        TEST(types_that_the_user_names_replace_the_local_ones),
        TEST(disks_have_bytes_operations_and_times_by_direction),
        TEST(times_of_disks_go_on_where_the_kernel_s_begin_anew),
        TEST(interfaces_have_their_columns_by_direction),
        TEST(swap_is_in_bytes_and_faults_are_counted_by_what_they_waited_for),
        TEST(a_host_without_swap_has_none_in_use),
        TEST(uptime_is_in_seconds),
        TEST(processes_are_counted_as_the_kernel_does),
        TEST(pressure_is_the_time_that_tasks_were_stalled),
        TEST(connections_are_counted_by_state_over_both_protocols),
        TEST(thermal_zones_are_in_degrees),
        TEST(the_busiest_and_the_largest_process_are_sampled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
