/* SPDX-License-Identifier: Apache-2.0 */
#include "fields.h"

static const struct {
    struct slice name;
    enum field field;
} fixed[] = {
    { SLICE("severity_number"), FIELD_SEVERITY_NUMBER },
    { SLICE("observed_time"), FIELD_OBSERVED_TIME },
    { SLICE("attributes"), FIELD_ATTRIBUTES },
    { SLICE("resource"), FIELD_RESOURCE },
    { SLICE("trace_id"), FIELD_TRACE_ID },
    { SLICE("span_id"), FIELD_SPAN_ID },
    { SLICE("dropped_attributes_count"), FIELD_DROPPED_COUNT },
    { SLICE("name"), FIELD_NAME },
    { SLICE("type"), FIELD_TYPE },
    { SLICE("unit"), FIELD_UNIT },
    { SLICE("value"), FIELD_VALUE },
    { SLICE("start_time"), FIELD_START_TIME },
    { SLICE("temporality"), FIELD_TEMPORALITY },
    { SLICE("no_recorded_value"), FIELD_NO_VALUE },
};

static size_t slot_of(struct slice name)
{
    size_t ends = name.bytes == 0 ? 0
                                  : (unsigned char)name.data[0] * (size_t)7 +
                                        (unsigned char)name.data[name.bytes - 1] * (size_t)3;
    return (name.bytes * 31 + ends) % FIELDS_SLOTS;
}

/* One that is there already stays: what the configuration says comes first. */
static void add(struct fields *fields, struct slice name, enum field field, size_t rank)
{
    size_t slot = slot_of(name);

    while (fields->rows[slot].name.data != NULL) {
        if (slice_equals(fields->rows[slot].name, name))
            return;
        slot = (slot + 1) % FIELDS_SLOTS;
    }
    fields->rows[slot] = (struct fields_row){ name, (uint8_t)field, (uint8_t)rank };
}

static bool add_list(struct fields *fields, const struct text_list *list, enum field field,
                     struct err *err)
{
    if (list->count > FIELDS_LIST)
        return err_set(err, "more than %d names for one field", FIELDS_LIST);
    for (size_t i = 0; i < list->count; i++)
        add(fields, slice_of(list->items[i]), field, i);
    return true;
}

bool fields_make(struct fields *fields, const struct text_list *body, const struct text_list *time,
                 const struct text_list *severity, struct err *err)
{
    memset(fields, 0, sizeof(*fields));
    if (!add_list(fields, body, FIELD_BODY, err) || !add_list(fields, time, FIELD_TIME, err) ||
        !add_list(fields, severity, FIELD_SEVERITY, err))
        return false;
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        add(fields, fixed[i].name, fixed[i].field, 0);
    return true;
}

enum field fields_find(const struct fields *fields, struct slice name, unsigned *ret_rank)
{
    for (size_t slot = slot_of(name); fields->rows[slot].name.data != NULL;
         slot = (slot + 1) % FIELDS_SLOTS) {
        if (!slice_equals(fields->rows[slot].name, name))
            continue;
        *ret_rank = fields->rows[slot].rank;
        return (enum field)fields->rows[slot].field;
    }
    return FIELD_ATTRIBUTE;
}
