/* SPDX-License-Identifier: Apache-2.0 */
#include "children/request.h"

#include <stdlib.h>

/* Secrets of the agent's environment are none of a child's business. */
static const char *const passed_on[] = { "PATH", "HOME",    "LANG",  "LC_ALL", "TZ",
                                         "USER", "LOGNAME", "SHELL", "TMPDIR" };
enum { PASSED_ON = sizeof(passed_on) / sizeof(passed_on[0]) };

struct head {
    uint32_t words, variables;
};

static bool add_text(struct buf *ret, const char *text)
{
    return buf_add(ret, text, strlen(text) + 1);
}

static bool add_variable(struct buf *ret, const char *name, const char *value)
{
    return buf_printf(ret, "%s=%s", name, value) && buf_add(ret, "", 1);
}

static bool is_given(const struct command_line *command, const char *name)
{
    for (size_t i = 0; i < command->environment.count; i++) {
        if (strcmp(command->environment.items[i].key, name) == 0)
            return true;
    }
    return false;
}

static uint32_t add_environment(struct buf *ret, const struct command_line *command)
{
    uint32_t count = 0;

    for (size_t i = 0; i < PASSED_ON; i++) {
        const char *value = getenv(passed_on[i]);
        if (value == NULL || is_given(command, passed_on[i]))
            continue;
        (void)add_variable(ret, passed_on[i], value);
        count++;
    }
    for (size_t i = 0; i < command->environment.count; i++, count++)
        (void)add_variable(ret, command->environment.items[i].key,
                           command->environment.items[i].value);
    return count;
}

bool request_pack(const struct command_line *command, struct buf *ret, struct err *err)
{
    struct head head = { .words = (uint32_t)command->words.count };
    size_t begin = ret->bytes;

    (void)buf_add(ret, &head, sizeof(head));
    (void)add_text(ret, command->folder);
    for (size_t i = 0; i < command->words.count; i++)
        (void)add_text(ret, command->words.items[i]);
    head.variables = add_environment(ret, command);
    if (ret->no_memory)
        return err_set(err, "out of memory for a command");
    if (ret->failed || ret->bytes - begin > REQUEST_BYTES || head.words > REQUEST_WORDS ||
        head.variables > REQUEST_WORDS)
        return err_set(err, "the command with its environment is longer than %d KiB or %d words",
                       REQUEST_BYTES / 1024, REQUEST_WORDS);
    memcpy(ret->data + begin, &head, sizeof(head));
    return true;
}

/* The next text; NULL: there is none. */
static char *take_text(char **at, const char *end)
{
    char *text = *at;
    char *nul = memchr(text, '\0', (size_t)(end - text));

    if (nul == NULL)
        return NULL;
    *at = nul + 1;
    return text;
}

static bool take_texts(char **at, const char *end, char **ret, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        ret[i] = take_text(at, end);
        if (ret[i] == NULL)
            return false;
    }
    ret[count] = NULL;
    return true;
}

bool request_unpack(char *bytes, size_t count, struct request *ret)
{
    char *at = bytes + sizeof(struct head);
    const char *end = bytes + count;
    struct head head;

    if (count < sizeof(head))
        return false;
    memcpy(&head, bytes, sizeof(head));
    if (head.words == 0 || head.words > REQUEST_WORDS || head.variables > REQUEST_WORDS)
        return false;
    ret->folder = take_text(&at, end);
    return ret->folder != NULL && take_texts(&at, end, ret->words, head.words) &&
           take_texts(&at, end, ret->environment, head.variables) && at == end;
}
