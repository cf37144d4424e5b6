/* SPDX-License-Identifier: Apache-2.0 */
/* syslog's parser: lines as they are seen on the wire, at a time that the test sets. */
#include "plugins/inputs/syslog/message.h"
#include "test.h"

/* 2026-11-28T12:00:00Z */
static const int64_t now_s = 1795867200;

struct sample_line {
    const char *text;
    int facility, level; /* -1: none */
    int64_t time_ms;     /* Unix; 0: none */
    const char *host, *app, *process, *id, *body;
};
enum { NONE = -1 };

static struct syslog_message parse(const char *text, bool is_local)
{
    static const struct zone utc = { 0 };
    struct syslog_context context = { &utc, now_s * NS_PER_S, is_local };
    struct syslog_message message;

    syslog_parse(slice_of(text), &context, &message);
    return message;
}

static void assert_slice(const char *text, const char *what, struct slice got, const char *wanted)
{
    if (!slice_equals(got, slice_of(wanted)))
        fail_msg("%s\n  %s is '%.*s', wanted '%s'", text, what, (int)got.bytes,
                 got.bytes == 0 ? "" : got.data, wanted);
}

static void assert_line(const struct sample_line *line, bool is_local)
{
    struct syslog_message got = parse(line->text, is_local);

    if (got.problem != NULL)
        fail_msg("%s\n  problem: %s", line->text, got.problem);
    assert_slice(line->text, "host", got.host, line->host);
    assert_slice(line->text, "app", got.app, line->app);
    assert_slice(line->text, "process", got.process, line->process);
    assert_slice(line->text, "id", got.id, line->id);
    assert_slice(line->text, "body", got.body, line->body);
    if ((got.has_facility ? (int)got.facility : NONE) != line->facility ||
        (got.level == SYSLOG_LEVEL_NONE ? NONE : (int)got.level) != line->level)
        fail_msg("%s\n  facility %u, level %u", line->text, got.facility, got.level);
    if (got.time_ns / NS_PER_MS != line->time_ms)
        fail_msg("%s\n  time is %lld ms, wanted %lld", line->text,
                 (long long)(got.time_ns / NS_PER_MS), (long long)line->time_ms);
}

#define ASSERT_LINES(lines, is_local)                                                              \
    for (size_t i = 0; i < sizeof(lines) / sizeof((lines)[0]); i++)                                \
    assert_line(&(lines)[i], is_local)

