/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "plugin.h"

extern const struct output output_http;

/* The same rows as in the plugin would be a second declaration: options are set by their keys. */
struct form {
    char *config;
};

static void set(struct form *form, const char *key, const void *value, size_t bytes)
{
    for (const struct option *option = output_http.type.options; option->key != NULL; option++) {
        if (strcmp(option->key, key) == 0) {
            memcpy(form->config + option->offset, value, bytes);
            return;
        }
    }
    fail_msg("no option %s", key);
}

static void set_text(struct form *form, const char *key, const char *text)
{
    set(form, key, &text, sizeof(text));
}

static struct form make_form(const char *url)
{
    struct form form = { .config = calloc(1, output_http.type.config_bytes) };

    assert_non_null(form.config);
    for (const struct option *option = output_http.type.options; option->key != NULL; option++) {
        if (option->type == OPT_text || option->type == OPT_secret)
            set_text(&form, option->key, "");
    }
    set_text(&form, "url", url);
    return form;
}

/* "": the check passes. */
static const char *check(struct form *form)
{
    static struct err err;

    err.text[0] = '\0';
    if (output_http.type.check(form->config, &err))
        assert_string_equal(err.text, "");
    else
        assert_string_not_equal(err.text, "");
    free(form->config);
    return err.text;
}

static const char *check_url(const char *url)
{
    struct form form = make_form(url);

    return check(&form);
}

static const char *check_header(const char *name, const char *value, const char *user)
{
    struct form form = make_form("http://host/");
    struct text_pair pair = { name, value };
    struct text_map map = { &pair, 1 };

    set(&form, "headers", &map, sizeof(map));
    set_text(&form, "auth__user", user);
    return check(&form);
}

static void urls_that_cannot_work_are_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "",
                                       "host",
                                       "ftp://host/",
                                       "file:///etc/passwd",
                                       "http:/host",
                                       "http://",
                                       "https:///path",
                                       "http://?query",
                                       "http://ho st/",
                                       "http://host/a\nb",
                                       "http://host:/",
                                       "http://host:0/",
                                       "http://host:65536/",
                                       "http://host:8x/",
                                       "http://host:-1/",
                                       "http://:80/",
                                       "http://[::1]:99999/" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (check_url(bad[i])[0] == '\0')
            fail_msg("'%s' was taken", bad[i]);
    }
}

static void a_password_in_a_url_is_refused_and_not_repeated(void **unused)
{
    (void)unused;
    const char *text = check_url("https://me:hunter2@host/");
    assert_non_null(strstr(text, "auth.user"));
    assert_null(strstr(text, "hunter2"));
}

static void urls_that_can_work_are_taken(void **unused)
{
    (void)unused;
    static const char *const good[] = { "http://host", "HTTPS://host.example:8443/in?a=b@c",
                                        "http://[::1]/", "http://[::1]:65535/in",
                                        "http://127.0.0.1:1" };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_string_equal(check_url(good[i]), "");
}

static void headers_that_the_agent_sets_itself_are_refused(void **unused)
{
    (void)unused;
    static const char *const reserved[] = { "content-type",      "Content-Encoding",
                                            "CONTENT-LENGTH",    "transfer-encoding",
                                            "connection",        "expect",
                                            "user-agent",        "idempotency-key",
                                            "Spillway-Sequence", "spillway-anything" };
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        assert_non_null(strstr(check_header(reserved[i], "x", ""), "set by the agent itself"));
    assert_non_null(strstr(check_header("Authorization", "x", "me"), "auth"));
}

static void headers_cannot_smuggle_others_in(void **unused)
{
    (void)unused;
    assert_string_not_equal(check_header("X-A", "b\r\nX-Evil: c", ""), "");
    assert_string_not_equal(check_header("X-A", "b\n", ""), "");
    assert_string_not_equal(check_header("X-A\r\nX-Evil", "b", ""), "");
    assert_string_not_equal(check_header("X A", "b", ""), "");
    assert_string_not_equal(check_header("", "b", ""), "");
    assert_string_equal(check_header("X-A", "b c", ""), "");
    assert_string_equal(check_header("Authorization", "Splunk 123", ""), "");
}

static void two_ways_to_authenticate_are_refused(void **unused)
{
    (void)unused;
    struct form form = make_form("http://host/");
    set_text(&form, "auth__user", "me");
    set_text(&form, "auth__bearer_token", "abc");
    assert_non_null(strstr(check(&form), "one of them"));
    form = make_form("http://host/");
    set_text(&form, "auth__password", "secret");
    assert_string_equal(check(&form), "auth: password without user");
    form = make_form("http://host/");
    set_text(&form, "auth__bearer_token", "abc\r\nX-Evil: 1");
    assert_null(strstr(check(&form), "Evil"));
}

static void a_certificate_needs_its_key_and_a_key_its_certificate(void **unused)
{
    (void)unused;
    struct form form = make_form("https://host/");
    set_text(&form, "tls__cert_file", "c.pem");
    assert_string_not_equal(check(&form), "");
    form = make_form("https://host/");
    set_text(&form, "tls__key_file", "k.pem");
    assert_string_not_equal(check(&form), "");
    form = make_form("https://host/");
    set_text(&form, "tls__cert_file", "c.pem");
    set_text(&form, "tls__key_file", "k.pem");
    assert_string_equal(check(&form), "");
}

static void the_request_says_what_the_configuration_says(void **unused)
{
    (void)unused;
    struct form form = make_form("https://host/in");
    struct text_pair pair = { "X-A", "b" };
    struct text_map map = { &pair, 1 };
    opt_choice put = 1, array = 1;
    struct http_request request;
    enum encoding encoding;
    struct err err;
    char *state = calloc(1, output_http.type.state_bytes);
    set(&form, "headers", &map, sizeof(map));
    set(&form, "method", &put, sizeof(put));
    set(&form, "format", &array, sizeof(array));
    set_text(&form, "auth__bearer_token", "abc");
    assert_true(output_http.open(state, form.config, NULL, &err));
    output_http.request(state, &request);
    output_http.format(form.config, &encoding);
    assert_string_equal(request.url, "https://host/in");
    assert_string_equal(request.method, "PUT");
    assert_string_equal(request.bearer_token, "abc");
    assert_int_equal(request.header_count, 1);
    assert_string_equal(request.headers[0].value, "b");
    assert_int_equal(encoding, ENCODE_JSON_ARRAY);
    free(state);
    free(form.config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_that_cannot_work_are_refused),
        cmocka_unit_test(a_password_in_a_url_is_refused_and_not_repeated),
        cmocka_unit_test(urls_that_can_work_are_taken),
        cmocka_unit_test(headers_that_the_agent_sets_itself_are_refused),
        cmocka_unit_test(headers_cannot_smuggle_others_in),
        cmocka_unit_test(two_ways_to_authenticate_are_refused),
        cmocka_unit_test(a_certificate_needs_its_key_and_a_key_its_certificate),
        cmocka_unit_test(the_request_says_what_the_configuration_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
