/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as lines of a container's log: what is taken lies within the line, and what is escaped
 * is unescaped within its own length, also into less room. The bytes as docker's config and as a
 * path name a container or not. */
#include "plugins/inputs/tail/container.h"
#include "plugins/inputs/tail/unwrap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_within(struct slice part, struct slice whole)
{
    CHECK(part.data >= whole.data && part.bytes <= whole.bytes &&
          part.data + part.bytes <= whole.data + whole.bytes);
}

static void check_text(const struct unwrapped *found, struct slice line)
{
    check_within(found->text, line);
    CHECK(found->stream < STREAMS);
    if (!found->is_escaped)
        return;
    char *plain = malloc(found->text.bytes + 1), *half = malloc(found->text.bytes / 2 + 1);
    CHECK(plain != NULL && half != NULL);
    size_t all = tail_unescape(found->text, plain, found->text.bytes);
    size_t some = tail_unescape(found->text, half, found->text.bytes / 2);
    CHECK(all <= found->text.bytes && some <= found->text.bytes / 2);
    CHECK(some <= all && memcmp(plain, half, some) == 0);
    free(plain);
    free(half);
}

static void take_line(struct slice line)
{
    struct unwrapped docker = { .time_ns = -7 }, cri = { .time_ns = -7 };

    if (tail_unwrap_docker(line, &docker))
        check_text(&docker, line);
    else
        CHECK(docker.time_ns == -7);
    if (tail_unwrap_cri(line, &cri))
        check_text(&cri, line);
    else
        CHECK(cri.time_ns == -7);
    CHECK(docker.time_ns == -7 || cri.time_ns == -7); /* never both */
}

static void take_path(const char *path)
{
    static struct container_names names;

    tail_container_names(path, &names);
    CHECK(names.count <= CONTAINER_ATTRIBUTES && names.used <= CONTAINER_TEXT_BYTES);
    for (size_t i = 0; i < names.count; i++)
        CHECK(names.attributes[i].value.kind == VALUE_INT ||
              names.attributes[i].value.text.bytes > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *copy = malloc(bytes + 1);
    struct slice text, rest = { copy, bytes };

    CHECK(copy != NULL);
    memcpy(copy, data, bytes);
    copy[bytes] = '\0';
    take_path(copy);
    if (tail_json_text(rest, "Name", NULL, &text))
        check_within(text, rest);
    if (tail_json_text(rest, "Config", "Image", &text))
        check_within(text, rest);
    while (rest.bytes > 0) {
        const char *newline = memchr(rest.data, '\n', rest.bytes);
        size_t line = newline == NULL ? rest.bytes : (size_t)(newline - rest.data);
        char *own = malloc(line + 1); /* so that a look beyond its end is seen */
        CHECK(own != NULL);
        memcpy(own, rest.data, line);
        own = realloc(own, line == 0 ? 1 : line);
        CHECK(own != NULL);
        take_line((struct slice){ own, line });
        free(own);
        line += newline != NULL;
        rest = (struct slice){ rest.data + line, rest.bytes - line };
    }
    free(copy);
    return 0;
}
