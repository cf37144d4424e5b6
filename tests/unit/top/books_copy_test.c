/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of real books, for which there is no memory when the test says so. */
#include "test.h"

#include "base/file.h"
#include "base/log.h"
#include "books_copy.h"
#include "own_catalog.h"
#include "own_ledger.h"

#include <limits.h>

static const struct plugin_type *const inputs[] = { &input_nothing.type, NULL };
const struct catalog catalog = { inputs, known_processors, known_outputs };

static unsigned refusals; /* so many more copies find no memory */

bool __real_ledger_save_image(struct ledger *books, struct buf *ret);
bool __wrap_ledger_save_image(struct ledger *books, struct buf *ret);
bool __wrap_ledger_save_image(struct ledger *books, struct buf *ret)
{
    if (refusals == 0)
        return __real_ledger_save_image(books, ret);
    refusals--;
    (void)buf_add_text(ret, "a part of it");
    return false;
}

struct scene {
    struct disk *disk;
    struct books_copy copy;
    uint64_t errors; /* before it */
    char log[64];
    FILE *file;
};

static uint64_t count_errors(void)
{
    return numbers_get(ledger_agent_numbers(ledger), NUMBER_save_errors);
}

static void open_scene(struct scene *scene)
{
    struct err err = { "" };

    scene->disk = disk_start(&err);
    assert_non_null(scene->disk);
    assert_true(books_copy_init(&scene->copy, ledger, scene->disk));
    (void)unlink(ledger_save_path(ledger));
    scene->errors = count_errors();
    (void)snprintf(scene->log, sizeof(scene->log), "%s/log", ledger_folder);
    scene->file = fopen(scene->log, "w");
    assert_non_null(scene->file);
    log_set_fd(fileno(scene->file));
}

/* The log has a line of that, once. */
static void assert_told(const struct scene *scene, const char *what)
{
    AUTO(buf_fini) struct buf text = { 0 };
    struct err err = { "" };

    assert_true(file_read(scene->log, &text, &err));
    const char *at = strstr(buf_slice(&text).data, what);
    assert_non_null(at);
    assert_null(strstr(at + 1, what));
}

static void close_scene(struct scene *scene)
{
    log_set_fd(STDERR_FILENO);
    assert_int_equal(fclose(scene->file), 0);
    assert_true(disk_stop(&scene->disk, INT64_MAX));
}

static bool is_saved(struct scene *scene)
{
    assert_true(disk_file_await(scene->copy.file, INT32_MAX));
    return access(ledger_save_path(ledger), F_OK) == 0;
}

static void move_one(void)
{
    ledger_move(ledger_lane(ledger, "in", "out", false), FLOW_admit, 1, 1);
}

static void a_copy_without_memory_is_counted_told_once_and_made_at_the_next_report(void **unused)
{
    (void)unused;
    struct scene scene = { .disk = NULL };
    move_one();
    open_scene(&scene);
    refusals = 2;
    books_copy_save(&scene.copy, false);
    books_copy_save(&scene.copy, false);
    assert_int_equal(count_errors() - scene.errors, 2);
    assert_told(&scene, "cannot save");
    assert_false(is_saved(&scene));
    books_copy_save(&scene.copy, false);
    assert_true(is_saved(&scene));
    assert_told(&scene, "there is memory again to save");
    assert_int_equal(count_errors() - scene.errors, 2);
    close_scene(&scene);
}

static void the_last_copy_is_tried_once_more(void **unused)
{
    (void)unused;
    struct scene scene = { .disk = NULL };
    open_scene(&scene);
    refusals = 1;
    books_copy_save(&scene.copy, true);
    assert_true(is_saved(&scene));
    assert_int_equal(count_errors(), scene.errors);
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_without_memory_is_counted_told_once_and_made_at_the_next_report),
        cmocka_unit_test(the_last_copy_is_tried_once_more),
    };
    return RUN_WITH_LEDGER(tests);
}
