/* SPDX-License-Identifier: Apache-2.0 */
#include "aside.h"

bool journal_aside_is(const struct sink *sink, uint64_t number)
{
    const struct fatal_place *place = sink_fatal_place(sink);

    return place != NULL && place->from == number &&
           place->source == atomic_load_explicit(&in_hand_now.source, memory_order_relaxed);
}

void journal_aside_take(sd_journal *journal, struct sink *sink)
{
    AUTO(auto_free) char *cursor = NULL;

    if (sd_journal_get_cursor(journal, &cursor) < 0)
        cursor = NULL;
    sink_set_aside(sink, slice_of(cursor == NULL ? "an entry without a cursor" : cursor), NULL);
    sink_set_aside_done(sink, "journal");
}
