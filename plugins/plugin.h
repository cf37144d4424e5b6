/* SPDX-License-Identifier: Apache-2.0 */
/* plugin: the whole interface between the core and a plugin. A plugin translates, nothing else.
 * The core allocates zeroed state and the parsed config, owns the thread, waits, retries, counts
 * and logs. A plugin has no thread, timer, counter or global. Each instance is called from one
 * thread at a time: open in main, everything else in its own thread. Config and host outlive it. */
#pragma once

#include "base/address.h"
#include "base/auto.h"
#include "base/buf.h"
#include "base/capability.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/find.h"
#include "base/in_hand.h"
#include "base/json.h"
#include "base/kept_counts.h"
#include "base/line_buffer.h"
#include "base/listen.h"
#include "base/log.h"
#include "base/log_ring.h"
#include "base/patterns.h"
#include "base/random.h"
#include "base/regex.h"
#include "base/slice.h"
#include "children/child.h"
#include "children/request.h"
#include "config/plugin_type.h"
#include "event/event.h"
#include "event/joiner.h"
#include "event/lines.h"
#include "event/multiline.h"
#include "event/resource.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first fields of a type: PLUGIN_TYPE("tail", "Lines of files", tail_config, tail), more fields
 * may follow. */
#define PLUGIN_TYPE(name_, doc_, config_t, state_t)                                                \
    .name = (name_), .doc = (doc_), .options = config_t##_options,                                 \
    .config_bytes = sizeof(struct config_t), .state_bytes = sizeof(struct state_t)

/* ---- inputs ---- */

struct sink; /* where an input puts its events; belongs to the core, one for each reading */
/* While sink_event(), sink_flush() and sink_mark() wait, they may call settle() and save() of the
 * same instance: these must not move what collect() is working on. */

/* A new event, zeroed but for observed_ns, kind EVENT_LOG and scratch. Fill it before the next
 * call. What its slices point to must stay as it is until collect() returns or sink_flush() is
 * called. Never NULL. May pass earlier events on, and so may wait while lanes are full (overflow:
 * block). */
struct event *sink_event(struct sink *sink);

/* Passes all events so far on. After it the buffers that they point to may be reused.
 * false: the agent is stopping and the events were not taken; return soon, without a mark. */
bool sink_flush(struct sink *sink);

/* "When all events since the last mark are delivered or counted as dropped, this is the position":
 * calls settle() with these bytes later, in order. At most MARK_BYTES; the first 8 name the stream
 * (a file), a later mark of the same stream may stand for an earlier one. At most 16 in one
 * collect(). Flushes first. Only for inputs that can be read again; false: stopping, the mark was
 * not taken. */
enum { MARK_BYTES = 64 };
bool sink_mark(struct sink *sink, const void *mark, size_t bytes);

/* A parcel: what one request of a sender brought, taken by all lanes or by none. From begin to end
 * nothing waits, and sink_flush() fails once a lane has no room for it. id: not 0 if answer() shall
 * be called with it once all events of the parcel are delivered or dropped; needs answer().
 * false: too many wait for that already, nothing was begun. */
enum parcel {
    PARCEL_TAKEN,
    PARCEL_FULL,      /* a lane would shed, drop or block: nothing was taken, try again later */
    PARCEL_TOO_LARGE, /* it would not fit into an empty lane */
};
bool sink_parcel_begin(struct sink *sink, uint64_t id);
bool sink_parcel_fails(const struct sink *sink); /* what follows is in vain */
/* keep: false: nothing is taken, whatever is returned. *ret_refused: events of a parcel that was
 * taken that were too large for a lane, refused by a processor or set aside; all are counted. */
enum parcel sink_parcel_end(struct sink *sink, bool keep, uint64_t *ret_refused);

/* Lost before us: `events` and `bytes` as far as they can be told (either may be 0). `what` is the
 * source's own name (a path, a unit). Counted as upstream_loss in every lane, and logged. */
