/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin_tls.h"

#include "base/file.h"

#include <microhttpd.h>

enum { PEM_BYTES = 256 * 1024 };

bool admin_tls_read(struct admin_tls *tls, const char *cert_file, const char *key_file,
                    struct err *err)
{
    *tls = (struct admin_tls){ { .limit = PEM_BYTES }, { .limit = PEM_BYTES } };
    if (cert_file[0] == '\0')
        return true;
    if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
        return err_set(err, "admin.tls: libmicrohttpd was built without TLS");
    return file_read(cert_file, &tls->cert, err) && file_read(key_file, &tls->key, err);
}

void admin_tls_fini(struct admin_tls *tls)
{
    if (tls->key.data != NULL)
        explicit_bzero(tls->key.data, tls->key.bytes);
    buf_fini(&tls->cert);
    buf_fini(&tls->key);
}
