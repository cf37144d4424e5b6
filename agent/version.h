/* SPDX-License-Identifier: Apache-2.0 */
/* version: what this program is and was built with, for `spillway version` and /version. */
#pragma once

#include "base/buf.h"

void version_text(struct buf *ret);
void version_json(struct buf *ret);
