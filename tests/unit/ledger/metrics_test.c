/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "books_folders.h"

#include "ledger/metrics.h"

#include <ctype.h>
#include <inttypes.h>
#include <signal.h>

/* ---- a reader of the text format 0.0.4, as strict as its description ---- */

enum { FAMILIES_MAX = 128 };
struct reader {
    const char *at;
    char families[FAMILIES_MAX][64];
    unsigned count; /* families so far; the last one is open for samples */
    bool has_type, has_help, is_histogram;
    unsigned samples;
};

static void read_name(struct reader *reader, char ret_name[64])
{
    size_t bytes = 0;
    while (isalnum((unsigned char)*reader->at) || *reader->at == '_' || *reader->at == ':') {
        assert_true(bytes < 63);
        ret_name[bytes++] = *reader->at++;
    }
    ret_name[bytes] = '\0';
    assert_true(bytes > 0 && !isdigit((unsigned char)ret_name[0]));
}

static void expect_text(struct reader *reader, const char *text)
{
    if (strncmp(reader->at, text, strlen(text)) != 0)
        fail_msg("wanted '%s' at '%.80s'", text, reader->at);
    reader->at += strlen(text);
}

static void open_family(struct reader *reader, const char *name)
{
    if (reader->count > 0 && strcmp(reader->families[reader->count - 1], name) == 0)
        return;
    for (unsigned i = 0; i < reader->count; i++)
        assert_string_not_equal(reader->families[i], name); /* its samples stand together */
    assert_true(reader->count < FAMILIES_MAX);
    (void)snprintf(reader->families[reader->count++], 64, "%s", name);
    reader->has_type = false;
    reader->has_help = false;
}

static void read_comment(struct reader *reader)
{
    char name[64], type[64];
    bool is_help = strncmp(reader->at, "# HELP ", 7) == 0;
    expect_text(reader, is_help ? "# HELP " : "# TYPE ");
    read_name(reader, name);
    open_family(reader, name);
    expect_text(reader, " ");
    assert_false(is_help ? reader->has_help : reader->has_type);
    *(is_help ? &reader->has_help : &reader->has_type) = true;
    if (is_help) {
        assert_true(*reader->at != '\n');
        reader->at = strchr(reader->at, '\n');
        assert_non_null(reader->at);
    } else {
        read_name(reader, type);
        reader->is_histogram = strcmp(type, "histogram") == 0;
        assert_true(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0 ||
                    reader->is_histogram);
        bool is_total = strlen(name) > 6 && strcmp(name + strlen(name) - 6, "_total") == 0;
        assert_int_equal(is_total, strcmp(type, "counter") == 0);
    }
    expect_text(reader, "\n");
}

static void read_label_value(struct reader *reader)
{
    expect_text(reader, "\"");
    while (*reader->at != '"') {
        assert_true(*reader->at != '\n' && *reader->at != '\0');
        if (*reader->at == '\\') {
            reader->at++;
            assert_true(*reader->at == '\\' || *reader->at == '"' || *reader->at == 'n');
        }
        reader->at++;
    }
    expect_text(reader, "\"");
}

static bool belongs_to(const struct reader *reader, const char *name, const char *family)
{
    static const char *const suffixes[] = { "_bucket", "_sum", "_count" };
    size_t bytes = strlen(family);
    if (!reader->is_histogram)
        return strcmp(name, family) == 0;
    for (size_t i = 0; i < 3; i++) {
        if (strncmp(name, family, bytes) == 0 && strcmp(name + bytes, suffixes[i]) == 0)
            return true;
    }
    return false;
}

static void read_sample(struct reader *reader)
{
    char name[64], *end = NULL;
    read_name(reader, name);
    assert_true(reader->count > 0);
    if (!belongs_to(reader, name, reader->families[reader->count - 1]))
        fail_msg("'%s' in the family '%s'", name, reader->families[reader->count - 1]);
    assert_true(reader->has_type && reader->has_help);
    if (*reader->at == '{') {
        do {
            reader->at++;
            read_name(reader, name);
            expect_text(reader, "=");
            read_label_value(reader);
        } while (*reader->at == ',');
        expect_text(reader, "}");
    }
    expect_text(reader, " ");
    assert_true(isdigit((unsigned char)*reader->at) || *reader->at == '-');
    (void)strtod(reader->at, &end);
    reader->at = end;
    expect_text(reader, "\n");
    reader->samples++;
}

