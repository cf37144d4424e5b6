/* SPDX-License-Identifier: Apache-2.0 */
/* identity: who a process is, and what the modes of files let it do: to say in words why a file
 * cannot be read. ACLs and security modules are not looked at: whoever can try, tries. */
#pragma once

#include "base/buf.h"

#include <limits.h>
#include <sys/stat.h>

enum { IDENTITY_GROUPS = 256 };

struct identity {
    uid_t uid; /* effective */
    gid_t gid;
    gid_t groups[IDENTITY_GROUPS];
    unsigned group_count;
    bool reads_all; /* CAP_DAC_READ_SEARCH or CAP_DAC_OVERRIDE: modes do not stop it from reading */
};

/* From the text of /proc/PID/status. false: that is not one. */
bool identity_parse(struct slice status, struct identity *ret);
bool identity_of(long pid, struct identity *ret); /* 0: this process. false: there is none */

/* May it read a file, or pass through a folder, of this owner and mode? */
bool identity_may_read(const struct identity *identity, const struct stat *info);
bool identity_may_pass(const struct identity *identity, const struct stat *info);

/* What keeps it from reading the file: "the folder '/var/log/app' (mode 0700, owner root:root) does
 * not let user 'spillway' pass: …", with what would help. false: nothing that modes tell. The
 * folders are looked at as this process sees them. */
bool identity_explain(const struct identity *identity, const char *path, struct buf *ret);

void identity_add_name(const struct identity *identity,
                       struct buf *ret); /* user 'nobody' (65534) */
