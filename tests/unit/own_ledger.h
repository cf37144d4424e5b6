/* SPDX-License-Identifier: Apache-2.0 */
/* own_ledger: real books in a folder of their own, around all tests of a program. */
#pragma once

#include "folder.h"
#include "ledger/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char ledger_folder[] = "/tmp/spillway-test-XXXXXX";
static struct ledger *ledger;

/* The end of main(). */
#define RUN_WITH_LEDGER(tests)                                                                     \
    (open_ledger() ? close_ledger(cmocka_run_group_tests(tests, NULL, NULL)) : 1)

static inline bool open_ledger(void)
{
    struct err err = { "" };
    char runtime[64];
    if (mkdtemp(ledger_folder) == NULL)
        return false;
    (void)snprintf(runtime, sizeof(runtime), "%s/run", ledger_folder);
    ledger = ledger_open(
        &(struct ledger_config){ .state_dir = ledger_folder, .runtime_dir = runtime }, &err);
    if (ledger == NULL)
        (void)fprintf(stderr, "no ledger: %s\n", err.text);
    return ledger != NULL;
}

static inline int close_ledger(int failed)
{
    ledger_close(&ledger);
    return failed + (folder_remove(ledger_folder) != 0);
}
