/* SPDX-License-Identifier: Apache-2.0 */
/* admin_tls: certificate and key of the endpoint's TCP port, as they were read. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct admin_tls {
    struct buf cert, key; /* PEM; empty: the port speaks plain HTTP */
};

/* Empty paths: nothing is read. To be emptied also when it fails. */
bool admin_tls_read(struct admin_tls *tls, const char *cert_file, const char *key_file,
                    struct err *err);
void admin_tls_fini(struct admin_tls *tls); /* the key is wiped */
