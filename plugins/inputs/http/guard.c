/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include "base64.h"

#include <strings.h>

enum { LONGEST_SECRET = GUARD_BASIC_BYTES / 4 * 3 / 2 - 4 };

bool guard_check(const struct http_input_config *config, struct err *err)
{
    if ((config->auth__user[0] == '\0') != (config->auth__password[0] == '\0'))
        return err_set(err, "auth.user and auth.password go together");
    if (strlen(config->auth__user) > LONGEST_SECRET ||
        strlen(config->auth__password) > LONGEST_SECRET)
        return err_set(err, "auth.user or auth.password is longer than %d bytes", LONGEST_SECRET);
    if (strchr(config->auth__user, ':') != NULL)
        return err_set(err, "auth.user cannot have a ':' in it");
    return true;
}

void guard_make(struct guard *guard, const struct http_input_config *config)
{
    char plain[2 * LONGEST_SECRET + 2];

    *guard = (struct guard){ .token = config->auth__bearer_token };
    guard->is_open = config->auth__user[0] == '\0' && guard->token[0] == '\0';
    if (config->auth__user[0] == '\0')
        return;
    (void)snprintf(plain, sizeof(plain), "%s:%s", config->auth__user, config->auth__password);
    base64_encode(slice_of(plain), guard->basic);
    explicit_bzero(plain, sizeof(plain));
}

void guard_fini(struct guard *guard)
{
    explicit_bzero(guard->basic, sizeof(guard->basic));
}

/* As long for any `given` of one length, wherever it differs. */
static bool is_same(const char *given, const char *secret)
{
    size_t given_bytes = strlen(given), bytes = strlen(secret);
    unsigned differ = given_bytes == bytes ? 0 : 1;

    for (size_t i = 0; i < given_bytes; i++)
        differ |= (unsigned char)(given[i] ^ secret[i < bytes ? i : 0]);
    return differ == 0;
}

static const char *behind_scheme(const char *authorization, const char *scheme)
{
    size_t bytes = strlen(scheme);

    if (strncasecmp(authorization, scheme, bytes) != 0)
        return NULL;
    return authorization + bytes;
}

bool guard_lets_in(const struct guard *guard, const char *authorization)
{
    if (guard->is_open)
        return true;
    if (authorization == NULL)
        return false;
    const char *basic = behind_scheme(authorization, "Basic ");
    if (basic != NULL)
        return guard->basic[0] != '\0' && is_same(basic, guard->basic);
    const char *token = behind_scheme(authorization, "Bearer ");
    return token != NULL && guard->token[0] != '\0' && is_same(token, guard->token);
}
