/* SPDX-License-Identifier: Apache-2.0 */
#include "reload.h"

#include "base/bell.h"
#include "base/clock.h"
#include "base/json_add.h"
#include "base/log.h"
#include "config/settings_diff.h"

#include <string.h>

enum { PROBLEM_BYTES = 64 * 1024, PROBLEMS_LOGGED = 20, LIST_BYTES = 1024 };

/* How far it came; the command line makes its exit code of it. */
static const char DONE[] = "done", BAD_CONFIG[] = "bad configuration", NOT_DONE[] = "not done";

void reload_init(struct reload *reload, const char *path, int bell)
{
    *reload = (struct reload){ .path = path, .bell = bell, .generation = 1 };
    lock_init(&reload->lock, "reload");
}

void reload_fini(struct reload *reload)
{
    if (reload->path == NULL)
        return;
    buf_fini(&reload->last);
    lock_fini(&reload->lock);
    reload->path = NULL;
}

uint64_t reload_ask(struct reload *reload)
{
    lock_take(&reload->lock);
    uint64_t number = ++reload->asked;
    lock_drop(&reload->lock);
    bell_ring(reload->bell);
    return number;
}

bool reload_page(struct reload *reload, struct buf *ret)
{
    json_open(ret, NULL, '{');
    json_add_count(ret, "format", 1);
    lock_take(&reload->lock);
    json_add_count(ret, "asked", reload->asked);
    json_add_count(ret, "served", reload->served);
    json_add_count(ret, "generation", reload->generation);
    if (reload->last.bytes > 0) {
        json_add_key(ret, "last");
        (void)buf_add(ret, reload->last.data, reload->last.bytes);
    }
    lock_drop(&reload->lock);
    json_close(ret, '}');
    return buf_add_text(ret, "\n");
}

bool reload_is_due(struct reload *reload)
{
    lock_take(&reload->lock);
    bool is_due = reload->asked > reload->served;
    lock_drop(&reload->lock);
    return is_due;
}

/* ---- the result ---- */

struct result {
    const char *state;
    struct generation *next; /* NULL: nothing has changed */
    struct buf problems;
    int64_t began_ms;
    uint64_t upto; /* the last wish that is served by it */
};

struct lists {
    struct buf *page;
    struct buf names[4]; /* by enum part_fate: for the log line */
};

static void add_part(void *context, const struct part_news *news)
{
    struct lists *lists = context;
    struct buf *names = &lists->names[news->fate];

    json_open(lists->page, NULL, '{');
    json_add_text(lists->page, "kind", part_kind_name(news->kind));
    json_add_text(lists->page, "name", news->name);
    json_add_text(lists->page, "fate", part_fate_name(news->fate));
    if (news->fate == PART_CHANGED)
        json_add_text(lists->page, "options", news->diff.options);
    json_close(lists->page, '}');
    (void)buf_printf(names, "%s%s.%s", names->bytes > 0 ? " " : "", part_kind_name(news->kind),
                     news->name);
}

static void log_done(const struct result *result, const struct lists *lists, const char *options)
{
    LOG_AS(LOG_ALWAYS, LOG_INFO, "reloaded", LU("generation", result->next->number),
           LS("config", result->next->settings.hash),
           LB("added", buf_slice(&lists->names[PART_ADDED])),
           LB("changed", buf_slice(&lists->names[PART_CHANGED])),
           LB("removed", buf_slice(&lists->names[PART_REMOVED])),
           LB("kept", buf_slice(&lists->names[PART_KEPT])), LS("agent", options),
           LI("took_ms", clock_now_ms() - result->began_ms));
}

/* Refused without a word: there was no memory to say why. */
static const char *problems_of(const struct result *result)
{
    return result->problems.bytes > 0 ? result->problems.data : "out of memory\n";
}

/* Each problem is told by the line that has its place; what is shown below it is for a terminal. A
 * place is in the file or in one beside it. */
static void log_problems(const struct reload *reload, const struct result *result)
{
    const char *text = problems_of(result), *slash = strrchr(reload->path, '/');
    size_t logged = 0, path_bytes = slash == NULL ? 0 : (size_t)(slash - reload->path) + 1;

    while (*text != '\0' && logged < PROBLEMS_LOGGED) {
        size_t bytes = strcspn(text, "\n");
        bool has_place = strncmp(text, reload->path, path_bytes) == 0 && text[0] != ' ';
        if (bytes > 0 && (has_place || logged == 0 || result->state != BAD_CONFIG)) {
            LOG_AS(LOG_ALWAYS, LOG_ERROR, "reload refused, the agent goes on as it was",
                   LS("state", result->state), LB("error", ((struct slice){ text, bytes })));
            logged++;
        }
        text += bytes + (text[bytes] == '\n');
    }
}

