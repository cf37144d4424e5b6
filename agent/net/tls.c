/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls.h"

#include "base/check.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LOOK_MS = 1000, AGAIN_MS = 60 * 1000, CERT_FILE = 0, KEY_FILE, CA_FILE, FILES };
static const char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

struct identity { /* all zero: not there */
    dev_t device;
    ino_t inode;
    off_t bytes;
    struct timespec modified;
};

/* Connections that began with a set keep it until they end. */
struct credentials {
    unsigned users;
    bool asks_clients;
    gnutls_certificate_credentials_t of;
};

struct tls_server {
    char *files[FILES];
    struct identity seen[FILES];
    struct credentials *now;
    int64_t next_look_ms, again_ms; /* again_ms: to load what was of no use; 0: nothing was */
};

struct tls_connection {
    gnutls_session_t session;
    struct credentials *credentials;
    bool is_ready, has_failed;
};

/* ---- credentials ---- */

static void release(struct credentials **credentialsp)
{
    struct credentials *credentials = *credentialsp;

    *credentialsp = NULL;
    if (credentials == NULL || --credentials->users > 0)
        return;
    gnutls_certificate_free_credentials(credentials->of);
    free(credentials);
}

static bool fill(struct credentials *credentials, char *const files[FILES], struct err *err)
{
    int failed = gnutls_certificate_set_x509_key_file(credentials->of, files[CERT_FILE],
                                                      files[KEY_FILE], GNUTLS_X509_FMT_PEM);

    if (failed < 0)
        return err_set(err, "cannot use certificate '%s' with key '%s': %s", files[CERT_FILE],
                       files[KEY_FILE], gnutls_strerror(failed));
    if (files[CA_FILE][0] == '\0')
        return true;
    int found = gnutls_certificate_set_x509_trust_file(credentials->of, files[CA_FILE],
                                                       GNUTLS_X509_FMT_PEM);
    credentials->asks_clients = true;
    if (found <= 0)
        return err_set(err, "cannot use the authorities in '%s': %s", files[CA_FILE],
                       found == 0 ? "there is none" : gnutls_strerror(found));
    return true;
}

static struct credentials *load(char *const files[FILES], struct err *err)
{
    struct credentials *credentials = calloc(1, sizeof(*credentials));

    if (credentials == NULL || gnutls_certificate_allocate_credentials(&credentials->of) < 0) {
        free(credentials);
        (void)err_set(err, "out of memory for certificates");
        return NULL;
    }
    credentials->users = 1;
    if (!fill(credentials, files, err))
        release(&credentials);
    return credentials;
}

/* ---- the server ---- */

static struct identity identify(const char *path)
{
    struct identity identity;
    struct stat info;

    memset(&identity, 0, sizeof(identity)); /* they are compared as bytes */
    if (path[0] == '\0' || stat(path, &info) != 0)
        return identity;
    identity.device = info.st_dev;
    identity.inode = info.st_ino;
    identity.bytes = info.st_size;
    identity.modified = info.st_mtim;
    return identity;
}

static bool have_changed(struct tls_server *server)
{
    bool changed = false;

    for (size_t i = 0; i < FILES; i++) {
        struct identity identity = identify(server->files[i]);
        changed = changed || memcmp(&identity, &server->seen[i], sizeof(identity)) != 0;
        server->seen[i] = identity;
    }
    return changed;
}

void tls_server_free(struct tls_server **serverp)
{
    struct tls_server *server = *serverp;

    *serverp = NULL;
    if (server == NULL)
        return;
    for (size_t i = 0; i < FILES; i++)
        free(server->files[i]);
    release(&server->now);
    free(server);
}

struct tls_server *tls_server_new(const char *cert_file, const char *key_file,
                                  const char *client_ca_file, struct err *err)
{
    struct tls_server *server = calloc(1, sizeof(*server));

    if (server == NULL)
        goto fail;
    server->files[CERT_FILE] = strdup(cert_file);
    server->files[KEY_FILE] = strdup(key_file);
    server->files[CA_FILE] = strdup(client_ca_file);
    for (size_t i = 0; i < FILES; i++) {
        if (server->files[i] == NULL)
            goto fail;
    }
    (void)have_changed(server);
    server->now = load(server->files, err);
    if (server->now == NULL)
        tls_server_free(&server);
    return server;
fail:
    (void)err_set(err, "out of memory for certificates");
    tls_server_free(&server);
    return NULL;
}

