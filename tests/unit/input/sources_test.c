/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/crc32c.h"
#include "base/file.h"
#include "input/checkpoint.h"
#include "input/sources.h"

#include "folder.h"

#include <cjson/cJSON.h>
#include <pthread.h>

/* An input that knows as many sources as its state says; the checkpoint is their number. */
static void tell_some(void *state, source_tell_fn *tell, void *context)
{
    for (int i = 0; i < *(const int *)state; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "/logs/%d.log", i);
        struct source_account account = { .name = name,
                                          .state = "it is followed",
                                          .is_followed = true,
                                          .device = 8,
                                          .inode = 100 + (uint64_t)i,
                                          .size = 10,
                                          .offset = 7,
                                          .settled = 5 };
        if (i == 1) {
            account.error = "file cannot be opened";
            account.error_why = "why";
            account.error_ns = 77;
        }
        tell(context, &account);
    }
}

static bool recall_some(struct slice checkpoint, source_tell_fn *tell, void *context)
{
    int count = checkpoint.bytes == 1 ? checkpoint.data[0] - '0' : -1;
    if (count < 0)
        return false;
    tell_some(&count, tell, context);
    return true;
}

static const struct input files = { .type = { .name = "files" },
                                    .sources = tell_some,
                                    .recall = recall_some };
static const struct input silent = { .type = { .name = "silent" } };

static struct sources_ask *new_ask(const struct sources_query *query)
{
    struct sources_ask *ask = sources_ask_new(query);
    assert_non_null(ask);
    return ask;
}

static cJSON *take(struct sources_ask **askp, int64_t timeout_ms)
{
    struct buf page = { 0 };
    assert_true(sources_ask_take(*askp, timeout_ms, &page));
    cJSON *root = cJSON_Parse(page.data);
    if (root == NULL)
        fail_msg("no JSON: %s", page.data);
    buf_fini(&page);
    sources_ask_release(askp);
    return root;
}

static const cJSON *reading_at(const cJSON *page, int index)
{
    return cJSON_GetArrayItem(cJSON_GetObjectItem(page, "readings"), index);
}

static int count_sources(const cJSON *reading)
{
    return cJSON_GetArraySize(cJSON_GetObjectItem(reading, "sources"));
}

static void all_readings_answer_in_the_order_in_which_they_were_asked(void **unused)
{
    struct sources_ask *ask = new_ask(&(struct sources_query){ .has_file = false });
    int two = 2;
    (void)unused;
    sources_ask_begin(ask, 2);
    assert_true(sources_ask_expect(ask, "app", "main"));
    assert_true(sources_ask_expect(ask, "pipe", "main"));
    sources_ask_end(ask);
    sources_ask_answer(ask, "pipe", "main", &silent, NULL);
    sources_ask_answer(ask, "app", "main", &files, &two);
    cJSON *page = take(&ask, 10000);
    assert_string_equal(cJSON_GetObjectItem(page, "from")->valuestring, "agent");
    assert_int_equal(count_sources(reading_at(page, 0)), 2);
    assert_int_equal(count_sources(reading_at(page, 1)), 0);
    assert_string_equal(cJSON_GetObjectItem(reading_at(page, 1), "input")->valuestring, "pipe");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(page, "silent")), 0);
    const cJSON *second =
        cJSON_GetArrayItem(cJSON_GetObjectItem(reading_at(page, 0), "sources"), 1);
    assert_string_equal(cJSON_GetObjectItem(second, "name")->valuestring, "/logs/1.log");
    assert_int_equal(cJSON_GetObjectItem(second, "offset")->valueint, 7);
    assert_int_equal(cJSON_GetObjectItem(second, "error_unix_ns")->valueint, 77);
    cJSON_Delete(page);
}

static void who_does_not_answer_in_time_is_named_and_may_answer_later(void **unused)
{
    struct sources_ask *ask = new_ask(&(struct sources_query){ .has_file = false });
    struct sources_ask *held = sources_ask_hold(ask);
    int one = 1;
    (void)unused;
    sources_ask_begin(ask, 1);
    assert_true(sources_ask_expect(ask, "app", "main"));
    sources_ask_end(ask);
    cJSON *page = take(&ask, 20);
    const cJSON *late = cJSON_GetArrayItem(cJSON_GetObjectItem(page, "silent"), 0);
    assert_string_equal(cJSON_GetObjectItem(late, "input")->valuestring, "app");
    assert_null(reading_at(page, 0));
    cJSON_Delete(page);
    sources_ask_answer(held, "app", "main", &files, &one);
    sources_ask_release(&held);
}

static void a_question_that_nobody_passed_on_says_so(void **unused)
{
    struct sources_ask *ask = new_ask(&(struct sources_query){ .has_file = false });
    (void)unused;
    cJSON *page = take(&ask, 20);
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(page, "asked")));
    cJSON_Delete(page);
}

static int answered_with(const struct sources_query *query, int sources)
{
    struct sources_ask *ask = new_ask(query);
    sources_ask_begin(ask, 1);
    assert_true(sources_ask_expect(ask, "app", "main"));
    sources_ask_end(ask);
    sources_ask_answer(ask, "app", "main", &files, &sources);
    cJSON *page = take(&ask, 10000);
    int count = count_sources(reading_at(page, 0));
    cJSON_Delete(page);
    return count;
}

