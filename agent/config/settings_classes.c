/* SPDX-License-Identifier: Apache-2.0 */
/* settings_classes: what the options of lane.classes must agree on. */
#include "base/err.h"
#include "config/nearest.h"
#include "config/settings_check.h"

static const char *const by_severity[] = { "trace", "debug", "info",  "warn",
                                           "error", "fatal", "other", NULL };

static void complain(struct loader *loader, size_t input, struct place place, const char *option,
                     const char *text)
{
    (void)diagnostics_add(&loader->diagnostics, place, "inputs.%s.%s: %s",
                          loader->settings->inputs[input].name, option, text);
}

static const struct node *find_node(const struct loader *loader, size_t input, const char *option)
{
    return reader_find(loader->inputs[input].node, option);
}

/* A class by an attribute whose name is nearly `severity` is most likely not meant. */
static void check_by(struct loader *loader, size_t input)
{
    const char *by = loader->settings->inputs[input].input.lane__classes__by;
    struct nearest nearest = nearest_to(by);

    nearest_offer(&nearest, "severity");
    if (strcmp(by, "severity") != 0 && nearest_name(&nearest) != NULL)
        complain(loader, input, find_node(loader, input, "lane.classes.by")->place,
                 "lane.classes.by",
                 "did you mean 'severity'? An attribute of that name is written attributes.NAME");
}

static void check_needless(struct loader *loader, size_t input, const char *option,
                           const char *text)
{
    const struct node *node = find_node(loader, input, option);
    if (node != NULL)
        complain(loader, input, node->key_place, option, text);
}

static void check_severity_name(struct loader *loader, size_t input, const struct node *node)
{
    struct nearest nearest = nearest_to(node->key);
    bool is_known = false;

    for (size_t i = 0; by_severity[i] != NULL; i++) {
        is_known = is_known || strcmp(by_severity[i], node->key) == 0;
        nearest_offer(&nearest, by_severity[i]);
    }
    const char *meant = nearest_name(&nearest);
    if (!is_known)
        (void)diagnostics_add(&loader->diagnostics, node->key_place,
                              "inputs.%s.lane.classes.weights: there is no severity '%.60s'%s%s%s",
                              loader->settings->inputs[input].name, node->key,
                              meant == NULL
                                  ? "; known: trace, debug, info, warn, error, fatal, other"
                                  : ", did you mean '",
                              meant == NULL ? "" : meant, meant == NULL ? "" : "'?");
}

/* The map has the texts in the order of the nodes: what did not fit was told by the reader, and
 * then this part is not looked at. */
static void read_weights(struct loader *loader, size_t input)
{
    static const struct option row = { "weight", OPT_count, 0, "1", "1", "1000", "of a class" };
    struct settings_part *part = &loader->settings->inputs[input];
    const struct text_map *map = &part->input.lane__classes__weights;
    const struct node *node = find_node(loader, input, "lane.classes.weights");
    bool is_by_severity = strcmp(part->input.lane__classes__by, "severity") == 0;
    struct err err;

    part->class_weights = settings_memory_take(loader->settings->memory,
                                               (map->count + 1) * sizeof(*part->class_weights));
    if (part->class_weights == NULL || node == NULL)
        return;
    node = node->child;
    for (size_t i = 0; i < map->count && node != NULL; i++, node = node->next) {
        if (!schema_parse(&row, map->items[i].value, node->text, &part->class_weights[i], &err))
            (void)diagnostics_add(&loader->diagnostics, node->place,
                                  "inputs.%s.lane.classes.weights.%.60s: %s", part->name, node->key,
                                  err.text);
        if (is_by_severity)
            check_severity_name(loader, input, node);
    }
}

size_t settings_class_count(const struct input_options *input)
{
    if (input->lane__classes__by[0] == '\0')
        return 1;
    if (strcmp(input->lane__classes__by, "severity") == 0)
        return sizeof(by_severity) / sizeof(by_severity[0]) - 1;
    return input->lane__classes__max + 1;
}

void settings_check_classes(struct loader *loader, size_t input)
{
    const char *by = loader->settings->inputs[input].input.lane__classes__by;

    if (by[0] == '\0') {
        check_needless(loader, input, "lane.classes.max", "needs lane.classes.by");
        check_needless(loader, input, "lane.classes.weights", "needs lane.classes.by");
    } else {
        check_by(loader, input);
    }
    if (strcmp(by, "severity") == 0)
        check_needless(loader, input, "lane.classes.max",
                       "is for classes by a field: there are six severities");
    read_weights(loader, input);
}
