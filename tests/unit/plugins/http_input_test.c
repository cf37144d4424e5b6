/* SPDX-License-Identifier: Apache-2.0 */
/* The input http as it goes from one configuration to another. */
#include "certificate.h"
#include "descriptors.h"
#include "fake_sink.h"
#include "folder.h"

#include "inputs/http/state.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

extern const struct input input_http;

enum { ANSWER_TEXT_BYTES = 4096 };

static const char *anywhere[] = { "tcp://127.0.0.1:0" };
static const struct host host = { .name = "in" };

struct scene {
    struct http_input_config config, next;
    void *state;
    struct sink *sink;
};

static struct http_input_config make_config(enum acknowledge acknowledge)
{
    return (struct http_input_config){ .listen = { anywhere, 1 },
                                       .socket_mode = "0660",
                                       .socket_owner = "",
                                       .format = TAKE_LINES,
                                       .retry_after = 1000,
                                       .acknowledge = acknowledge,
                                       .acknowledge_timeout = 60000,
                                       .max_body_bytes = 4096,
                                       .max_pending_bytes = 8192,
                                       .max_event_bytes = 1024,
                                       .max_connections = 4,
                                       .max_connections_per_address = 4,
                                       .request_timeout = 60000,
                                       .idle_timeout = 60000,
                                       .auth__user = "",
                                       .auth__password = "",
                                       .auth__bearer_token = "",
                                       .tls__cert_file = "",
                                       .tls__key_file = "" };
}

static unsigned exchanges_to_refuse, responses_to_refuse;

void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);

void *__wrap_calloc(size_t count, size_t bytes)
{
    if (bytes != sizeof(struct exchange) || exchanges_to_refuse == 0)
        return __real_calloc(count, bytes);
    exchanges_to_refuse--;
    return NULL;
}

struct MHD_Response *__real_MHD_create_response_from_buffer(size_t bytes, void *data,
                                                            enum MHD_ResponseMemoryMode mode);
struct MHD_Response *__wrap_MHD_create_response_from_buffer(size_t bytes, void *data,
                                                            enum MHD_ResponseMemoryMode mode);

struct MHD_Response *__wrap_MHD_create_response_from_buffer(size_t bytes, void *data,
                                                            enum MHD_ResponseMemoryMode mode)
{
    if (responses_to_refuse == 0)
        return __real_MHD_create_response_from_buffer(bytes, data, mode);
    responses_to_refuse--;
    return NULL;
}

static int set_up(void **statep)
{
    struct scene *scene = calloc(1, sizeof(*scene));

    assert_non_null(scene);
    assert_int_equal(sizeof(scene->config), input_http.type.config_bytes);
    scene->state = calloc(1, input_http.type.state_bytes);
    scene->sink = fake_sink_new();
    scene->config = scene->next = make_config(ACKNOWLEDGE_DELIVERED);
    *statep = scene;
    return 0;
}

static int tear_down(void **statep)
{
    struct scene *scene = *statep;

    input_http.close(scene->state);
    fake_sink_free(&scene->sink);
    free(scene->state);
    free(scene);
    return 0;
}

static void open_input(struct scene *scene)
{
    struct err err = { "" };

    assert_true(input_http.open(scene->state, &scene->config, &host, &err));
    (void)fake_sink_collect(scene->sink, &input_http, scene->state);
}

static bool change(struct scene *scene, const struct http_input_config *config)
{
    struct err err = { "" };

    return input_http.change(scene->state, config, &host, &err);
}

/* Where it listens, as it told. */
static struct sockaddr_in address_of(const struct scene *scene)
{
    const char *told = scene->sink->tells[scene->sink->tell_count - 1].what;
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)atoi(strrchr(told, ':') + 1)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

    assert_true(fake_sink_told(scene->sink, "listening"));
    return address;
}

static int connect_to(struct scene *scene)
{
    struct sockaddr_in address = address_of(scene);
    uint64_t before = scene->sink->numbers[SINK_CONNECTIONS_ACCEPTED];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    while (scene->sink->numbers[SINK_CONNECTIONS_ACCEPTED] == before)
        (void)fake_sink_collect(scene->sink, &input_http, scene->state);
    return fd;
}

static void post(int fd, const char *body)
{
    char text[256];
    int bytes =
        snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s",
                 strlen(body), body);

    assert_int_equal(send(fd, text, (size_t)bytes, MSG_NOSIGNAL), bytes);
}

/* All that comes until the connection ends; closes it. */
static void read_answer(int fd, char ret[ANSWER_TEXT_BYTES])
{
    size_t bytes = 0;
    ssize_t got;

    while ((got = recv(fd, ret + bytes, ANSWER_TEXT_BYTES - 1 - bytes, 0)) > 0)
        bytes += (size_t)got;
    ret[bytes] = '\0';
    (void)close(fd);
}

/* ---- tests ---- */