static void the_older_format_is_read_as_its_rfc_has_it(void **unused)
{
    (void)unused;
    static const struct sample_line lines[] = {
        { "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8", 4, 2,
          1791756855000, "mymachine", "su", "", "", "'su root' failed for lonvick on /dev/pts/8" },
        { "<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!", 1, 5, 1801848738000, "10.0.0.99", "", "",
          "", "Use the BFG!" },
        { "<165>Aug 24 05:34:00 CST 1987 mymachine myproc[10]: %% It's time", 20, 5, 556803240000,
          "mymachine", "myproc", "10", "", "%% It's time" },
        { "<0>1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.3 sched[0]: That's All", 0,
          0, 656592721000, "TZ-6", "", "", "",
          "scapegoat.dmz.example.org 10.1.2.3 sched[0]: That's All" },
        { "<30>Nov 28 11:59:59 host postfix/smtpd[4711]: connect from x\n", 3, 6, 1795867199000,
          "host", "postfix/smtpd", "4711", "", "connect from x" },
        { "<86>Nov 28 11:59:59 host sshd(pam_unix)[12]: x", 10, 6, 1795867199000, "host",
          "sshd(pam_unix)", "12", "", "x" },
        { "<14>Nov 28 11:59:59 host last message repeated 3 times", 1, 6, 1795867199000, "host", "",
          "", "", "last message repeated 3 times" },
        { "<14>Nov 28 11:59:59 fe80::1 app:  two blanks", 1, 6, 1795867199000, "fe80::1", "app", "",
          "", " two blanks" },
        { "<14>Sat Nov 28 11:59:59 2026 host app: ctime", 1, 6, 1795867199000, "host", "app", "",
          "", "ctime" },
        { "<14>Sat Nov 28 11:59:59 2020 host app: long ago", 1, 6, 1606564799000, "host", "app", "",
          "", "long ago" },
        { "<14>Nov 28 11:59:59 2025 host app: last", 1, 6, 1764331199000, "host", "app", "", "",
          "last" },
        { "<14>Nov 28 11:59:59 2027 host app: next", 1, 6, 1827403199000, "host", "app", "", "",
          "next" },
        { "<14>Nov 28 11:59:59 2024 app[1]: a host", 1, 6, 1795867199000, "2024", "app", "1", "",
          "a host" },
        { "<14>Nov 28 11:59:59 2028 app[1]: a host", 1, 6, 1795867199000, "2028", "app", "1", "",
          "a host" },
        { "<14>Nov 28 11:59:59 2101 app[1]: x", 1, 6, 1795867199000, "2101", "app", "1", "", "x" },
        { "<14>Nov 28 2026 11:59:59 host app: year after the day", 1, 6, 1795867199000, "host",
          "app", "", "", "year after the day" },
        { "<14>Nov 28 11:59:59.250 host app: fraction", 1, 6, 1795867199250, "host", "app", "", "",
          "fraction" },
        { "<14>Nov 28 11:59:59 host", 1, 6, 1795867199000, "", "", "", "", "host" },
        { "<14>Nov 28 11:59:59 host http://x is no tag", 1, 6, 1795867199000, "host", "", "", "",
          "http://x is no tag" },
    };
    ASSERT_LINES(lines, false);
}

static void parts_that_are_missing_are_missed_by_nobody(void **unused)
{
    (void)unused;
    static const struct sample_line lines[] = {
        { "<13>hello", 1, 5, 0, "", "", "", "", "hello" },
        { "<13>su: hello", 1, 5, 0, "", "su", "", "", "hello" },
        { "<13>%FOO-BAR: no level", 1, 5, 0, "", "%FOO-BAR", "", "", "no level" },
        { "<13>12: is no program", 1, 5, 0, "", "", "", "", "12: is no program" },
        { "<13>2 apples", 1, 5, 0, "", "", "", "", "2 apples" },
        { "<13>{\"a\": 1}", 1, 5, 0, "", "", "", "", "{\"a\": 1}" },
        { "Nov 28 11:59:59 host app[1]: no priority", NONE, NONE, 1795867199000, "host", "app", "1",
          "", "no priority" },
        { "<13>Nov 28 11:59:59 app[1]: no host", 1, 5, 1795867199000, "", "app", "1", "",
          "no host" },
        { "<13>Nov 28 11:59:59 app: no host", 1, 5, 1795867199000, "", "app", "", "", "no host" },
        { "<13>Nov 31 11:59:59 host app: no such day", 1, 5, 0, "", "", "", "",
          "Nov 31 11:59:59 host app: no such day" },
    };
    ASSERT_LINES(lines, false);
}

static void on_this_host_the_first_word_is_no_host_unless_it_is_evident(void **unused)
{
    (void)unused;
    static const struct sample_line lines[] = {
        { "<14>Nov 28 11:59:59 some words", 1, 6, 1795867199000, "", "", "", "", "some words" },
        { "<14>Nov 28 11:59:59 app[7]: text", 1, 6, 1795867199000, "", "app", "7", "", "text" },
        { "<14>Nov 28 11:59:59 host app[7]: text", 1, 6, 1795867199000, "host", "app", "7", "",
          "text" },
    };
    ASSERT_LINES(lines, true);
}

