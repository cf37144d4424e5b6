/* SPDX-License-Identifier: Apache-2.0 */
#include "view/source.h"

#include "base/clock.h"

#include <stdio.h>

const char *source_kind_name(enum books_kind kind)
{
    static const char *const names[] = {
        [BOOKS_LIVE] = "live", [BOOKS_SAVED] = "saved", [BOOKS_COPY] = "copy"
    };
    return names[kind];
}

const char *source_holder_name(enum holder_state holder)
{
    static const char *const names[] = { [HOLDER_RUNNING] = "running",
                                         [HOLDER_STOPPED] = "stopped",
                                         [HOLDER_ENDED] = "ended",
                                         [HOLDER_GONE] = "gone",
                                         [HOLDER_UNKNOWN] = "unknown" };
    return names[holder];
}

const char *source_age(double seconds, char ret_text[AGE_TEXT])
{
    unsigned long long s = seconds > 0 && seconds < 1e12 ? (unsigned long long)seconds : 0;

    if (s < 60)
        (void)snprintf(ret_text, AGE_TEXT, "%llus", s);
    else if (s < 3600)
        (void)snprintf(ret_text, AGE_TEXT, "%llum%02llus", s / 60, s % 60);
    else if (s < 86400)
        (void)snprintf(ret_text, AGE_TEXT, "%lluh%02llum", s / 3600, s / 60 % 60);
    else
        (void)snprintf(ret_text, AGE_TEXT, "%llud%02lluh", s / 86400, s / 3600 % 24);
    return ret_text;
}

static double seconds_since(const struct source *source, int64_t real_ns)
{
    /* Not as a difference of integers: a damaged file may hold any time. */
    double seconds = ((double)source->now_real_ns - (double)real_ns) / (double)NS_PER_S;
    return seconds > 0 ? seconds : 0;
}

double source_age_s(const struct source *source)
{
    if (source->found->kind == BOOKS_LIVE)
        return 0;
    return seconds_since(source, source->found->written_real_ns);
}

const char *source_holder_text(const struct source *source, char ret_text[SOURCE_TEXT])
{
    const struct books_found *found = source->found;
    const struct books_header *header = &found->reader->image.header;
    char age[AGE_TEXT];
    long long pid = (long long)found->pid;

    (void)source_age(seconds_since(source, header->started_real_ns), age);
    switch (found->holder) {
    case HOLDER_RUNNING:
        (void)snprintf(ret_text, SOURCE_TEXT, "pid %lld is running, up %s", pid, age);
        break;
    case HOLDER_STOPPED:
        (void)snprintf(ret_text, SOURCE_TEXT, "pid %lld is STOPPED by a signal, up %s", pid, age);
        break;
    case HOLDER_ENDED:
        (void)snprintf(ret_text, SOURCE_TEXT, "pid %lld has ended, its books are closed", pid);
        break;
    case HOLDER_GONE:
        (void)snprintf(ret_text, SOURCE_TEXT, "pid %lld is GONE, its books were not closed", pid);
        break;
    case HOLDER_UNKNOWN:
        (void)snprintf(ret_text, SOURCE_TEXT, "pid %lld of another host or boot", pid);
        break;
    }
    return ret_text;
}

const char *source_caution(const struct source *source, char ret_text[SOURCE_TEXT])
{
    const struct books_found *found = source->found;
    enum { STILL_S = 3 };
    char age[AGE_TEXT];

    ret_text[0] = '\0';
    if (source->trouble[0] != '\0')
        (void)snprintf(ret_text, SOURCE_TEXT, "shown is what was read last: %.300s",
                       source->trouble);
    else if (found->kind == BOOKS_SAVED)
        (void)snprintf(ret_text, SOURCE_TEXT, "a saved copy, %s old: the live books %s%.200s",
                       source_age(source_age_s(source), age),
                       found->note[0] != '\0' ? "could not be read: " : "were not found",
                       found->note);
    else if (found->kind == BOOKS_COPY)
        (void)snprintf(ret_text, SOURCE_TEXT, "a copy, written %s ago",
                       source_age(source_age_s(source), age));
    else if (found->holder == HOLDER_GONE || found->holder == HOLDER_ENDED)
        (void)snprintf(ret_text, SOURCE_TEXT, "these are the last figures of an agent that is %s",
                       found->holder == HOLDER_GONE ? "gone" : "at its end");
    else if (found->holder == HOLDER_STOPPED || source->still_s >= STILL_S)
        (void)snprintf(ret_text, SOURCE_TEXT, "nothing has moved for %s while this watched",
                       source_age(source->still_s, age));
    return ret_text;
}