static unsigned read_page(const char *text)
{
    struct reader reader = { .at = text };
    while (*reader.at != '\0') {
        if (*reader.at == '#')
            read_comment(&reader);
        else
            read_sample(&reader);
    }
    return reader.samples;
}

static void expect_sample(const struct buf *page, const char *line)
{
    const char *found = strstr(page->data, line);
    if (found == NULL || (found > page->data && found[-1] != '\n') || found[strlen(line)] != '\n')
        fail_msg("no line '%s' in\n%s", line, page->data);
}

/* ---- */

static void a_page_without_room_or_memory_is_refused(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct buf page = { .limit = 1000 };
    assert_false(metrics_write(ledger, METRICS_CLASSIC, &page));
    buf_fini(&page);
    ledger_close(&ledger);
}

static void hostile_names_are_escaped(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct buf page = { 0 };
    char quotes[LEDGER_NAME];
    memset(quotes, '"', sizeof(quotes) - 1);
    quotes[LEDGER_NAME - 1] = '\0';
    (void)ledger_lane(ledger, "a\"b\\c\nd} 1", "äöü", false);
    (void)ledger_lane(ledger, quotes, quotes, false);
    (void)ledger_output_numbers(ledger, "o\"\n\\");
    assert_true(metrics_write(ledger, METRICS_CLASSIC, &page));
    assert_true(read_page(page.data) > 100);
    expect_sample(&page, "spillway_balance_events{input=\"a\\\"b\\\\c\\nd} 1\",output=\"äöü\"} 0");
    expect_sample(&page, "spillway_retries_total{output=\"o\\\"\\n\\\\\"} 0");
    buf_fini(&page);
    ledger_close(&ledger);
}

static void an_agent_without_lanes_has_a_page(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct buf page = { 0 };
    assert_true(metrics_write(ledger, METRICS_CLASSIC, &page));
    assert_true(read_page(page.data) >= 9);
    expect_sample(&page, "spillway_build_info{version=\"" SPILLWAY_VERSION "\"} 1");
    expect_sample(&page, "spillway_reports_total 0");
    buf_fini(&page);
    ledger_close(&ledger);
}

static double value_of(const struct buf *page, const char *name)
{
    char line[96];
    (void)snprintf(line, sizeof(line), "\n%s ", name);
    const char *found = strstr(page->data, line);
    assert_non_null(found);
    return strtod(found + strlen(line), NULL);
}

static void hold_some(struct ledger *ledger)
{
    ledger_move(ledger_lane(ledger, "file", "main", true), FLOW_admit, 7, 70);
    ledger_move(ledger_lane(ledger, "socket", "main", false), FLOW_admit, 9, 90);
}

static void the_page_says_what_the_books_say(void **context)
{
    run_and_kill(*context, hold_some);
    struct ledger *ledger = open_in(*context);
    struct books *books = ledger_lane(ledger, "socket", "main", false);
    struct buf page = { 0 };
    ledger_move(books, FLOW_admit, 10, 1000);
    ledger_move(books, FLOW_evict_oldest, 4, 400);
    ledger_move(books, FLOW_filter, 2, 20);
    ledger_move_cell(books, FLOW_gather, 3, 5, 500);
    ledger_move_cell(books, FLOW_seal, 3, 5, 500);
    ledger_move(books, FLOW_launch, 5, 500);
    ledger_move(books, FLOW_deliver, 5, 500);
    (void)ledger_audit(books, ACCOUNT_ring, 0, (struct amount){ 2, 100 });
    numbers_add(ledger_lane_numbers(books), NUMBER_lines, 12);
    numbers_set(ledger_output_numbers(ledger, "main"), NUMBER_breaker_state, 2);
    numbers_set(ledger_output_numbers(ledger, "main"), NUMBER_concurrency_limit, 62);
    assert_true(metrics_write(ledger, METRICS_CLASSIC, &page));
    (void)read_page(page.data);
#define LANE "{input=\"socket\",output=\"main\""
    expect_sample(&page, "spillway_received_events_total" LANE "} 12");
    expect_sample(&page, "spillway_received_bytes_total" LANE "} 1020");
    expect_sample(&page, "spillway_delivered_events_total" LANE "} 5");
    expect_sample(&page, "spillway_filtered_bytes_total" LANE "} 20");
    expect_sample(&page, "spillway_lost_events_total" LANE "} 9");
    expect_sample(&page, "spillway_lost_bytes_total" LANE "} 90");
    expect_sample(&page, "spillway_dropped_events_total" LANE ",reason=\"evict_oldest\"} 4");
    expect_sample(&page, "spillway_dropped_bytes_total" LANE ",reason=\"evict_oldest\"} 400");
    expect_sample(&page, "spillway_dropped_events_total" LANE ",reason=\"expire\"} 0");
    expect_sample(&page, "spillway_stock_events" LANE ",account=\"ring\"} 2");
    expect_sample(&page, "spillway_stock_bytes" LANE ",account=\"ring\"} 100");
    expect_sample(&page, "spillway_balance_events" LANE "} 1");
    expect_sample(&page, "spillway_lines_total" LANE "} 12");
    expect_sample(&page, "spillway_breaker_state{output=\"main\"} 2");
    expect_sample(&page, "spillway_concurrency_limit{output=\"main\"} 0.062");
    expect_sample(&page, "spillway_replayed_events_total{input=\"file\",output=\"main\"} 7");
    buf_fini(&page);
    ledger_close(&ledger);
}

