/* SPDX-License-Identifier: Apache-2.0 */
/* reference_pages: the manual as a page of text and as a man page: the same order, two ways to
 * write it. */
#include "config/reference.h"
#include "config/schema_names.h"

#include "base/man.h"
#include "config/settings_options.h"

#include <stdio.h>

enum { WIDTH = 78, INDENT = 6 };

struct page {
    struct buf *ret;
    bool is_man;
};

/* ---- text ---- */

/* Goes on at that column of the line; breaks at blanks and behind bars. */
static void add_wrapped(struct buf *ret, size_t column, const char *text)
{
    for (;;) {
        size_t blanks = strspn(text, " ");
        text += blanks;
        size_t word = strcspn(text, " |");
        word += text[word] == '|' ? 1 : 0;
        if (word == 0)
            break;
        if (column > INDENT && column + blanks + word > WIDTH) {
            (void)buf_add_text(ret, "\n");
            column = 0;
        }
        size_t gap = column == 0 ? INDENT : blanks;
        (void)buf_printf(ret, "%*s%.*s", (int)gap, "", (int)word, text);
        column += gap + word;
        text += word;
    }
    (void)buf_add_text(ret, "\n");
}

/* ---- both ---- */

static void start_section(const struct page *page, const char *title, const char *text)
{
    if (page->is_man) {
        (void)buf_add_text(page->ret, ".SH \"");
        man_add(page->ret, slice_of(title));
        (void)buf_add_text(page->ret, "\"\n");
        man_add(page->ret, slice_of(text));
        (void)buf_add_text(page->ret, text[0] == '\0' ? "" : "\n");
        return;
    }
    (void)buf_printf(page->ret, "\n%s\n", title);
    if (text[0] != '\0')
        add_wrapped(page->ret, 0, text);
}

static void add_item(const struct page *page, const char *name, const char *facts, const char *text)
{
    if (page->is_man) {
        (void)buf_add_text(page->ret, ".TP\n\\fB");
        man_add(page->ret, slice_of(name));
        (void)buf_add_text(page->ret, "\\fR");
        if (facts[0] != '\0')
            (void)buf_add_text(page->ret, "  (");
        man_add(page->ret, slice_of(facts));
        (void)buf_add_text(page->ret, facts[0] != '\0' ? ")\n" : "\n");
        man_add(page->ret, slice_of(text));
        (void)buf_add_text(page->ret, "\n");
        return;
    }
    size_t before = page->ret->bytes;
    (void)buf_printf(page->ret, "\n  %s%s", name, facts[0] == '\0' ? "" : "  (");
    add_wrapped(page->ret, page->ret->bytes - before - 1, facts);
    if (facts[0] != '\0' && !page->ret->failed) { /* before the line's end */
        page->ret->bytes--;
        (void)buf_add_text(page->ret, ")\n");
    }
    add_wrapped(page->ret, 0, text);
}

static void add_options(const struct page *page, const struct option *options)
{
    for (const struct option *option = options; option->key != NULL; option++) {
        struct buf facts = { 0 };
        char name[128];
        schema_user_name(option, name, sizeof(name));
        (void)buf_printf(&facts, "%s", schema_type_name(option->type));
        if (option->preset == REQUIRED)
            (void)buf_add_text(&facts, ", required");
        else if (option->preset[0] != '\0')
            (void)buf_printf(&facts, ", default %s", option->preset);
        size_t before = facts.bytes;
        (void)buf_add_text(&facts, ", ");
        reference_range(option, &facts);
        if (facts.bytes == before + 2 && facts.data != NULL)
            facts.data[before] = '\0';
        page->ret->failed = page->ret->failed || facts.failed;
        add_item(page, name, buf_slice(&facts).data, option->doc);
        buf_fini(&facts);
    }
}

static void add_kind(const struct page *page, const struct reference_kind *kind)
{
    char title[128], text[512];

    (void)snprintf(text, sizeof(text), "Options of every %s, by a name of your own below %s.",
                   kind->one, kind->title);
    start_section(page, kind->title, text);
    add_options(page, kind->common);
    for (const struct plugin_type *const *type = kind->types; *type != NULL; type++) {
        (void)snprintf(title, sizeof(title), "%s: type: %s", kind->one, (*type)->name);
        (void)snprintf(text, sizeof(text), "%s.", (*type)->doc);
        start_section(page, title, text);
        add_options(page, (*type)->options);
    }
}

void reference_pages(bool is_man, const struct catalog *catalog, struct buf *ret)
{
    struct page page = { ret, is_man };
    struct reference_kind kinds[REFERENCE_KINDS];

    if (is_man) /* without even margins: lists of choices are long words */
        (void)buf_add_text(ret,
                           ".TH SPILLWAY.YAML 5 \"\" \"Spillway " SPILLWAY_VERSION
                           "\" \"Spillway\"\n.ad l\n.SH NAME\nspillway.yaml \\- configuration of "
                           "spillway, which ships telemetry\n");
    else
        (void)buf_add_text(ret, "Configuration of spillway\n");
    start_section(
        &page, "form",
        "A file in YAML with the keys agent, inputs, processors and outputs; the last three are "
        "maps by names of your own. A dot in a name below is a nested map: lane.shed.high is "
        "written lane: {shed: {high: 80%}}. In values ${VAR}, ${VAR:-default} and ${file:/path} "
        "are "
        "replaced; $$ is a $. A secret is never shown. Files conf.d/*.yaml beside the file belong "
        "to "
        "it: what two of them name is a mistake. An agent with outputs: {} waits for an output.");
    start_section(&page, "types", "");
    for (enum option_type type = OPT_text; type <= OPT_choice; type++)
        add_item(&page, schema_type_name(type), "", schema_type_help(type));
    start_section(&page, "agent", "");
    add_options(&page, agent_options_options);
    reference_kinds(catalog, kinds);
    for (unsigned i = 0; i < REFERENCE_KINDS; i++)
        add_kind(&page, &kinds[i]);
    if (is_man)
        (void)buf_add_text(ret, ".SH \"SEE ALSO\"\nspillway(1), spillway\\-ledger(7)\n");
}
