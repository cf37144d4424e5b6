/* SPDX-License-Identifier: Apache-2.0 */
/* fake_catalog: plugin types for the tests of the configuration, independent of real plugins. */
#pragma once

#include "base/err.h"
#include "config/plugin_type.h"

#define FILES_OPTIONS(X, T)                                                                        \
    X(T, paths, list, REQUIRED, ANY, ANY, "Files to read")                                         \
    X(T, start_at, choice, "end", "end|beginning", ANY, "Where to begin")                          \
    X(T, max_bytes, size, "64KiB", "1KiB", "4MiB", "Longest line")
DECLARE_OPTIONS(files_config, FILES_OPTIONS);

#define NO_OPTIONS(X, T) X(T, unused_, flag, "no", ANY, ANY, "Nothing")
DECLARE_OPTIONS(plain_config, NO_OPTIONS);

#define GAUGE_OPTIONS(X, T)                                                                        \
    X(T, collect, list, "[cpu, load]", "cpu|load|memory", ANY, "What to measure")
DECLARE_OPTIONS(gauge_config, GAUGE_OPTIONS);

#define FILTER_OPTIONS(X, T)                                                                       \
    X(T, field, text, REQUIRED, ANY, ANY, "Field to look at")                                      \
    X(T, pattern, text, REQUIRED, ANY, ANY, "Pattern of those to keep")
DECLARE_OPTIONS(filter_config, FILTER_OPTIONS);

#define POST_OPTIONS(X, T)                                                                         \
    X(T, url, text, REQUIRED, ANY, ANY, "Where batches are sent")                                  \
    X(T, timeout, duration, "10s", "1s", "5m", "Give up on a request after this long")             \
    X(T, tries, count, "3", "1", "100", "Attempts")                                                \
    X(T, ratio, share, "50%", "10%", "90%", "A share")                                             \
    X(T, auth__user, text, "", ANY, ANY, "User")                                                   \
    X(T, auth__password, secret, "", ANY, ANY, "Password")                                         \
    X(T, headers, secrets, "", ANY, ANY, "Headers")                                                \
    X(T, tls__verify, flag, "yes", ANY, ANY, "Check the certificate")
DECLARE_OPTIONS(post_config, POST_OPTIONS);

static uint64_t files_max_event_bytes(const void *config)
{
    return ((const struct files_config *)config)->max_bytes;
}

static bool files_check(const void *config, struct err *err)
{
    const struct files_config *cfg = config;

    for (size_t i = 0; i < cfg->paths.count; i++) {
        if (cfg->paths.items[i][0] != '/')
            return err_set(err, "paths: '%s' is not absolute", cfg->paths.items[i]);
    }
    return true;
}

#define FAKE_TYPE(name_, config_t)                                                                 \
    .name = (name_), .doc = "A fake", .options = config_t##_options,                               \
    .config_bytes = sizeof(struct config_t)

static const struct plugin_type fake_files = { FAKE_TYPE("files", files_config),
                                               .traits = INPUT_REREADABLE,
                                               .max_event_bytes = files_max_event_bytes,
                                               .check = files_check };
static const struct plugin_type fake_pipe = { FAKE_TYPE("pipe", plain_config) };
static const struct plugin_type fake_gauge = { FAKE_TYPE("gauge", gauge_config),
                                               .traits = INPUT_SAMPLES };
static const struct plugin_type fake_filter = { FAKE_TYPE("filter", filter_config) };
static const struct plugin_type fake_post = { FAKE_TYPE("post", post_config) };
static const struct plugin_type fake_print = { FAKE_TYPE("print", plain_config),
                                               .traits = OUTPUT_STREAM };

static const struct plugin_type *const fake_inputs[] = { &fake_files, &fake_pipe, &fake_gauge,
                                                         NULL };
static const struct plugin_type *const fake_processors[] = { &fake_filter, NULL };
static inline uint64_t fake_far_connection_bytes(const void *config)
{
    (void)config;
    return 4 << 20;
}

static const struct plugin_type fake_far = { FAKE_TYPE("far", plain_config),
                                             .connection_bytes = fake_far_connection_bytes };
static const struct plugin_type *const fake_outputs[] = { &fake_post, &fake_print, &fake_far,
                                                          NULL };
static const struct catalog fake_catalog = { fake_inputs, fake_processors, fake_outputs };
