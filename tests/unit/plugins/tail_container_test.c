/* SPDX-License-Identifier: Apache-2.0 */
/* container: names from paths, and from what docker keeps beside its log. */
#include "inputs/tail/container.h"

#include "folder.h"
#include "test.h"

#include <sys/stat.h>

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* The attributes as one text, "key=value key=value ". */
static const char *names_of(const char *path)
{
    static char text[1024];
    static struct container_names names;
    size_t used = 0;

    text[0] = '\0';
    tail_container_names(path, &names);
    for (size_t i = 0; i < names.count; i++) {
        const struct attribute *at = &names.attributes[i];
        if (at->value.kind == VALUE_INT)
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%.*s=%d ",
                                     (int)at->key.bytes, at->key.data, (int)at->value.integer);
        else
            used +=
                (size_t)snprintf(text + used, sizeof(text) - used, "%.*s=%.*s ", (int)at->key.bytes,
                                 at->key.data, (int)at->value.text.bytes, at->value.text.data);
    }
    return text;
}

static void the_folder_of_a_pod_names_all_of_it(void **unused)
{
    (void)unused;
    static const char named[] =
        "k8s.namespace.name=shop k8s.pod.name=web-7d4b9-x2 k8s.pod.uid=8f3c-11 "
        "k8s.container.name=nginx k8s.container.restart_count=12 ";
    assert_string_equal(names_of("/var/log/pods/shop_web-7d4b9-x2_8f3c-11/nginx/12.log"), named);
    assert_string_equal(
        names_of("/var/log/pods/shop_web-7d4b9-x2_8f3c-11/nginx/12.log.20240131-100000"), named);
}

static void a_link_of_a_container_names_it_by_its_id(void **unused)
{
    (void)unused;
    assert_string_equal(names_of("/var/log/containers/web-7d4b9-x2_shop_my-app-" ID ".log"),
                        "k8s.namespace.name=shop k8s.pod.name=web-7d4b9-x2 "
                        "k8s.container.name=my-app container.id=" ID " ");
}

static void other_paths_have_no_names(void **unused)
{
    (void)unused;
    static const char *const paths[] = {
        "/var/log/syslog",
        "",
        "/var/log/pods/shop_web/nginx/0.log",
        "/var/log/pods/shop_web_1_2/nginx/0.log",
        "/var/log/pods/_web_1/nginx/0.log",
        "/var/log/pods/shop_web_/nginx/0.log",
        "/var/log/pods/shop_web_1/nginx/x.log",
        "/var/log/pods/shop_web_1/nginx/0.txt",
        "/var/log/pods/shop_web_1/nginx/9999999999.log",
        "/var/log/containers/web_shop_app-" ID "0.log",
        "/var/log/containers/web_shop_-" ID ".log",
        "/var/log/containers/web_shop_app-XYZ.log",
        "/c/" ID "-json.txt",
        "/c/x-json.log",
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_string_equal(names_of(paths[i]), "");
}

static void put(const char *folder, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void expect_config(const char *config, const char *named)
{
    char folder[] = "/tmp/spillway-container-XXXXXX", path[256], all[256];
    assert_non_null(mkdtemp(folder));
    if (config != NULL)
        put(folder, "config.v2.json", config);
    (void)snprintf(path, sizeof(path), "%s/" ID "-json.log", folder);
    (void)snprintf(all, sizeof(all), "container.id=" ID " %s", named);
    assert_string_equal(names_of(path), all);
    assert_int_equal(folder_remove(folder), 0);
}

static void dockers_folder_names_the_container_and_its_image(void **unused)
{
    (void)unused;
    expect_config(
        "{\"StreamConfig\":{},\"State\":{\"Running\":true,\"Pid\":4},\"ID\":\"" ID "\","
        "\"Config\":{\"Env\":[\"A={}\",\"B=\\\"\"],\"Image\":\"hub:5000/nginx:1.25\"},"
        "\"Image\":\"sha256:1\",\"Name\":\"/web\"}",
        "container.name=web container.image.name=hub:5000/nginx container.image.tag=1.25 ");
    expect_config("{\"Name\":\"/a\\u0062\",\"Config\":{\"Image\":\"hub:5000/nginx\"}}",
                  "container.name=ab container.image.name=hub:5000/nginx ");
    expect_config("{\"Name\":\"web\",\"Config\":{\"Image\":\"nginx@sha256:12\"}}",
                  "container.name=web container.image.name=nginx@sha256:12 ");
}

static void a_missing_or_broken_config_leaves_the_id(void **unused)
{
    (void)unused;
    expect_config(NULL, "");
    expect_config("", "");
    expect_config("{\"Name\":", "");
    expect_config("{\"Name\":7,\"Config\":\"x\"}", "");
    expect_config("{\"Name\":\"/web\",\"Config\":{\"Image", "container.name=web ");
    expect_config("[1]", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_folder_of_a_pod_names_all_of_it),
        cmocka_unit_test(a_link_of_a_container_names_it_by_its_id),
        cmocka_unit_test(other_paths_have_no_names),
        cmocka_unit_test(dockers_folder_names_the_container_and_its_image),
        cmocka_unit_test(a_missing_or_broken_config_leaves_the_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
