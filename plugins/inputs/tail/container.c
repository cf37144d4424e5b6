/* SPDX-License-Identifier: Apache-2.0 */
#include "container.h"

#include "unwrap.h"

#include <fcntl.h>
#include <limits.h>

enum { ID_BYTES = 64, CONFIG_BYTES_MAX = 1024 * 1024, PARTS = 3 };

static void add_text(struct container_names *names, const char *key, struct slice text)
{
    if (text.bytes == 0 || names->count == CONTAINER_ATTRIBUTES)
        return;
    names->attributes[names->count++] =
        (struct attribute){ slice_of(key), { .kind = VALUE_TEXT, .text = text } };
}

/* The last components of a path, the last one first. Returns how many there are. */
static size_t split_path(const char *path, struct slice ret[PARTS])
{
    const char *end = path + strlen(path);
    size_t count = 0;

    while (count < PARTS && end > path) {
        const char *slash = memrchr(path, '/', (size_t)(end - path));
        const char *begin = slash == NULL ? path : slash + 1;
        ret[count++] = (struct slice){ begin, (size_t)(end - begin) };
        end = slash == NULL ? path : slash;
    }
    return count;
}

static bool take_until(struct slice *text, char mark, struct slice *ret)
{
    const char *at = text->bytes == 0 ? NULL : memchr(text->data, mark, text->bytes);

    if (at == NULL || at == text->data)
        return false;
    *ret = (struct slice){ text->data, (size_t)(at - text->data) };
    *text = (struct slice){ at + 1, text->bytes - ret->bytes - 1 };
    return true;
}

static bool is_id(struct slice text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        char byte = text.data[i];
        if (!((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f')))
            return false;
    }
    return text.bytes == ID_BYTES;
}

/* NAMESPACE_POD_UID/CONTAINER/N.log: no name of Kubernetes has a '_' in it. N counts restarts. */
static bool name_by_pod(const struct slice *parts, struct container_names *names)
{
    struct slice folder = parts[2], file = parts[0], space, pod, number;
    int64_t restarts = 0;

    if (!take_until(&folder, '_', &space) || !take_until(&folder, '_', &pod) || folder.bytes == 0 ||
        memchr(folder.data, '_', folder.bytes) != NULL || !take_until(&file, '.', &number) ||
        file.bytes < 3 || memcmp(file.data, "log", 3) != 0 || number.bytes > 9)
        return false;
    for (size_t i = 0; i < number.bytes; i++) {
        if (number.data[i] < '0' || number.data[i] > '9')
            return false;
        restarts = restarts * 10 + (number.data[i] - '0');
    }
    add_text(names, "k8s.namespace.name", space);
    add_text(names, "k8s.pod.name", pod);
    add_text(names, "k8s.pod.uid", folder);
    add_text(names, "k8s.container.name", parts[1]);
    names->attributes[names->count++] =
        (struct attribute){ SLICE("k8s.container.restart_count"),
                            { .kind = VALUE_INT, .integer = restarts } };
    return true;
}

/* POD_NAMESPACE_CONTAINER-ID.log */
static bool name_by_link(struct slice file, struct container_names *names)
{
    struct slice pod, space, container, id;

    if (!take_until(&file, '_', &pod) || !take_until(&file, '_', &space) ||
        !take_until(&file, '.', &container) || container.bytes <= ID_BYTES + 1)
        return false;
    id = (struct slice){ container.data + container.bytes - ID_BYTES, ID_BYTES };
    container.bytes -= ID_BYTES + 1;
    if (!is_id(id) || container.data[container.bytes] != '-')
        return false;
    add_text(names, "k8s.namespace.name", space);
    add_text(names, "k8s.pod.name", pod);
    add_text(names, "k8s.container.name", container);
    add_text(names, "container.id", id);
    return true;
}

/* NULL: it is not there, or cannot be read, or is larger than such a file ever is. */
static char *read_config(const char *path, size_t *ret_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    off_t bytes = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    char *text = bytes <= 0 || bytes > CONFIG_BYTES_MAX ? NULL : malloc((size_t)bytes);

    if (text != NULL) {
        ssize_t got = pread(fd, text, (size_t)bytes, 0);
        *ret_bytes = got < 0 ? 0 : (size_t)got;
    }
    if (fd >= 0)
        (void)close(fd);
    return text;
}

static struct slice keep_text(struct container_names *names, struct slice escaped)
{
    char *to = names->text + names->used;

    if (escaped.bytes > sizeof(names->text) - names->used)
        return (struct slice){ NULL, 0 };
    size_t bytes = tail_unescape(escaped, to, escaped.bytes);
    names->used += bytes;
    return (struct slice){ to, bytes };
}

/* "registry:5000/nginx:1.25": the tag is behind the last ':' that no '/' follows; a digest is none.
 */
static void add_image(struct container_names *names, struct slice image)
{
    const char *colon = memrchr(image.data, ':', image.bytes);
    struct slice tag = { NULL, 0 };

    if (colon != NULL && memchr(image.data, '@', image.bytes) == NULL &&
        memchr(colon, '/', (size_t)(image.data + image.bytes - colon)) == NULL) {
        tag = (struct slice){ colon + 1, image.bytes - (size_t)(colon + 1 - image.data) };
        image.bytes = (size_t)(colon - image.data);
    }
    add_text(names, "container.image.name", image);
    add_text(names, "container.image.tag", tag);
}

static void name_by_config(const char *path, struct slice file, struct container_names *names)
{
    char config[PATH_MAX];
    size_t bytes = 0;
    struct slice text;

    if (snprintf(config, sizeof(config), "%.*sconfig.v2.json", (int)(file.data - path), path) >=
        (int)sizeof(config))
        return;
    char *all = read_config(config, &bytes);
    if (all == NULL)
        return;
    struct slice object = { all, bytes };
    if (tail_json_text(object, "Name", NULL, &text)) { /* "/web": with a slash in front */
        text = keep_text(names, text);
        size_t slash = text.bytes > 0 && text.data[0] == '/';
        add_text(names, "container.name", (struct slice){ text.data + slash, text.bytes - slash });
    }
    if (tail_json_text(object, "Config", "Image", &text) &&
        (text = keep_text(names, text)).bytes > 0)
        add_image(names, text);
    free(all);
}

/* ID-json.log, in a folder of the same name */
static bool name_by_docker(const char *path, struct slice file, struct container_names *names)
{
    struct slice id = { file.data, ID_BYTES };

    if (file.bytes < ID_BYTES + 9 || !is_id(id) ||
        memcmp(file.data + ID_BYTES, "-json.log", 9) != 0)
        return false;
    add_text(names, "container.id", id);
    name_by_config(path, file, names);
    return true;
}

void tail_container_names(const char *path, struct container_names *ret)
{
    struct slice parts[PARTS];

    ret->count = ret->used = 0;
    size_t count = split_path(path, parts);
    if (count == PARTS && name_by_pod(parts, ret))
        return;
    if (count > 0 && !name_by_link(parts[0], ret))
        (void)name_by_docker(path, parts[0], ret);
}
