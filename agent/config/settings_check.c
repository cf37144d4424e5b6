/* SPDX-License-Identifier: Apache-2.0 */
/* settings_check: first who refers to whom, then each part with what it refers to. A part whose own
 * options are wrong is not looked at further: its defaults would only give misleading answers. */
#include "config/settings_check.h"

#include "base/listen.h"
#include "built_with.h"
#include "config/nearest.h"

/* The books have this many slots: a configuration that passes must not fail at start. */
enum { LANES_MAX = 128, OUTPUTS_MAX = 32 };

struct place settings_place(const struct settings_part *part, const struct part_source *source,
                            const char *user_name)
{
    const struct node *node = reader_find(source->node, user_name);

    return node != NULL ? node->place : settings_part_place(part);
}

struct place settings_part_place(const struct settings_part *part)
{
    return (struct place){ part->mark.line, part->mark.column, part->mark.file_number };
}

/* ---- references ---- */

/* The parts that may be named by a list, and what a message calls one. */
struct named {
    const struct settings_part *parts;
    size_t count;
    const char *one;
};

static bool find_part(const struct named *named, const char *name, size_t *ret_index)
{
    for (size_t i = 0; i < named->count; i++) {
        if (strcmp(named->parts[i].name, name) == 0) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static bool complain_undefined(struct loader *loader, const struct named *named, const char *title,
                               const char *part, const struct node *item, const char *name)
{
    struct nearest nearest = nearest_to(name);
    const char *shown = item->text; /* as it is written: a substituted name is not shown */

    for (size_t i = 0; i < named->count && !diagnostics_is_full(&loader->diagnostics); i++)
        nearest_offer(&nearest, named->parts[i].name);
    const char *meant = nearest_name(&nearest);
    if (meant != NULL)
        return diagnostics_add(&loader->diagnostics, item->place,
                               "%s.%s: there is no %s '%.63s', did you mean '%s'?", title, part,
                               named->one, shown, meant);
    return diagnostics_add(&loader->diagnostics, item->place, "%s.%s: there is no %s '%.63s'",
                           title, part, named->one, shown);
}

static bool is_linked(const struct settings_part *part, size_t index)
{
    for (size_t i = 0; i < part->link_count; i++) {
        if (part->links[i] == index)
            return true;
    }
    return false;
}

/* Fills part->links. false: something in the list is not resolved. */
static bool link_part(struct loader *loader, const struct named *named, const char *title,
                      struct settings_part *part, const struct node *list,
                      const struct text_list *names)
{
    size_t written = list == NULL ? 0 : list->kind == NODE_LIST ? list->children : 1;
    const struct node *item = list != NULL && list->kind == NODE_LIST ? list->child : list;
    bool ok = true;

    if (written != names->count)
        return false; /* told by the reader */
    part->links =
        settings_memory_take(loader->settings->memory, (names->count + 1) * sizeof(*part->links));
    for (size_t i = 0; part->links != NULL && i < names->count; i++, item = item->next) {
        size_t index;
        if (!find_part(named, names->items[i], &index))
            ok = complain_undefined(loader, named, title, part->name, item, names->items[i]);
        else if (is_linked(part, index))
            (void)diagnostics_add(&loader->diagnostics, item->place,
                                  "%s.%s: the %s '%.63s' is listed twice", title, part->name,
                                  named->one, item->text);
        else
            part->links[part->link_count++] = index;
    }
    return ok;
}

static void link_all_inputs(struct loader *loader, struct settings_part *output)
{
    size_t count = loader->settings->input_count;

    output->links =
        settings_memory_take(loader->settings->memory, (count + 1) * sizeof(*output->links));
    for (size_t i = 0; output->links != NULL && i < count; i++)
        output->links[output->link_count++] = i;
}

static bool link_outputs(struct loader *loader)
{
    struct settings *settings = loader->settings;
    const struct named inputs = { settings->inputs, settings->input_count, "input" };
    bool ok = true;

    for (size_t i = 0; i < settings->output_count; i++) {
        struct settings_part *output = &settings->outputs[i];
        const struct node *list = node_find(loader->outputs[i].node, "inputs");
        if (list == NULL || (list->kind == NODE_LIST && list->children == 0))
            link_all_inputs(loader, output);
        else
            ok = link_part(loader, &inputs, "outputs", output, list, &output->output.inputs) && ok;
    }
    return ok;
}

static bool link_inputs(struct loader *loader)
{
    struct settings *settings = loader->settings;
    const struct named processors = { settings->processors, settings->processor_count,
                                      "processor" };
    bool ok = true;

    for (size_t i = 0; i < settings->input_count; i++) {
        struct settings_part *input = &settings->inputs[i];
        const struct node *list = node_find(loader->inputs[i].node, "processors");
        ok = link_part(loader, &processors, "inputs", input, list, &input->input.processors) && ok;
    }
    return ok;
}

/* `users` refer to `parts` by their links. */
static void find_unused(struct loader *loader, const struct settings_part *parts, size_t count,
                        const struct settings_part *users, size_t user_count, const char *title,
                        const char *what)
{
    for (size_t i = 0; i < count; i++) {
        bool is_used = false;
        for (size_t j = 0; j < user_count; j++)
            is_used = is_used || is_linked(&users[j], i);
        if (!is_used)
            (void)diagnostics_add(&loader->diagnostics, settings_part_place(&parts[i]), "%s.%s: %s",
                                  title, parts[i].name, what);
    }
}

static void check_references(struct loader *loader)
{
    const struct settings *settings = loader->settings;
    bool outputs_linked = link_outputs(loader);
    bool inputs_linked = link_inputs(loader);

    /* A name that is not resolved is most likely meant for the part that nobody seems to use. */
    if (outputs_linked && settings->output_count > 0)
        find_unused(loader, settings->inputs, settings->input_count, settings->outputs,
                    settings->output_count, "inputs", "no output takes this input");
    if (inputs_linked)
        find_unused(loader, settings->processors, settings->processor_count, settings->inputs,
                    settings->input_count, "processors", "no input uses this processor");
}

/* `outputs: {}` is a wish, not a mistake: an agent fresh from its package waits for an endpoint. */
static bool is_idle(const struct node *outputs)
{
    return outputs != NULL && outputs->kind == NODE_MAP && outputs->children == 0;
}

static void check_counts(struct loader *loader)
{
    static const struct {
        const char *title, *example;
    } wanted[] = { { "inputs", "logs: {type: …}" }, { "outputs", "main: {type: …}" } };
    const struct settings *settings = loader->settings;
    const size_t counts[] = { settings->input_count, settings->output_count };

    for (size_t i = 0; i < 2; i++) {
        const struct node *node = node_find(loader->root, wanted[i].title);
        if (counts[i] == 0 && !(i == 1 && is_idle(node)))
            (void)diagnostics_add(&loader->diagnostics,
                                  node != NULL ? node->key_place : (struct place){ 1, 1, 0 },
                                  "there are no %s: at least one is needed, %s: {%s}",
                                  wanted[i].title, wanted[i].title, wanted[i].example);
    }
    if (settings->output_count > OUTPUTS_MAX)
        (void)diagnostics_add(&loader->diagnostics,
                              settings_part_place(&settings->outputs[OUTPUTS_MAX]),
                              "outputs: more than %d", OUTPUTS_MAX);
    size_t lanes = 0;
    for (size_t i = 0; i < settings->output_count; i++)
        lanes += settings->outputs[i].link_count;
    if (lanes > LANES_MAX)
        (void)diagnostics_add(
            &loader->diagnostics, node_find(loader->root, "outputs")->key_place,
            "outputs: %zu pairs of an input and an output that takes it, the most "
            "is %d: name fewer in the outputs' 'inputs'",
            lanes, LANES_MAX);
}

/* ---- options that contradict each other ---- */

static size_t outputs_of(const struct settings *settings, size_t input)
{
    size_t count = 0;

    for (size_t i = 0; i < settings->output_count; i++)
        count += is_linked(&settings->outputs[i], input) ? 1 : 0;
    return count;
}

static void check_overflow(struct loader *loader, size_t index)
{
    struct settings_part *part = &loader->settings->inputs[index];
    const struct part_source *source = &loader->inputs[index];
    struct input_options *input = &part->input;
    bool is_rereadable = (part->type->traits & INPUT_REREADABLE) != 0;
    size_t outputs = outputs_of(loader->settings, index);

    if (input->lane__overflow == OVERFLOW_AUTO)
        input->lane__overflow = is_rereadable ? OVERFLOW_BLOCK : OVERFLOW_DROP_OLDEST;
    if (input->lane__block_for > 0 && input->lane__overflow != OVERFLOW_BLOCK)
        (void)diagnostics_add(&loader->diagnostics, settings_place(part, source, "lane.block_for"),
                              "inputs.%s.lane.block_for: needs lane.overflow: block", part->name);
    if (input->lane__overflow == OVERFLOW_BLOCK && input->lane__block_for == 0 && !is_rereadable &&
        outputs > 1)
        (void)diagnostics_add(
            &loader->diagnostics, settings_place(part, source, "lane.overflow"),
            "inputs.%s.lane.overflow: block would let a slow output hold the other "
            "%zu: '%s' cannot be read again, so set lane.block_for (500ms) or "
            "another overflow",
            part->name, outputs - 1, part->type->name);
}

static void check_input(struct loader *loader, size_t index)
{
    const struct settings_part *part = &loader->settings->inputs[index];
    const struct part_source *source = &loader->inputs[index];

    check_overflow(loader, index);
    settings_check_shed(loader, index);
    settings_check_classes(loader, index);
    if ((part->type->traits & (INPUT_SAMPLES | INPUT_TIMED)) == 0 &&
        node_find(source->node, "interval") != NULL)
        (void)diagnostics_add(&loader->diagnostics, settings_place(part, source, "interval"),
                              "inputs.%s.interval: '%s' does not sample, it reads what comes: take "
                              "the key out",
                              part->name, part->type->name);
}

static void check_output(struct loader *loader, size_t index)
{
    struct settings_part *part = &loader->settings->outputs[index];
    const struct part_source *source = &loader->outputs[index];
    struct output_options *output = &part->output;
    const struct {
        const char *low, *high;
        bool ok;
    } pairs[] = {
        { "retry.base", "retry.cap", output->retry__base <= output->retry__cap },
        { "concurrency.min", "concurrency.max",
          output->concurrency__min <= output->concurrency__max },
        { "breaker.rest", "breaker.rest_max", output->breaker__rest <= output->breaker__rest_max },
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        /* At the one that is written: the other is a default then. */
        bool has_low = reader_find(source->node, pairs[i].low) != NULL;
        if (!pairs[i].ok)
            (void)diagnostics_add(
                &loader->diagnostics,
                settings_place(part, source, has_low ? pairs[i].low : pairs[i].high),
                "outputs.%s.%s: must not be above %s", part->name, pairs[i].low, pairs[i].high);
    }
    if (output->compression == COMPRESSION_ZSTD && !HAVE_ZSTD)
        (void)diagnostics_add(&loader->diagnostics, settings_place(part, source, "compression"),
                              "outputs.%s.compression: zstd is not built in, use gzip", part->name);
    if (output->compression == COMPRESSION_AUTO)
        output->compression =
            (part->type->traits & OUTPUT_STREAM) != 0 ? COMPRESSION_NONE : COMPRESSION_GZIP;
}

static bool is_given(const char *text) /* NULL: it had a mistake of its own */
{
    return text != NULL && text[0] != '\0';
}

static void check_admin_tls(struct loader *loader, const struct node *node)
{
    const struct agent_options *agent = &loader->settings->agent;
    bool has_cert = is_given(agent->admin__tls__cert_file);
    bool has_key = is_given(agent->admin__tls__key_file);
    const struct node *given =
        node == NULL ? NULL
                     : reader_find(node, has_cert ? "admin.tls.cert_file" : "admin.tls.key_file");

    if (given == NULL || (!has_cert && !has_key))
        return;
    if (has_cert != has_key)
        (void)diagnostics_add(&loader->diagnostics, given->place,
                              "agent.admin.tls: cert_file and key_file belong together");
    else if (!is_given(agent->admin__listen))
        (void)diagnostics_add(&loader->diagnostics, given->place,
                              "agent.admin.tls: is for admin.listen, and there is none");
}

static void check_agent(struct loader *loader)
{
    const struct node *node = node_find(loader->root, "agent");
    const struct node *listen = node == NULL ? NULL : reader_find(node, "admin.listen");
    const char *text = loader->settings->agent.admin__listen;
    struct err err = { "" };

    if (listen != NULL && text != NULL && text[0] != '\0' && !listen_check(text, &err))
        (void)diagnostics_add(&loader->diagnostics, listen->place, "agent.admin.listen: %s",
                              err.text);
    check_admin_tls(loader, node);
    const struct node *token = node == NULL ? NULL : reader_find(node, "admin.token");
    const char *secret = loader->settings->agent.admin__token;
    if (is_given(secret) && is_given(loader->settings->agent.admin__token_file) && token != NULL)
        (void)diagnostics_add(&loader->diagnostics, token->place,
                              "agent.admin: token or token_file: one of them");
    for (size_t i = 0; token != NULL && secret != NULL && secret[i] != '\0'; i++) {
        if ((unsigned char)secret[i] > ' ' && secret[i] < 0x7f)
            continue;
        (void)diagnostics_add(&loader->diagnostics, token->place,
                              "agent.admin.token: has a character that no HTTP header can carry: "
                              "use visible ASCII without blanks");
        return;
    }
}

void settings_check(struct loader *loader)
{
    const struct settings *settings = loader->settings;

    check_agent(loader);
    check_references(loader);
    check_counts(loader);
    for (size_t i = 0; i < settings->input_count; i++) {
        if (loader->inputs[i].is_ok)
            check_input(loader, i);
    }
    for (size_t i = 0; i < settings->output_count; i++) {
        if (!loader->outputs[i].is_ok)
            continue;
        check_output(loader, i);
        settings_check_dead_letter(loader, i);
    }
    settings_check_spools(loader);
}