void sink_lost(struct sink *sink, const char *what, uint64_t events, uint64_t bytes);
/* A record that cannot be taken, dropped and counted. */
void sink_malformed(struct sink *sink, const char *what, uint64_t events, uint64_t bytes);
/* A line for the agent's log about a thing of the outside (a file that cannot be opened). Limited.
 */
void sink_tell(struct sink *sink, enum log_level level, const char *msg, const char *what,
               const char *why);
/* The same with words that are not the agent's: written, and not kept among its news. */
void sink_quote(struct sink *sink, enum log_level level, const char *msg, const char *what,
                struct slice words);
/* Rows of the ledger's second table: see ledger/numbers.def, those of scope input. */
enum sink_number {
    SINK_LINES,
    SINK_LINES_TRUNCATED,
    SINK_LINES_UNPARSED,
    SINK_PATTERNS_GIVEN_UP, /* those of multiline; those of processors are counted by the sink */
    SINK_EVENTS_ENDED,      /* of several lines, at a bound */
    SINK_SAMPLES,
    SINK_SAMPLES_OVERFLOWED,
    SINK_SERIES,
    SINK_SOURCES_OPEN,
    SINK_SOURCES_UNWATCHED,
    SINK_SOURCES_REFUSED,
    SINK_FOLDERS_LEFT_OUT,
    SINK_SOURCES_ROTATED,
    SINK_SOURCES_TRUNCATED,
    SINK_LAG_BYTES,
    SINK_JOURNAL_FILES_UNREADABLE,
    SINK_COLLECT_FAILURES,
    SINK_REQUESTS_TAKEN,
    SINK_REQUESTS_PUT_OFF,
    SINK_REQUESTS_BAD,
    SINK_CONNECTIONS_ACCEPTED,
    SINK_CONNECTIONS_REFUSED,
    SINK_CONNECTIONS_FAILED,
    SINK_RUNS,
    SINK_RUNS_FAILED,
    SINK_RUNS_SKIPPED,
    SINK_NUMBERS
};
void sink_add(struct sink *sink, enum sink_number number, uint64_t count); /* counters */
void sink_set(struct sink *sink, enum sink_number number, uint64_t value); /* gauges */
/* The input keeps so much memory for what it knows of its sources, beyond memory_bytes(): that is
 * taken off the outputs' memory for sealed batches, up to half of that. false: it is more: do with
 * less, and tell. Call it before it grows, and when it shrinks. */
bool sink_keep(struct sink *sink, uint64_t bytes);
/* So long events wait for company behind the input, in the lane that is the least patient: next to
 * that, a short rest of a busy input is not felt. */
int64_t sink_max_wait_ms(const struct sink *sink);
/* The events of this collect() from here on may have waited so long in their source while the input
 * rested: it counts as if they had waited in the lanes. */
void sink_waited(struct sink *sink, int64_t waited_ms);
/* The agent's books as /metrics has them: Prometheus text, read without a lock. Its log's news are
 * in base/log_ring.h. */
bool sink_own_metrics(struct sink *sink, struct buf *ret_text);

/* For inputs that can be read again: what base/in_hand.h says this input looks into is what it dies
 * of, if it does, and reads again at the next start. Some such starts later it is not looked into
 * again, but set aside as it is: this is that record, NULL: there is none. The input passes over
 * it, gives its content to sink_set_aside() (records or lines, each counted as an event), and says
 * sink_set_aside_done() at its end, or where it is not there any more; then it is forgotten. */
struct fatal_place {
    uint64_t source, from, to;
};
const struct fatal_place *sink_fatal_place(const struct sink *sink);
void sink_set_aside(struct sink *sink, struct slice record, struct resource *resource);
void sink_set_aside_done(struct sink *sink, const char *what);

enum collected {
    COLLECT_MORE,   /* there may be more at once */
    COLLECT_IDLE,   /* nothing more now: call again when wait() says so */
    COLLECT_DONE,   /* the source is at its end for good: call again only after a change */
    COLLECT_WAIT,   /* of last() alone: there will be more, call it again when wait() says so */
    COLLECT_FAILED, /* this round failed (told by sink_tell); call again as for IDLE */
};

