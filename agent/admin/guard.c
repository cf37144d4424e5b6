/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/guard.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

enum { HOST_BYTES = 256, PASSWORD_BYTES = 8192 };

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

static bool is_scheme(const char *authorization, const char *scheme)
{
    return authorization != NULL && strncasecmp(authorization, scheme, strlen(scheme)) == 0;
}

static bool is_same(const char *given, const char *token)
{
    unsigned char differ = 0;

    if (strlen(given) != strlen(token))
        return false;
    for (size_t i = 0; token[i] != '\0'; i++)
        differ |= (unsigned char)(given[i] ^ token[i]);
    return differ == 0;
}

bool guard_token(const char *authorization, const char *token)
{
    static const char scheme[] = "Bearer ";

    if (token[0] == '\0')
        return true;
    return is_scheme(authorization, scheme) && is_same(authorization + sizeof(scheme) - 1, token);
}

/* false: it is no base64, has a NUL, or is too long. */
static bool decode_base64(const char *text, char ret_text[PASSWORD_BYTES])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned held = 0, bits = 0;
    size_t bytes = 0;

    for (; *text != '\0' && *text != '='; text++) {
        const char *digit = strchr(digits, *text);
        if (digit == NULL)
            return false;
        held = (held << 6 | (unsigned)(digit - digits)) & 0xfff;
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        ret_text[bytes] = (char)(held >> bits & 0xff);
        if (ret_text[bytes++] == '\0' || bytes == PASSWORD_BYTES)
            return false;
    }
    ret_text[bytes] = '\0';
    return true;
}

bool guard_password(const char *authorization, const char *token)
{
    static const char scheme[] = "Basic ";
    char given[PASSWORD_BYTES];

    if (token[0] == '\0')
        return true;
    if (!is_scheme(authorization, scheme) ||
        !decode_base64(authorization + sizeof(scheme) - 1, given))
        return false;
    const char *colon = strchr(given, ':');
    return colon != NULL && is_same(colon + 1, token);
}
