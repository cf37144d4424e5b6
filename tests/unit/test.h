/* SPDX-License-Identifier: Apache-2.0 */
/* test: what every unit test includes. cmocka wants these headers first and in this order. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
