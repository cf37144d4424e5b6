/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/identity.h"

#include "folder.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char status[] = "Name:\tspillway\n"
                             "Uid:\t0\t998\t998\t998\n"
                             "Gid:\t0\t997\t997\t997\n"
                             "Groups:\t4 997 1000 \n"
                             "CapEff:\t0000000000000000\n";

static struct identity parse(const char *text)
{
    struct identity identity;

    if (!identity_parse(slice_of(text), &identity))
        fail_msg("not taken: %s", text);
    return identity;
}

static void it_is_the_effective_user_with_all_its_groups(void **unused)
{
    struct identity identity = parse(status);
    (void)unused;
    assert_int_equal(identity.uid, 998);
    assert_int_equal(identity.gid, 997);
    assert_int_equal(identity.group_count, 3);
    assert_int_equal(identity.groups[0], 4);
    assert_int_equal(identity.groups[2], 1000);
    assert_false(identity.reads_all);
}

static void two_capabilities_read_everything(void **unused)
{
    (void)unused;
    assert_true(parse("X\nUid:\t1 1\nGid:\t1 1\nCapEff:\t0000000000000004\n").reads_all);
    assert_true(parse("X\nUid:\t1 1\nGid:\t1 1\nCapEff:\t0000000000000002\n").reads_all);
    assert_false(parse("X\nUid:\t1 1\nGid:\t1 1\nCapEff:\t0000000000000008\n").reads_all);
}

static void what_is_no_status_is_refused(void **unused)
{
    struct identity identity;
    (void)unused;
    assert_false(identity_parse(SLICE(""), &identity));
    assert_false(identity_parse(SLICE("\nUid:\tx\nGid:\t1 1\n"), &identity));
    assert_true(identity_of(0, &identity));
    assert_int_equal(identity.uid, geteuid());
}

static void the_owner_has_the_owners_bits_and_no_others(void **unused)
{
    struct identity identity = parse(status);
    struct stat mine = { .st_uid = 998, .st_gid = 4, .st_mode = 0077 };
    struct stat groups = { .st_uid = 0, .st_gid = 4, .st_mode = 0040 };
    struct stat others = { .st_uid = 0, .st_gid = 0, .st_mode = 0001 };
    (void)unused;
    assert_false(identity_may_read(&identity, &mine));
    assert_true(identity_may_read(&identity, &groups));
    assert_false(identity_may_pass(&identity, &groups));
    assert_false(identity_may_read(&identity, &others));
    assert_true(identity_may_pass(&identity, &others));
    identity.reads_all = true;
    assert_true(identity_may_read(&identity, &mine));
}

static void the_first_folder_in_the_way_is_named_with_what_would_help(void **unused)
{
    char folder[] = "/tmp/identity-XXXXXX", path[64], wanted[256];
    struct identity identity = { .uid = 987654, .gid = 987654 };
    struct buf why = { 0 };
    (void)unused;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/app.log", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fclose(file);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_int_equal(chmod(path, 0600), 0);
    assert_true(identity_explain(&identity, path, &why));
    (void)snprintf(wanted, sizeof(wanted), "the folder '%s' (mode 0700, owner ", folder);
    assert_memory_equal(why.data, wanted, strlen(wanted));
    assert_non_null(strstr(why.data, ") does not let user 987654 pass: change the mode, or give it "
                                     "CAP_DAC_READ_SEARCH"));
    buf_fini(&why);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(chmod(path, 0640), 0);
    assert_true(identity_explain(&identity, path, &why));
    (void)snprintf(wanted, sizeof(wanted), "'%s' (mode 0640, owner ", path);
    assert_memory_equal(why.data, wanted, strlen(wanted));
    assert_non_null(strstr(why.data, "is not to be read by user 987654: add it to the group '"));
    buf_fini(&why);
    assert_int_equal(chmod(path, 0644), 0);
    assert_false(identity_explain(&identity, path, &why));
    assert_int_equal(folder_remove(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_effective_user_with_all_its_groups),
        cmocka_unit_test(two_capabilities_read_everything),
        cmocka_unit_test(what_is_no_status_is_refused),
        cmocka_unit_test(the_owner_has_the_owners_bits_and_no_others),
        cmocka_unit_test(the_first_folder_in_the_way_is_named_with_what_would_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
