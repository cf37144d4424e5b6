/* SPDX-License-Identifier: Apache-2.0 */
/* guard: who may ask the TCP port. Pure: no I/O, no lock, no clock. */
#pragma once

#include <stdbool.h>

/* May a request for this Host be answered? On a loopback address only for localhost, the host of
 * `listen` as it was configured, and addresses: any other name is a web page that had its own name
 * resolved to this host (DNS rebinding). bound: the address as bound. host NULL: no header, so no
 * browser. */
bool guard_host(const char *host, const char *listen, const char *bound);

/* Does an Authorization header carry this bearer token? Takes as long for a wrong one of the same
 * length as for the right one. token "": none is asked for. */
bool guard_token(const char *authorization, const char *token);
/* The same for what a browser sends when it has asked its user: a Basic header whose password is
 * the token, with any name. For reading only: a browser also sends it along where a foreign page
 * tells it to. */
bool guard_password(const char *authorization, const char *token);
