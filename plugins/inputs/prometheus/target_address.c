/* SPDX-License-Identifier: Apache-2.0 */
#include "target_address.h"

#include <curl/curl.h>
#include <strings.h>
#include <sys/stat.h>

static bool copy_part(CURLU *url, CURLUPart part, char *to, size_t room)
{
    char *text = NULL;

    if (curl_url_get(url, part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK)
        return false;
    int bytes = snprintf(to, room, "%s", text);
    curl_free(text);
    return bytes > 0 && (size_t)bytes < room;
}

static bool has_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;

    curl_free(text);
    return has;
}

static bool read_address(CURLU *parsed, const char *url, char *ret_host, int64_t *ret_port,
                         struct err *err)
{
    char port[8];

    if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
        return err_set(err, "targets: '%.200s' must begin with http:// or https://", url);
    if (curl_url_set(parsed, CURLUPART_URL, url, 0) != CURLUE_OK)
        return err_set(err, "targets: '%.200s' is no URL", url);
    if (has_part(parsed, CURLUPART_USER) || has_part(parsed, CURLUPART_PASSWORD))
        return err_set(err, "targets: put the user name and password into auth.user and "
                            "auth.password");
    if (!copy_part(parsed, CURLUPART_HOST, ret_host, TARGET_HOST_BYTES) ||
        !copy_part(parsed, CURLUPART_PORT, port, sizeof(port)))
        return err_set(err, "targets: '%.200s' names no host", url);
    *ret_port = strtol(port, NULL, 10);
    return true;
}

bool target_address_read(const char *url, char ret_host[TARGET_HOST_BYTES], int64_t *ret_port,
                         struct err *err)
{
    CURLU *parsed = curl_url();

    if (parsed == NULL)
        return err_set(err, "out of memory");
    bool ok = read_address(parsed, url, ret_host, ret_port, err);
    curl_url_cleanup(parsed);
    return ok;
}

/* As measured for the output http: libcurl on GnuTLS parses all authorities for each connection. */
uint64_t target_address_memory(const char *url, const struct prometheus_config *config)
{
    enum { PLAIN = 64 * 1024, TLS = 96 * 1024, ALL_AUTHORITIES = 4 * 1024 * 1024, PARSED = 20 };
    uint64_t bytes = PLAIN;
    struct stat info;

    if (strncasecmp(url, "https:", 6) != 0)
        return bytes;
    if (config->tls__ca_file[0] == '\0')
        return bytes + TLS + ALL_AUTHORITIES;
    bool is_there = stat(config->tls__ca_file, &info) == 0;
    return bytes + TLS + (is_there ? (uint64_t)info.st_size * PARSED : 0);
}
