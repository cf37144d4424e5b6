/* SPDX-License-Identifier: Apache-2.0 */
/* why: first what the agent knows of the file; where it knows nothing, the steps that a file takes
 * until it is read, and the first one at which this file stays behind. */
#include "agent.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "catalog.h"
#include "cli/cli.h"
#include "cli/plain.h"
#include "cli/why_agent.h"
#include "cli/why_arguments.h"
#include "cli/why_match.h"
#include "cli/why_named.h"
#include "cli/why_show.h"

#include <errno.h>
#include <stdio.h>
#include <sys/sysmacros.h>

struct why {
    const char *config;              /* its path; NULL: none */
    const struct settings *settings; /* NULL: none */
    struct why_agent agent;
    struct buf text; /* what is to be printed */
};

/* ---- what kind of file ---- */

static const char *kind_text(mode_t mode)
{
    if (S_ISREG(mode))
        return "a regular file";
    if (S_ISDIR(mode))
        return "a folder";
    if (S_ISFIFO(mode))
        return "a FIFO";
    if (S_ISSOCK(mode))
        return "a socket";
    return S_ISCHR(mode) || S_ISBLK(mode) ? "a device" : "no file of a kind that is known";
}

static void add_file(struct why *why, const struct why_file *file)
{
    const struct stat *info = &file->info;
    double age_s = (double)clock_real_ns() / (double)NS_PER_S - (double)info->st_mtim.tv_sec -
                   (double)info->st_mtim.tv_nsec / (double)NS_PER_S;

    if (strcmp(file->path, file->resolved) != 0)
        (void)buf_printf(&why->text, "  its name without links is %s\n", file->resolved);
    if (!file->is_there)
        return;
    (void)buf_printf(&why->text, "  %s of %lld bytes, device %u:%u, inode %llu, written ",
                     kind_text(info->st_mode), (long long)info->st_size, major(info->st_dev),
                     minor(info->st_dev), (unsigned long long)info->st_ino);
    why_add_ago(&why->text, age_s);
    (void)buf_add_text(&why->text, " ago\n");
}

/* ---- accounts ---- */

/* Is it this very file, or one that had its name? The question asked for a checksum only. */
static bool is_about(const cJSON *source, const struct why_file *file)
{
    uint64_t device = (uint64_t)major(file->info.st_dev) << 32 | (uint64_t)minor(file->info.st_dev);
    const char *name = why_text(source, "name");

    if (file->is_there && why_number(source, "inode") == (double)file->info.st_ino &&
        why_number(source, "device") == (double)device)
        return true;
    return strcmp(name, file->path) == 0 || strcmp(name, file->resolved) == 0;
}

static bool is_same_file(const cJSON *source, const struct why_file *file)
{
    return file->is_there && why_number(source, "inode") == (double)file->info.st_ino;
}

struct told {
    unsigned followed, others; /* readings that follow the very file; other accounts */
    bool is_asked_for;         /* by the configuration, and nothing is in the way */
    bool is_taken;             /* an input reads it that has no files */
    bool would_be_taken;       /* if the agent ran */
    bool is_unknown;           /* a part of the agent did not answer in time */
};

static void add_silent(struct why *why, const cJSON *page, bool is_from_agent, struct told *told)
{
    const cJSON *reading;

    cJSON_ArrayForEach(reading, cJSON_GetObjectItemCaseSensitive(page, "silent"))
    {
        told->is_unknown = true;
        (void)buf_printf(&why->text,
                         "  %s > %s: did not answer within a second, it is busy or stuck\n",
                         why_text(reading, "input"), why_text(reading, "output"));
    }
    if (!is_from_agent || why_flag(page, "asked"))
        return;
    told->is_unknown = true;
    (void)buf_add_text(&why->text, "  the agent's main thread did not take the question within a "
                                   "second: it is busy or stuck\n");
}

static void add_accounts(struct why *why, const cJSON *page, const struct why_file *file,
                         struct told *ret)
{
    const cJSON *reading, *source;
    bool from_agent = strcmp(why_text(page, "from"), "agent") == 0;

