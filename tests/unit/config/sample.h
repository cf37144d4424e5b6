/* SPDX-License-Identifier: Apache-2.0 */
/* sample: a configuration with every option of the fake catalog, and how the tests look at what
 * becomes of it when something in it is changed. */
#pragma once

#include "config/settings.h"
#include "fake_catalog.h"

#include <stdio.h>
#include <string.h>

/* Names that are the user's own begin with "my". */
static const char sample[] = "agent:\n"
                             "  state_dir: /tmp/state\n"
                             "  runtime_dir: /tmp/run\n"
                             "  memory_limit: 64MiB\n"
                             "  report_interval: 10s\n"
                             "  shutdown_grace: 5s\n"
                             "  log_level: warn\n"
                             "  admin: {listen: \"127.0.0.1:9464\", token: hush}\n"
                             "inputs:\n"
                             "  mylogs:\n"
                             "    type: files\n"
                             "    paths: [/var/log/a.log, '/var/log/b*.log']\n"
                             "    start_at: beginning\n"
                             "    max_bytes: 32KiB\n"
                             "    processors: [myfilter]\n"
                             "    resource: {myteam: core}\n"
                             "    lane:\n"
                             "      capacity: 6MiB\n"
                             "      overflow: block\n"
                             "      block_for: 500ms\n"
                             "      weight: 2\n"
                             "      shed: {high: 80%, low: 0.4, keep: 10%}\n"
                             "  mygauge:\n"
                             "    type: gauge\n"
                             "    interval: 30s\n"
                             "    collect: [cpu]\n"
                             "processors:\n"
                             "  myfilter: {type: filter, field: body, pattern: '^x$'}\n"
                             "outputs:\n"
                             "  mymain:\n"
                             "    type: post\n"
                             "    url: https://example.com/in\n"
                             "    timeout: 2s\n"
                             "    tries: 7\n"
                             "    ratio: 20%\n"
                             "    auth: {user: me, password: hunter2}\n"
                             "    headers: {myheader: a}\n"
                             "    tls: {verify: no}\n"
                             "    inputs: [mylogs, mygauge]\n"
                             "    workers: 2\n"
                             "    compression: auto\n"
                             "    compression_level: 3\n"
                             "    batch: {max_bytes: 512KiB, max_events: 5000, max_wait: 2s}\n"
                             "    memory_weight: 3\n"
                             "    concurrency: {min: 2, max: 8}\n"
                             "    retry: {base: 2s, cap: 30s, max_age: 1h}\n"
                             "    breaker: {failures: 3, rest: 2s, rest_max: 20s}\n"
                             "    dead_letter: {path: /tmp/my.dead, max_bytes: 1MiB}\n"
                             "    spool:\n"
                             "      max_bytes: 1GiB\n"
                             "      path: /var/spool/mymain\n"
                             "      min_free: 1MiB\n"
                             "      fsync: interval\n"
                             "      fsync_interval: 2s\n"
                             "      newest_first: yes\n"
                             "  myprint:\n"
                             "    type: print\n"
                             "    inputs: mylogs\n";

/* What is shown of the problems; "" when it loads. */
static inline const char *problems_of(const char *text)
{
    static char shown[1 << 20];
    struct settings settings;
    struct buf problems = { 0 };

    bool ok = settings_parse("a.yaml", slice_of(text), &fake_catalog, &settings, &problems);
    (void)snprintf(shown, sizeof(shown), "%s", buf_slice(&problems).data);
    assert_int_equal(ok, problems.bytes == 0);
    settings_free(&settings);
    buf_fini(&problems);
    return shown;
}

static inline void assert_problem(const char *text, const char *wanted)
{
    const char *shown = problems_of(text);

    if (strstr(shown, wanted) == NULL)
        fail_msg("wanted '%s', got '%.1500s' for:\n%.2000s", wanted, shown, text);
}

static inline struct settings settings_of(const char *text)
{
    struct settings settings;
    struct buf problems = { 0 };

    if (!settings_parse("a.yaml", slice_of(text), &fake_catalog, &settings, &problems))
        fail_msg("refused: %s", problems.data);
    buf_fini(&problems);
    return settings;
}

/* The sample with the first `from` replaced. */
static inline const char *sample_with(const char *from, const char *to)
{
    static char text[sizeof(sample) + 4096];
    const char *at = strstr(sample, from);

    if (at == NULL)
        fail_msg("'%s' is not in the sample", from);
    (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - sample), sample, to,
                   at + strlen(from));
    return text;
}
