/* SPDX-License-Identifier: Apache-2.0 */
#include "input/sources.h"

#include "base/auto.h"
#include "base/crc32c.h"
#include "base/json_add.h"
#include "base/lock.h"
#include "base/wake.h"
#include "input/checkpoint.h"

#include <dirent.h>
#include <limits.h>

enum { READING_BYTES_LEAST = 4096, SOURCE_BYTES = 32 * 1024 };

struct asked {
    char *input, *output;
    bool has_answered;
    struct buf answer; /* an object */
};

struct sources_ask {
    _Atomic unsigned owners;
    struct wake wake; /* bumped when an answer has come, and at the end of the asking */
    /* constant after the start */
    struct sources_query query;
    size_t reading_bytes; /* bound of one answer; set before anyone may answer */
    /* under lock */
    struct lock lock;
    struct asked *asked;
    size_t room, count, answered;
    bool is_asked; /* all were asked */
};

/* ---- life ---- */

struct sources_ask *sources_ask_new(const struct sources_query *query)
{
    struct sources_ask *ask = calloc(1, sizeof(*ask));

    if (ask == NULL)
        return NULL;
    ask->owners = 1;
    ask->query = *query;
    lock_init(&ask->lock, "sources");
    return ask;
}

struct sources_ask *sources_ask_hold(struct sources_ask *ask)
{
    atomic_fetch_add(&ask->owners, 1);
    return ask;
}

void sources_ask_release(struct sources_ask **askp)
{
    struct sources_ask *ask = *askp;

    *askp = NULL;
    if (ask == NULL || atomic_fetch_sub(&ask->owners, 1) > 1)
        return;
    for (size_t i = 0; i < ask->count; i++) {
        free(ask->asked[i].input);
        free(ask->asked[i].output);
        buf_fini(&ask->asked[i].answer);
    }
    free(ask->asked);
    lock_fini(&ask->lock);
    free(ask);
}

/* ---- asking ---- */

void sources_ask_begin(struct sources_ask *ask, size_t readings)
{
    size_t each = SOURCES_BYTES / (readings + 1);

    ask->reading_bytes = each > READING_BYTES_LEAST ? each : READING_BYTES_LEAST;
    lock_take(&ask->lock);
    ask->asked = calloc(readings + 1, sizeof(*ask->asked));
    ask->room = ask->asked == NULL ? 0 : readings;
    lock_drop(&ask->lock);
}

bool sources_ask_expect(struct sources_ask *ask, const char *input, const char *output)
{
    struct asked asked = { .input = strdup(input), .output = strdup(output) };

    lock_take(&ask->lock);
    bool taken = ask->count < ask->room && asked.input != NULL && asked.output != NULL;
    if (taken)
        ask->asked[ask->count++] = asked;
    lock_drop(&ask->lock);
    if (!taken) {
        free(asked.input);
        free(asked.output);
    }
    return taken;
}

void sources_ask_end(struct sources_ask *ask)
{
    lock_take(&ask->lock);
    ask->is_asked = true;
    lock_drop(&ask->lock);
    wake_bump(&ask->wake);
}

/* ---- one answer ---- */

struct answer {
    const struct sources_query *query;
    struct buf *text; /* an object, open */
    size_t limit_bytes;
    uint64_t left_out;
};

static bool is_wanted(const struct sources_query *query, const struct source_account *account)
{
    if (!query->has_file && !query->has_name)
        return true;
    if (query->has_file && account->device == query->device && account->inode == query->inode)
        return true;
    return query->has_name && crc32c(0, account->name, strlen(account->name)) == query->name_sum;
}

static void add_time(struct buf *ret, const char *key, int64_t ns)
{
    if (ns != 0)
        json_add_integer(ret, key, ns);
}