    *ret = (struct told){ 0 };
    cJSON_ArrayForEach(reading, cJSON_GetObjectItemCaseSensitive(page, "readings"))
    {
        cJSON_ArrayForEach(source, cJSON_GetObjectItemCaseSensitive(reading, "sources"))
        {
            if (!is_about(source, file))
                continue;
            bool same = is_same_file(source, file);
            why_show_account(reading, source, same ? (int64_t)file->info.st_size : -1, from_agent,
                             &why->text);
            if (strcmp(why_text(source, "name"), file->path) != 0)
                (void)buf_printf(&why->text, "    under the name %s\n", why_text(source, "name"));
            if (same && from_agent && why_flag(source, "followed"))
                ret->followed++;
            else
                ret->others++;
        }
    }
    add_silent(why, page, from_agent, ret);
}

static cJSON *ask(struct why *why, const struct why_file *file)
{
    struct admin_query query = {
        .has_file = file->is_there,
        .has_name = true,
        .device = (uint64_t)major(file->info.st_dev) << 32 | (uint64_t)minor(file->info.st_dev),
        .inode = file->info.st_ino,
        .name_sum = crc32c(0, file->path, strlen(file->path)),
    };

    return why_agent_ask(&why->agent, &query);
}

/* ---- reasons ---- */

static void add_nearest(struct why *why, const char *input, const struct why_match *match)
{
    const struct pattern_fit *fit = &match->nearest_fit;

    (void)buf_printf(&why->text, "  no pattern matches it; the nearest is %s of input %s, ",
                     match->nearest, input);
    if (fit->fits)
        (void)buf_add_text(&why->text, "whose '**' goes into no link to a folder\n");
    else if (fit->wanted[0] == '\0')
        (void)buf_printf(&why->text, "which ends before '%s'\n", fit->present);
    else if (fit->present[0] == '\0')
        (void)buf_printf(&why->text, "which goes on with '%s'\n", fit->wanted);
    else
        (void)buf_printf(&why->text, "where '%s' is not '%s'\n", fit->present, fit->wanted);
}

/* The first input that matches and does not leave it out. NULL: none; told why. */
static const struct settings_part *find_input(struct why *why, const struct why_file *file)
{
    const char *nearest = NULL; /* the input with the nearest pattern */
    struct why_match match, nearest_match = { .nearest = NULL };
    bool is_excluded = false;

    for (size_t i = 0; i < why->settings->input_count; i++) {
        const struct settings_part *input = &why->settings->inputs[i];
        if (!why_match(input, file, &match))
            continue;
        if (match.pattern != NULL && match.excluded_by == NULL)
            return input;
        if (match.pattern != NULL) {
            is_excluded = true;
            (void)buf_printf(&why->text,
                             "  input %s matches it with %s, and leaves it out: exclude %s\n",
                             input->name, match.pattern, match.excluded_by);
        } else if (match.nearest != NULL &&
                   (nearest == NULL || match.nearest_fit.parts > nearest_match.nearest_fit.parts)) {
            nearest = input->name;
            nearest_match = match;
        }
    }
    if (is_excluded)
        return NULL;
    if (nearest != NULL)
        add_nearest(why, nearest, &nearest_match);
    else
        (void)buf_add_text(&why->text, "  the configuration has no input of files\n");
    return NULL;
}

/* What keeps a file from being read that an input asks for. false: nothing that can be seen. */
static bool add_obstacle(struct why *why, const struct why_file *file)
{
    struct buf words = { 0 };
    bool is_found = false;

    if (file->is_there && !S_ISREG(file->info.st_mode)) {
        (void)buf_printf(&why->text, "  it is %s: only regular files are read\n",
                         kind_text(file->info.st_mode));
        return true;
    }
    if (file->is_there || file->error == EACCES)
        is_found = identity_explain(&why->agent.identity, file->path, &words);
    if (is_found)
        (void)buf_printf(&why->text, "  %s\n", words.data);
    buf_fini(&words);
    return is_found;
}

