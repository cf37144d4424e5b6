/* SPDX-License-Identifier: Apache-2.0 */
/* own_generation: generations of a catalog that the test has, from text. */
#pragma once

#include "generation.h"
#include "own_ledger.h"

/* `inputs` and `outputs`: what follows these words. */
static inline struct generation *load_generation(uint64_t number, const char *inputs,
                                                 const char *outputs)
{
    char path[64];
    struct buf problems = { 0 };

    (void)snprintf(path, sizeof(path), "%s/spillway.yaml", ledger_folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(
        file,
        "agent: {state_dir: %s, runtime_dir: %s/run, report_interval: 1h, memory_limit: 256MiB}\n",
        ledger_folder, ledger_folder);
    (void)fprintf(file, "inputs: %s\noutputs: %s\n", inputs, outputs);
    assert_int_equal(fclose(file), 0);
    struct generation *generation = generation_load(path, number, &problems);
    if (generation == NULL)
        fail_msg("refused: %s", buf_slice(&problems).data);
    buf_fini(&problems);
    return generation;
}
