/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/guard.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

enum { HOST_BYTES = 256 };

/* "name:port", "[v6]:port" or without a port, to the name alone. false: too long. */
static bool take_host(const char *text, char ret_host[HOST_BYTES])
{
    bool in_brackets = text[0] == '[';
    const char *start = text + in_brackets;
    size_t bytes = strcspn(start, in_brackets ? "]" : ":");

    if (bytes >= HOST_BYTES)
        return false;
    memcpy(ret_host, start, bytes);
    ret_host[bytes] = '\0';
    return true;
}

static bool is_address(const char *host)
{
    struct in6_addr unused;

    return inet_pton(AF_INET, host, &unused) == 1 || inet_pton(AF_INET6, host, &unused) == 1;
}

bool guard_host(const char *host, const char *listen, const char *bound)
{
    bool is_loopback = strncmp(bound, "127.", 4) == 0 || strncmp(bound, "[::1]", 5) == 0;
    char asked[HOST_BYTES], configured[HOST_BYTES];

    if (!is_loopback || host == NULL)
        return true;
    if (!take_host(host, asked) || !take_host(listen, configured))
        return false;
    return strcasecmp(asked, "localhost") == 0 || strcasecmp(asked, configured) == 0 ||
           is_address(asked);
}

bool guard_token(const char *authorization, const char *token)
{
    static const char scheme[] = "Bearer ";
    unsigned char differ = 0;

    if (token[0] == '\0')
        return true;
    if (authorization == NULL || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0)
        return false;
    const char *given = authorization + sizeof(scheme) - 1;
    if (strlen(given) != strlen(token))
        return false;
    for (size_t i = 0; token[i] != '\0'; i++)
        differ |= (unsigned char)(given[i] ^ token[i]);
    return differ == 0;
}