static void histograms_are_cumulative_and_in_seconds(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct numbers *lane = ledger_lane_numbers(ledger_lane(ledger, "in", "out", false));
    struct numbers *output = ledger_output_numbers(ledger, "out");
    struct buf page = { 0 };
    numbers_observe(lane, HISTOGRAM_ring_wait, -5, 2); /* a clock that stepped is not below 0 */
    numbers_observe(lane, HISTOGRAM_ring_wait, 1, 3);  /* a bound is of its own bucket */
    numbers_observe(lane, HISTOGRAM_ring_wait, 2, 10);
    numbers_observe(lane, HISTOGRAM_ring_wait, 7200001, 1);
    numbers_observe(output, HISTOGRAM_request_time, 40, 1);
    assert_true(metrics_write(ledger, METRICS_CLASSIC, &page));
    (void)read_page(page.data);
#define WAIT "spillway_ring_wait_seconds"
#define OF "{input=\"in\",output=\"out\""
    expect_sample(&page, "# TYPE " WAIT " histogram");
    expect_sample(&page, WAIT "_bucket" OF ",le=\"0.001\"} 5");
    expect_sample(&page, WAIT "_bucket" OF ",le=\"0.005\"} 15");
    expect_sample(&page, WAIT "_bucket" OF ",le=\"0.25\"} 15");
    expect_sample(&page, WAIT "_bucket" OF ",le=\"2.5\"} 15");
    expect_sample(&page, WAIT "_bucket" OF ",le=\"7200.0\"} 15");
    expect_sample(&page, WAIT "_bucket" OF ",le=\"+Inf\"} 16");
    expect_sample(&page, WAIT "_count" OF "} 16");
    expect_sample(&page, WAIT "_sum" OF "} 7200.024");
    expect_sample(&page, "spillway_request_duration_seconds_bucket{output=\"out\",le=\"0.025\"} 0");
    expect_sample(&page, "spillway_request_duration_seconds_bucket{output=\"out\",le=\"0.05\"} 1");
    expect_sample(&page, "spillway_delivery_lag_seconds_count{output=\"out\"} 0");
    buf_fini(&page);
    ledger_close(&ledger);
}

static void every_flow_is_in_one_family(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct books *books = ledger_lane(ledger, "in", "out", false);
    struct buf page = { 0 };
    ledger_move(books, FLOW_spill, 3, 30);
    assert_true(metrics_write(ledger, METRICS_CLASSIC, &page));
    expect_sample(&page, "spillway_flow_events_total" OF ",flow=\"spill\"} 3");
    expect_sample(&page, "spillway_flow_bytes_total" OF ",flow=\"spill\"} 30");
    for (unsigned flow = 0; flow < FLOWS; flow++) {
        char sample[160];
        bool is_drop = flow_infos[flow].to == ACCOUNT_dropped;
        if (flow_infos[flow].to == ACCOUNT_lost) /* never of a start that lives */
            continue;
        (void)snprintf(sample, sizeof(sample), "spillway_%s_events_total" OF ",%s=\"%s\"} ",
                       is_drop ? "dropped" : "flow", is_drop ? "reason" : "flow",
                       flow_infos[flow].name);
        const char *found = strstr(page.data, sample);
        if (found == NULL || strstr(found + 1, sample) != NULL)
            fail_msg("not once: %s", sample);
    }
    buf_fini(&page);
    ledger_close(&ledger);
}

