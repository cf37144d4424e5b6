/* SPDX-License-Identifier: Apache-2.0 */
/* network: /proc/net/dev, see proc(5). Eight columns are what was received, the next eight what was
 * transmitted; the first four have the same meaning in both. */
#include "groups.h"

enum { NET_BYTES, NET_PACKETS, NET_ERRORS, NET_DROPPED, NET_TRANSMIT = 8, NET_COLUMNS = 16 };

/* "  eth0: 1 2 …" or "eth0:1 2 …": an alias may have a colon of its own, so the last one counts. */
static bool read_interface(struct slice line, struct slice *ret_name, uint64_t ret[NET_COLUMNS])
{
    const char *colon = memrchr(line.data, ':', line.bytes);

    if (colon == NULL)
        return false;
    struct slice name = { line.data, (size_t)(colon - line.data) };
    struct slice columns = { colon + 1, line.bytes - name.bytes - 1 };
    return proc_take_word(&name, ret_name) && proc_take_numbers(&columns, ret, NET_COLUMNS);
}

static void sample_direction(struct round *round, struct slice interface, const char *direction,
                             const uint64_t *columns)
{
    static const struct {
        const char *name, *unit;
    } samples[] = {
        [NET_BYTES] = { "system.network.io", "By" },
        [NET_PACKETS] = { "system.network.packet.count", "{packet}" },
        [NET_ERRORS] = { "system.network.errors", "{error}" },
        [NET_DROPPED] = { "system.network.packet.dropped", "{packet}" },
    };

    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct event *event =
            round_sample(round, samples[i].name, EVENT_SUM, samples[i].unit, (double)columns[i]);
        event_text(event, "network.interface.name", interface);
        event_text(event, "network.io.direction", slice_of(direction));
    }
}

bool group_network(struct round *round, struct err *err)
{
    struct slice text, line, name;
    uint64_t columns[NET_COLUMNS];
    size_t count = 0;

    if (!round_read(round, HOST_NETWORK, &text, err))
        return false;
    while (proc_take_line(&text, &line)) {
        if (!read_interface(line, &name, columns))
            continue; /* the two lines of headings */
        if (++count > GROUP_ROWS) {
            round_tell_left_out(round, "network");
            break;
        }
        sample_direction(round, name, "receive", columns);
        sample_direction(round, name, "transmit", columns + NET_TRANSMIT);
    }
    return count > 0 || err_set(err, "no interface in /proc/net/dev");
}
