/* SPDX-License-Identifier: Apache-2.0 */
/* merge: the trees of several files as one. Maps of parts (inputs, processors, outputs) get the
 * names of all files, `agent` the options of all. What two files name is a problem that tells both
 * places: no file overrides another, so the order of the files means nothing but the order of the
 * parts. Threads: none of its own. */
#pragma once

#include "config/yaml.h"

/* Moves what `from` has into `root`; both are maps. */
void merge_tree(struct diagnostics *diagnostics, struct node *root, struct node *from);
