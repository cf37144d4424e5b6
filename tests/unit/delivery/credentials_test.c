/* SPDX-License-Identifier: Apache-2.0 */
#include "delivery/credentials.h"

#include "base/file.h"
#include "folder.h"
#include "test.h"

#include <sys/resource.h>

enum { LATER_MS = 5000 };

struct fixture {
    char folder[64], ca[96], cert[96], key[96], token[96];
    struct http_request request;
    struct credentials *credentials;
    int64_t now_ms;
    unsigned set; /* of the last request */
};

static int setup(void **statep)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    (void)strcpy(fixture->folder, "/tmp/spillway-credentials-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    (void)snprintf(fixture->ca, sizeof(fixture->ca), "%s/ca", fixture->folder);
    (void)snprintf(fixture->cert, sizeof(fixture->cert), "%s/cert", fixture->folder);
    (void)snprintf(fixture->key, sizeof(fixture->key), "%s/key", fixture->folder);
    (void)snprintf(fixture->token, sizeof(fixture->token), "%s/token", fixture->folder);
    fixture->credentials = credentials_new();
    fixture->now_ms = 1;
    *statep = fixture;
    return 0;
}

static int teardown(void **statep)
{
    struct fixture *fixture = *statep;

    credentials_free(&fixture->credentials);
    (void)folder_remove(fixture->folder);
    free(fixture);
    return 0;
}

static void put(const char *path, const char *text)
{
    struct err err = { "" };
    if (!file_replace(path, slice_of(text), false, &err))
        fail_msg("%s", err.text);
}

static void put_all(struct fixture *fixture, const char *text)
{
    put(fixture->ca, text);
    put(fixture->cert, text);
    put(fixture->key, text);
}

/* A request, so long after the one before. */
static void begin_after(struct fixture *fixture, int64_t later_ms)
{
    fixture->request = (struct http_request){ .ca_file = fixture->ca,
                                              .cert_file = fixture->cert,
                                              .key_file = fixture->key,
                                              .bearer_token_file = fixture->token };
    fixture->now_ms += later_ms;
    fixture->set = credentials_apply(fixture->credentials, &fixture->request, fixture->now_ms);
}

static void begin(struct fixture *fixture)
{
    begin_after(fixture, LATER_MS);
}

static void assert_content(const char *path, const char *wanted)
{
    struct buf text = { .limit = 1024 };
    struct err err = { "" };

    if (!file_read(path, &text, &err))
        fail_msg("%s", err.text);
    assert_string_equal(text.data, wanted);
    buf_fini(&text);
}

static enum credentials_news news(struct fixture *fixture, char ret_why[256])
{
    return credentials_take_news(fixture->credentials, ret_why, 256);
}

static bool judge(struct fixture *fixture, enum credentials_use use)
{
    return credentials_judge(fixture->credentials, fixture->set, use);
}

static void files_are_read_when_they_change_and_not_before(void **statep)
{
    struct fixture *fixture = *statep;
    char why[256], first[64];

    put_all(fixture, "one");
    begin(fixture);
    assert_content(fixture->request.cert_file, "one");
    (void)snprintf(first, sizeof(first), "%s", fixture->request.cert_file);
    begin(fixture);
    assert_string_equal(fixture->request.cert_file, first);
    assert_int_equal(news(fixture, why), CREDENTIALS_SAME);
    put_all(fixture, "two");
    begin(fixture);
    assert_content(fixture->request.cert_file, "two");
    assert_content(fixture->request.key_file, "two");
    assert_string_not_equal(fixture->request.cert_file, first);
    assert_false(judge(fixture, CREDENTIALS_WORK));
    assert_int_equal(news(fixture, why), CREDENTIALS_TAKEN);
}

static void at_most_once_a_second(void **statep)
{
    struct fixture *fixture = *statep;

    put_all(fixture, "one");
    begin(fixture);
    put_all(fixture, "two");
    begin_after(fixture, 1);
    assert_content(fixture->request.cert_file, "one");
}

static void new_ones_of_no_use_give_way_to_the_old_ones(void **statep)
{
    struct fixture *fixture = *statep;
    char why[256];

    put_all(fixture, "one");
    begin(fixture);
    (void)judge(fixture, CREDENTIALS_WORK);
    put(fixture->cert, "two"); /* and the key does not fit */
    begin(fixture);
    assert_content(fixture->request.cert_file, "two");
    assert_true(judge(fixture, CREDENTIALS_FAIL));
    assert_int_equal(news(fixture, why), CREDENTIALS_REFUSED);
    begin(fixture);
    assert_content(fixture->request.cert_file, "one");
    put(fixture->key, "two"); /* now it fits */
    begin(fixture);
    assert_content(fixture->request.cert_file, "two");
    assert_content(fixture->request.key_file, "two");
    assert_false(judge(fixture, CREDENTIALS_WORK));
    assert_int_equal(news(fixture, why), CREDENTIALS_TAKEN);
}

