/* SPDX-License-Identifier: Apache-2.0 */
/* severity: the OpenTelemetry SeverityNumber of the words that loggers use, in any case. Pure. */
#pragma once

#include "plugin.h"

uint8_t severity_of(struct slice word); /* SEVERITY_NONE: not a word that we know */
