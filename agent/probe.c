/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include <curl/curl.h>

bool probe_output(const struct settings_part *output, int64_t timeout_ms, struct probe *ret,
                  struct err *err)
{
    const struct output *plugin = (const struct output *)(const void *)output->type;
    struct host host = { .name = output->name };
    struct http_request request = { 0 };
    void *state;

    if (plugin->request == NULL)
        return false;
    state = calloc(1, output->type->state_bytes + 1);
    if (state == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(state);
        return err_set(err, "out of memory");
    }
    bool ok = plugin->open(state, output->config, &host, err);
    if (ok) {
        plugin->request(state, &request);
        bool is_sooner = request.timeout_ms > 0 && request.timeout_ms < timeout_ms;
        http_probe(&request, is_sooner ? request.timeout_ms : timeout_ms, ret);
        if (plugin->close != NULL)
            plugin->close(state);
    }
    free(state);
    return ok;
}
