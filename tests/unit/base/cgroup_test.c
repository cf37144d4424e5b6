/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/cgroup.h"
#include "base/file.h"

#include "folder.h"

#include <stdlib.h>
#include <string.h>

static char root[32];

static int make_root(void **unused)
{
    (void)unused;
    (void)strcpy(root, "/tmp/cgroup-XXXXXX");
    return mkdtemp(root) == NULL ? -1 : 0;
}

static int remove_root(void **unused)
{
    (void)unused;
    return folder_remove(root);
}

static void put(const char *folder, const char *name, const char *text)
{
    char path[PATH_MAX];
    struct err err = { "" };

    (void)snprintf(path, sizeof(path), "%s%s", root, folder);
    assert_true(file_make_dirs(path, 0755, &err));
    (void)snprintf(path, sizeof(path), "%s%s/%s", root, folder, name);
    if (!file_place(path, slice_of(text), false, &err))
        fail_msg("%s", err.text);
}

static void expect(uint64_t wanted, const char *wanted_file)
{
    char file[PATH_MAX], whole[PATH_MAX];
    uint64_t bytes = 0;

    (void)snprintf(whole, sizeof(whole), "%s%s", root, wanted_file);
    assert_true(cgroup_memory_limit(root, &bytes, file));
    assert_int_equal(bytes, wanted);
    assert_string_equal(file, whole);
}

static void the_tightest_of_all_groups_above_counts(void **unused)
{
    (void)unused;
    put("/proc/self", "cgroup", "0::/system.slice/agent.service\n");
    put("/sys/fs/cgroup/system.slice/agent.service", "memory.max", "max\n");
    put("/sys/fs/cgroup/system.slice", "memory.max", "67108864\n");
    put("/sys/fs/cgroup", "memory.max", "99999999\n");
    expect(67108864, "/sys/fs/cgroup/system.slice/memory.max");
    put("/sys/fs/cgroup/system.slice/agent.service", "memory.max", "1000000\n");
    expect(1000000, "/sys/fs/cgroup/system.slice/agent.service/memory.max");
    put("/sys/fs/cgroup", "memory.max", "999999\n");
    expect(999999, "/sys/fs/cgroup/memory.max");
}

static void a_path_that_is_not_there_is_walked_up_from_all_the_same(void **unused)
{
    (void)unused;
    put("/proc/self", "cgroup", "0::/docker/0123\n");
    put("/sys/fs/cgroup", "memory.max", "5000000\n");
    expect(5000000, "/sys/fs/cgroup/memory.max");
}

static void version_1_has_a_folder_of_its_own_and_a_large_number_for_none(void **unused)
{
    char file[PATH_MAX];
    uint64_t bytes;
    (void)unused;
    put("/proc/self", "cgroup", "5:cpu,cpuacct:/x\n4:memory:/x\n0::/\n");
    put("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "9223372036854771712\n");
    assert_false(cgroup_memory_limit(root, &bytes, file));
    put("/sys/fs/cgroup/memory/x", "memory.limit_in_bytes", "7000000\n");
    expect(7000000, "/sys/fs/cgroup/memory/x/memory.limit_in_bytes");
}

static void without_groups_there_is_no_limit(void **unused)
{
    char file[PATH_MAX];
    uint64_t bytes;
    (void)unused;
    assert_false(cgroup_memory_limit(root, &bytes, file));
    put("/proc/self", "cgroup", "garbage\n::\n");
    assert_false(cgroup_memory_limit(root, &bytes, file));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_tightest_of_all_groups_above_counts, make_root,
                                        remove_root),
        cmocka_unit_test_setup_teardown(a_path_that_is_not_there_is_walked_up_from_all_the_same,
                                        make_root, remove_root),
        cmocka_unit_test_setup_teardown(
            version_1_has_a_folder_of_its_own_and_a_large_number_for_none, make_root, remove_root),
        cmocka_unit_test_setup_teardown(without_groups_there_is_no_limit, make_root, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
