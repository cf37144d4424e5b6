/* SPDX-License-Identifier: Apache-2.0 */
/* child: with the real starter, and real processes. */
#include "children/child.h"

#include "children/request.h"
#include "test.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS = 60000 };

struct fixture {
    struct buf allowed;
    size_t end;
    struct starter starter;
};

static struct buf pack_shell(const char *script)
{
    const char *words[] = { "/bin/sh", "-c", script };
    struct command_line command = { .words = { words, 3 }, .folder = "" };
    struct buf bytes = { 0 };
    struct err err;

    assert_true(request_pack(&command, &bytes, &err));
    return bytes;
}

static struct fixture *begin(const char *allowed)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct starter_config config = { .any_command = allowed == NULL, .bounds = &fixture->end };
    struct err err;

    if (allowed != NULL) {
        fixture->allowed = pack_shell(allowed);
        fixture->end = fixture->allowed.bytes;
        config.allowed = buf_slice(&fixture->allowed);
        config.count = 1;
    }
    assert_true(starter_start(&fixture->starter, &config, &err));
    return fixture;
}

static void end(struct fixture *fixture)
{
    starter_stop(&fixture->starter);
    buf_fini(&fixture->allowed);
    free(fixture);
}

static struct child *start(const struct fixture *fixture, const char *script)
{
    struct buf request = pack_shell(script);
    struct err err = { "" };
    struct child *child = child_start(&fixture->starter, buf_slice(&request), &err);

    buf_fini(&request);
    if (child == NULL)
        fail_msg("%s", err.text);
    return child;
}

static struct child_news await_end(struct child *child)
{
    struct child_news news;
    struct pollfd line = { .fd = child_line(child), .events = POLLIN };

    while ((news = child_look(child)).state == CHILD_RUNS)
        assert_int_equal(poll(&line, 1, WAIT_MS), 1);
    return news;
}

/* All that it writes until its end. */
static void read_all(struct child *child, char *text, size_t room)
{
    struct pollfd output = { .fd = child_output(child), .events = POLLIN };
    size_t filled = 0;
    ssize_t bytes;

    do {
        assert_int_equal(poll(&output, 1, WAIT_MS), 1);
        bytes = read(output.fd, text + filled, room - 1 - filled);
        filled += bytes > 0 ? (size_t)bytes : 0;
    } while (bytes > 0);
    text[filled] = '\0';
}

static void output_and_exit_status_arrive(void **unused)
{
    struct fixture *fixture = begin(NULL);
    struct child *child = start(fixture, "echo out; echo err >&2; exit 7");
    char text[64];

    (void)unused;
    read_all(child, text, sizeof(text));
    assert_string_equal(text, "out\n");
    assert_int_equal(read(child_errors(child), text, sizeof(text)), 4);
    struct child_news news = await_end(child);
    assert_int_equal(news.state, CHILD_EXITED);
    assert_int_equal(news.number, 7);
    child_free(&child);
    end(fixture);
}

/* What /proc says of a child that looks at itself: nothing of ours but its three descriptors, no
 * signal blocked or ignored, a group of its own. */
