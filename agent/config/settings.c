/* SPDX-License-Identifier: Apache-2.0 */
/* settings: from text to tree, from the tree to typed parts, then the checks across parts. Goes on
 * after every problem that does not make the rest meaningless, so that all are told at once. */
#include "config/settings.h"

#include "config/merge.h"
#include "config/nearest.h"
#include "config/settings_check.h"
#include "config/text_hash.h"
#include "config/texts.h"

#include <stdio.h>

enum {
    TREE_BYTES_MAX = 48 << 20,
    SETTINGS_BYTES_MAX = 16 << 20,
};

/* ---- the file ---- */

static void read_agent(struct loader *loader)
{
    const struct node *node = node_find(loader->root, "agent");
    struct section section = { .title = "agent",
                               .tables = { { agent_options_options, &loader->settings->agent } },
                               .table_count = 1 };

    if (node != NULL && node->kind != NODE_MAP)
        (void)diagnostics_add(&loader->diagnostics, node->is_null ? node->key_place : node->place,
                              "agent: wants a map of options, or take the key out");
    else
        section.node = node;
    (void)reader_fill(&loader->reader, &section);
}

static void check_top(struct loader *loader)
{
    static const char *const keys[] = { "agent", "inputs", "processors", "outputs" };
    enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

    for (const struct node *node = loader->root->child; node != NULL; node = node->next) {
        struct nearest nearest = nearest_to(node->key);
        bool is_known = false;
        for (size_t i = 0; i < KEYS; i++) {
            is_known = is_known || strcmp(node->key, keys[i]) == 0;
            nearest_offer(&nearest, keys[i]);
        }
        const char *meant = nearest_name(&nearest);
        if (!is_known && meant != NULL)
            (void)diagnostics_add(&loader->diagnostics, node->key_place,
                                  "unknown key '%.80s', did you mean '%s'?", node->key, meant);
        else if (!is_known)
            (void)diagnostics_add(&loader->diagnostics, node->key_place,
                                  "unknown key '%.80s'; known: agent, inputs, processors, outputs",
                                  node->key);
    }
}

static void read_root(struct loader *loader)
{
    struct settings *settings = loader->settings;
    const struct part_kind kinds[] = {
        { "inputs", "input", loader->catalog->inputs, input_options_options, &settings->inputs,
          &settings->input_count, &loader->inputs },
        { "processors", "processor", loader->catalog->processors, processor_options_options,
          &settings->processors, &settings->processor_count, &loader->processors },
        { "outputs", "output", loader->catalog->outputs, output_options_options, &settings->outputs,
          &settings->output_count, &loader->outputs },
    };
    bool all_read = true;

    check_top(loader);
    read_agent(loader);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        all_read = settings_read_parts(loader, &kinds[i]) && all_read;
    if (all_read)
        settings_check(loader);
    if (all_read && diagnostics_is_clean(&loader->diagnostics) &&
        !settings_memory_failed(settings->memory))
        settings_split(loader);
}

/* false: it could not be parsed. A file that has nothing but comments is an empty map. */
static bool read_file(struct loader *loader, unsigned file, struct node **ret)
{
    struct diagnostics *diagnostics = &loader->diagnostics;
    size_t problems = diagnostics->count + diagnostics->more;
    struct node *root = yaml_read(diagnostics, file, loader->tree);

    if (root != NULL && root->kind != NODE_MAP && !root->is_null)
        return diagnostics_add(diagnostics, root->place,
                               "a configuration is a map with inputs and outputs, not %s",
                               node_kind_text(root));
    if (root == NULL && diagnostics->count + diagnostics->more > problems)
        return false;
    if (root == NULL || root->is_null) {
        root = settings_memory_take(loader->tree, sizeof(*root));
        if (root == NULL)
            return false;
        root->kind = NODE_MAP;
    }
    *ret = root;
    return true;
}

