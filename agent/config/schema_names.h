/* SPDX-License-Identifier: Apache-2.0 */
/* schema_names: for the readers of tables; a plugin needs none of it: how values are parsed, and
 * how options and their types are called. */
#pragma once

#include "config/schema.h"

/* Parses one value into *ret, an opt_<type>, and checks its bounds; of a list one item and of a map
 * one value, into a const char *. Texts are borrowed. `shown` is what messages call the value: a
 * substituted one is not shown as it is. *ret is written on success only. */
bool schema_parse(const struct option *option, const char *text, const char *shown, void *ret,
                  struct err *err);
bool schema_has_addresses(const struct option *option); /* a list of them */

const char *schema_type_name(enum option_type type);    /* "duration" */
const char *schema_type_help(enum option_type type);    /* how it is written: "80% or 0.8" */
const char *schema_type_pattern(enum option_type type); /* regex of its form; NULL: any text */
/* The name as users know it: "lane.shed.high". Cut to what fits. */
void schema_user_name(const struct option *option, char *ret_name, size_t room);