/* whole: the page is about this source, and not of all. */
static void add_account(struct buf *ret, const struct source_account *account, bool whole)
{
    char fingerprint[24];

    json_open(ret, NULL, '{');
    json_add_text(ret, "name", account->name);
    json_add_text(ret, "state", account->state);
    json_add_flag(ret, "followed", account->is_followed);
    json_add_flag(ret, "watched", account->is_watched);
    json_add_flag(ret, "at_end", account->is_at_end);
    json_add_count(ret, "device", account->device);
    json_add_count(ret, "inode", account->inode);
    add_time(ret, "born_unix_ns", account->born_ns);
    json_add_count(ret, "size", account->size);
    json_add_count(ret, "offset", account->offset);
    json_add_count(ret, "settled", account->settled);
    add_time(ret, "read_unix_ns", account->read_ns);
    add_time(ret, "end_unix_ns", account->end_ns);
    (void)snprintf(fingerprint, sizeof(fingerprint), "%016llx",
                   (unsigned long long)account->fingerprint);
    json_add_text(ret, "fingerprint", fingerprint);
    json_add_count(ret, "fingerprint_bytes", account->fingerprint_bytes);
    if (whole && account->resource != NULL) {
        struct slice json = resource_json(account->resource);
        json_add_key(ret, "resource");
        (void)buf_add(ret, json.data, json.bytes);
    }
    if (account->error != NULL) {
        json_add_text(ret, "error", account->error);
        json_add_text(ret, "error_why", account->error_why);
        add_time(ret, "error_unix_ns", account->error_ns);
    }
    json_close(ret, '}');
}

/* An item of the list in `to`, whole or not at all. */
static bool add_item(struct buf *to, size_t limit_bytes, const struct buf *item)
{
    bool is_first = to->bytes == 0 || to->data[to->bytes - 1] == '[';

    if (item->failed || to->bytes + item->bytes + 1 > limit_bytes)
        return false;
    return buf_add_text(to, is_first ? "" : ",") && buf_add(to, item->data, item->bytes);
}

static void tell(void *context, const struct source_account *account)
{
    struct answer *answer = context;
    struct buf item = { .limit = SOURCE_BYTES };

    if (!is_wanted(answer->query, account))
        return;
    add_account(&item, account, answer->query->has_file || answer->query->has_name);
    if (!add_item(answer->text, answer->limit_bytes, &item))
        answer->left_out++;
    buf_fini(&item);
}

static void open_answer(struct buf *ret, const char *input, const char *output, const char *type)
{
    json_open(ret, NULL, '{');
    json_add_text(ret, "input", input);
    json_add_text(ret, "output", output);
    json_add_text(ret, "type", type);
    json_open(ret, "sources", '[');
}

static void close_answer(struct answer *answer)
{
    json_close(answer->text, ']');
    json_add_count(answer->text, "left_out", answer->left_out);
    json_close(answer->text, '}');
}

static struct asked *find_asked(struct sources_ask *ask, const char *input, const char *output)
    NEEDS_LOCK(&ask->lock)
{
    for (size_t i = 0; i < ask->count; i++) {
        struct asked *asked = &ask->asked[i];
        if (!asked->has_answered && strcmp(asked->input, input) == 0 &&
            strcmp(asked->output, output) == 0)
            return asked;
    }
    return NULL;
}

static void put_answer(struct sources_ask *ask, const char *input, const char *output,
                       struct buf *text)
{
    lock_take(&ask->lock);
    struct asked *asked = find_asked(ask, input, output);
    if (asked != NULL && !text->failed) {
        asked->has_answered = true;
        asked->answer = *text;
        *text = (struct buf){ 0 };
        ask->answered++;
    }
    lock_drop(&ask->lock);
    wake_bump(&ask->wake);
}

void sources_ask_answer(struct sources_ask *ask, const char *input, const char *output,
                        const struct input *plugin, void *state)
{
    AUTO(buf_fini) struct buf text = { 0 };
    struct answer answer = { &ask->query, &text, ask->reading_bytes, 0 };

    open_answer(&text, input, output, plugin->type.name);
    if (plugin->sources != NULL)
        plugin->sources(state, tell, &answer);
    close_answer(&answer);
    put_answer(ask, input, output, &text);
}

/* ---- the page ---- */

static void open_page(struct buf *ret, const char *from)
{
    json_open(ret, NULL, '{');
    json_add_count(ret, "format", SOURCES_FORMAT);
    json_add_text(ret, "from", from);
    json_add_key(ret, "readings");
    (void)buf_add_text(ret, "[");
}

static void add_silent(struct sources_ask *ask, struct buf *ret) NEEDS_LOCK(&ask->lock)
{
    json_open(ret, "silent", '[');
    for (size_t i = 0; i < ask->count; i++) {
        if (ask->asked[i].has_answered)
            continue;
        json_open(ret, NULL, '{');
        json_add_text(ret, "input", ask->asked[i].input);
        json_add_text(ret, "output", ask->asked[i].output);
        json_close(ret, '}');
    }
    json_close(ret, ']');
}