/* Its standard output or error: an agent does not read what it says of its reading. */
static bool is_own_output(const struct why *why, const struct why_file *file)
{
    for (int fd = 1; fd <= 2 && why->agent.pid > 0; fd++) {
        char path[64];
        struct stat info;
        (void)snprintf(path, sizeof(path), "/proc/%lld/fd/%d", (long long)why->agent.pid, fd);
        if (stat(path, &info) == 0 && info.st_ino == file->info.st_ino &&
            info.st_dev == file->info.st_dev)
            return true;
    }
    return false;
}

static bool is_other_configuration(const struct why *why)
{
    return why->agent.config_hash[0] != '\0' &&
           strcmp(why->agent.config_hash, why->settings->hash) != 0;
}

static void add_not_yet(struct why *why, const struct why_file *file,
                        const struct settings_part *input)
{
    (void)buf_printf(&why->text, "  input %s asks for it", input->name);
    if (why->agent.runs && !why_agent_answers(&why->agent))
        (void)buf_add_text(&why->text, "; whether it is read only the agent can tell\n");
    else if (!why_agent_answers(&why->agent))
        (void)buf_add_text(&why->text, ", and no checkpoint has a position of it: it would begin "
                                       "where start_at says\n");
    else if (is_own_output(why, file))
        (void)buf_add_text(&why->text, ", but it is the agent's own output, which is left out: see "
                                       "`own_output`\n");
    else if (is_other_configuration(why))
        (void)buf_printf(&why->text,
                         ", but the agent runs with another configuration than %s: "
                         "reload or restart it\n",
                         why->config);
    else
        (void)buf_add_text(&why->text, ", but the agent has not met it yet. It looks at all files "
                                       "each `rescan`; if it stays so, `max_files` are known "
                                       "already, see its log\n");
}

/* It has a part in the configuration that is none of the files of a pattern. */
static bool add_named(struct why *why, const struct why_file *file, struct told *told)
{
    struct why_named named;
    bool is_named = why_named_find(why->settings, file, &named);

    if (is_named)
        (void)buf_add(&why->text, named.text.data, named.text.bytes);
    told->would_be_taken = named.read_by != NULL && !why->agent.runs;
    if (told->would_be_taken)
        (void)buf_printf(&why->text, "  input %s would read what comes from it\n", named.read_by);
    else if (named.read_by != NULL && is_other_configuration(why))
        (void)buf_printf(&why->text,
                         "  the agent runs with another configuration than %s: reload or restart "
                         "it\n",
                         why->config);
    else if (named.read_by != NULL) {
        (void)buf_printf(&why->text,
                         "  input %s takes what comes from it: how much and how fast, `spillway "
                         "top` shows\n",
                         named.read_by);
        told->is_taken = true;
    } else if (is_named)
        (void)buf_add_text(&why->text, "  no input reads events from it\n");
    why_named_fini(&named);
    return is_named;
}

static void add_reason(struct why *why, const struct why_file *file, struct told *told)
{
    if (!file->is_there && file->error != ENOENT)
        (void)buf_printf(&why->text, "  it cannot be looked at: %s\n", strerror(file->error));
    if (why->settings == NULL) {
        if (told->others == 0)
            (void)buf_add_text(&why->text, "  nothing is known of it; with -c FILE patterns would "
                                           "be looked at too\n");
        return;
    }
    if (add_named(why, file, told))
        return;
    const struct settings_part *input = find_input(why, file);
    told->is_asked_for = input != NULL && !add_obstacle(why, file);
    if (!told->is_asked_for || told->others > 0 || told->is_unknown)
        return;
    if (file->is_there)
        add_not_yet(why, file, input);
    else
        (void)buf_printf(&why->text, "  input %s would read it\n", input->name);
}

static const char *verdict(const struct why *why, const struct why_file *file,
                           const struct told *told)
{
    if (told->followed > 0 || told->is_taken)
        return "yes, it is read";
    if (file->error == ENOENT)
        return "there is no such file";
    if (told->is_unknown)
        return "not known";
    if (told->would_be_taken)
        return "not now";
    if (!why_agent_answers(&why->agent) && (told->others > 0 || told->is_asked_for))
        return why->agent.runs ? "not known" : "not now";
    return "no, it is not read";
}

