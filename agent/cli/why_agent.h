/* SPDX-License-Identifier: Apache-2.0 */
/* why_agent: what an agent knows of its files: asked while it runs, else read from checkpoints. */
#pragma once

#include "admin/admin.h"
#include "base/identity.h"

#include <cjson/cJSON.h>

struct why_agent {
    const char *state_dir, *runtime_dir;
    bool runs;
    int64_t pid;              /* 0: not known */
    bool is_stopped;          /* by a signal: it runs, and answers nothing */
    char socket[PATH_MAX];    /* "": none */
    struct err trouble;       /* why it could not be asked; "": it can */
    char config_hash[32];     /* of what it runs with; "": unknown */
    struct identity identity; /* the agent's; where it does not run that of this process */
};

/* runtime_dir NULL: not known. */
void why_agent_find(struct why_agent *agent, const char *state_dir, const char *runtime_dir,
                    bool runtime_is_default);
/* The page /sources, from the agent or from its checkpoints. NULL: neither; told in trouble. */
cJSON *why_agent_ask(struct why_agent *agent, const struct admin_query *query);
bool why_agent_answers(const struct why_agent *agent); /* pages are from it, not from checkpoints */