static void times_with_year_and_zone_are_taken_as_they_are(void **unused)
{
    (void)unused;
    static const struct sample_line lines[] = {
        { "<14>2026-11-28T11:59:59.123456Z host app: x", 1, 6, 1795867199123, "host", "app", "", "",
          "x" },
        { "<14>2026-11-28T12:59:59+01:00 host app: x", 1, 6, 1795867199000, "host", "app", "", "",
          "x" },
        { "<14>2026-11-28T05:29:59-0630 host app: x", 1, 6, 1795867199000, "host", "app", "", "",
          "x" },
        { "<14>2026-11-28 11:59:59,5 host app: x", 1, 6, 1795867199500, "host", "app", "", "",
          "x" },
        { "<14>2026/11/28 11:59:59 host app: x", 1, 6, 1795867199000, "host", "app", "", "", "x" },
        { "<134>1 1390228131.012345678 MX84 urls src=10.0.0.1", 16, 6, 1390228131012, "MX84", "",
          "", "", "urls src=10.0.0.1" },
        { "<14>2016-12-31T23:59:60Z host app: leap second", 1, 6, 1483228800000, "host", "app", "",
          "", "leap second" },
    };
    ASSERT_LINES(lines, false);
}

static void cisco_devices_are_understood(void **unused)
{
    (void)unused;
    static const struct sample_line lines[] = {
        { "<189>29: *Mar  1 00:00:26.259: %SYS-5-CONFIG_I: Configured from console", 23, 5,
          1803859226259, "", "", "", "SYS-5-CONFIG_I", "Configured from console" },
        { "<189>29: router1: 000031: .Nov 28 06:58:56.590 EST: %SEC-6-IPACCESSLOGP: list 102 "
          "denied",
          23, 5, 1795867136590, "router1", "", "", "SEC-6-IPACCESSLOGP", "list 102 denied" },
        { "<189>: 2026 Nov 28 11:58:14 UTC: %ETHPORT-5-IF_UP: Interface up", 23, 5, 1795867094000,
          "", "", "", "ETHPORT-5-IF_UP", "Interface up" },
        { "<189>: 2026 Nov 28 11:58:14 IST: %DAEMON-5-X: zone unknown", 23, 5, 1795867094000, "",
          "", "", "DAEMON-5-X", "zone unknown" },
        { "<166>%ASA-6-302013: Built outbound TCP", 20, 6, 0, "", "", "", "ASA-6-302013",
          "Built outbound TCP" },
        { "<166>Nov 28 2026 11:59:59: %ASA-6-302013: Built", 20, 6, 1795867199000, "", "", "",
          "ASA-6-302013", "Built" },
        { "<166>Nov 28 2026 11:59:59 fw1 : %ASA-6-302013: Built", 20, 6, 1795867199000, "fw1", "",
          "", "ASA-6-302013", "Built" },
        { "<166>Nov 28 2026 11:59:59 fw1 %FTD-6-302013: Built", 20, 6, 1795867199000, "fw1", "", "",
          "FTD-6-302013", "Built" },
        { "<189>29: RP/0/RSP0/CPU0:Nov 28 11:59:59.123 : config[65]: %MGBL-SYS-5-CONFIG_I : "
          "Configured",
          23, 5, 1795867199123, "RP/0/RSP0/CPU0", "config", "65", "MGBL-SYS-5-CONFIG_I",
          "Configured" },
        { "Nov 28 11:59:59 RouterName 82: Nov 28 11:59:58.872: %SYS-5-CONFIG_I: through a relay",
          NONE, 5, 1795867199000, "RouterName", "", "", "SYS-5-CONFIG_I", "through a relay" },
        { "%LINK-3-UPDOWN: alone", NONE, 3, 0, "", "", "", "LINK-3-UPDOWN", "alone" },
    };
    ASSERT_LINES(lines, false);
    struct syslog_message unsure = parse(lines[0].text, false);
    assert_true(unsure.is_time_unsure && unsure.has_sequence);
    assert_int_equal(unsure.sequence, 29);
    assert_int_equal(parse(lines[1].text, false).sequence, 31);
    assert_false(parse(lines[2].text, false).has_sequence);
    assert_false(parse(lines[5].text, false).is_time_unsure);
}