enum { WAIT_FDS = 8 };
struct waits {
    int fds[WAIT_FDS]; /* readable ends a wait */
    unsigned fd_count;
    /* clock_now_ms() by which to call again at the latest, and without fds also not before;
     * 0: no limit */
    int64_t until_ms;
};

/* What the core tells an instance about its surroundings. */
struct host {
    const char *name; /* the input's or output's name in the configuration */
    /* For the resources of its events: host.name and what the user added. Put first in
     * resource_new(). */
    const struct attribute *base;
    size_t base_count;
    int64_t interval_ms;    /* inputs with INPUT_SAMPLES or INPUT_TIMED: the configured interval */
    size_t max_event_bytes; /* larger ones are dropped as oversize */
    size_t buffer_bytes;    /* what the reading may use as its read buffer */
    const struct starter *starter; /* inputs with a command: for child_start() */
    struct kept_counts *kept;      /* what outlives this process; NULL: nothing does */
};

/* What an input knows of one of its sources, for people who ask. Borrowed while it is told. Times
 * are Unix nanoseconds, 0: never, or not known. No content of events. */
struct source_account {
    const char *name;  /* a path */
    const char *state; /* in words */
    bool is_at_end;    /* at the last look nothing but an unfinished record was behind the offset */
    bool is_followed;  /* it is read, or will be: `state` says how it stands */
    bool is_watched;   /* the kernel tells of its news; else it is looked at now and then */
    uint64_t device, inode;
    int64_t born_ns;
    uint64_t size;                   /* at the last look */
    uint64_t offset, settled;        /* read up to here; delivered or counted up to here */
    int64_t read_ns, end_ns;         /* something was read last; its end was reached last */
    uint64_t fingerprint;            /* of its first bytes */
    uint32_t fingerprint_bytes;      /* so many of them */
    const struct resource *resource; /* of its events; NULL: none was read yet */
    const char *error, *error_why;   /* the last one; NULL: none */
    int64_t error_ns;
};
typedef void source_tell_fn(void *context, const struct source_account *account);

struct input {
    struct plugin_type type; /* first, as in all three kinds */
    bool (*open)(void *state, const void *config, const struct host *host, struct err *err);
    /* Before the first collect, if there is a checkpoint: the text that save() wrote.
     * false: unusable, start as without one. */
    bool (*restore)(void *state, struct slice checkpoint, struct err *err);
    enum collected (*collect)(void *state, struct sink *sink);
    void (*wait)(void *state, struct waits *waits); /* NULL with INPUT_SAMPLES */
    void (*settle)(void *state, const void *mark, size_t bytes);
    /* The settled positions as text, one line each. Called at most once a second and at the end. */
    bool (*save)(void *state, struct buf *ret_checkpoint);
    /* Optional. Tells of each source what is known, without I/O. Also called while sink_event() and
     * the like wait, as settle() and save() are. */
    void (*sources)(void *state, source_tell_fn *tell, void *context);
    /* Optional. The same from what save() wrote, without an instance. false: it is not of this
     * kind of input, or damaged; some may have been told. */
    bool (*recall)(struct slice checkpoint, source_tell_fn *tell, void *context);
    /* Optional, for inputs that answer their senders. Of the parcel with this id all is delivered,
     * or in the spool, but for `dropped` events. */
    void (*answer)(void *state, uint64_t id, uint64_t dropped);
    /* Optional: instead of collect(), when wait() says so, from the moment at which the agent takes
     * no more until it ends. Takes nothing, and tells senders so. */
    void (*drain)(void *state, struct sink *sink);
    void (*close)(void *state); /* optional */
    /* Optional. The agent stops, or the input leaves by a reload: called in place of collect(), and
     * again while it returns COLLECT_MORE or COLLECT_WAIT, for what would be lost: what the kernel
     * holds for a socket by then, a record that is not whole, the last words of a child. Must come
     * to its end; the grace ends its waits. collect() follows only if
     * the input comes back before it is gone (another reload); then what was closed is opened anew.
     */
    enum collected (*last)(void *state, struct sink *sink);
    /* Optional. Called about once a second while sink_event() and the like wait for room, for
     * sink_lost() and the like about what is lost meanwhile. Must not move what collect() is
     * working on. */
    void (*attend)(void *state, struct sink *sink);
    /* Optional: goes on with another configuration and keeps its positions, and what it has read
     * and not offered. Called between two collect(). What the old config and host said is
     * forgotten: they are freed. false: out of memory, nothing has changed. Going back to a
     * configuration that it had before never fails. Without it an input that cannot be read again
     * is closed, after another instance was opened. */
    bool (*change)(void *state, const void *config, const struct host *host, struct err *err);
};

