/* SPDX-License-Identifier: Apache-2.0 */
/* reading_parts: what a reading opens at its start and anew at each change. */
#include "input/reading_state.h"

#include <stdlib.h>

bool reading_open_processors(const struct reading_config *config,
                             struct processor_instance **ret_processors, size_t *ret_count,
                             struct err *err)
{
    struct processor_instance *processors =
        calloc(config->processor_count + 1, sizeof(*processors));

    *ret_processors = processors;
    *ret_count = 0;
    if (processors == NULL)
        return err_set(err, "out of memory for processors");
    for (size_t i = 0; i < config->processor_count; i++) {
        const struct processor *plugin = config->processors[i].plugin;
        struct err why = { "" };
        void *state = calloc(1, plugin->type.state_bytes);
        if (state == NULL)
            return err_set(err, "out of memory for processors");
        if (!plugin->open(state, config->processors[i].config, &why)) {
            free(state);
            return err_set(err, "processor '%s': %s", config->processors[i].name, why.text);
        }
        processors[(*ret_count)++] = (struct processor_instance){ plugin, state };
    }
    return true;
}

void reading_close_processors(struct processor_instance **processorsp, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct processor_instance *processor = &(*processorsp)[i];
        if (processor->plugin->close != NULL)
            processor->plugin->close(processor->state);
        free(processor->state);
    }
    free(*processorsp);
    *processorsp = NULL;
}

struct host *reading_make_host(const struct reading_config *config)
{
    struct host *host = calloc(1, sizeof(*host));

    if (host != NULL)
        *host = (struct host){ .name = config->input,
                               .base = config->base,
                               .base_count = config->base_count,
                               .interval_ms = config->interval_ms,
                               .max_event_bytes = config->max_event_bytes,
                               .starter = config->starter,
                               .kept = config->kept,
                               .buffer_bytes = config->buffer_bytes };
    return host;
}
