/* SPDX-License-Identifier: Apache-2.0 */
#include "version.h"

#include "base/json_add.h"
#include "batch/codec.h"
#include "built_with.h"
#include "catalog.h"
#include "cli/top_terminal.h"

#include <curl/curl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <yaml.h>
#include <zlib.h>

enum { FACTS = 5, FACT_BYTES = 512 };
struct fact {
    const char *name;
    char value[FACT_BYTES];
};
struct plugin_list {
    const char *name;
    const struct plugin_type *const *types;
};

/* Not curl_version(): for the version of a library of LDAP that library is initialised, which asks
 * the name servers for the name of this host. With one that is silent a start would hang. */
static void state_libraries(char ret[FACT_BYTES])
{
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);

    (void)snprintf(ret, FACT_BYTES, "libcurl/%s, %s, libmicrohttpd/%s, libyaml/%s, zlib/%s",
                   curl->version, curl->ssl_version == NULL ? "no TLS" : curl->ssl_version,
                   MHD_get_version(), yaml_get_version_string(), zlibVersion());
}

static void state_facts(struct fact ret_facts[FACTS])
{
    static const char *const names[FACTS] = { "spillway", "compression", "libraries", "systemd",
                                              "terminal" };

    for (size_t i = 0; i < FACTS; i++)
        ret_facts[i].name = names[i];
    (void)snprintf(ret_facts[0].value, FACT_BYTES, "%s", SPILLWAY_VERSION);
    (void)snprintf(ret_facts[1].value, FACT_BYTES, "%s", codec_libraries());
    state_libraries(ret_facts[2].value);
    (void)snprintf(ret_facts[3].value, FACT_BYTES, "%s",
                   HAVE_SYSTEMD ? SYSTEMD_VERSION : "not built in");
    (void)snprintf(ret_facts[4].value, FACT_BYTES, "%s", top_terminal_library());
}

static void list_plugins(struct plugin_list ret_lists[3])
{
    ret_lists[0] = (struct plugin_list){ "inputs", catalog.inputs };
    ret_lists[1] = (struct plugin_list){ "processors", catalog.processors };
    ret_lists[2] = (struct plugin_list){ "outputs", catalog.outputs };
}

void version_text(struct buf *ret)
{
    struct fact facts[FACTS];
    struct plugin_list lists[3];

    state_facts(facts);
    list_plugins(lists);
    for (size_t i = 0; i < FACTS; i++)
        (void)buf_printf(ret, "%s%s %s\n", facts[i].name, i == 0 ? "" : ":", facts[i].value);
    for (size_t i = 0; i < 3; i++) {
        (void)buf_printf(ret, "%s:", lists[i].name);
        for (const struct plugin_type *const *type = lists[i].types; *type != NULL; type++)
            (void)buf_printf(ret, " %s", (*type)->name);
        (void)buf_add_text(ret, "\n");
    }
}

void version_json(struct buf *ret)
{
    struct fact facts[FACTS];
    struct plugin_list lists[3];

    state_facts(facts);
    list_plugins(lists);
    json_open(ret, NULL, '{');
    for (size_t i = 0; i < FACTS; i++)
        json_add_text(ret, facts[i].name, facts[i].value);
    for (size_t i = 0; i < 3; i++) {
        json_open(ret, lists[i].name, '[');
        for (const struct plugin_type *const *type = lists[i].types; *type != NULL; type++)
            json_add_text(ret, NULL, (*type)->name);
        json_close(ret, ']');
    }
    json_close(ret, '}');
    (void)buf_add_text(ret, "\n");
}
