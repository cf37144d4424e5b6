/* SPDX-License-Identifier: Apache-2.0 */
/* connections: TCP sockets by state. The kernel is asked for its list of them; where it does not
 * give that, or the host's root is another (and with it perhaps its network), they are read from
 * /proc/net/tcp and tcp6, see proc(5). A busy host has a hundred thousand lines there, so they are
 * taken a piece at a time and only counted. */
#include "groups.h"
#include "tcp_states.h"

#include <fcntl.h>
#include <limits.h>

enum { PIECE_BYTES = 16 * 1024, STATE_WORD = 3 };

/* "  0: 0100007F:1F90 00000000:0000 0A …": the fourth word, hexadecimal. */
static void count_line(struct tcp_count *count, struct slice line)
{
    struct slice word = { NULL, 0 };
    unsigned state = 0;

    for (int i = 0; i <= STATE_WORD; i++) {
        if (!proc_take_word(&line, &word))
            return;
    }
    if (word.bytes != 2)
        return; /* the heading */
    for (size_t i = 0; i < 2; i++) {
        char byte = word.data[i];
        bool is_digit = byte >= '0' && byte <= '9', is_letter = byte >= 'A' && byte <= 'F';
        if (!is_digit && !is_letter)
            return;
        state = state * 16 + (unsigned)(is_digit ? byte - '0' : byte - 'A' + 10);
    }
    count->sockets++;
    if (state < TCP_STATES)
        count->by_state[state]++;
}

static bool count_lines(int fd, struct tcp_count *count)
{
    char piece[PIECE_BYTES];
    size_t kept = 0;

    for (;;) {
        ssize_t bytes = read(fd, piece + kept, sizeof(piece) - kept);
        if (bytes < 0 && errno == EINTR)
            continue;
        if (bytes <= 0)
            return bytes == 0;
        struct slice text = { piece, kept + (size_t)bytes }, line;
        while (memchr(text.data, '\n', text.bytes) != NULL && proc_take_line(&text, &line))
            count_line(count, line);
        if (count->sockets > TCP_SOCKETS_MOST)
            return true;
        kept = text.bytes < sizeof(piece) ? text.bytes : 0; /* a line so long is none of ours */
        memmove(piece, text.data, kept);
    }
}

static bool count_file(const struct round *round, const char *name, struct tcp_count *count,
                       struct err *err)
{
    const char *process = round->root[0] == '\0' ? "self" : "1";
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/proc/%s/net/%s", round->root, process, name) >=
        (int)sizeof(path))
        return err_set(err, "the path of %s is too long", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool counted = fd >= 0 && count_lines(fd, count);
    if (!counted)
        (void)err_set(err, "cannot read '%s': %s", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return counted;
}

static bool count_text(const struct round *round, struct tcp_count *ret, struct err *err)
{
    struct err no_ipv6;

    if (!count_file(round, "tcp", ret, err))
        return false;
    (void)count_file(round, "tcp6", ret, &no_ipv6); /* a host may be without */
    return true;
}

bool group_connections(struct round *round, struct err *err)
{
    /* In the words of the conventions. */
    static const char *const states[TCP_STATES] = {
        NULL,        "established", "syn_sent",   "syn_received", "fin_wait_1", "fin_wait_2",
        "time_wait", "closed",      "close_wait", "last_ack",     "listen",     "closing",
    };
    struct tcp_count count = { .sockets = 0 };

    if ((round->root[0] != '\0' || !tcp_states_ask(&count)) && !count_text(round, &count, err))
        return false;
    if (count.sockets > TCP_SOCKETS_MOST)
        round_tell_left_out(round, "connections");
    for (size_t i = 1; i < TCP_STATES; i++) {
        struct event *event = round_sample(round, "system.network.connection.count", EVENT_UPDOWN,
                                           "{connection}", (double)count.by_state[i]);
        event_text(event, "network.transport", SLICE("tcp"));
        event_text(event, "network.connection.state", slice_of(states[i]));
    }
    return true;
}
