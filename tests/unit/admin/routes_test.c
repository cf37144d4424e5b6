/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "admin/routes.h"

#include <string.h>

/* What came to add_sources(). */
static struct admin_query asked;
static unsigned times;

static bool add_sources(void *context, const struct admin_query *query, struct buf *ret)
{
    (void)context;
    asked = *query;
    times++;
    return buf_add_text(ret, "the sources");
}

static struct admin_config config = { .listen = "127.0.0.1:9464",
                                      .cert_file = "",
                                      .key_file = "",
                                      .token = "",
                                      .add_sources = add_sources };

static void expect(const struct request *request, unsigned status, const char *words)
{
    struct reply reply = { .status = 0 };

    assert_true(routes_answer(&config, ADMIN_RUNNING, request, &reply));
    if (reply.status != status || strstr(buf_slice(&reply.text).data, words) == NULL)
        fail_msg("%s: %u, %s", request->url, reply.status, buf_slice(&reply.text).data);
    buf_fini(&reply.text);
}

static void sources_are_told_on_the_unix_socket(void **unused)
{
    (void)unused;
    times = 0;
    expect(&(struct request){ .url = "/sources", .method = "GET" }, 200, "the sources");
    assert_int_equal(times, 1);
    assert_false(asked.has_file || asked.has_name);
}

static void on_the_port_only_with_a_token_that_there_is(void **unused)
{
    struct request request = {
        .url = "/sources", .method = "GET", .host = "localhost", .bound = "127.0.0.1:9464"
    };
    (void)unused;
    times = 0;
    config.token = "";
    expect(&request, 403, "unix socket");
    config.token = "a-token";
    expect(&request, 401, "Bearer");
    request.authorization = "Bearer another";
    expect(&request, 401, "Bearer");
    assert_int_equal(times, 0);
    request.authorization = "Bearer a-token";
    expect(&request, 200, "the sources");
    config.token = "";
    request.url = "/healthz/";
    expect(&request, 404, "/sources");
}

static void the_query_names_a_file_or_a_name(void **unused)
{
    struct request request = { .url = "/sources",
                               .method = "GET",
                               .file = "34359738369:18446744073709551615",
                               .name = "fFfFfFfF" };
    (void)unused;
    expect(&request, 200, "the sources");
    assert_true(asked.has_file && asked.has_name);
    assert_true(asked.device == 34359738369 && asked.inode == UINT64_MAX);
    assert_int_equal(asked.name_sum, UINT32_MAX);
}

static void a_query_that_is_none_is_refused(void **unused)
{
    static const char *const files[] = { "", "1", "1:", ":1", "1:x", "1:2:", "1:2x", "x" };
    static const char *const names[] = { "", "xyz", "100000000", "12 " };
    (void)unused;
    times = 0;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        expect(&(struct request){ .url = "/sources", .method = "GET", .file = files[i] }, 400,
               "DEVICE:INODE");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        expect(&(struct request){ .url = "/sources", .method = "GET", .name = names[i] }, 400,
               "DEVICE:INODE");
    assert_int_equal(times, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_are_told_on_the_unix_socket),
        cmocka_unit_test(on_the_port_only_with_a_token_that_there_is),
        cmocka_unit_test(the_query_names_a_file_or_a_name),
        cmocka_unit_test(a_query_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
