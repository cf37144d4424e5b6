/* SPDX-License-Identifier: Apache-2.0 */
/* check_capacity: how large an event becomes is not assumed but taken from the code that writes it
 * into a lane and into a batch; only how well it compresses has to be assumed. */
#include "cli/check_capacity.h"

#include "base/cgroup.h"
#include "base/clock.h"
#include "batch/encoder.h"
#include "config/capacity.h"
#include "event/record.h"
#include "event/resource.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { HOST_BYTES = 64, SPAN_BYTES = 32, ENCODER_BYTES = 16 << 20 };
static const uint64_t own_bytes = 8 << 20; /* beside memory_limit: see "Promises" */

/* ---- the size of an event ---- */

/* A log line as `tail` makes it, with the attributes that are always there. */
static struct resource *sample_resource(void)
{
    char host[HOST_BYTES] = "localhost";
    (void)gethostname(host, sizeof(host) - 1);
    const struct attribute attributes[] = {
        { SLICE("host.name"), { .kind = VALUE_TEXT, .text = slice_of(host) } },
        { SLICE("log.file.name"), { .kind = VALUE_TEXT, .text = SLICE("access.log") } },
        { SLICE("log.file.path"),
          { .kind = VALUE_TEXT, .text = SLICE("/var/log/nginx/access.log") } },
    };

    return resource_new(attributes, sizeof(attributes) / sizeof(attributes[0]));
}

static bool measure(struct event *event, struct encoder *encoder, struct capacity_load *load)
{
    if (event->resource == NULL || encoder == NULL || event->body.data == NULL)
        return false;
    load->record_bytes = record_size(event);
    encoder_begin(encoder);
    if (encoder_add(encoder, event) != ENCODED)
        return false;
    load->encoded_bytes = encoder_end(encoder).bytes;
    return true;
}

static bool measure_event(uint64_t body_bytes, struct capacity_load *load)
{
    char *body = malloc(body_bytes);
    struct encoder *encoder = encoder_new(0, ENCODER_BYTES);
    struct event event = { .body = { body, body_bytes },
                           .resource = sample_resource(),
                           .observed_ns = clock_real_ns(),
                           .kind = EVENT_LOG };

    if (body != NULL)
        memset(body, 'x', body_bytes);
    bool ok = measure(&event, encoder, load);
    resource_unref(&event.resource);
    encoder_free(&encoder);
    free(body);
    return ok;
}

/* ---- printing ---- */

static const char *span_text(double seconds, char ret_text[SPAN_BYTES])
{
    if (seconds < 60)
        (void)snprintf(ret_text, SPAN_BYTES, "%.1fs", seconds);
    else if (seconds < 3600)
        (void)snprintf(ret_text, SPAN_BYTES, "%dm%02ds", (int)seconds / 60, (int)seconds % 60);
    else if (seconds < 86400)
        (void)snprintf(ret_text, SPAN_BYTES, "%dh%02dm", (int)seconds / 3600,
                       (int)seconds / 60 % 60);
    else
        (void)snprintf(ret_text, SPAN_BYTES, "%.1f days", seconds / 86400);
    return ret_text;
}

static void show_store(const char *title, const struct capacity_store *store)
{
    char size[SIZE_TEXT_BYTES], span[SPAN_BYTES];

    (void)printf("  %-18s%s, %llu events, %s\n", title, schema_size_text(store->bytes, size),
                 (unsigned long long)store->events, span_text(store->seconds, span));
}

static void show_lanes(const struct settings *settings, const struct settings_part *output,
                       const struct capacity_load *load)
{
    for (size_t i = 0; i < output->link_count; i++) {
        const struct settings_part *input = &settings->inputs[output->links[i]];
        struct lane_capacity lane = capacity_of_lane(input, load);
        char title[160];
        (void)snprintf(title, sizeof(title), "lane from %s ", input->name);
        show_store(title, &lane.lane);
    }
}

static const char *after_outage(const struct output_capacity *output, size_t lanes)
{
    if (output->waiting == lanes)
        return "the inputs wait, and nothing is dropped";
    if (output->waiting > 0)
        return "what can wait waits, the rest is dropped and counted";
    return "events are dropped and counted";
}

static void show_output(const struct settings *settings, size_t index,
                        const struct capacity_load *load)
{
    const struct settings_part *part = &settings->outputs[index];
    struct output_capacity output = capacity_of_output(settings, index, load);
    char size[SIZE_TEXT_BYTES], span[SPAN_BYTES];
    uint64_t disk = output.spool.bytes + output.dead_letter_bytes;

    (void)printf("%s\n", part->name);
    show_lanes(settings, part, load);
    show_store("sealed batches", &output.sealed);
    if (output.spool.bytes > 0)
        show_store("spool", &output.spool);
    (void)printf("  %-18s%s\n", "memory at most",
                 schema_size_text(output.lane_bytes + output.sealed.bytes, size));
    (void)printf("  %-18s%s\n", "disk at most", disk == 0 ? "none" : schema_size_text(disk, size));
    (void)printf("  %-18s%s through a full lane and all sealed batches\n", "worst wait",
                 span_text(output.worst_wait_s, span));
    (void)printf("  %-18s%s, then %s\n", "outage survived", span_text(output.outage_s, span),
                 after_outage(&output, part->link_count));
}

bool check_capacity(const struct settings *settings, const struct check_arguments *arguments)
{
    struct capacity_load load = { .rate_per_s = arguments->rate_per_s, .ratio = arguments->ratio };

    if (!measure_event(arguments->event_bytes, &load)) {
        (void)fprintf(stderr, "spillway check: out of memory\n");
        return false;
    }
    (void)printf("\nWhat it holds, with %llu events/s at each input, each of %llu bytes (%llu in a "
                 "lane, %llu in a\nbatch; batches compress %g:1, which is assumed: --ratio)\n\n",
                 (unsigned long long)load.rate_per_s, (unsigned long long)arguments->event_bytes,
                 (unsigned long long)load.record_bytes, (unsigned long long)load.encoded_bytes,
                 load.ratio);
    for (size_t i = 0; i < settings->output_count; i++)
        show_output(settings, i, &load);
    return true;
}

void check_cgroup(const struct settings *settings)
{
    uint64_t needed = settings->agent.memory_limit + own_bytes, limit = 0;
    char file[PATH_MAX], has[SIZE_TEXT_BYTES], given[SIZE_TEXT_BYTES], most[SIZE_TEXT_BYTES];

    if (!cgroup_memory_limit("", &limit, file) || limit >= needed)
        return;
    (void)fprintf(stderr,
                  "warning: agent.memory_limit %s and 8MiB for the agent itself do not fit the "
                  "control group, which has %s (%s): the kernel would kill the agent. ",
                  schema_size_text(settings->agent.memory_limit, has),
                  schema_size_text(limit, given), file);
    if (limit > own_bytes)
        (void)fprintf(
            stderr,
            "Set memory_limit to at most %s, or raise the limit (drop-in more-memory.conf)\n",
            schema_size_text((limit - own_bytes) >> 20 << 20, most));
    else
        (void)fprintf(stderr, "Raise the limit (drop-in more-memory.conf)\n");
}
