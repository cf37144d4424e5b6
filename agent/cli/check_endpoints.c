/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "cli/check_env.h"
#include "probe.h"

#include <time.h>

enum { PROBE_MS = 10 * 1000, DAY_S = 86400, UNAUTHORIZED = 401, FORBIDDEN = 403 };

static const char *step_text(const struct probe *probe)
{
    switch (probe->reached) {
    case PROBE_NOTHING:
        return "does not resolve";
    case PROBE_RESOLVED:
        return "takes no connection";
    case PROBE_CONNECTED:
        return "fails in the TLS handshake";
    case PROBE_HANDSHAKEN:
        return "does not answer";
    case PROBE_ANSWERED:
        break;
    }
    return "answers";
}

static void tell_certificate(const char *name, const struct probe *probe, struct checklist *list)
{
    int64_t now_s = clock_real_ns() / NS_PER_S;
    int64_t left_s = probe->certificate_ends_s - now_s;
    time_t ends = (time_t)probe->certificate_ends_s;
    struct tm parts;
    char day[32] = "";

    if (probe->certificate_ends_s == 0 || gmtime_r(&ends, &parts) == NULL ||
        strftime(day, sizeof(day), "%Y-%m-%d", &parts) == 0)
        (void)checklist_add(list, true, "output %s: TLS handshake%s", name,
                            probe->is_verified ? "" : ", not verified (tls.verify: no)");
    else if (left_s < 0)
        (void)checklist_add(list, false, "output %s: the certificate ended on %s", name, day);
    else
        (void)checklist_add(
            list, true, "output %s: TLS handshake, %s, the certificate ends on %s, in %lld days",
            name,
            probe->is_verified ? "name and authority are right" : "not verified (tls.verify: no)",
            day, (long long)(left_s / DAY_S));
}

static bool is_refusal(long status)
{
    return status == UNAUTHORIZED || status == FORBIDDEN;
}

static void tell_answer(const char *name, const struct probe *probe, struct checklist *list)
{
    if (is_refusal(probe->status))
        (void)checklist_add(list, false, "output %s: HEAD is answered with %ld: %s", name,
                            probe->status,
                            probe->has_credentials ? "the credentials are refused"
                                                   : "it wants credentials, and there are none");
    else if (!probe->has_credentials)
        (void)checklist_add(list, true, "output %s: HEAD is answered with %ld", name,
                            probe->status);
    else if (is_refusal(probe->status_without))
        (void)checklist_add(list, true,
                            "output %s: HEAD is answered with %ld, without the credentials with "
                            "%ld: they are taken",
                            name, probe->status, probe->status_without);
    else
        (void)checklist_add(list, true,
                            "output %s: HEAD is answered with %ld, with and without the "
                            "credentials: only a batch would tell whether they are right",
                            name, probe->status);
}

static void check_endpoint(const struct settings_part *output, struct checklist *list)
{
    struct probe probe;
    struct err err = { "" };

    if (!probe_output(output, PROBE_MS, &probe, &err)) {
        if (err.text[0] == '\0')
            (void)checklist_add(list, true, "output %s: %s, nothing to ask", output->name,
                                output->type->name);
        else
            (void)checklist_add(list, false, "output %s: %s", output->name, err.text);
        return;
    }
    if (probe.reached >= PROBE_CONNECTED)
        (void)checklist_add(list, true, "output %s: %s%s resolves, %s takes a connection",
                            output->name, probe.has_proxy ? "the proxy " : "", probe.host,
                            probe.address);
    if (probe.is_tls && probe.reached >= PROBE_HANDSHAKEN)
        tell_certificate(output->name, &probe, list);
    if (probe.reached == PROBE_ANSWERED)
        tell_answer(output->name, &probe, list);
    else
        (void)checklist_add(list, false, "output %s: %s%s %s: %s", output->name,
                            probe.has_proxy ? "the proxy " : "", probe.host, step_text(&probe),
                            probe.error);
}

void check_endpoints(const struct settings *settings, struct checklist *list)
{
    checklist_title("Endpoints");
    for (size_t i = 0; i < settings->output_count; i++)
        check_endpoint(&settings->outputs[i], list);
}