static void add_agent(struct why *why)
{
    const struct why_agent *agent = &why->agent;

    if (!agent->runs)
        (void)buf_printf(&why->text,
                         "no agent with the state directory %s runs: positions are "
                         "those of its checkpoints\n",
                         agent->state_dir);
    else if (!why_agent_answers(agent))
        (void)buf_printf(&why->text,
                         "the agent runs and cannot be asked: %s. Positions are those of its "
                         "checkpoints\n",
                         agent->trouble.text);
}

/* ---- the command ---- */

static bool explain(struct why *why, const char *path)
{
    struct why_file file;
    struct told told = { 0 };
    struct buf details = { 0 };

    if (!why_file_look(&file, path)) {
        (void)buf_printf(&why->text, "%s: no, the path is too long\n", path);
        return false;
    }
    cJSON *page = ask(why, &file);
    struct buf outer = why->text;
    why->text = details;
    add_file(why, &file);
    add_accounts(why, page, &file, &told);
    if (told.followed == 0)
        add_reason(why, &file, &told);
    details = why->text;
    why->text = outer;
    (void)buf_printf(&why->text, "%s: %s\n", file.path, verdict(why, &file, &told));
    (void)buf_add(&why->text, buf_slice(&details).data, details.bytes);
    buf_fini(&details);
    cJSON_Delete(page);
    return told.followed > 0 || told.is_taken;
}

static void list_all(struct why *why)
{
    struct admin_query query = { .has_file = false };
    cJSON *page = why_agent_ask(&why->agent, &query);
    const cJSON *reading, *source;

    cJSON_ArrayForEach(reading, cJSON_GetObjectItemCaseSensitive(page, "readings"))
    {
        double left_out = why_number(reading, "left_out");
        cJSON_ArrayForEach(source, cJSON_GetObjectItemCaseSensitive(reading, "sources"))
            why_show_line(reading, source, &why->text);
        if (left_out > 0)
            (void)buf_printf(&why->text,
                             "%s > %s: and %.0f more, for which an answer has no room\n",
                             why_text(reading, "input"), why_text(reading, "output"), left_out);
    }
    cJSON_ArrayForEach(reading, cJSON_GetObjectItemCaseSensitive(page, "silent"))(void)
        buf_printf(&why->text, "%s > %s: did not answer within a second\n",
                   why_text(reading, "input"), why_text(reading, "output"));
    cJSON_Delete(page);
}

static int answer(struct why *why, const struct why_arguments *arguments)
{
    const struct settings *settings = why->settings;
    bool ok = true;

    if (settings != NULL)
        why_agent_find(&why->agent, settings->agent.state_dir, settings->agent.runtime_dir,
                       settings_origin(settings, "agent.runtime_dir") == NULL);
    else
        why_agent_find(&why->agent, arguments->state_dir, arguments->runtime_dir,
                       arguments->runtime_dir == NULL);
    add_agent(why);
    if (arguments->all)
        list_all(why);
    for (int i = 0; i < arguments->count; i++)
        ok = explain(why, arguments->files[i]) && ok;
    if (why->text.failed) {
        (void)fprintf(stderr, "spillway why: out of memory\n");
        return EXIT_FAILED;
    }
    plain_write(stdout, buf_slice(&why->text));
    return ok ? EXIT_CLEAN : EXIT_FAILED;
}

int cli_why(int argc, char **argv)
{
    int exit_code = EXIT_CONFIG;
    struct why_arguments arguments;
    struct buf problems = { .limit = 1 << 20 };
    struct settings settings = { 0 };
    struct why why = { .config = NULL };

    if (!why_arguments(argc, argv, &arguments, &exit_code))
        return exit_code;
    if (arguments.config != NULL) {
        why.config = arguments.config;
        why.settings = &settings;
    }
    if (arguments.config == NULL || settings_load(arguments.config, &catalog, &settings, &problems))
        exit_code = answer(&why, &arguments);
    else
        (void)fputs(buf_slice(&problems).data, stderr);
    buf_fini(&why.text);
    buf_fini(&problems);
    settings_free(&settings);
    return exit_code;
}