/* ---- processors ---- */

enum processed {
    PROCESS_KEEP,   /* changed or not */
    PROCESS_DROP,   /* by configuration: account `filtered`, never counted as loss */
    PROCESS_REFUSE, /* cannot be processed: counted as malformed */
};

struct processor {
    struct plugin_type type;
    bool (*open)(void *state, const void *config, struct err *err);
    enum processed (*process)(void *state, struct event *event);
    /* Optional. At how many events since the last call a pattern was given up: taken as no match,
     * and the core tells it. */
    uint64_t (*given_up)(void *state);
    void (*close)(void *state);
};

/* ---- outputs ---- */

enum encoding { ENCODE_NDJSON, ENCODE_JSON_ARRAY };
enum compression { COMPRESS_NONE, COMPRESS_GZIP, COMPRESS_ZSTD };

/* What became of one attempt. The core owns what follows from it. */
enum verdict {
    VERDICT_SENT,      /* 2xx: delivered */
    VERDICT_BUSY,      /* 429, 503 with Retry-After: alive but full; pause and retry */
    VERDICT_RETRY,     /* other 5xx, 408, 425, timeout, broken connection */
    VERDICT_HOLD,      /* 3xx, 401, 403, 404, bad certificate: an outage; hold the data */
    VERDICT_TOO_LARGE, /* 413: split and resend */
    VERDICT_REJECTED,  /* 400, 422: this batch will never be taken as it is */
};

enum { HEADERS_MAX = 32 };
struct http_header {
    const char *name, *value;
};
/* Borrowed from the plugin's state or config until the instance closes. Empty text: not used. */
struct http_request {
    const char *url, *method; /* method: POST, PUT, PATCH */
    struct http_header headers[HEADERS_MAX];
    size_t header_count;
    const char *user, *password, *bearer_token;
    const char *bearer_token_file; /* read anew when it changes, as are the next three */
    const char *ca_file, *cert_file, *key_file, *key_password;
    bool verify; /* check certificate and host name */
    const char *proxy;
    int64_t connect_timeout_ms, timeout_ms;
};

struct http_answer {
    long status;
    struct slice body; /* the first ANSWER_BYTES of it */
    bool has_retry_after;
};
enum { ANSWER_BYTES = 4096 };

struct output {
    struct plugin_type type;
    bool (*open)(void *state, const void *config, const struct host *host, struct err *err);
    /* How the batches of this configuration are written. */
    void (*format)(const void *config, enum encoding *ret_encoding);
    /* Exactly one of these two: an HTTP request, sent by the core; or bytes for a file descriptor.
     */
    void (*request)(void *state, struct http_request *ret);
    int (*descriptor)(void *state); /* the core writes to it, waits for it with a deadline */
    /* What an answer means. NULL: by status, as in the table of verdicts. HTTP only. */
    enum verdict (*judge)(void *state, const struct http_answer *answer);
    void (*close)(void *state);
};

/* A plugin file defines `const struct input input_NAME` (or processor_NAME, output_NAME); CMake
 * finds it by its file name and builds the catalog. */

/* What plugins that listen share. Last, as it is made of the above. */
#include "net/joining.h"
#include "net/listener.h"
#include "net/socket.h"
