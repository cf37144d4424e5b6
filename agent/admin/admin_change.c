/* SPDX-License-Identifier: Apache-2.0 */
/* admin_change: another TCP side for an endpoint that runs. The new socket is opened before the old
 * one is closed, in the main thread; the endpoint's puts it in its place and lets those who are
 * inside finish. When the files of certificate, key or token change, the endpoint's thread opens
 * another door on the same socket by itself: it looks when somebody comes, so nothing wakes it. */
#include "admin/admin_state.h"
#include "admin/doors.h"
#include "base/auto.h"
#include "base/bell.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

enum { LOOK_MS = 1000, AGAIN_MS = 60 * 1000, AWAIT_MS = 100 };

struct admin_change {
    struct port port;
    struct door *door; /* NULL: none, or with keeps_door the one that there is */
    bool keeps_door;
};

void admin_change_free(struct admin_change **changep)
{
    struct admin_change *change = *changep;

    *changep = NULL;
    if (change == NULL)
        return;
    door_free(&change->door);
    port_close(&change->port);
    free(change);
}

struct door *admin_open_tcp(struct admin *admin, const struct port *port, struct admin_tls *tls,
                            struct err *err)
{
    int fd = fcntl(port->fd, F_DUPFD_CLOEXEC, 0);
    struct err why = { "" };
    struct door *door = NULL;

    if (fd < 0)
        (void)err_set(&why, "%s", strerror(errno));
    else
        door = door_open(admin, fd, true, tls, &why);
    if (door == NULL)
        (void)err_set(err, "cannot listen on '%s' with '%s' and '%s': %s", port->listen,
                      port->files[PORT_CERT], port->files[PORT_KEY], why.text);
    return door;
}

struct admin_change *admin_prepare(struct admin *admin, const struct admin_config *config,
                                   struct err *err)
{
    struct admin_change *change = calloc(1, sizeof(*change));
    struct admin_tls tls;

    if (change == NULL) {
        (void)err_set(err, "out of memory for the admin endpoint");
        return NULL;
    }
    change->port.fd = -1;
    if (!port_open(&change->port, config, &admin->port, &tls, err)) {
        free(change);
        return NULL;
    }
    change->keeps_door = port_has_same_door(&admin->port, &change->port);
    if (!change->keeps_door && change->port.fd >= 0) {
        change->door = admin_open_tcp(admin, &change->port, &tls, err);
        if (change->door == NULL)
            admin_change_free(&change);
    }
    admin_tls_fini(&tls);
    return change;
}

void admin_commit(struct admin *admin, struct admin_change **changep)
{
    atomic_store(&admin->change, *changep);
    bell_ring(admin->bell);
    for (;;) {
        uint32_t seen = wake_read(&admin->changed);
        if (atomic_load(&admin->change) == NULL)
            break;
        wake_wait(&admin->changed, seen, AWAIT_MS);
    }
    (*changep)->door = NULL; /* it is in its place */
    admin_change_free(changep);
}

/* ---- the endpoint's thread ---- */

static void retire(struct admin *admin, struct door **doorp)
{
    struct door *door = *doorp;

    *doorp = NULL;
    if (door == NULL)
        return;
    door_free(&admin->retiring); /* there is room for one */
    door_shut(door);
    admin->retiring = door;
}

static void take_over(struct admin *admin, struct admin_change *change)
{
    struct port before = admin->port;

    admin->port = change->port;
    change->port = before; /* closed with the change */
    admin->door_again_ms = admin->token_again_ms = 0;
    admin_use_port(admin);
    if (change->keeps_door)
        return;
    if (admin->tcp != NULL)
        admin->tcp->ends_streams = true;
    retire(admin, &admin->tcp);
    admin->tcp = change->door;
}

/* That a file is of no use may be for want of memory, or of a descriptor: it is tried again,
 * without a word, until it is. */
static bool is_due(bool has_changed, int64_t again_ms, int64_t now_ms)
{
    return has_changed || (again_ms != 0 && now_ms >= again_ms);
}

/* As the configuration says it, with what is in the files now. */
static bool open_again(struct admin *admin, struct err *err)
{
    const struct port *port = &admin->port;
    struct admin_tls tls = { .cert = { .data = NULL } };
    struct door *door = NULL;

    if (admin_tls_read(&tls, port->files[PORT_CERT], port->files[PORT_KEY], err))
        door = admin_open_tcp(admin, port, &tls, err);
    admin_tls_fini(&tls);
    if (door == NULL)
        return false;
    retire(admin, &admin->tcp);
    admin->tcp = door;
    return true;
}

static void renew_door(struct admin *admin, bool has_changed, int64_t now_ms)
{
    struct err err = { "" };

    if (!is_due(has_changed, admin->door_again_ms, now_ms))
        return;
    bool ok = open_again(admin, &err);
    admin->door_again_ms = ok ? 0 : now_ms + AGAIN_MS;
    if (ok)
        LOG(LOG_INFO, "changed certificate of the admin port is in use",
            LS("listen", admin->port.address));
    else if (has_changed)
        LOG(LOG_WARN, "changed certificate of the admin port is of no use, the old one is kept",
            LS("why", err.text));
}

static void renew_token(struct admin *admin, bool has_changed, int64_t now_ms)
{
    struct err err = { "" };

    if (!is_due(has_changed, admin->token_again_ms, now_ms))
        return;
    bool ok = port_read_token(&admin->port, &err);
    admin->token_again_ms = ok ? 0 : now_ms + AGAIN_MS;
    if (ok) {
        admin_use_port(admin);
        LOG(LOG_INFO, "changed token of the admin port is in use",
            LS("listen", admin->port.address));
    } else if (has_changed) {
        LOG(LOG_WARN, "changed token of the admin port is of no use, the old one is kept",
            LS("why", err.text));
    }
}

void admin_look_at_port(struct admin *admin, int64_t now_ms)
{
    struct admin_change *change = atomic_load(&admin->change);

    if (change != NULL) {
        take_over(admin, change);
        atomic_store(&admin->change, NULL);
        wake_bump(&admin->changed);
    }
    if (admin->retiring != NULL && door_is_empty(admin->retiring))
        door_free(&admin->retiring);
    if (admin->port.fd < 0 || now_ms < admin->next_file_look_ms)
        return;
    admin->next_file_look_ms = now_ms + LOOK_MS;
    unsigned changed = port_look(&admin->port);
    renew_door(admin, (changed & (1U << PORT_CERT | 1U << PORT_KEY)) != 0, now_ms);
    renew_token(admin, (changed & 1U << PORT_TOKEN) != 0, now_ms);
}
