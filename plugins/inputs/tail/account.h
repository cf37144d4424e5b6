/* SPDX-License-Identifier: Apache-2.0 */
/* account: what is known of each file, as a checkpoint, and told to people who ask. Nothing is
 * opened or looked at.
 * Threads: none; the reading's, but for what is said of a checkpoint: any. */
#pragma once

#include "state.h"

void tail_account(struct tail *tail, source_tell_fn *tell, void *context);

bool tail_checkpoint_save(struct tail *tail, struct buf *ret);
bool tail_checkpoint_restore(struct tail *tail, struct slice text, struct err *err);
/* The files of a checkpoint's text. false: it is damaged, or another input's. */
bool tail_checkpoint_recall(struct slice text, source_tell_fn *tell, void *context);
/* What is known of a file that a checkpoint names. */
void tail_account_saved(const char *path, const struct tail_identity *identity,
                        const struct tail_position *position, uint64_t size, bool is_gone,
                        source_tell_fn *tell, void *context);
