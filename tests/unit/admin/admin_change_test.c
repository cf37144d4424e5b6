/* SPDX-License-Identifier: Apache-2.0 */
/* admin_change, the endpoint's thread: files that change. */
#include "certificate.h"
#include "descriptors.h"
#include "folder.h"

#include "admin/admin_state.h"
#include "admin/doors.h"

#include <stdlib.h>
#include <unistd.h>

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static struct admin *open_admin(const struct certificate *pair, const char *token_file)
{
    struct admin *admin = calloc(1, sizeof(*admin));
    struct admin_tls tls;
    struct err err = { "" };

    admin->config = (struct admin_config){ .listen = "127.0.0.1:0",
                                           .cert_file = pair->cert,
                                           .key_file = pair->key,
                                           .token = "",
                                           .token_file = token_file };
    if (!port_open(&admin->port, &admin->config, NULL, &tls, &err))
        fail_msg("%s", err.text);
    admin->tcp = admin_open_tcp(admin, &admin->port, &tls, &err);
    assert_non_null(admin->tcp);
    return admin;
}

/* A token that was revoked would open the port until its file changed again. */
static void changed_files_that_could_not_be_read_are_read_later(void **unused)
{
    char folder[] = "/tmp/admin-change-test-XXXXXX", token_file[64];
    struct certificate pair;
    int64_t now_ms = 1000000;

    (void)unused;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(token_file, sizeof(token_file), "%s/token", folder);
    write_text(token_file, "first");
    certificate_make(folder, "server", &pair);
    struct admin *admin = open_admin(&pair, token_file);
    const struct door *door = admin->tcp;
    write_text(token_file, "the-second");
    certificate_make(folder, "server", &pair);
    struct rlimit before = descriptors_use_up();
    admin_look_at_port(admin, now_ms);
    descriptors_give_back(before);
    admin_look_at_port(admin, now_ms + 1000);
    assert_string_equal(admin->port.token.data, "first");
    assert_ptr_equal(admin->tcp, door);
    admin_look_at_port(admin, now_ms + 60000);
    assert_string_equal(admin->port.token.data, "the-second");
    assert_string_equal(admin->config.token, "the-second");
    assert_ptr_not_equal(admin->tcp, door);
    door = admin->tcp;
    admin_look_at_port(admin, now_ms + 120000);
    assert_ptr_equal(admin->tcp, door);
    door_free(&admin->tcp);
    door_free(&admin->retiring);
    port_close(&admin->port);
    free(admin);
    (void)folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changed_files_that_could_not_be_read_are_read_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
