/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/why_agent.h"

#include "base/file.h"
#include "cli/ask.h"
#include "ledger/books_find.h"
#include "recall.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFAULT_RUNTIME_DIR "/run/spillway"
enum { OK = 200, PAGE_BYTES = 4 << 20 };

bool why_agent_answers(const struct why_agent *agent)
{
    return agent->runs && agent->trouble.text[0] == '\0';
}

/* false: err says why. */
static bool get(struct why_agent *agent, const char *url, struct buf *ret, struct err *err)
{
    int status = 0;

    if (!ask_agent(agent->socket, "GET", url, &status, ret, err))
        return false;
    return status == OK ||
           err_set(err, "the agent answers %s with %d: is it an older version?", url, status);
}

static void read_hash(struct why_agent *agent)
{
    struct buf page = { .limit = PAGE_BYTES };

    if (get(agent, "/config", &page, &agent->trouble)) {
        cJSON *root = cJSON_ParseWithLength(page.data, page.bytes);
        const cJSON *hash = cJSON_GetObjectItemCaseSensitive(root, "hash");
        if (cJSON_IsString(hash))
            (void)snprintf(agent->config_hash, sizeof(agent->config_hash), "%s", hash->valuestring);
        cJSON_Delete(root);
    }
    buf_fini(&page);
}

/* found: live books, which the socket is beside; NULL: where it is without them. */
static bool find_socket(struct why_agent *agent, const struct books_found *found)
{
    const char *folder = agent->runtime_dir == NULL ? DEFAULT_RUNTIME_DIR : agent->runtime_dir;
    char books[PATH_MAX];
    const char *slash = found == NULL ? NULL : strrchr(found->path, '/');

    if (slash != NULL) {
        (void)snprintf(books, sizeof(books), "%.*s", (int)(slash - found->path), found->path);
        folder = books;
    }
    if (ask_find(agent->state_dir, folder, agent->socket, &agent->trouble))
        return true;
    agent->socket[0] = '\0';
    return false;
}

/* Of an agent whose books are not to be found: it wrote it to its state directory at its start. */
static int64_t read_pid(const char *state_dir)
{
    struct buf text = { .limit = 64 };
    char path[PATH_MAX];
    struct err ignored;
    int64_t pid = 0;

    if (snprintf(path, sizeof(path), "%s/pid", state_dir) < PATH_MAX &&
        file_read(path, &text, &ignored))
        pid = strtoll(buf_slice(&text).data, NULL, 10);
    buf_fini(&text);
    return pid;
}

static void look_at_books(struct why_agent *agent, bool runtime_is_default)
{
    struct books_wanted wanted = {
        .state_dir = agent->state_dir,
        .runtime_dir = runtime_is_default ? NULL : agent->runtime_dir,
        .default_runtime_dir =
            agent->runtime_dir == NULL ? DEFAULT_RUNTIME_DIR : agent->runtime_dir,
    };
    struct books_found found;
    struct err ignored;

    if (!books_find(&wanted, &found, &ignored))
        return;
    agent->is_stopped = found.holder == HOLDER_STOPPED;
    agent->runs = found.holder == HOLDER_RUNNING || agent->is_stopped;
    agent->pid = agent->runs ? found.pid : 0;
    if (agent->runs)
        (void)find_socket(agent, found.kind == BOOKS_LIVE ? &found : NULL);
    books_found_fini(&found);
}

void why_agent_find(struct why_agent *agent, const char *state_dir, const char *runtime_dir,
                    bool runtime_is_default)
{
    *agent = (struct why_agent){ .state_dir = state_dir, .runtime_dir = runtime_dir };
    look_at_books(agent, runtime_is_default);
    if (agent->is_stopped) {
        (void)err_set(&agent->trouble, "it is stopped by a signal");
    } else if (agent->runs) {
        if (agent->socket[0] != '\0')
            read_hash(agent);
    } else if (find_socket(agent, NULL)) { /* its books are in anonymous memory, or it is dead */
        read_hash(agent);
        agent->runs = agent->trouble.text[0] == '\0' ||
                      (access(agent->socket, R_OK | W_OK) != 0 && errno == EACCES);
        agent->pid = agent->runs ? read_pid(state_dir) : 0;
    }
    if (!identity_of(agent->pid, &agent->identity) && !identity_of(0, &agent->identity))
        agent->identity = (struct identity){ .uid = geteuid(), .gid = getegid() };
}

static bool fetch(struct why_agent *agent, const struct admin_query *query, struct buf *ret)
{
    char url[128] = "/sources";

    if (query->has_file)
        (void)snprintf(url, sizeof(url), "/sources?file=%llu:%llu&name=%08x",
                       (unsigned long long)query->device, (unsigned long long)query->inode,
                       query->name_sum);
    else if (query->has_name)
        (void)snprintf(url, sizeof(url), "/sources?name=%08x", query->name_sum);
    return get(agent, url, ret, &agent->trouble);
}

cJSON *why_agent_ask(struct why_agent *agent, const struct admin_query *query)
{
    struct buf page = { .limit = PAGE_BYTES };
    cJSON *root = NULL;

    if (why_agent_answers(agent) && !fetch(agent, query, &page))
        buf_clear(&page);
    if (page.bytes > 0 || recall_sources(agent->state_dir, query, &page))
        root = cJSON_ParseWithLength(page.data, page.bytes);
    buf_fini(&page);
    return root;
}
