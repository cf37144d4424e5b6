/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "config/texts.h"
#include "folder.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int make_folder(void **unused)
{
    (void)unused;
    char path[PATH_MAX];
    (void)snprintf(folder, sizeof(folder), "/tmp/texts[a]*XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/conf.d", folder);
    return mkdir(path, 0700);
}

static int drop_folder(void **unused)
{
    (void)unused;
    return folder_remove(folder);
}

static const char *name_in_folder(const char *name)
{
    static char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name_in_folder(name), "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void assert_texts(struct texts *texts, const char *wanted)
{
    char got[256] = "";

    for (size_t i = 0; i < texts->count; i++) {
        size_t used = strlen(got);
        (void)snprintf(got + used, sizeof(got) - used, "%s%.*s", i == 0 ? "" : " ",
                       (int)texts->items[i].text.bytes, texts->items[i].text.data);
    }
    assert_string_equal(got, wanted);
}

static void files_of_conf_d_come_in_the_order_of_their_bytes(void **unused)
{
    (void)unused;
    struct texts texts;
    struct buf problems = { 0 };
    static const char *const names[][2] = {
        { "conf.d/b.yaml", "b" },          { "conf.d/B.yaml", "B" },   { "conf.d/10.yaml", "10" },
        { "conf.d/.hidden.yaml", "no" },   { "conf.d/c.yaml~", "no" }, { "conf.d/d.yml", "no" },
        { "conf.d/a.yaml.dpkg-new", "no" }
    };

    write_file("a.yaml", "main");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        write_file(names[i][0], names[i][1]);
    char *path = strdup(name_in_folder("a.yaml"));
    assert_true(texts_read(path, &texts, &problems));
    assert_texts(&texts, "main 10 B b");
    assert_string_equal(texts.items[2].file, name_in_folder("conf.d/B.yaml"));
    texts_fini(&texts);
    free(path);
}

static void without_the_folder_there_is_one_file(void **unused)
{
    (void)unused;
    struct texts texts;
    struct buf problems = { 0 };

    assert_int_equal(rmdir(name_in_folder("conf.d")), 0);
    write_file("a.yaml", "main");
    assert_true(texts_read(name_in_folder("a.yaml"), &texts, &problems));
    assert_texts(&texts, "main");
    texts_fini(&texts);
}

static void one_that_cannot_be_read_is_named_and_the_others_are_there(void **unused)
{
    (void)unused;
    struct texts texts;
    struct buf problems = { 0 };

    write_file("a.yaml", "main");
    write_file("conf.d/c.yaml", "c");
    assert_int_equal(mkdir(name_in_folder("conf.d/b.yaml"), 0700), 0);
    char *path = strdup(name_in_folder("a.yaml"));
    assert_false(texts_read(path, &texts, &problems));
    assert_non_null(strstr(problems.data, "conf.d/b.yaml': Is a directory"));
    assert_texts(&texts, "main c");
    texts_fini(&texts);
    buf_fini(&problems);
    free(path);
}

static void bytes_and_files_are_bounded(void **unused)
{
    (void)unused;
    struct texts texts;
    struct buf problems = { 0 };
    char name[32];
    char *big = malloc(TEXTS_BYTES_MAX);

    assert_non_null(big);
    memset(big, 'x', TEXTS_BYTES_MAX - 1);
    big[TEXTS_BYTES_MAX - 1] = '\0';
    write_file("a.yaml", big);
    write_file("conf.d/b.yaml", "12");
    char *path = strdup(name_in_folder("a.yaml"));
    assert_false(texts_read(path, &texts, &problems));
    assert_non_null(strstr(problems.data, "b.yaml' is larger than 1 bytes"));
    texts_fini(&texts);
    write_file("a.yaml", "main");
    for (int i = 0; i < TEXTS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "conf.d/%d.yaml", i);
        write_file(name, "");
    }
    assert_false(texts_read(path, &texts, &problems));
    assert_non_null(strstr(problems.data, "there are 65 files in conf.d"));
    texts_fini(&texts);
    buf_fini(&problems);
    free(path);
    free(big);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, drop_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(files_of_conf_d_come_in_the_order_of_their_bytes),
        IN_FOLDER(without_the_folder_there_is_one_file),
        IN_FOLDER(one_that_cannot_be_read_is_named_and_the_others_are_there),
        IN_FOLDER(bytes_and_files_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
