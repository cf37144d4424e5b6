/* SPDX-License-Identifier: Apache-2.0 */
#include "base/capability.h"

#include <stddef.h>

struct words {
    int capability;
    const char *name, *advice, *purpose;
};

/* A test holds the drop-ins against the files in packaging/systemd/drop-ins. */
#define GIVEN_BY(name, drop_in, purpose)                                                           \
    {                                                                                              \
        name, #name, #name " (drop-in " drop_in ")", purpose                                       \
    }
static const struct words table[] = {
    GIVEN_BY(CAP_DAC_READ_SEARCH, "read-all-files.conf", "to read files whose modes keep it out"),
    GIVEN_BY(CAP_SYSLOG, "kernel-log.conf", "to read the kernel's log"),
    GIVEN_BY(CAP_NET_BIND_SERVICE, "low-ports.conf", "to listen on a port below 1024"),
    /* The service's folders are its own: root alone, started by hand, writes into those of others.
     */
    { CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE", "CAP_DAC_OVERRIDE", "to write into folders of others" },
};

static const struct words *find(int capability)
{
    static const struct words none = { -1, "", "", "" };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].capability == capability)
            return &table[i];
    }
    return &none;
}

const char *capability_name(int capability)
{
    return find(capability)->name;
}

const char *capability_advice(int capability)
{
    return find(capability)->advice;
}

const char *capability_purpose(int capability)
{
    return find(capability)->purpose;
}
