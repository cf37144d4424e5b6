/* SPDX-License-Identifier: Apache-2.0 */
/* capabilities: by the kernel's own calls, which are two; a library would be one more thing to
 * trust. */
#include "rights/capabilities.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WORDS = _LINUX_CAPABILITY_U32S_3, WORD_BITS = 32 };

uint64_t capabilities_held(void)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[WORDS] = { 0 };

    if (syscall(SYS_capget, &head, data) != 0)
        return 0;
    return (uint64_t)data[1].permitted << WORD_BITS | data[0].permitted;
}

bool capabilities_keep(uint64_t kept, struct err *err)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[WORDS] = { 0 };

    kept &= capabilities_held();
    for (unsigned i = 0; i < WORDS; i++)
        data[i].effective = data[i].permitted = (uint32_t)(kept >> (i * WORD_BITS));
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_set(err, "cannot give up gaining rights: %s", strerror(errno));
    if (kept == capabilities_held())
        return true; /* a service manager that gave no more may not let us ask for less either */
    return syscall(SYS_capset, &head, data) == 0 ||
           err_set(err, "cannot give up capabilities: %s", strerror(errno));
}
