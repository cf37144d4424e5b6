/* SPDX-License-Identifier: Apache-2.0 */
#include "base/kept_counts.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char path[64];
};

static int setup(void **statep)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    int fd;

    (void)snprintf(fixture->path, sizeof(fixture->path), "/tmp/spillway_kept_XXXXXX");
    fd = mkstemp(fixture->path);
    assert_true(fd >= 0);
    (void)close(fd);
    *statep = fixture;
    return 0;
}

static int teardown(void **statep)
{
    struct fixture *fixture = *statep;

    (void)unlink(fixture->path);
    free(fixture);
    return 0;
}

static struct kept_counts *open_counts(const struct fixture *fixture)
{
    struct err err = { "" };
    struct kept_counts *counts = kept_counts_open(fixture->path, &err);

    if (counts == NULL)
        fail_msg("%s", err.text);
    return counts;
}

static atomic_uint_fast64_t *find(struct kept_counts *counts, uint64_t high, bool wanted_new)
{
    bool is_new = !wanted_new;
    atomic_uint_fast64_t *found = kept_counts_find(counts, (struct kept_key){ high, 7 }, &is_new);

    assert_non_null(found);
    assert_int_equal(is_new, wanted_new);
    return found;
}

static void a_count_is_as_it_was_left_whoever_opens_the_file(void **statep)
{
    const struct fixture *fixture = *statep;
    struct kept_counts *counts = open_counts(fixture);

    assert_int_equal(atomic_load(find(counts, 11, true)), 0);
    atomic_store(find(counts, 11, false), 42);
    assert_int_equal(atomic_load(find(counts, 12, true)), 0);
    kept_counts_free(&counts);
    counts = open_counts(fixture);
    assert_int_equal(atomic_load(find(counts, 11, false)), 42);
    kept_counts_free(&counts);
}

static void the_lowest_keys_that_nobody_asked_for_make_room(void **statep)
{
    const struct fixture *fixture = *statep;
    struct kept_counts *counts = open_counts(fixture);
    bool is_new;

    for (uint64_t key = 1; key <= KEPT_COUNTS; key++)
        atomic_store(find(counts, key, true), key);
    assert_null(kept_counts_find(counts, (struct kept_key){ 1000, 7 }, &is_new));
    kept_counts_free(&counts);
    counts = open_counts(fixture);
    (void)find(counts, 1, false);
    assert_int_equal(atomic_load(find(counts, 1000, true)), 0); /* in the place of 2 */
    assert_int_equal(atomic_load(find(counts, 3, false)), 3);
    (void)find(counts, 2, true); /* in that of 4 */
    assert_int_equal(atomic_load(find(counts, 1, false)), 1);
    kept_counts_free(&counts);
}

static void check_made_anew(const struct fixture *fixture, size_t bytes)
{
    FILE *file = fopen(fixture->path, "w");
    struct kept_counts *counts;

    assert_non_null(file);
    for (size_t i = 0; i < bytes; i++)
        assert_int_not_equal(fputc('x', file), EOF);
    assert_int_equal(fclose(file), 0);
    counts = open_counts(fixture);
    atomic_store(find(counts, 1, true), 42);
    kept_counts_free(&counts);
    counts = open_counts(fixture); /* where all else is free, so that 1 need not make room */
    (void)find(counts, 2, true);
    assert_int_equal(atomic_load(find(counts, 1, false)), 42);
    kept_counts_free(&counts);
}

static void a_file_that_is_none_of_ours_is_made_anew(void **statep)
{
    const struct fixture *fixture = *statep;
    struct stat ours;

    for (size_t bytes = 0; bytes < 100000; bytes = bytes * 3 + 1) {
        check_made_anew(fixture, bytes);
        assert_int_equal(stat(fixture->path, &ours), 0);
        if (bytes == 0)
            check_made_anew(fixture, (size_t)ours.st_size);
    }
}

static void one_that_another_has_and_what_is_no_file_are_refused(void **statep)
{
    const struct fixture *fixture = *statep;
    struct err err = { "" };
    struct kept_counts *counts = open_counts(fixture);

    assert_null(kept_counts_open(fixture->path, &err));
    assert_non_null(strstr(err.text, "another process has it"));
    kept_counts_free(&counts);
    assert_int_equal(unlink(fixture->path), 0);
    assert_int_equal(mkfifo(fixture->path, 0600), 0);
    assert_null(kept_counts_open(fixture->path, &err));
    assert_non_null(strstr(err.text, "is no file"));
    assert_null(kept_counts_open("/nonexistent/kept", &err));
}

static void a_link_is_not_followed(void **statep)
{
    const struct fixture *fixture = *statep;
    struct err err = { "" };
    char file[sizeof(fixture->path) + 4];
    struct stat stat_now;

    (void)snprintf(file, sizeof(file), "%s.to", fixture->path);
    assert_int_equal(rename(fixture->path, file), 0);
    assert_int_equal(symlink(file, fixture->path), 0);
    assert_null(kept_counts_open(fixture->path, &err));
    assert_int_equal(stat(file, &stat_now), 0);
    assert_int_equal(stat_now.st_size, 0);
    assert_int_equal(unlink(file), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_count_is_as_it_was_left_whoever_opens_the_file),
        TEST(the_lowest_keys_that_nobody_asked_for_make_room),
        TEST(a_file_that_is_none_of_ours_is_made_anew),
        TEST(one_that_another_has_and_what_is_no_file_are_refused),
        TEST(a_link_is_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
