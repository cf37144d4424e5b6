/* SPDX-License-Identifier: Apache-2.0 */
/* schema: options are declared once, in a table; field, parser, default, bounds, error text and
 * manual come from its row. Defaults and bounds go through the user's parser, too.
 *     #define DEMO_OPTIONS(X, T) \
 *         X(T, url,           text,     REQUIRED, ANY,  ANY,  "Where batches are sent") \
 *         X(T, tls__ca_file,  text,     "",       ANY,  ANY,  "Certificates to trust, PEM")
 *     DECLARE_OPTIONS(demo_config, DEMO_OPTIONS);
 * `__` in a name is a nested map in YAML: tls: {ca_file: …}. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_list {
    const char **items;
    size_t count;
};
struct text_pair {
    const char *key, *value;
};
struct text_map {
    struct text_pair *items;
    size_t count;
};

#define KEEP_ADAPTIVE (-1.0)
typedef const char *opt_text;        /* never NULL; "" when empty */
typedef const char *opt_secret;      /* a text that is never shown */
typedef bool opt_flag;               /* yes/no, true/false, on/off */
typedef uint64_t opt_count;          /* a whole number */
typedef uint64_t opt_rate;           /* a second: 1000/s or 1000 */
typedef uint64_t opt_size;           /* bytes: 512, 64KiB, 1MiB, 1GiB, 1MB */
typedef int64_t opt_duration;        /* milliseconds: 250ms, 10s, 5m, 1h, 7d */
typedef double opt_share;            /* 0 … 1: 80% or 0.8 */
typedef double opt_keep;             /* a share, or KEEP_ADAPTIVE: "adaptive" */
typedef struct text_list opt_list;   /* a sequence of texts; one text alone is a list of one */
typedef struct text_map opt_map;     /* a map of texts, in order */
typedef struct text_map opt_secrets; /* a map whose values are never shown */
typedef unsigned opt_choice; /* index into the names in the row's min: "block|drop_oldest" */

enum option_type {
    OPT_text,
    OPT_secret,
    OPT_flag,
    OPT_count,
    OPT_rate,
    OPT_size,
    OPT_duration,
    OPT_share,
    OPT_keep,
    OPT_list,
    OPT_map,
    OPT_secrets,
    OPT_choice
};

struct option {
    const char *key; /* as in C; users write '.' or nesting for "__" */
    enum option_type type;
    size_t offset;
    const char *preset; /* default as a user would write it; REQUIRED: must be given */
    /* Bounds as a user would write them; ANY: none. choice, list: min has the names that are valid,
     * "block|drop_oldest" (a list without: any text), or of addresses the schemes, "udp://|tcp://".
     * text, secret, map, secrets have none. */
    const char *min, *max;
    const char *doc;
};

#define REQUIRED ((const char *)0)
#define ANY ((const char *)0)
#define OPTION_FIELD(T, key, type, ...) opt_##type key;
#define OPTION_ROW(T, key, type, preset, min, max, doc)                                            \
    { #key, OPT_##type, offsetof(struct T, key), preset, min, max, doc },
#define DECLARE_OPTIONS(T, LIST)                                                                   \
    struct T {                                                                                     \
        LIST(OPTION_FIELD, T)                                                                      \
    };                                                                                             \
    static const struct option T##_options[] __attribute__((unused)) = { LIST(OPTION_ROW, T){ 0 } }

struct err;

/* ---- for the readers of tables; a plugin needs none of it ---- */
/* Parses one value into *ret, an opt_<type>, and checks its bounds; of a list one item and of a map
 * one value, into a const char *. Texts are borrowed. `shown` is what messages call the value: a
 * substituted one is not shown as it is. *ret is written on success only. */
bool schema_parse(const struct option *option, const char *text, const char *shown, void *ret,
                  struct err *err);
enum { SIZE_TEXT_BYTES = 24 }; /* "8MiB", "1536B", or rounded down: "3.5MiB" */
const char *schema_size_text(uint64_t bytes, char ret_text[SIZE_TEXT_BYTES]);
bool schema_has_addresses(const struct option *option); /* a list of them */