static void only_what_is_asked_for_is_told(void **unused)
{
    struct sources_query query = { .has_file = true, .device = 8, .inode = 103 };
    (void)unused;
    assert_int_equal(answered_with(&query, 9), 1);
    query.device = 9;
    assert_int_equal(answered_with(&query, 9), 0);
    query = (struct sources_query){ .has_name = true, .name_sum = crc32c(0, "/logs/4.log", 11) };
    assert_int_equal(answered_with(&query, 9), 1);
    query.has_file = true; /* either will do */
    query.device = 8;
    query.inode = 100;
    assert_int_equal(answered_with(&query, 9), 2);
}

static void an_answer_is_bounded_and_counts_what_it_left_out(void **unused)
{
    struct sources_ask *ask = new_ask(&(struct sources_query){ .has_file = false });
    struct buf page = { 0 };
    int many = 100000;
    (void)unused;
    sources_ask_begin(ask, 1);
    assert_true(sources_ask_expect(ask, "app", "main"));
    sources_ask_end(ask);
    sources_ask_answer(ask, "app", "main", &files, &many);
    assert_true(sources_ask_take(ask, 10000, &page));
    assert_in_range(page.bytes, SOURCES_BYTES / 4, SOURCES_BYTES);
    cJSON *root = cJSON_Parse(page.data);
    assert_non_null(root);
    int told = count_sources(reading_at(root, 0));
    assert_int_equal(cJSON_GetObjectItem(reading_at(root, 0), "left_out")->valueint, many - told);
    cJSON_Delete(root);
    buf_fini(&page);
    sources_ask_release(&ask);
}

static void no_more_readings_are_expected_than_were_announced(void **unused)
{
    struct sources_ask *ask = new_ask(&(struct sources_query){ .has_file = false });
    (void)unused;
    assert_false(sources_ask_expect(ask, "app", "main"));
    sources_ask_begin(ask, 1);
    assert_true(sources_ask_expect(ask, "app", "main"));
    assert_false(sources_ask_expect(ask, "app", "other"));
    sources_ask_release(&ask);
}

static void *answer_late(void *context)
{
    struct sources_ask *ask = context;
    int one = 1;
    (void)usleep(100000);
    sources_ask_answer(ask, "app", "main", &files, &one);
    sources_ask_release(&ask);
    return NULL;
}

static void the_last_answer_ends_the_wait(void **unused)
{
    struct sources_ask *ask = new_ask(&(struct sources_query){ .has_file = false });
    pthread_t thread;
    (void)unused;
    sources_ask_begin(ask, 1);
    assert_true(sources_ask_expect(ask, "app", "main"));
    sources_ask_end(ask);
    int64_t began_ms = clock_now_ms();
    assert_int_equal(pthread_create(&thread, NULL, answer_late, sources_ask_hold(ask)), 0);
    cJSON *page = take(&ask, 60000);
    assert_true(clock_now_ms() - began_ms < 30000);
    assert_int_equal(count_sources(reading_at(page, 0)), 1);
    cJSON_Delete(page);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* ---- checkpoints ---- */

static void put_checkpoint(const char *folder, const char *name, const char *text)
{
    struct buf file = { 0 };
    struct err err = { "" };
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/checkpoints", folder);
    assert_true(file_make_dirs(path, 0700, &err));
    (void)snprintf(path, sizeof(path), "%s/checkpoints/%s", folder, name);
    assert_true(checkpoint_wrap(slice_of(text), &file));
    assert_true(file_place(path, buf_slice(&file), false, &err));
    buf_fini(&file);
}

static void checkpoints_are_recalled_by_the_input_that_wrote_them(void **unused)
{
    static const struct plugin_type *const inputs[] = { &silent.type, &files.type, NULL };
    char folder[] = "/tmp/sources-XXXXXX";
    struct buf page = { 0 };
    (void)unused;
    assert_non_null(mkdtemp(folder));
    put_checkpoint(folder, "b@main", "2");
    put_checkpoint(folder, "a@main@files", "1"); /* another type has the name without */
    put_checkpoint(folder, "a@main.previous", "9");
    put_checkpoint(folder, "journal@main", "not of files");
    assert_true(
        sources_recall(folder, inputs, &(struct sources_query){ .has_file = false }, &page));
    cJSON *root = cJSON_Parse(page.data);
    assert_non_null(root);
    assert_string_equal(cJSON_GetObjectItem(root, "from")->valuestring, "checkpoints");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(root, "readings")), 2);
    assert_string_equal(cJSON_GetObjectItem(reading_at(root, 0), "input")->valuestring, "a");
    assert_string_equal(cJSON_GetObjectItem(reading_at(root, 1), "output")->valuestring, "main");
    assert_int_equal(count_sources(reading_at(root, 1)), 2);
    cJSON_Delete(root);
    buf_fini(&page);
    assert_int_equal(folder_remove(folder), 0);
    assert_true(
        sources_recall(folder, inputs, &(struct sources_query){ .has_file = false }, &page));
    assert_non_null(strstr(page.data, "\"readings\":[],\"asked\":false"));
    buf_fini(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_readings_answer_in_the_order_in_which_they_were_asked),
        cmocka_unit_test(who_does_not_answer_in_time_is_named_and_may_answer_later),
        cmocka_unit_test(a_question_that_nobody_passed_on_says_so),
        cmocka_unit_test(only_what_is_asked_for_is_told),
        cmocka_unit_test(an_answer_is_bounded_and_counts_what_it_left_out),
        cmocka_unit_test(no_more_readings_are_expected_than_were_announced),
        cmocka_unit_test(the_last_answer_ends_the_wait),
        cmocka_unit_test(checkpoints_are_recalled_by_the_input_that_wrote_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
