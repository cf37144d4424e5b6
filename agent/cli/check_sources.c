/* SPDX-License-Identifier: Apache-2.0 */
/* check_sources: what inputs read that is not given as patterns of files: the journal, the kernel's
 * log. Each is opened for reading and closed, as the files of check_inputs are. The libraries that
 * read a journal pass over what they may not read: here it is told. */
#include "base/auto.h"
#include "base/capability.h"
#include "base/identity.h"
#include "cli/check_env.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>

struct source {
    const struct settings_part *input;
    struct identity identity;
    unsigned long seen, readable;
    char refused[PATH_MAX]; /* the first one that cannot be read; "": none */
    int error;
};

static void try_one(struct source *source, const char *path)
{
    AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    source->seen++;
    if (fd >= 0) {
        source->readable++;
        return;
    }
    if (source->refused[0] == '\0') {
        source->error = errno;
        (void)snprintf(source->refused, sizeof(source->refused), "%s", path);
    }
}

static int note_folder(const char *path, int error)
{
    (void)path;
    (void)error;
    return 0;
}

static void try_globs(struct source *source, char *globs)
{
    char *place = NULL;

    for (const char *line = strtok_r(globs, "\n", &place); line != NULL;
         line = strtok_r(NULL, "\n", &place)) {
        glob_t names = { 0 };
        if (strpbrk(line, "*?[") == NULL)
            try_one(source, line);
        else if (glob(line, 0, note_folder, &names) == 0)
            for (size_t i = 0; i < names.gl_pathc; i++)
                try_one(source, names.gl_pathv[i]);
        globfree(&names);
    }
}

/* The modes of the kernel's log let everybody read it, and the kernel does not. */
static void explain(const struct source *source, struct buf *ret)
{
    bool is_kernel_log = (source->input->type->traits & INPUT_KERNEL_LOG) != 0;
    bool is_refused = source->error == EPERM || source->error == EACCES;
    const char *advice = capability_advice(CAP_SYSLOG);

    if (source->error == EACCES && identity_explain(&source->identity, source->refused, ret))
        return;
    (void)buf_add_text(ret, strerror(source->error));
    if (is_kernel_log && is_refused)
        (void)buf_printf(ret, ": where kernel.dmesg_restrict is 1 it takes %s", advice);
    else if (is_kernel_log && source->error == ENOENT)
        (void)buf_printf(ret, ": a service that sees no devices needs %s, a container the device",
                         advice);
}

static void tell(const struct source *source, const char *globs, struct checklist *list)
{
    const char *name = source->input->name;
    AUTO(buf_fini) struct buf why = { 0 };

    if (source->seen == 0) {
        (void)checklist_add(list, false, "input %s: there is nothing to read: no %.*s", name,
                            (int)strcspn(globs, "\n"), globs);
        return;
    }
    if (source->readable < source->seen) {
        explain(source, &why);
        (void)checklist_add(list, false, "input %s: %s cannot be read: %s", name, source->refused,
                            why.bytes > 0 ? why.data : "");
    }
    if (source->seen == 1 && source->readable == 1)
        (void)checklist_add(list, true, "input %s: %.*s can be read", name,
                            (int)strcspn(globs, "\n"), globs);
    else if (source->seen > 1)
        (void)checklist_add(list, source->readable > 0, "input %s: %lu of %lu files can be read",
                            name, source->readable, source->seen);
}

void check_sources(const struct settings *settings, struct checklist *list)
{
    bool has_title = false;

    for (size_t i = 0; i < settings->input_count; i++) {
        AUTO(buf_fini) struct buf globs = { 0 };
        AUTO(auto_free) char *copy = NULL;
        struct source source = { .input = &settings->inputs[i] };
        if (source.input->type->reads == NULL)
            continue;
        if (!has_title)
            checklist_title("Logs of the system");
        has_title = true;
        if (!identity_of(0, &source.identity))
            source.identity = (struct identity){ .uid = geteuid(), .gid = getegid() };
        source.input->type->reads(source.input->config, &globs);
        copy = globs.failed ? NULL : strdup(globs.data);
        if (copy == NULL)
            continue; /* out of memory */
        try_globs(&source, copy);
        tell(&source, globs.data, list);
    }
}
