/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/weight.h"

void weight_set(struct event *event, struct attribute *room, double weight)
{
    static const struct slice key = SLICE("sampling.weight");
    struct value there;

    if (event_field(event, key, &there) && there.kind == VALUE_REAL)
        weight *= there.real;
    else if (event_field(event, key, &there) && there.kind == VALUE_INT)
        weight *= (double)there.integer;
    if (event->attribute_count > WEIGHT_ROOM - 1) {
        event->lost_attributes += (uint32_t)(event->attribute_count - (WEIGHT_ROOM - 1));
        event->attribute_count = WEIGHT_ROOM - 1;
    }
    if (event->attribute_count > 0)
        memcpy(room, event->attributes, event->attribute_count * sizeof(*room));
    event->attributes = room;
    event->attribute_room = WEIGHT_ROOM;
    event_set(event, key, (struct value){ .kind = VALUE_REAL, .real = weight });
}