static void esxi_is_understood(void **unused)
{
    (void)unused;
    static const struct sample_line lines[] = {
        { "<166>2026-11-28T11:59:59.123Z esx1.lan Hostd: info hostd[2099895] [Originator@6876 "
          "sub=Vimsvc] x",
          20, 6, 1795867199123, "esx1.lan", "Hostd", "", "",
          "info hostd[2099895] [Originator@6876 sub=Vimsvc] x" },
        { "<181>2026-11-28T11:59:59.123Z esx1 vmkernel: cpu2:4106)ScsiDeviceIO: 2331: Cmd", 22, 5,
          1795867199123, "esx1", "vmkernel", "", "", "cpu2:4106)ScsiDeviceIO: 2331: Cmd" },
        { "<14>2026-11-28T11:59:59.123Z esx1 vobd[2097]  [netCorrelator] 1us", 1, 6, 1795867199123,
          "esx1", "vobd", "2097", "", " [netCorrelator] 1us" },
        { "<166>2026-11-28T11:59:59Z esx1 Fdm[2099]: [x] y", 20, 6, 1795867199000, "esx1", "Fdm",
          "2099", "", "[x] y" },
    };
    ASSERT_LINES(lines, false);
}

static void the_newer_format_is_read_as_its_rfc_has_it(void **unused)
{
    (void)unused;
    static const struct sample_line lines[] = {
        { "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' "
          "failed",
          4, 2, 1065910455003, "mymachine.example.com", "su", "", "ID47", "'su root' failed" },
        { "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time", 20, 5,
          1061727255000, "192.0.2.1", "myproc", "8710", "", "%% It's time" },
        { "<165>1 2003-10-11T22:14:15.003Z host ev - ID47 [ex@32473 a=\"3\"] text", 20, 5,
          1065910455003, "host", "ev", "", "ID47", "text" },
        { "<165>1 2003-10-11T22:14:15.003Z host ev - ID47 [ex@32473 a=\"3\"][b@1 c=\"d\"]", 20, 5,
          1065910455003, "host", "ev", "", "ID47", "" },
        { "<13>1 - - - - - - all is nil", 1, 5, 0, "", "", "", "", "all is nil" },
        { "<13>1 - - - - - -", 1, 5, 0, "", "", "", "", "" },
        { "<13>1 - host app 1 id", 1, 5, 0, "host", "app", "1", "id", "" },
    };
    ASSERT_LINES(lines, false);
    assert_int_equal(parse(lines[0].text, false).version, 1);
    assert_slice("", "structured", parse(lines[3].text, false).structured,
                 "[ex@32473 a=\"3\"][b@1 c=\"d\"]");
}

static void structured_data_are_taken_apart(void **unused)
{
    (void)unused;
    struct syslog_message got = parse(
        "<13>1 - - - - - [id1 a=\"x\\\"y\\\\z\\]\\n\" b=\"\"][alone][id2 c=\"[]\"] body", false);
    static const char *const wanted[][3] = {
        { "id1", "a", "x\"y\\z]\\n" }, { "id1", "b", "" }, { "alone", "", "" }, { "id2", "c", "[]" }
    };
    struct slice rest = got.structured, id = { NULL, 0 };
    struct syslog_param param;
    char value[64];

    assert_null(got.problem);
    assert_slice("", "body", got.body, "body");
    for (size_t i = 0; i < 4; i++) {
        assert_true(syslog_param(&rest, &id, &param));
        assert_slice("", "id", param.id, wanted[i][0]);
        assert_slice("", "name", param.name, wanted[i][1]);
        assert_int_equal(param.has_escapes, i == 0);
        struct slice plain = { value, syslog_unescape(param.value, value) };
        assert_slice("", "value", plain, wanted[i][2]);
    }
    assert_int_equal(rest.bytes, 0);
}

static void bad_structured_data_stay_in_the_body_and_are_told(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "[id a=\"x] text", "[id a=x] text", "[id a=\"x\"text",
                                       "[] text",         "text alone",    "[id a=\"x\"]text",
                                       "[id a=\"x\\" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char line[128];
        (void)snprintf(line, sizeof(line), "<13>1 - host app - id %s", bad[i]);
        struct syslog_message got = parse(line, false);
        assert_non_null(got.problem);
        assert_slice(line, "body", got.body, bad[i]);
        assert_slice(line, "host", got.host, "host");
        assert_int_equal(got.structured.bytes, 0);
    }
}

