/* SPDX-License-Identifier: Apache-2.0 */
/* ask: one request to the running agent, on its unix socket. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <limits.h>

/* The socket of the agent with this state directory: in runtime_dir, or where an agent goes that
 * cannot write there. false: there is none; err says where was looked. */
bool ask_find(const char *state_dir, const char *runtime_dir, char ret_path[PATH_MAX],
              struct err *err);
/* A connection on which nothing is waited for longer than some seconds. -1: err says why. */
int ask_connect(const char *socket_path, struct err *err);
/* method: GET or POST, without a body. Waits for the whole answer, for at most some seconds.
 * false: no whole answer came. */
bool ask_agent(const char *socket_path, const char *method, const char *url, int *ret_status,
               struct buf *ret_body, struct err *err);
