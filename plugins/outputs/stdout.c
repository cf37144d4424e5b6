/* SPDX-License-Identifier: Apache-2.0 */
/* stdout: batches on standard output, for pipes and for a first look. */
#include "plugin.h"

#define STDOUT_OPTIONS(X, T)                                                                       \
    X(T, format, choice, "ndjson", "ndjson|json_array", ANY, "How events are written")
DECLARE_OPTIONS(stdout_config, STDOUT_OPTIONS);

struct stdout_state {
    int fd;
};

static bool stdout_open(void *state, const void *config, const struct host *host, struct err *err)
{
    struct stdout_state *output = state;

    (void)config;
    (void)host;
    (void)err;
    output->fd = STDOUT_FILENO;
    return true;
}

static void stdout_format(const void *config, enum encoding *ret_encoding)
{
    static const enum encoding encodings[] = { ENCODE_NDJSON, ENCODE_JSON_ARRAY };
    const struct stdout_config *cfg = config;

    *ret_encoding = encodings[cfg->format];
}

static int stdout_descriptor(void *state)
{
    const struct stdout_state *output = state;

    return output->fd;
}

const struct output output_stdout = {
    .type = { PLUGIN_TYPE("stdout", "Standard output", stdout_config, stdout_state),
              .traits = OUTPUT_STREAM },
    .open = stdout_open,
    .format = stdout_format,
    .descriptor = stdout_descriptor,
};
