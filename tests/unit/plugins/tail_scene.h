/* SPDX-License-Identifier: Apache-2.0 */
/* tail_scene: the rig of a test program, made anew for each of its tests. */
#pragma once

#include "tail_rig.h"

static struct rig rig;

static inline int begin(void **unused)
{
    (void)unused;
    rig_init(&rig, "app.log");
    return 0;
}

static inline int end(void **unused)
{
    (void)unused;
    rig_fini(&rig);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

/* The input meets a file that has this already. */
static inline void begin_with(const char *text)
{
    rig_append(&rig, "app.log", text);
    rig_open(&rig);
    rig_drain(&rig);
}