static void a_request_by_the_old_inlet_in_its_last_run_does_not_wait_for_its_events(void **statep)
{
    struct scene *scene = *statep;
    char answer[ANSWER_TEXT_BYTES];
    open_input(scene);
    int fd = connect_to(scene);
    scene->next.max_connections = 8; /* another inlet in the same place */
    assert_true(change(scene, &scene->next));
    post(fd, "late\n");
    (void)fake_sink_collect(scene->sink, &input_http, scene->state);
    read_answer(fd, answer);
    assert_non_null(strstr(answer, " 503 "));
    assert_int_equal(scene->sink->event_count, 0);
}

static void going_back_reads_no_file(void **statep)
{
    struct scene *scene = *statep;
    char folder[] = "/tmp/http-input-test-XXXXXX", byte;
    struct certificate pair;
    static const char *by_tls[] = { "tls://127.0.0.1:0" };
    assert_non_null(mkdtemp(folder));
    certificate_make(folder, "server", &pair);
    scene->config.listen.items = by_tls;
    scene->config.tls__cert_file = pair.cert;
    scene->config.tls__key_file = pair.key;
    scene->next = scene->config;
    open_input(scene);
    int fd = connect_to(scene);
    for (unsigned max_connections = 4; max_connections <= 8; max_connections += 4) {
        certificate_make(folder, "server", &pair);
        scene->next.max_connections = max_connections;
        assert_true(change(scene, &scene->next)); /* another inlet */
        assert_int_equal(unlink(pair.cert), 0);
        assert_true(change(scene, &scene->config));
    }
    (void)fake_sink_collect(scene->sink, &input_http, scene->state);
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1); /* not even cut */
    assert_int_equal(errno, EAGAIN);
    (void)close(fd);
    (void)folder_remove(folder);
}

static void two_changes_without_a_round_between_them_leave_one_way_back(void **statep)
{
    struct scene *scene = *statep;
    struct http_input_config third = scene->next;
    char byte;
    open_input(scene);
    int fd = connect_to(scene);
    post(fd, "waits\n");
    while (scene->sink->event_count == 0)
        (void)fake_sink_collect(scene->sink, &input_http, scene->state);
    scene->next.max_connections = 8;
    third.max_connections = 16;
    assert_true(change(scene, &scene->next));
    assert_true(change(scene, &third));
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 0); /* what it waited for is not known */
    assert_true(change(scene, &scene->next));
    (void)close(fd);
    (void)close(connect_to(scene));
}

/* Whether the core would be woken at once, without anything that it could do. */
static bool wakes_at_once(struct scene *scene)
{
    struct waits waits = { .fd_count = 0 };

    input_http.wait(scene->state, &waits);
    struct pollfd ready = { .fd = waits.fd_count == 0 ? -1 : waits.fds[0], .events = POLLIN };
    return poll(&ready, 1, 0) == 1 || (waits.until_ms != 0 && waits.until_ms <= clock_now_ms());
}

/* libmicrohttpd would have us try without end. */
static void without_a_descriptor_for_the_first_connection_it_rests(void **statep)
{
    struct scene *scene = *statep;
    open_input(scene);
    struct sockaddr_in address = address_of(scene);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    struct rlimit before = descriptors_use_up();
    size_t told = scene->sink->tell_count;
    for (int i = 0; i < 3; i++)
        (void)fake_sink_collect(scene->sink, &input_http, scene->state);
    bool wakes = wakes_at_once(scene);
    descriptors_give_back(before);
    assert_false(wakes);
    assert_int_equal(scene->sink->tell_count, told + 1);
    assert_true(fake_sink_told(scene->sink, "cannot accept connections"));
    while (scene->sink->numbers[SINK_CONNECTIONS_ACCEPTED] == 0)
        (void)fake_sink_collect(scene->sink, &input_http, scene->state);
    (void)close(fd);
}

static void a_request_without_memory_is_cut_and_counted(void **statep)
{
    struct scene *scene = *statep;
    char answer[ANSWER_TEXT_BYTES];
    scene->config.acknowledge = ACKNOWLEDGE_ACCEPTED;
    open_input(scene);
    for (unsigned i = 0; i < 2; i++) {
        int fd = connect_to(scene);
        exchanges_to_refuse = i == 0;
        responses_to_refuse = i == 1;
        post(fd, "line\n");
        while (exchanges_to_refuse + responses_to_refuse > 0)
            (void)fake_sink_collect(scene->sink, &input_http, scene->state);
        (void)fake_sink_collect(scene->sink, &input_http, scene->state);
        read_answer(fd, answer);
        assert_string_equal(answer, "");
        assert_int_equal(scene->sink->numbers[SINK_REQUESTS_PUT_OFF], i + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_request_by_the_old_inlet_in_its_last_run_does_not_wait_for_its_events, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(without_a_descriptor_for_the_first_connection_it_rests,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_request_without_memory_is_cut_and_counted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(going_back_reads_no_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_changes_without_a_round_between_them_leave_one_way_back,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