static void when_the_old_ones_fail_too_the_new_ones_are_tried_again(void **statep)
{
    struct fixture *fixture = *statep;

    put_all(fixture, "one");
    begin(fixture);
    (void)judge(fixture, CREDENTIALS_WORK);
    put_all(fixture, "two"); /* before the endpoint takes them */
    begin(fixture);
    assert_true(judge(fixture, CREDENTIALS_FAIL));
    begin(fixture);
    assert_content(fixture->request.ca_file, "one");
    assert_false(judge(fixture, CREDENTIALS_FAIL)); /* the endpoint has changed by now */
    begin(fixture);
    assert_content(fixture->request.ca_file, "two");
}

static void what_cannot_be_read_changes_nothing_until_it_can(void **statep)
{
    struct fixture *fixture = *statep;
    char why[256];

    put_all(fixture, "one");
    begin(fixture);
    assert_int_equal(unlink(fixture->key), 0);
    begin(fixture);
    assert_content(fixture->request.key_file, "one");
    assert_int_equal(news(fixture, why), CREDENTIALS_REFUSED);
    assert_non_null(strstr(why, fixture->key));
    begin(fixture);
    assert_int_equal(news(fixture, why), CREDENTIALS_SAME); /* said once */
    put(fixture->key, "two");
    begin(fixture);
    assert_content(fixture->request.key_file, "two");
}

static void without_a_first_set_the_files_are_named_as_they_are(void **statep)
{
    struct fixture *fixture = *statep;

    begin(fixture);
    assert_int_equal(fixture->set, 0);
    assert_string_equal(fixture->request.cert_file, fixture->cert);
    assert_false(judge(fixture, CREDENTIALS_FAIL));
}

static void an_answer_to_an_older_set_says_nothing_of_the_new_one(void **statep)
{
    struct fixture *fixture = *statep;
    char why[256];

    put_all(fixture, "one");
    begin(fixture);
    unsigned older = fixture->set;
    put_all(fixture, "two");
    begin(fixture);
    assert_false(credentials_judge(fixture->credentials, older, CREDENTIALS_FAIL));
    assert_int_equal(news(fixture, why), CREDENTIALS_SAME);
    begin(fixture);
    assert_content(fixture->request.cert_file, "two");
}

static void a_token_is_one_word_and_a_bad_one_leaves_the_old(void **statep)
{
    struct fixture *fixture = *statep;
    char why[256];

    put(fixture->token, "secret-1\n");
    begin(fixture);
    assert_string_equal(fixture->request.bearer_token, "secret-1");
    (void)news(fixture, why);
    put(fixture->token, "secret-2");
    begin(fixture);
    assert_string_equal(fixture->request.bearer_token, "secret-2");
    assert_int_equal(news(fixture, why), CREDENTIALS_TAKEN);
    put(fixture->token, "two words");
    begin(fixture);
    assert_string_equal(fixture->request.bearer_token, "secret-2");
    assert_int_equal(news(fixture, why), CREDENTIALS_REFUSED);
    assert_null(strstr(why, "words")); /* never shown */
    put(fixture->token, "\n");
    begin(fixture);
    assert_string_equal(fixture->request.bearer_token, "secret-2");
}

/* As where there are no descriptors left. */
static void
a_token_that_could_not_be_read_is_read_once_it_can_be_though_it_has_not_changed(void **statep)
{
    struct fixture *fixture = *statep;
    struct rlimit limit, none;
    char why[256];

    put(fixture->token, "secret-1");
    begin(fixture);
    (void)news(fixture, why);
    put(fixture->token, "secret-2");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){ 0, limit.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (int i = 0; i < 3; i++) {
        begin(fixture);
        assert_int_equal(news(fixture, why), i == 0 ? CREDENTIALS_REFUSED : CREDENTIALS_SAME);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_string_equal(fixture->request.bearer_token, "secret-1");
    begin(fixture);
    assert_string_equal(fixture->request.bearer_token, "secret-2");
    assert_int_equal(news(fixture, why), CREDENTIALS_TAKEN);
}

#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILES(files_are_read_when_they_change_and_not_before),
        WITH_FILES(at_most_once_a_second),
        WITH_FILES(new_ones_of_no_use_give_way_to_the_old_ones),
        WITH_FILES(when_the_old_ones_fail_too_the_new_ones_are_tried_again),
        WITH_FILES(what_cannot_be_read_changes_nothing_until_it_can),
        WITH_FILES(without_a_first_set_the_files_are_named_as_they_are),
        WITH_FILES(an_answer_to_an_older_set_says_nothing_of_the_new_one),
        WITH_FILES(a_token_is_one_word_and_a_bad_one_leaves_the_old),
        WITH_FILES(a_token_that_could_not_be_read_is_read_once_it_can_be_though_it_has_not_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
