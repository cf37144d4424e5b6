/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a tail's checkpoint: refused with a reason or taken, and what was taken is written
 * and read again without a change; what is taken can be recalled too. */
#include "plugins/inputs/tail/options.h"

extern const struct input input_tail;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *const paths[] = { "/nowhere/*.log" };
static const struct tail_config config = { .paths = { (const char **)paths, 1 },
                                           .max_line_bytes = 1,
                                           .multiline__start = "",
                                           .multiline__continuation = "",
                                           .max_files = 100 };
static const struct host host = { .name = "fuzz" };

static void *open_tail(void)
{
    struct err err;
    void *state = calloc(1, input_tail.type.state_bytes);
    CHECK(state != NULL && input_tail.open(state, &config, &host, &err));
    return state;
}

static void close_tail(void *state)
{
    input_tail.close(state);
    free(state);
}

static void check_again(struct slice text)
{
    struct err err;
    void *state = open_tail();

    CHECK(input_tail.restore(state, text, &err));
    close_tail(state);
}

static void count(void *context, const struct source_account *account)
{
    size_t *files = context;
    CHECK(account->name[0] != '\0' && account->settled <= INT64_MAX);
    (*files)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    size_t files = 0;
    struct err err = { "" };
    struct buf text = { 0 };
    void *state = open_tail();

    bool taken = input_tail.restore(state, (struct slice){ (const char *)data, bytes }, &err);
    CHECK(taken == (err.text[0] == '\0'));
    /* restore() refuses one thing more: the same file twice */
    CHECK(input_tail.recall((struct slice){ (const char *)data, bytes }, count, &files) || !taken);
    CHECK(input_tail.save(state, &text));
    check_again(buf_slice(&text));
    buf_fini(&text);
    close_tail(state);
    return 0;
}
