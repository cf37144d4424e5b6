/* SPDX-License-Identifier: Apache-2.0 */
#include "surface.h"

#include "base/clock.h"
#include "config/settings_show.h"
#include "tap_stream.h"
#include "version.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* The main thread looks at its outputs each 10 s, and at everything before it tells the watchdog.
 */
enum { MAIN_STUCK_MS = 90 * 1000 };

bool surface_is_alive(struct surface *surface, int64_t now_ms)
{
    const struct pipeline *pipeline = atomic_load(&surface->pipeline);

    return pipeline == NULL || pipeline_is_alive(pipeline, now_ms);
}

/* The watchdog is fed by the main thread: it hears nothing when that one is stuck. */
static bool is_alive(void *context)
{
    struct surface *surface = context;
    int64_t now_ms = clock_now_ms(), stepped_ms = atomic_load(&surface->stepped_ms);

    return (stepped_ms == 0 || now_ms - stepped_ms < MAIN_STUCK_MS) &&
           surface_is_alive(surface, now_ms);
}

/* Beside the live books; where these have no file, in runtime_dir all the same. */
static void choose_folder(const struct settings *settings, const struct ledger *ledger,
                          char ret_folder[PATH_MAX])
{
    const char *books = ledger_live_path(ledger);
    const char *slash = strrchr(books, '/');

    if (slash == NULL)
        (void)snprintf(ret_folder, PATH_MAX, "%s", settings->agent.runtime_dir);
    else
        (void)snprintf(ret_folder, PATH_MAX, "%.*s", (int)(slash - books), books);
}

bool surface_start(struct surface *surface, const struct settings *settings,
                   const struct ledger *ledger, struct err *err)
{
    char folder[PATH_MAX];

    choose_folder(settings, ledger, folder);
    version_json(&surface->version_page);
    if (!settings_show(settings, &surface->config_page) || surface->version_page.failed)
        return err_set(err, "out of memory for the admin endpoint");
    struct admin_config config = { .listen = settings->agent.admin__listen,
                                   .token = settings->agent.admin__token,
                                   .socket_folder = folder,
                                   .state_dir = settings->agent.state_dir,
                                   .ledger = ledger,
                                   .config_page = buf_slice(&surface->config_page),
                                   .version_page = buf_slice(&surface->version_page),
                                   .is_alive = is_alive,
                                   .context = surface,
                                   .taps = tap_stream_maker(ledger) };
    surface->admin = admin_start(&config, err);
    return surface->admin != NULL;
}

void surface_run(struct surface *surface, struct pipeline *pipeline)
{
    atomic_store(&surface->pipeline, pipeline);
    surface_step(surface, clock_now_ms());
    admin_set_phase(surface->admin, ADMIN_RUNNING);
}

void surface_step(struct surface *surface, int64_t now_ms)
{
    atomic_store(&surface->stepped_ms, now_ms);
}

void surface_drain(struct surface *surface)
{
    admin_set_phase(surface->admin, ADMIN_STOPPING);
}

void surface_stop(struct surface *surface)
{
    admin_stop(&surface->admin);
    buf_fini(&surface->config_page);
    buf_fini(&surface->version_page);
}
