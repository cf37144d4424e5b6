/* SPDX-License-Identifier: Apache-2.0 */
#include "targets.h"

/* ---- wishes ---- */

static void add_bytes(uint64_t *hash, const void *bytes, size_t count)
{
    const unsigned char *byte = bytes;

    for (size_t i = 0; i < count; i++) /* FNV-1a */
        *hash = (*hash ^ byte[i]) * UINT64_C(0x100000001b3);
}

static void add_text(uint64_t *hash, const char *text)
{
    add_bytes(hash, text, strlen(text) + 1);
}

static void add_attribute(uint64_t *hash, const struct attribute *attribute)
{
    const struct value *value = &attribute->value;

    add_bytes(hash, attribute->key.data, attribute->key.bytes);
    add_bytes(hash, &value->kind, sizeof(value->kind));
    if (value->kind == VALUE_TEXT)
        add_bytes(hash, value->text.data, value->text.bytes);
    else if (value->kind == VALUE_BOOL)
        add_bytes(hash, &value->boolean, sizeof(value->boolean));
    else
        add_bytes(hash, &value->integer, sizeof(value->integer));
    add_bytes(hash, "", 1);
}

uint64_t targets_wishes(const struct prometheus_config *config, const struct host *host)
{
    const char *const texts[] = { host->name,
                                  config->auth__user,
                                  config->auth__password,
                                  config->auth__bearer_token,
                                  config->auth__bearer_token_file,
                                  config->tls__ca_file,
                                  config->tls__cert_file,
                                  config->tls__key_file };
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        add_text(&hash, texts[i]);
    add_text(&hash, config->tls__verify ? "verify" : "");
    for (size_t i = 0; i < host->base_count; i++)
        add_attribute(&hash, &host->base[i]);
    for (size_t i = 0; i < config->targets.count; i++)
        add_text(&hash, config->targets.items[i]);
    return hash;
}

/* ---- life ---- */

bool targets_open(struct targets *targets, const struct prometheus_config *config,
                  const struct host *host, struct known *known, struct err *err)
{
    const struct text_list *urls = &config->targets;

    *targets = (struct targets){ .items = calloc(urls->count, sizeof(struct target)),
                                 .wishes = targets_wishes(config, host) };
    if (targets->items == NULL)
        return err_set(err, "out of memory for %zu targets", urls->count);
    while (targets->count < urls->count) {
        size_t at = targets->count++; /* one that fails is closed, too */
        if (target_open(&targets->items[at], urls->items[at], config, host, known, err))
            continue;
        targets_close(targets, NULL);
        return false;
    }
    return true;
}

void targets_use(struct targets *targets, const struct prometheus_config *config)
{
    for (size_t i = 0; i < targets->count; i++)
        targets->items[i].config = config;
}

static bool end_transfer(struct target *target, CURLM *multi)
{
    bool was_running = target->is_running;

    if (was_running)
        (void)curl_multi_remove_handle(multi, target->easy);
    target->is_running = false;
    return was_running;
}

void targets_close(struct targets *targets, CURLM *multi)
{
    for (size_t i = 0; i < targets->count; i++) {
        (void)end_transfer(&targets->items[i], multi);
        target_close(&targets->items[i]);
    }
    free(targets->items);
    *targets = (struct targets){ 0 };
}

void targets_abandon(struct targets *targets, CURLM *multi, struct sink *sink)
{
    for (size_t i = 0; i < targets->count; i++) {
        if (end_transfer(&targets->items[i], multi))
            target_abandon(&targets->items[i], sink);
    }
}

void targets_leave(struct targets *left, struct targets *now, CURLM *multi, struct sink *sink)
{
    targets_abandon(left, multi, sink);
    for (size_t i = 0; i < left->count; i++) {
        bool stays = false;
        for (size_t k = 0; k < now->count && !stays; k++)
            stays = target_take_over(&now->items[k], &left->items[i]);
        if (!stays)
            target_leave(&left->items[i], sink);
    }
    targets_close(left, multi);
}
