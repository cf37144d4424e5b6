/* SPDX-License-Identifier: Apache-2.0 */
/* schema_names: how options and their types are called, for those who show them. */
#pragma once

#include "config/schema.h"

const char *schema_type_name(enum option_type type);    /* "duration" */
const char *schema_type_help(enum option_type type);    /* how it is written: "80% or 0.8" */
const char *schema_type_pattern(enum option_type type); /* regex of its form; NULL: any text */
/* The name as users know it: "lane.shed.high". Cut to what fits. */
void schema_user_name(const struct option *option, char *ret_name, size_t room);