bool tls_server_is_of(const struct tls_server *server, const char *cert_file, const char *key_file,
                      const char *client_ca_file)
{
    return strcmp(server->files[CERT_FILE], cert_file) == 0 &&
           strcmp(server->files[KEY_FILE], key_file) == 0 &&
           strcmp(server->files[CA_FILE], client_ca_file) == 0;
}

/* It may have been for want of memory, or of a descriptor: tried again without a word. */
static enum tls_news note_refusal(struct tls_server *server, bool has_changed, int64_t now_ms)
{
    server->again_ms = now_ms + AGAIN_MS;
    return has_changed ? TLS_REFUSED : TLS_SAME;
}

enum tls_news tls_server_look(struct tls_server *server, int64_t now_ms, struct err *ret_why)
{
    if (now_ms < server->next_look_ms)
        return TLS_SAME;
    server->next_look_ms = now_ms + LOOK_MS;
    bool has_changed = have_changed(server);
    if (!has_changed && (server->again_ms == 0 || now_ms < server->again_ms))
        return TLS_SAME;
    struct credentials *fresh = load(server->files, ret_why);
    if (fresh == NULL)
        return note_refusal(server, has_changed, now_ms);
    server->again_ms = 0;
    release(&server->now);
    server->now = fresh;
    return TLS_TAKEN;
}

/* ---- connections ---- */

static bool begin(struct tls_connection *connection, int fd)
{
    gnutls_session_t session = connection->session;
    const struct credentials *credentials = connection->credentials;

    if (gnutls_priority_set_direct(session, priorities, NULL) < 0 ||
        gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials->of) < 0)
        return false;
    if (credentials->asks_clients) {
        static gnutls_typed_vdata_st purpose = { GNUTLS_DT_KEY_PURPOSE_OID,
                                                 (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT, 0 };
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
        gnutls_session_set_verify_cert2(session, &purpose, 1, 0);
    }
    gnutls_transport_set_int(session, fd);
    return true;
}

struct tls_connection *tls_connection_new(struct tls_server *server, int fd)
{
    struct tls_connection *connection = calloc(1, sizeof(*connection));

    if (connection == NULL)
        return NULL;
    if (gnutls_init(&connection->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0) {
        free(connection);
        return NULL;
    }
    connection->credentials = server->now;
    connection->credentials->users++;
    if (!begin(connection, fd))
        tls_connection_free(&connection);
    return connection;
}

void tls_connection_free(struct tls_connection **connectionp)
{
    struct tls_connection *connection = *connectionp;

    *connectionp = NULL;
    if (connection == NULL)
        return;
    if (connection->is_ready && !connection->has_failed)
        (void)gnutls_bye(connection->session, GNUTLS_SHUT_WR);
    gnutls_deinit(connection->session);
    release(&connection->credentials);
    free(connection);
}

static bool is_passing(int result)
{
    return result == GNUTLS_E_AGAIN || result == GNUTLS_E_INTERRUPTED ||
           result == GNUTLS_E_WARNING_ALERT_RECEIVED;
}

static ssize_t fail(struct tls_connection *connection, int result, const char **ret_why)
{
    connection->has_failed = true;
    *ret_why = gnutls_strerror(result);
    return TLS_FAILED;
}

/* true: done, or failed by what ret_result says. */
static bool shake_hands(struct tls_connection *connection, int *ret_result)
{
    int result = gnutls_handshake(connection->session);

    if (result < 0 && !gnutls_error_is_fatal(result) && is_passing(result))
        return false;
    connection->is_ready = result == GNUTLS_E_SUCCESS;
    *ret_result = result;
    return true;
}

ssize_t tls_read(struct tls_connection *connection, void *data, size_t room, const char **ret_why)
{
    int result = GNUTLS_E_SUCCESS;

    CHECK(room >= TLS_RECORD_BYTES);
    if (!connection->is_ready && !shake_hands(connection, &result))
        return TLS_WAIT;
    if (!connection->is_ready) {
        (void)gnutls_alert_send_appropriate(connection->session, result);
        return fail(connection, result, ret_why);
    }
    ssize_t bytes = gnutls_record_recv(connection->session, data, room);
    if (bytes >= 0)
        return bytes;
    return is_passing((int)bytes) ? TLS_WAIT : fail(connection, (int)bytes, ret_why);
}

bool tls_is_ready(const struct tls_connection *connection)
{
    return connection->is_ready;
}

bool tls_wants_to_write(const struct tls_connection *connection)
{
    return !connection->is_ready && gnutls_record_get_direction(connection->session) == 1;
}