/* All files as one map; NULL: one of them could not be parsed. ret_rest: what could be. */
static struct node *read_files(struct loader *loader, struct node **ret_rest)
{
    struct node *root = NULL, *more = NULL;
    bool ok = true;

    for (unsigned i = 0; i <= loader->diagnostics.other_count; i++) {
        if (!read_file(loader, i, &more))
            ok = false;
        else if (root == NULL)
            root = more;
        else
            merge_tree(&loader->diagnostics, root, more);
    }
    *ret_rest = root;
    return ok ? root : NULL;
}

static const struct node empty_map = { .kind = NODE_MAP };

static void read_agent_alone(struct loader *loader)
{
    struct node *root;

    (void)read_files(loader, &root);
    loader->root = root == NULL ? &empty_map : root;
    read_agent(loader);
}

static void read_text(struct loader *loader)
{
    struct diagnostics *diagnostics = &loader->diagnostics;

    if (diagnostics->text.bytes > TEXTS_BYTES_MAX) {
        (void)diagnostics_add(
            diagnostics, (struct place){ 0 },
            "the file has %zu bytes, a configuration may have %d: is it the right one?",
            diagnostics->text.bytes, TEXTS_BYTES_MAX);
        return;
    }
    struct node *rest;
    loader->root = read_files(loader, &rest);
    if (loader->root == NULL || settings_memory_failed(loader->tree))
        return;
    if (loader->root->children > 0 || loader->root->place.line > 0)
        read_root(loader);
    else if (diagnostics_is_clean(diagnostics))
        (void)diagnostics_add(diagnostics, (struct place){ 0 },
                              "the file is empty: it needs at least inputs and outputs");
}

/* ---- secrets ---- */

static bool is_secret_in(const struct option *option, struct nearest *nearest)
{
    enum { PART_BYTES = 4 }; /* 'token' is a part of 'bearer_token', 'key' is too little to tell */

    for (; option->key != NULL; option++) {
        char name[USER_NAME_BYTES];
        schema_user_name(option, name, sizeof(name));
        if (option->type != OPT_secret)
            continue;
        const char *dot = strrchr(name, '.');
        const char *key = dot == NULL ? name : dot + 1;
        nearest_offer(nearest, key);
        if (strlen(nearest->word) >= PART_BYTES && strstr(key, nearest->word) != NULL)
            return true;
    }
    return nearest_name(nearest) != NULL;
}

static bool is_secret_of(const struct plugin_type *const *types, struct nearest *nearest)
{
    for (; *types != NULL; types++) {
        if (is_secret_in((*types)->options, nearest))
            return true;
    }
    return false;
}

/* Also a misspelt key, and one of a type that was not recognised, hides its value. */
static bool is_secret(const void *context, const char *key)
{
    const struct catalog *catalog = context;
    struct nearest nearest = nearest_to(key);

    return is_secret_in(agent_options_options, &nearest) ||
           is_secret_of(catalog->inputs, &nearest) || is_secret_of(catalog->processors, &nearest) ||
           is_secret_of(catalog->outputs, &nearest);
}

/* ---- loading ---- */

static uint64_t hash_texts(const struct config_text *texts, size_t count)
{
    uint64_t hash = text_hash_of_nothing;

    for (size_t i = 0; i < count; i++)
        hash = text_hash_add(hash, texts[i].text);
    return hash;
}

static void report(struct loader *loader, struct buf *ret_problems)
{
    bool is_short =
        settings_memory_failed(loader->settings->memory) || settings_memory_failed(loader->tree);

    if (is_short)
        (void)diagnostics_add(&loader->diagnostics, (struct place){ 0 },
                              "out of memory, or the values take more than %d MiB in all",
                              SETTINGS_BYTES_MAX >> 20);
    diagnostics_write(&loader->diagnostics, ret_problems);
}

typedef void read_fn(struct loader *loader);