static void a_child_inherits_nothing_but_its_three_descriptors(void **unused)
{
    struct fixture *fixture = begin(NULL);
    char text[4096];

    (void)unused;
    struct child *child = start(fixture, "ls /proc/$$/fd | tr '\\n' ' '; "
                                         "grep -E 'SigBlk|SigIgn' /proc/self/status; "
                                         "cut -d' ' -f1,5 /proc/$$/stat; readlink /proc/$$/fd/0");
    read_all(child, text, sizeof(text));
    assert_ptr_equal(strstr(text, "0 1 2 "), text);
    assert_non_null(strstr(text, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"));
    assert_non_null(strstr(text, "/dev/null"));
    const char *numbers = strstr(text, "SigIgn") + strlen("SigIgn:\t0000000000000000\n");
    char *rest;
    long pid = strtol(numbers, &rest, 10);
    assert_int_equal(strtol(rest, NULL, 10), pid);
    (void)await_end(child);
    child_free(&child);
    end(fixture);
}

static void only_what_was_allowed_is_started(void **unused)
{
    struct fixture *fixture = begin("exit 3");
    struct child *child = start(fixture, "exit 3");

    (void)unused;
    assert_int_equal(await_end(child).number, 3);
    child_free(&child);
    child = start(fixture, "exit 4");
    struct child_news news = await_end(child);
    assert_int_equal(news.state, CHILD_FAILED);
    assert_int_equal(news.error, EPERM);
    child_free(&child);
    end(fixture);
}

static bool is_gone(pid_t pid)
{
    for (int i = 0; i < WAIT_MS / 10; i++) {
        if (kill(pid, 0) != 0)
            return true;
        (void)poll(NULL, 0, 10);
    }
    return false;
}

static void a_child_that_nobody_holds_any_more_ends_with_its_group(void **unused)
{
    struct fixture *fixture = begin(NULL);
    struct child *child = start(fixture, "trap '' TERM; sleep 1000 & echo $!; wait");
    struct pollfd output = { .fd = child_output(child), .events = POLLIN };
    char text[64] = "";

    (void)unused;
    assert_int_equal(poll(&output, 1, WAIT_MS), 1);
    assert_true(read(output.fd, text, sizeof(text) - 1) > 0);
    pid_t grandchild = (pid_t)strtol(text, NULL, 10);
    struct child_news news = child_look(child);
    assert_true(news.pid > 0 && grandchild > 0);
    child_signal(child, SIGTERM); /* it does not listen */
    assert_int_equal(kill((pid_t)news.pid, 0), 0);
    child_free(&child);
    assert_true(is_gone((pid_t)news.pid));
    assert_true(is_gone(grandchild));
    end(fixture);
}

static void a_signal_reaches_the_group_and_is_told(void **unused)
{
    struct fixture *fixture = begin(NULL);
    struct child *child = start(fixture, "sleep 1000");

    (void)unused;
    child_signal(child, SIGTERM);
    struct child_news news = await_end(child);
    assert_int_equal(news.state, CHILD_KILLED);
    assert_int_equal(news.number, SIGTERM);
    child_free(&child);
    end(fixture);
}

static void what_cannot_be_run_says_why(void **unused)
{
    struct fixture *fixture = begin(NULL);
    const char *words[] = { "/no/such/program" };
    struct command_line command = { .words = { words, 1 }, .folder = "" };
    struct buf request = { 0 };
    struct err err;

    (void)unused;
    assert_true(request_pack(&command, &request, &err));
    struct child *child = child_start(&fixture->starter, buf_slice(&request), &err);
    struct child_news news = await_end(child);
    assert_int_equal(news.state, CHILD_FAILED);
    assert_int_equal(news.error, ENOENT);
    assert_string_equal(news.what, "cannot run the program");
    child_free(&child);
    command.folder = "/no/such/folder";
    buf_clear(&request);
    assert_true(request_pack(&command, &request, &err));
    child = child_start(&fixture->starter, buf_slice(&request), &err);
    assert_string_equal(await_end(child).what, "cannot go to working_directory");
    child_free(&child);
    buf_fini(&request);
    end(fixture);
}

static void without_a_starter_there_is_no_child(void **unused)
{
    struct fixture *fixture = begin(NULL);
    struct child *child = start(fixture, "sleep 1000");
    struct buf request = pack_shell("true");
    struct err err = { "" };

    (void)unused;
    siginfo_t info;
    assert_int_equal(kill(fixture->starter.pid, SIGKILL), 0);
    assert_int_equal(await_end(child).state, CHILD_FAILED);
    /* The kernel closes what it had open one by one: the line of that child before the starter's.
     */
    assert_int_equal(waitid(P_PID, (id_t)fixture->starter.pid, &info, WEXITED | WNOWAIT), 0);
    child_free(&child);
    assert_null(child_start(&fixture->starter, buf_slice(&request), &err));
    assert_non_null(strstr(err.text, "has ended"));
    buf_fini(&request);
    end(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_exit_status_arrive),
        cmocka_unit_test(a_child_inherits_nothing_but_its_three_descriptors),
        cmocka_unit_test(only_what_was_allowed_is_started),
        cmocka_unit_test(a_child_that_nobody_holds_any_more_ends_with_its_group),
        cmocka_unit_test(a_signal_reaches_the_group_and_is_told),
        cmocka_unit_test(what_cannot_be_run_says_why),
        cmocka_unit_test(without_a_starter_there_is_no_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
