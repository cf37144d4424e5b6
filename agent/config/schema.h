/* SPDX-License-Identifier: Apache-2.0 */
/* schema: options are declared once, in a table; field, parser, default, bounds, error text and
 * manual come from its row. Defaults and bounds are written as a user would write them and go
 * through the user's parser.
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

enum plugin_traits {
    INPUT_REREADABLE = 1, /* has positions: a reading for each output, receipts; may block */
    INPUT_SAMPLES = 2, /* makes metric samples: collected each `interval` of the common options */
    OUTPUT_STREAM = 4, /* writes to a file descriptor: no compression unless asked for */
};

struct err;
/* What the configuration needs to know of a plugin. Everything else is in plugins/plugin.h. */
struct plugin_type {
    const char *name, *doc;       /* value of `type:`; one line */
    const struct option *options; /* ends with a row without key */
    size_t config_bytes;
    size_t state_bytes;
    unsigned traits; /* enum plugin_traits */
    /* Inputs: the largest event this configuration can produce, in event_bytes(). NULL: 64 KiB. */
    uint64_t (*max_event_bytes)(const void *config);
    /* Outputs: what one connection takes of memory, at most. NULL: there are none. */
    uint64_t (*connection_bytes)(const void *config);
    /* Inputs of files: globs of what is read, and of what is left out. NULL: not of files. */
    void (*globs)(const void *config, struct text_list *ret_paths, struct text_list *ret_exclude);
    /* Optional: what a parser of single options cannot see. No side effects, opens nothing. */
    bool (*check)(const void *config, struct err *err);
};

/* All plugins that were built in; each list ends with NULL. */
struct catalog {
    const struct plugin_type *const *inputs, *const *processors, *const *outputs;
};

/* ---- for the readers of tables; a plugin needs none of it ---- */
/* Parses one value into *ret, an opt_<type>, and checks its bounds; of a list one item and of a map
 * one value, into a const char *. Texts are borrowed. `shown` is what messages call the value: a
 * substituted one is not shown as it is. *ret is written on success only. */
bool schema_parse(const struct option *option, const char *text, const char *shown, void *ret,
                  struct err *err);
const char *schema_type_name(enum option_type type);    /* "duration" */
const char *schema_type_help(enum option_type type);    /* how it is written: "80% or 0.8" */
const char *schema_type_pattern(enum option_type type); /* regex of its form; NULL: any text */
enum { SIZE_TEXT_BYTES = 24 }; /* "8MiB", "1536B", or rounded down: "3.5MiB" */
const char *schema_size_text(uint64_t bytes, char ret_text[SIZE_TEXT_BYTES]);
bool schema_has_addresses(const struct option *option); /* a list of them */
/* The name as users know it: "lane.shed.high". Cut to what fits. */
void schema_user_name(const struct option *option, char *ret_name, size_t room);