static bool is_answered(struct sources_ask *ask)
{
    lock_take(&ask->lock);
    bool is_answered = ask->is_asked && ask->answered == ask->count;
    lock_drop(&ask->lock);
    return is_answered;
}

bool sources_ask_take(struct sources_ask *ask, int64_t timeout_ms, struct buf *ret)
{
    int64_t now_ms = clock_now_ms(), deadline_ms = now_ms + timeout_ms;

    for (;;) {
        uint32_t seen = wake_read(&ask->wake);
        if (is_answered(ask) || now_ms >= deadline_ms)
            break;
        wake_wait(&ask->wake, seen, deadline_ms - now_ms);
        now_ms = clock_now_ms();
    }
    open_page(ret, "agent");
    lock_take(&ask->lock);
    for (size_t i = 0; i < ask->count; i++) {
        if (ask->asked[i].has_answered)
            (void)add_item(ret, SIZE_MAX, &ask->asked[i].answer);
    }
    (void)buf_add_text(ret, "]");
    json_add_flag(ret, "asked", ask->is_asked);
    add_silent(ask, ret);
    lock_drop(&ask->lock);
    json_close(ret, '}');
    return buf_add_text(ret, "\n");
}

/* ---- checkpoints ---- */

/* "INPUT@OUTPUT" or "INPUT@OUTPUT@TYPE"; the copies before and those being written are passed over.
 */
static bool split_name(const char *name, char ret_input[NAME_MAX], const char **ret_output)
{
    const char *at = strchr(name, '@'); /* no name has one */
    size_t bytes = strlen(name);

    if (at == NULL || at == name || at[1] == '\0' ||
        (bytes > 9 && strcmp(name + bytes - 9, ".previous") == 0) ||
        (bytes > 4 && strcmp(name + bytes - 4, ".tmp") == 0))
        return false;
    (void)snprintf(ret_input, NAME_MAX, "%.*s", (int)(at - name), name);
    *ret_output = at + 1;
    return true;
}

static void recall_one(const char *state_dir, const char *input, const char *output,
                       const struct plugin_type *const *inputs, const struct sources_query *query,
                       struct buf *page)
{
    AUTO(buf_fini) struct buf file = { 0 };
    char path[PATH_MAX], name[NAME_MAX];
    struct slice text;
    struct err err;

    (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(output, "@"), output);
    if (!checkpoint_path(state_dir, input, output, path, sizeof(path)))
        return;
    enum checkpoint_found found = checkpoint_read(path, &file, &text, &err);
    if (found != CHECKPOINT_READ && found != CHECKPOINT_PREVIOUS)
        return;
    for (; *inputs != NULL; inputs++) {
        const struct input *plugin = (const struct input *)(const void *)*inputs;
        AUTO(buf_fini) struct buf item = { 0 };
        struct answer answer = { query, &item, SOURCES_BYTES / 2, 0 };
        if (plugin->recall == NULL)
            continue;
        open_answer(&item, input, name, plugin->type.name);
        bool ok = plugin->recall(text, tell, &answer);
        close_answer(&answer);
        if (ok) {
            (void)add_item(page, SOURCES_BYTES, &item);
            return;
        }
    }
}

bool sources_recall(const char *state_dir, const struct plugin_type *const *inputs,
                    const struct sources_query *query, struct buf *ret)
{
    char folder[PATH_MAX], input[NAME_MAX];
    const char *output;

    open_page(ret, "checkpoints");
    struct dirent **names = NULL;
    int count = snprintf(folder, sizeof(folder), "%s/checkpoints", state_dir) < PATH_MAX
                    ? scandir(folder, &names, NULL, alphasort)
                    : -1;
    for (int i = 0; i < count; i++) {
        if (split_name(names[i]->d_name, input, &output))
            recall_one(state_dir, input, output, inputs, query, ret);
        free(names[i]);
    }
    free(names);
    (void)buf_add_text(ret, "]");
    json_add_flag(ret, "asked", count >= 0);
    json_close(ret, '}');
    return buf_add_text(ret, "\n");
}