/* Places name their files as long as the settings live. */
static bool keep_names(struct settings *settings, const struct config_text *texts, size_t count,
                       struct config_text *ret)
{
    for (size_t i = 0; i < count; i++) {
        ret[i].file = settings_memory_text(settings->memory, slice_of(texts[i].file));
        ret[i].text = texts[i].text;
        if (ret[i].file == NULL)
            return false;
    }
    return true;
}

static bool parse(const struct config_text *texts, size_t count, const struct catalog *catalog,
                  read_fn *read_it, struct settings *ret, struct buf *ret_problems)
{
    struct loader loader = { .catalog = catalog, .settings = ret };
    struct config_text kept[1 + TEXTS_MAX];
    bool ok = false;

    *ret = (struct settings){ .memory = settings_memory_new(SETTINGS_BYTES_MAX) };
    loader.tree = settings_memory_new(TREE_BYTES_MAX);
    if (ret->memory == NULL || loader.tree == NULL || !keep_names(ret, texts, count, kept)) {
        (void)buf_printf(ret_problems, "%s: out of memory\n", texts[0].file);
    } else {
        loader.diagnostics = (struct diagnostics){ .file = kept[0].file,
                                                   .text = kept[0].text,
                                                   .others = kept + 1,
                                                   .other_count = count - 1,
                                                   .is_secret = is_secret,
                                                   .context = catalog };
        uint64_t hash = hash_texts(texts, count);
        loader.reader = (struct reader){ &loader.diagnostics, ret->memory, &ret->origins, &hash };
        read_it(&loader);
        (void)snprintf(ret->hash, sizeof(ret->hash), "%016llx", (unsigned long long)hash);
        report(&loader, ret_problems);
        ok = diagnostics_is_clean(&loader.diagnostics);
        diagnostics_fini(&loader.diagnostics);
    }
    settings_memory_free(&loader.tree);
    return ok;
}

static bool parse_all(const struct config_text *texts, size_t count, const struct catalog *catalog,
                      struct settings *ret, struct buf *ret_problems)
{
    if (parse(texts, count, catalog, read_text, ret, ret_problems))
        return true;
    settings_free(ret);
    return false;
}

bool settings_parse(const char *name, struct slice text, const struct catalog *catalog,
                    struct settings *ret, struct buf *ret_problems)
{
    return parse_all(&(struct config_text){ name, text }, 1, catalog, ret, ret_problems);
}

bool settings_load_agent(const char *path, const struct catalog *catalog, struct settings *ret)
{
    static const struct slice nothing = { "", 0 };
    struct buf unused = { .limit = TEXTS_BYTES_MAX };
    struct texts texts;

    (void)texts_read(path, &texts, &unused);
    if (texts.count > 0)
        (void)parse(texts.items, texts.count, catalog, read_agent_alone, ret, &unused);
    else /* the defaults */
        (void)parse(&(struct config_text){ path, nothing }, 1, catalog, read_agent_alone, ret,
                    &unused);
    texts_fini(&texts);
    buf_fini(&unused);
    return ret->agent.state_dir != NULL && ret->agent.runtime_dir != NULL;
}

bool settings_load(const char *path, const struct catalog *catalog, struct settings *ret,
                   struct buf *ret_problems)
{
    struct texts texts;

    *ret = (struct settings){ 0 };
    bool ok = texts_read(path, &texts, ret_problems);
    if (texts.count > 0) /* also where one of them cannot be read: all problems are told at once */
        ok = parse_all(texts.items, texts.count, catalog, ret, ret_problems) && ok;
    texts_fini(&texts);
    if (!ok)
        settings_free(ret);
    return ok;
}

const struct option_origin *settings_origin(const struct settings *settings, const char *name)
{
    const struct option_origin *origin = settings->origins;

    while (origin != NULL && strcmp(origin->name, name) != 0)
        origin = origin->next;
    return origin;
}

void settings_free(struct settings *settings)
{
    struct settings_memory *memory = settings->memory;

    *settings = (struct settings){ 0 };
    settings_memory_free(&memory);
}
