/* SPDX-License-Identifier: Apache-2.0 */
/* receive_faults: a fault is a kind and conditions, which all have to hold. */
#include "cli/receive_faults.h"

#include "cli/options.h"

#include <stdio.h>
#include <stdlib.h>

static bool set_kind(struct fault *fault, const char *key, struct err *err)
{
    static const char *const names[FAULT_KINDS] = {
        [FAULT_RESET] = "reset",     [FAULT_HALF] = "half",       [FAULT_HANG] = "hang",
        [FAULT_ENDLESS] = "endless", [FAULT_GARBAGE] = "garbage",
    };

    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        if (names[kind] == NULL || strcmp(key, names[kind]) != 0)
            continue;
        if (fault->kind != FAULT_NONE)
            return err_set(err, "fault '%s': one of status, reset, half, hang, endless, garbage",
                           fault->text);
        fault->kind = (enum fault_kind)kind;
        return true;
    }
    return err_set(
        err,
        "fault '%s': what is '%s'? status=N, reset, half, hang, endless, garbage, delay=, "
        "retry-after=, share=, first=, after=, for=, from=, max-bytes=",
        fault->text, key);
}

static bool set_status(struct fault *fault, const char *value, struct err *err)
{
    uint64_t status = 0;

    if (!options_count("status", value, &status, err))
        return false;
    if (status < 200 || status > 599)
        return err_set(err, "status: %s is not between 200 and 599", value);
    if (fault->kind != FAULT_NONE)
        return set_kind(fault, "half", err);
    fault->kind = FAULT_STATUS;
    fault->status = (unsigned)status;
    return true;
}

static bool set_value(struct fault *fault, const char *key, const char *value, struct err *err)
{
    if (strcmp(key, "status") == 0)
        return set_status(fault, value, err);
    if (strcmp(key, "retry-after") == 0) {
        uint64_t seconds = 0;
        bool ok = options_count(key, value, &seconds, err);
        fault->retry_after_s = (int64_t)seconds;
        return ok;
    }
    if (strcmp(key, "delay") == 0)
        return options_duration(key, value, &fault->delay_ms, err);
    if (strcmp(key, "share") == 0)
        return options_share(key, value, &fault->share, err);
    if (strcmp(key, "first") == 0)
        return options_count(key, value, &fault->first, err);
    if (strcmp(key, "after") == 0)
        return options_count(key, value, &fault->after, err);
    if (strcmp(key, "from") == 0)
        return options_duration(key, value, &fault->from_ms, err);
    if (strcmp(key, "for") == 0)
        return options_duration(key, value, &fault->for_ms, err);
    if (strcmp(key, "max-bytes") == 0)
        return options_size(key, value, &fault->max_bytes, err);
    return set_kind(fault, key, err);
}

static bool fault_is_whole(struct fault *fault, struct err *err)
{
    if (fault->kind == FAULT_NONE && fault->max_bytes > 0) {
        fault->kind = FAULT_STATUS;
        fault->status = 413;
    }
    if (fault->kind == FAULT_NONE && fault->delay_ms == 0)
        return err_set(err, "fault '%s' does nothing: add status=503, delay=2s, reset ...",
                       fault->text);
    if (fault->retry_after_s >= 0 && fault->kind != FAULT_STATUS)
        return err_set(err, "fault '%s': retry-after needs a status", fault->text);
    return true;
}

bool faults_add(struct faults *faults, const char *text, struct err *err)
{
    char words[FAULT_TEXT_BYTES];
    char *rest = words;

    if (faults->count == FAULTS_MOST)
        return err_set(err, "more than %d faults", FAULTS_MOST);
    struct fault fault = { .retry_after_s = -1, .share = 1 };
    if (strlen(text) >= sizeof(words))
        return err_set(err, "a fault is at most %zu bytes", sizeof(words) - 1);
    (void)snprintf(fault.text, sizeof(fault.text), "%s", text);
    (void)snprintf(words, sizeof(words), "%s", text);
    while (rest != NULL) {
        char *key = strsep(&rest, ",");
        char *value = strchr(key, '=');
        if (value != NULL)
            *value++ = '\0';
        if (value == NULL ? !set_kind(&fault, key, err) : !set_value(&fault, key, value, err))
            return false;
    }
    if (!fault_is_whole(&fault, err))
        return false;
    faults->list[faults->count++] = fault;
    return true;
}

bool faults_replace(struct faults *faults, struct slice lines, int64_t now_ms, struct err *err)
{
    struct faults fresh = { .set_ms = now_ms };

    while (lines.bytes > 0) {
        char text[FAULT_TEXT_BYTES + 2];
        const char *newline = memchr(lines.data, '\n', lines.bytes);
        size_t bytes = newline == NULL ? lines.bytes : (size_t)(newline - lines.data);
        size_t kept = bytes > 0 && lines.data[bytes - 1] == '\r' ? bytes - 1 : bytes;
        (void)snprintf(text, sizeof(text), "%.*s", (int)(kept < sizeof(text) ? kept : sizeof(text)),
                       lines.data);
        if (text[0] != '\0' && text[0] != '#' && !faults_add(&fresh, text, err))
            return false;
        bytes += newline != NULL;
        lines = (struct slice){ lines.data + bytes, lines.bytes - bytes };
    }
    *faults = fresh;
    return true;
}

static bool hits(struct fault *fault, uint64_t body_bytes, int64_t age_ms, struct random *random)
{
    if (age_ms < fault->from_ms || (fault->for_ms > 0 && age_ms >= fault->from_ms + fault->for_ms))
        return false;
    if (body_bytes <= fault->max_bytes && fault->max_bytes > 0)
        return false;
    uint64_t nth = fault->seen++;
    if (nth < fault->after || (fault->first > 0 && nth >= fault->after + fault->first))
        return false;
    return fault->share >= 1 || random_unit(random) < fault->share;
}

struct fault_verdict faults_decide(struct faults *faults, uint64_t body_bytes, int64_t now_ms,
                                   struct random *random)
{
    struct fault_verdict verdict = { .kind = FAULT_NONE, .retry_after_s = -1 };

    for (size_t i = 0; i < faults->count; i++) {
        struct fault *fault = &faults->list[i];
        if (!hits(fault, body_bytes, now_ms - faults->set_ms, random))
            continue;
        verdict.delay_ms += fault->delay_ms;
        if (verdict.kind != FAULT_NONE)
            continue;
        verdict.kind = fault->kind;
        verdict.status = fault->status;
        verdict.retry_after_s = fault->retry_after_s;
    }
    return verdict;
}