static void what_cannot_be_read_is_in_the_body_as_it_came(void **unused)
{
    (void)unused;
    static const char *const bad[] = {
        "",
        "<13>",
        "hello",
        "<192>too high",
        "<x>y",
        "<>y",
        "<",
        "<1",
        "<1111>y",
        "12 apples",
        "<13>1 2003-10-11T22:14:15.003Z host",
        "<13>1 - host  app",
        "\x01\xff\xfe",
        "29: nothing",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct syslog_message got = parse(bad[i], false);
        if (got.problem == NULL)
            fail_msg("'%s' has no problem", bad[i]);
        assert_slice(bad[i], "body", got.body, bad[i]);
    }
    assert_true(parse("<13>1 - host  app", false).has_facility);
}

static void a_year_is_the_one_that_is_nearest(void **unused)
{
    (void)unused;
    static const struct zone utc = { 0 };
    static const struct {
        int64_t now_s;
        const char *stamp;
        int64_t time_s;
    } cases[] = {
        { 1798761600 /* 2027-01-01 */, "Dec 31 23:59:59", 1798761599 },
        { 1798761599, "Jan  1 00:00:01", 1798761601 }, /* a clock that is ahead */
        { 1795867200, "May 30 12:00:00", 1780142400 },
        { 1795867200, "May 28 00:00:00", 1811462400 }, /* rather in 181 days than 184 ago */
        { 1795867200, "May 30 00:00:00", 1780099200 }, /* 182 days ago */
        { 1795867200, "Apr 28 00:00:00", 1808870400 },
        { 1835438400 /* 2028-02-29 */, "Feb 29 00:00:00", 1835395200 },
        { 1795867200, "Feb 29 00:00:00", 0 }, /* no leap year is near */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char line[64];
        struct syslog_context context = { &utc, cases[i].now_s * NS_PER_S, false };
        struct syslog_message got;
        (void)snprintf(line, sizeof(line), "<13>%s host a: b", cases[i].stamp);
        syslog_parse(slice_of(line), &context, &got);
        if (got.time_ns / NS_PER_S != cases[i].time_s)
            fail_msg("%s: %lld, wanted %lld", line, (long long)(got.time_ns / NS_PER_S),
                     (long long)cases[i].time_s);
        assert_null(got.problem);
    }
}

static void times_out_of_range_are_none(void **unused)
{
    (void)unused;
    assert_int_equal(parse("<13>9999-01-01T00:00:00Z host a: b", false).time_ns, 0);
    assert_int_equal(parse("<13>1 9999999999.0 host b", false).time_ns, 0);
    assert_int_equal(parse("<13>2026-02-29T00:00:00Z host a: b", false).time_ns, 0);
    assert_int_equal(parse("<13>2261-12-31T23:59:60-23:59 host a: b", false).time_ns / NS_PER_S,
                     9214732740);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_older_format_is_read_as_its_rfc_has_it),
        cmocka_unit_test(parts_that_are_missing_are_missed_by_nobody),
        cmocka_unit_test(on_this_host_the_first_word_is_no_host_unless_it_is_evident),
        cmocka_unit_test(times_with_year_and_zone_are_taken_as_they_are),
        cmocka_unit_test(cisco_devices_are_understood),
        cmocka_unit_test(esxi_is_understood),
        cmocka_unit_test(the_newer_format_is_read_as_its_rfc_has_it),
        cmocka_unit_test(structured_data_are_taken_apart),
        cmocka_unit_test(bad_structured_data_stay_in_the_body_and_are_told),
        cmocka_unit_test(what_cannot_be_read_is_in_the_body_as_it_came),
        cmocka_unit_test(a_year_is_the_one_that_is_nearest),
        cmocka_unit_test(times_out_of_range_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