static void add_outcome(struct buf *page, const struct result *result, const struct generation *now)
{
    const struct generation *valid = result->next != NULL ? result->next : now;

    json_open(page, NULL, '{');
    json_add_text(page, "state", result->state);
    json_add_count(page, "served", result->upto);
    json_add_count(page, "generation", valid->number);
    json_add_text(page, "config", valid->settings.hash);
    json_add_integer(page, "took_ms", clock_now_ms() - result->began_ms);
}

static void describe(struct buf *page, const struct reload *reload, const struct result *result,
                     const struct generation *now)
{
    struct lists lists = { .page = page };
    char options[DIFF_TEXT_BYTES] = "";

    add_outcome(page, result, now);
    if (result->next == NULL) {
        json_add_text(page, "problems", problems_of(result));
        log_problems(reload, result);
    } else {
        for (size_t i = 0; i < 4; i++)
            lists.names[i].limit = LIST_BYTES;
        settings_compare_agent(&now->settings, &result->next->settings, options);
        json_add_text(page, "agent", options);
        json_open(page, "parts", '[');
        settings_visit_news(&now->settings, &result->next->settings, add_part, &lists);
        json_close(page, ']');
        log_done(result, &lists, options);
        for (size_t i = 0; i < 4; i++)
            buf_fini(&lists.names[i]);
    }
    json_close(page, '}');
}

static void publish(struct reload *reload, const struct result *result,
                    const struct generation *now)
{
    struct buf page = { 0 };

    describe(&page, reload, result, now);
    if (page.failed)
        buf_clear(&page);
    lock_take(&reload->lock);
    struct buf before = reload->last;
    reload->last = page;
    reload->served = result->upto;
    if (result->next != NULL)
        reload->generation = result->next->number;
    lock_drop(&reload->lock);
    buf_fini(&before);
}

/* ---- one reload ---- */

/* The port first: whether it can be had is known before anything moves. */
static bool change(struct pipeline *pipeline, struct surface *surface, struct generation *next,
                   const struct patience *patience, struct err *err)
{
    if (!surface_prepare(surface, &next->settings, err))
        return false;
    if (!pipeline_change(pipeline, next, patience, err)) {
        surface_forget_change(surface);
        return false;
    }
    surface_commit(surface);
    return true;
}

static void run(const struct reload *reload, const struct generation *now,
                struct pipeline *pipeline, struct surface *surface, const struct patience *patience,
                struct result *ret)
{
    struct generation *next = generation_load(reload->path, now->number + 1, &ret->problems);
    struct err err = { "" };

    if (next == NULL) {
        ret->state = ret->problems.bytes > 0 ? BAD_CONFIG : NOT_DONE;
        return;
    }
    ret->state = NOT_DONE;
    bool may = settings_may_follow(&now->settings, &next->settings, &ret->problems);
    if (!rights_cover(reload->rights, &next->settings, &ret->problems) || !may) {
        generation_release(&next);
        return;
    }
    if (!change(pipeline, surface, next, patience, &err)) {
        (void)buf_printf(&ret->problems, "%s\n", err.text);
        generation_release(&next);
        return;
    }
    ret->state = DONE;
    ret->next = next;
}

static uint64_t take_wishes(struct reload *reload)
{
    lock_take(&reload->lock);
    uint64_t asked = reload->asked;
    lock_drop(&reload->lock);
    return asked;
}

struct generation *reload_serve(struct reload *reload, const struct generation *now,
                                struct pipeline *pipeline, struct surface *surface,
                                struct ledger *ledger, const struct patience *patience)
{
    struct numbers *numbers = ledger_agent_numbers(ledger);
    struct result result = { .problems = { .limit = PROBLEM_BYTES }, .began_ms = clock_now_ms() };

    result.upto = take_wishes(reload);
    run(reload, now, pipeline, surface, patience, &result);
    numbers_add(numbers, result.next != NULL ? NUMBER_reloads : NUMBER_reload_failures, 1);
    if (result.next != NULL)
        numbers_set(numbers, NUMBER_config_generation, result.next->number);
    publish(reload, &result, now);
    buf_fini(&result.problems);
    return result.next;
}
