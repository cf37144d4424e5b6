/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/auto.h"
#include "base/file.h"
#include "base/random.h"
#include "input/checkpoint.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/spillway-checkpoint-XXXXXX";
static const char *state = folder; /* its checkpoints are in a folder below */
static char path[PATH_MAX];

static void put_file(const char *name, struct slice content)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(content.data, 1, content.bytes, file), content.bytes);
    assert_int_equal(fclose(file), 0);
}

static int remove_files(void **unused)
{
    (void)unused;
    char previous[PATH_MAX + 16];
    (void)snprintf(previous, sizeof(previous), "%s.previous", path);
    (void)unlink(path);
    (void)unlink(previous);
    return 0;
}

static enum checkpoint_found read_back(const char *wanted)
{
    AUTO(buf_fini) struct buf file = { 0 };
    struct slice text;
    struct err err = { "" };
    enum checkpoint_found found = checkpoint_read(path, &file, &text, &err);
    if (found == CHECKPOINT_READ || found == CHECKPOINT_PREVIOUS)
        assert_true(slice_equals(text, slice_of(wanted)));
    return found;
}

static void save(const char *text)
{
    AUTO(buf_fini) struct buf file = { 0 };
    struct err err = { "" };
    assert_true(checkpoint_wrap(slice_of(text), &file));
    assert_true(file_replace(path, buf_slice(&file), true, &err));
}

static void there_is_none_before_the_first(void **unused)
{
    (void)unused;
    assert_int_equal(read_back(""), CHECKPOINT_NONE);
}

static void every_damage_is_found_and_the_previous_copy_used(void **unused)
{
    (void)unused;
    static const char nuls[100];
    save("first\n");
    assert_int_equal(read_back("first\n"), CHECKPOINT_READ);
    save("second\n");
    const struct slice damages[] = {
        { "", 0 },
        { nuls, sizeof(nuls) },
        SLICE("spillway-checkpoint 1"),
        SLICE("spillway-checkpoint 2 00000000 0\n"),
        SLICE("spillway-checkpoint 1 00000000 6\nsecond\n"),
    };
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        put_file(path, damages[i]);
        assert_int_equal(read_back("first\n"), CHECKPOINT_PREVIOUS);
    }
}

static void each_single_changed_bit_is_found(void **unused)
{
    (void)unused;
    AUTO(buf_fini) struct buf file = { 0 };
    struct slice text;
    struct err err;
    assert_true(checkpoint_wrap(SLICE("dev 1 inode 2 offset 3\n"), &file));
    for (size_t bit = 0; bit < file.bytes * 8; bit++) {
        file.data[bit / 8] = (char)(file.data[bit / 8] ^ (1 << (bit % 8)));
        assert_false(checkpoint_unwrap(buf_slice(&file), &text, &err));
        file.data[bit / 8] = (char)(file.data[bit / 8] ^ (1 << (bit % 8)));
    }
    assert_true(checkpoint_unwrap(buf_slice(&file), &text, &err));
}

static void both_damaged_is_told_apart_from_none(void **unused)
{
    (void)unused;
    put_file(path, SLICE("garbage"));
    assert_int_equal(read_back(""), CHECKPOINT_DAMAGED);
}

static void name_file(const char *type, const char *wanted)
{
    char found[PATH_MAX], whole[PATH_MAX + 16];
    (void)snprintf(whole, sizeof(whole), "%s%s", path, wanted);
    assert_true(checkpoint_path_of(state, "in", "out", type, found, sizeof(found)));
    assert_string_equal(found, whole);
}

static void positions_of_another_type_are_left_to_it(void **unused)
{
    (void)unused;
    name_file("tail", "");
    save("spillway-tail 1 5\n");
    name_file("tail", "");
    name_file("journald", "@journald");
    name_file("tai", "@tai");
    save("of a version before all types said so\n");
    name_file("journald", "");
    save("spillway-tail");
    name_file("tail", "");
    put_file(path, SLICE("damaged")); /* the copy before counts */
    name_file("tail", "");
    name_file("kmsg", "");
    save("spillway-kmsg 1\n");
    save("spillway-kmsg 1\n");
    put_file(path, SLICE("damaged"));
    name_file("tail", "@tail");
}

static void a_text_tells_its_type(void **unused)
{
    (void)unused;
    const struct {
        const char *text, *type;
    } rows[] = { { "spillway-tail 1 5\n", "tail" },
                 { "spillway-kmsg\n", "kmsg" },
                 { "spillway-", "" },
                 { "", "" },
                 { "spill", "" },
                 { "other tail", "" } };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_true(slice_equals(checkpoint_type(slice_of(rows[i].text)), slice_of(rows[i].type)));
}

/* To start as without one would pass over what came since. */
static void what_cannot_be_read_for_want_of_descriptors_is_not_called_damaged(void **unused)
{
    (void)unused;
    struct rlimit before, none;
    save("one");
    int next = dup(STDERR_FILENO);
    assert_int_equal(close(next), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){ (rlim_t)next, before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    enum checkpoint_found found = read_back("one");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(found, CHECKPOINT_UNREAD);
    assert_int_equal(read_back("one"), CHECKPOINT_READ);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(there_is_none_before_the_first, remove_files),
        cmocka_unit_test_teardown(every_damage_is_found_and_the_previous_copy_used, remove_files),
        cmocka_unit_test_teardown(each_single_changed_bit_is_found, remove_files),
        cmocka_unit_test_teardown(both_damaged_is_told_apart_from_none, remove_files),
        cmocka_unit_test_teardown(positions_of_another_type_are_left_to_it, remove_files),
        cmocka_unit_test_teardown(what_cannot_be_read_for_want_of_descriptors_is_not_called_damaged,
                                  remove_files),
        cmocka_unit_test(a_text_tells_its_type),
    };
    if (mkdtemp(folder) == NULL)
        return 1;
    (void)snprintf(path, sizeof(path), "%s/checkpoints", folder);
    if (mkdir(path, 0700) != 0)
        return 1;
    (void)snprintf(path, sizeof(path), "%s/checkpoints/in@out", folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    path[strlen(path) - strlen("/in@out")] = '\0';
    (void)rmdir(path);
    (void)rmdir(folder);
    return failed;
}
