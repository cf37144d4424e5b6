/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check_env.h"

#include "base/identity.h"
#include "base/listen.h"
#include "cli/plain.h"
#include "ledger/books_find.h"

#include <errno.h>
#include <unistd.h>

/* The pid of an agent that runs with this state directory; 0: none. */
static int64_t find_agent(const struct settings *settings)
{
    const struct agent_options *agent = &settings->agent;
    bool is_default = settings_origin(settings, "agent.runtime_dir") == NULL;
    struct books_wanted wanted = { .state_dir = agent->state_dir,
                                   .runtime_dir = is_default ? NULL : agent->runtime_dir,
                                   .default_runtime_dir = agent->runtime_dir };
    struct books_found found;
    struct err ignored;
    int64_t pid = 0;

    if (!books_find(&wanted, &found, &ignored))
        return 0;
    if (found.holder == HOLDER_RUNNING || found.holder == HOLDER_STOPPED)
        pid = found.pid;
    books_found_fini(&found);
    return pid;
}

static void check_admin(const struct settings *settings, struct checklist *list)
{
    const char *listen_at = settings->agent.admin__listen;
    char bound[LISTEN_TEXT];
    struct err err = { "" };

    checklist_title("Admin endpoint");
    if (listen_at[0] == '\0') {
        (void)checklist_add(list, true, "only the unix socket in runtime_dir");
        return;
    }
    errno = 0;
    int fd = listen_open(listen_at, 1, bound, NULL, &err);
    if (fd >= 0) {
        (void)close(fd);
        (void)checklist_add(list, true, "%s is free", listen_at);
        return;
    }
    int64_t pid = errno == EADDRINUSE ? find_agent(settings) : 0;
    if (pid > 0)
        (void)checklist_add(list, true, "%s is in use while the agent runs, pid %lld", listen_at,
                            (long long)pid);
    else
        (void)checklist_add(list, false, "%s", err.text);
}

static void show_user(void)
{
    struct identity identity;
    struct buf text = { 0 };

    if (identity_of(0, &identity)) {
        identity_add_name(&identity, &text);
        (void)printf("\nThe environment, as %s sees it%s\n\n", buf_slice(&text).data,
                     identity.reads_all ? ", whom modes of files do not stop" : "");
    }
    buf_fini(&text);
}

bool check_env(const struct settings *settings)
{
    struct checklist list = { .is_utf8 = plain_takes_utf8() };

    show_user();
    check_inputs(settings, &list);
    check_sources(settings, &list);
    check_commands(settings, &list);
    check_folders(settings, &list);
    check_admin(settings, &list);
    check_endpoints(settings, &list);
    if (list.failed > 0)
        (void)printf("\n%u of these would go wrong\n", list.failed);
    else
        (void)printf("\nready\n");
    return list.failed == 0;
}