static void the_process_is_described(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct buf page = { 0 };
    assert_true(metrics_write(ledger, METRICS_CLASSIC, &page));
    assert_true(value_of(&page, "process_resident_memory_bytes") > 500e3);
    assert_true(value_of(&page, "spillway_own_memory_bytes") > 50e3);
    assert_true(value_of(&page, "spillway_own_memory_bytes") <=
                value_of(&page, "process_resident_memory_bytes") * 1.5);
    assert_true(value_of(&page, "process_open_fds") >= 4); /* and the books */
    assert_true(value_of(&page, "process_max_fds") >= value_of(&page, "process_open_fds"));
    assert_true(value_of(&page, "process_start_time_seconds") > 1.6e9);
    assert_true(value_of(&page, "process_cpu_seconds_total") >= 0);
    buf_fini(&page);
    ledger_close(&ledger);
}

static void openmetrics_names_families_units_and_the_end(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct buf page = { 0 };
    ledger_move(ledger_lane(ledger, "in", "out", false), FLOW_admit, 7, 70);
    assert_true(metrics_write(ledger, METRICS_OPENMETRICS, &page));
    expect_sample(&page, "# TYPE spillway_received_bytes counter");
    expect_sample(&page, "# UNIT spillway_received_bytes bytes");
    expect_sample(&page, "spillway_received_bytes_total{input=\"in\",output=\"out\"} 70");
    expect_sample(&page, "# TYPE spillway_build info");
    expect_sample(&page, "# UNIT process_cpu_seconds seconds");
    assert_null(strstr(page.data, "# TYPE spillway_received_events_total"));
    assert_string_equal(page.data + page.bytes - 6, "# EOF\n");
    buf_fini(&page);
    ledger_close(&ledger);
}

static void the_scraper_chooses_the_format(void **unused)
{
    (void)unused;
    assert_int_equal(metrics_choose(NULL), METRICS_CLASSIC);
    assert_int_equal(metrics_choose("*/*"), METRICS_CLASSIC);
    assert_int_equal(metrics_choose("text/html,text/plain;q=0.9"), METRICS_CLASSIC);
    assert_int_equal(metrics_choose("application/openmetrics-text"), METRICS_OPENMETRICS);
    assert_int_equal(metrics_choose("application/openmetrics-text;version=1.0.0;q=0.5,"
                                    "application/openmetrics-text;version=0.0.1;q=0.4,"
                                    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"),
                     METRICS_OPENMETRICS);
    assert_int_equal(metrics_choose("text/plain, application/openmetrics-text; q=0.5"),
                     METRICS_CLASSIC);
    assert_int_equal(metrics_choose("application/openmetrics-text; version=0.0.1"),
                     METRICS_CLASSIC);
    assert_int_equal(metrics_choose("application/openmetrics-text;q=0"), METRICS_CLASSIC);
    assert_int_equal(metrics_choose(",;q=,,"), METRICS_CLASSIC);
}

int main(void)
{
#define BOOKS_TEST(name) cmocka_unit_test_setup_teardown(name, make_folders, remove_folders)
    const struct CMUnitTest tests[] = {
        BOOKS_TEST(a_page_without_room_or_memory_is_refused),
        BOOKS_TEST(hostile_names_are_escaped),
        BOOKS_TEST(an_agent_without_lanes_has_a_page),
        BOOKS_TEST(the_page_says_what_the_books_say),
        BOOKS_TEST(histograms_are_cumulative_and_in_seconds),
        BOOKS_TEST(every_flow_is_in_one_family),
        BOOKS_TEST(the_process_is_described),
        BOOKS_TEST(openmetrics_names_families_units_and_the_end),
        cmocka_unit_test(the_scraper_chooses_the_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
