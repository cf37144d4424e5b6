/* SPDX-License-Identifier: Apache-2.0 */
/* host: one simulated host. The agent's own arena, ring, shedder, lane, scheduler, batcher, codec,
 * delivery, receipts, budget and ledger run in virtual time; what is simulated is the world around
 * them: sources of events, an endpoint with its weather, a disk for checkpoints, crashes.
 *
 * One step is one action of one actor (a source, a batch worker, a sender, an answer on its way).
 * Which of those that may act does so is chance, and all chance comes from the seed. After every
 * step the books are compared with what is held, and with what the world saw. */
#pragma once

#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "batch/batcher.h"
#include "delivery/delivery_state.h"
#include "delivery/spool_files.h"
#include "ledger/books_layout.h"
#include "ledger/ledger_start.h"

#include <limits.h>
#include <stdio.h>

enum {
    HOST_OUTLETS = 2,
    OUTLET_SOURCES = 3,
    OUTLET_WORKERS = 2,
    REQUESTS_MAX = 16,
    BATCH_EVENTS = 256,
    READ_EVENTS = 48,
    SOURCE_IDS = 1 << 16, /* a source falls silent when it has written as many events */
    STOPS = 9,            /* of the agent, in one seed */
    DISK_FILES = 1024,
    HOST_EPOCH_MS = 1000000,
};

struct sim;
struct outlet;

/* ---- a source of events, with its reading and its lane ---- */

/* What the world knows of one event. */
struct fate {
    uint8_t acked_in;  /* the start that was told so; 0: none */
    uint8_t safe_in;   /* the start that has it on disk, synced if that is the policy */
    uint8_t on_plates; /* at a power loss: what was on disk before, and is after it: host_power */
    bool arrived, in_flight, was_acked, was_repeated; /* repeated: it arrived more than once */
    bool was_refused;                                 /* it alone, once */
    uint32_t admitted_ms;                             /* after HOST_EPOCH_MS, of its last offer */
};

/* A read whose events are not all settled. */
struct open_read {
    struct receipt *receipt;
    uint32_t from, to;
};

struct source {
    struct sim *host;
    struct outlet *outlet;
    unsigned number; /* in the text of its events */
    char name[16];
    /* of the seed */
    bool rereadable, has_resource;
    enum lane_overflow overflow;
    struct shedder_config shed;
    struct classes_config classes;
    bool has_fields; /* its events have a severity and a tenant */
    size_t piece_bytes, pieces;
    unsigned read_events;
    int64_t block_for_ms, gap_ms;
    uint64_t size_seed;
    /* the world's: outlives the agent */
    uint32_t written, durable; /* events that exist; where the next start reads on */
    int64_t next_arrival_ms;
    struct fate *fates; /* SOURCE_IDS */
    uint64_t dropped_before;
    /* of this start */
    struct lane *lane;
    struct books *books;
    struct receipts *receipts; /* NULL: it cannot be read again */
    struct resource *resource;
    uint32_t first, read_at, handled; /* handled: next event that the lane has not judged */
    uint64_t acked, acked_from_disk;
    uint32_t last_acked;
    struct open_read *reads; /* SOURCE_IDS, a ring, oldest first */
    unsigned reads_at, reads_count;
    uint32_t popped;         /* position up to which reads were found settled */
    uint64_t popped_unacked; /* of these: not delivered, so they must be counted as dropped */
    bool is_reading, has_room, has_settled, has_refused;
    struct receipt *receipt; /* of the read in progress */
    uint32_t read_to;
    unsigned full_reads;
    int64_t read_boot_ms, deadline_ms, wait_until_ms;
    bool is_dirty, is_saving, save_fails;
    uint32_t saving;
    int64_t next_save_ms, saved_at_ms;
};

/* ---- the endpoint of an output ---- */

enum weather {
    FINE,
    DOWN,      /* connections are refused */
    SILENT,    /* nothing comes back */
    SICK,      /* now and then a 5xx */
    SLOW,      /* answers take long, some longer than the timeout */
    BUSY,      /* 429 and 503 with Retry-After */
    FORBIDDEN, /* 401, 404 */
    GRUMPY,    /* 400 to everything */
    FORGETFUL, /* data arrive, the answer does not */
    FLAKY,     /* connections that were idle die */
    SMALL,     /* 413 over a size */
    PICKY,     /* 400, 422 for some events */
    WEATHERS
};

struct item {
    uint8_t source;
    uint32_t id;
};

struct sim_request {
    struct batch *batch; /* NULL: free */
    bool is_old;         /* sealed by an earlier start */
    bool is_from_disk;
    int64_t launched_ms, answer_ms;
    bool is_probe;
    struct answer_summary answer;
    unsigned count;
    struct item items[BATCH_EVENTS];
};

/* ---- the disk of a spool: outlives the agent ---- */

struct sim_file {
    char name[24];  /* "": no file */
    char ghost[24]; /* of one that was removed, but the folder was not synced since */
    char *data;     /* as programs see it */
    char *kept;     /* as it is on the plates */
    bool *is_dirty; /* by sectors: it is to be written there */
    size_t bytes, kept_bytes, room;
    bool is_named; /* its name is on the plates */
    /* Only its sum knows of them: the records were lost, or are not whole. */
    struct amount hidden[OUTLET_SOURCES];
};

struct sim_disk {
    struct spool_disk disk;
    struct sim *host;
    struct sim_file files[DISK_FILES];
    uint64_t capacity;
    bool is_scanned;        /* at the start: then its calls fail by another chance */
    unsigned scan_sickness; /* in a hundred */
};

struct spool_walk {
    struct amount live[OUTLET_SOURCES];
    struct amount unseen[OUTLET_SOURCES]; /* in segments that the agent does not know */
    uint64_t bytes;
    unsigned doubles; /* batches that are in memory, too */
};

/* A record as it lies there, found without the agent's help. */
struct found_record {
    struct sim_file *file;
    uint64_t segment, at;
    struct spool_record head;
    bool is_known; /* its segment is in the index */
};

struct unsynced_item {
    uint64_t segment, at, end;
    struct item item;
};

struct sim_spooler {
    bool is_awake, has_job;   /* has_job: done on disk, not told yet */
    bool is_void;             /* the next one does nothing */
    bool is_hung;             /* in a job, at a stop: never comes back */
    bool any_unread;          /* a segment could not be read in this start */
    int64_t until_ms, due_ms; /* due: of the last look that found no job */
    struct spool_job job;
    struct spool_result result;
    uint64_t job_events[OUTLET_SOURCES]; /* that it takes off the disk, or writes */
    uint64_t corrupt[OUTLET_SOURCES];    /* that are to be counted as damaged, in this start */
};

struct sim_worker {
    struct batcher *batcher;
    struct batch *burying; /* being written to the dead letters */
    bool is_asleep, is_idle, lacks_memory;
    uint32_t seen;
    int64_t until_boot_ms; /* 0: until it is woken */
};

struct outlet {
    struct sim *host;
    unsigned number;
    char name[16];
    /* of the seed */
    struct source sources[OUTLET_SOURCES];
    unsigned source_count, worker_count;
    struct delivery_config delivery_config;
    enum encoding encoding;
    enum compression compression;
    struct spool_config spool_config; /* max_bytes 0: no spool */
    size_t max_bytes, max_bytes_most; /* of a batch; at most, over reloads */
    uint64_t max_events;
    int64_t max_wait_ms, latency_ms;
    /* the world's */
    struct sim_disk disk;
    enum weather weather;
    uint64_t weather_until_step;
    size_t size_limit;
    unsigned chance; /* in a hundred, of whatever the weather brings */
    /* of this start */
    struct feed feed;
    struct body_pool bodies;
    struct numbers *numbers;
    _Atomic uint64_t sequence;
    struct delivery *delivery;
    struct spool *spool; /* NULL: none */
    struct spool_files *spool_files;
    struct sim_spooler spooler;
    bool was_over;    /* more was found than the bound */
    bool is_reloaded; /* now and then, with other options of the spool */
    bool was_unsynced, was_newest_first, was_parallel; /* by its options, once */
    uint64_t at_risk_bytes, whole_bytes;               /* when the power went */
    struct unsynced_item *unsynced;
    size_t unsynced_count, unsynced_room;
    struct lane *lanes[OUTLET_SOURCES];
    struct sim_worker workers[OUTLET_WORKERS];
    struct sim_request requests[REQUESTS_MAX];
    unsigned request_count;
    bool sender_is_awake, any_answer, has_launched, workers_may_go_on;
    int64_t sender_until_ms;
    /* what an onlooker expects */
    int64_t tokens_at_ms, pause_until_ms;
    double tokens;
    unsigned probes;
    uint64_t largest_body;
};

/* ---- the host ---- */

enum stop_kind { STOP_CRASH, STOP_POWER, STOP_DRAIN };

struct sim {
    uint64_t seed, steps, step;
    bool trace;
    struct random random;
    char folder[64];
    int64_t now_ms, boot_ms;
    struct ledger *ledger;
    unsigned start; /* from 1 */
    struct outlet outlets[HOST_OUTLETS];
    unsigned outlet_count;
    struct outlet *touched; /* by this step */
    enum stop_kind stops[STOPS];
    uint64_t stop_steps[STOPS];
    unsigned stops_done;
    bool is_draining, is_aborting, is_calm, disk_is_full, is_torn_down, may_hang;
    int64_t grace_until_ms;
    uint64_t disk_until_step;
    unsigned disk_sickness; /* in a hundred calls to the disk of a spool */
    bool has_scarce_memory; /* now and then */
    uint64_t memory_until_step;
    unsigned memory_sickness; /* in a thousand requests for memory */
    struct amount left[HOST_OUTLETS * OUTLET_SOURCES][ACCOUNTS]; /* at a crash, in the books */
    /* What the books should be closed by: on disk, less what is done but for its mark. */
    struct amount on_disk[HOST_OUTLETS * OUTLET_SOURCES];
    struct amount unmarked[HOST_OUTLETS * OUTLET_SOURCES];
    struct amount unseen[HOST_OUTLETS * OUTLET_SOURCES]; /* and where nobody could read */
    struct amount unread[HOST_OUTLETS * OUTLET_SOURCES]; /* the books have it in the spool still */
    uint64_t unread_excess[HOST_OUTLETS * OUTLET_SOURCES]; /* of it: not there at all */
    uint64_t unhidden[HOST_OUTLETS * OUTLET_SOURCES];      /* the sum that knew it counts no more */
    uint64_t unread_write[HOST_OUTLETS * OUTLET_SOURCES];  /* not told, and not found since */
    /* As of the last saved copy of the books. */
    struct buf saved_books;
    int64_t next_report_ms;
    struct amount saved_left[HOST_OUTLETS * OUTLET_SOURCES][ACCOUNTS];
    struct amount saved_unmarked[HOST_OUTLETS * OUTLET_SOURCES];
    unsigned boot;       /* counts them */
    int64_t boots_ms;    /* how long all those before were up or off */
    bool has_lost_power; /* between this start and the one before */
    /* Events of a job on disk that was not told: taken off it, written. */
    uint64_t untold[HOST_OUTLETS * OUTLET_SOURCES], untold_write[HOST_OUTLETS * OUTLET_SOURCES];
    /* for the summary */
    uint64_t faults, crashes, drains, offered, delivered, dropped, lost, repeated, launches, splits;
    uint64_t spilled, from_disk, buried, power_losses, blind_starts, flips, reloads, hangs, corrupt;
    uint64_t refused;
};

/* Prints the line that replays this seed and what was violated; does not return. */
_Noreturn void host_fail(const struct sim *host, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void host_trace(const struct sim *host, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
#define TRACE(host, ...)                                                                           \
    do {                                                                                           \
        if ((host)->trace)                                                                         \
            host_trace((host), __VA_ARGS__);                                                       \
    } while (0)

/* low … high */
static inline uint64_t between(struct sim *host, uint64_t low, uint64_t high)
{
    return low + random_below(&host->random, high - low + 1);
}
static inline bool percent(struct sim *host, unsigned chance)
{
    return random_below(&host->random, 100) < chance;
}

/* host_plan.c: everything that a seed decides beforehand */
void plan_host(struct sim *host);
void plan_outlet_options(struct outlet *outlet);
void plan_spool_options(struct outlet *outlet);

/* host_life.c */
void life_start(struct sim *host);
void life_crash(struct sim *host);
void life_lose_power(struct sim *host);
void life_report(struct sim *host); /* saves a copy of the books, unless the disk is full */
void life_begin_drain(struct sim *host);
bool life_is_drained(const struct sim *host);
void life_end_drain(struct sim *host); /* what is left is given back or counted */
void life_close(struct sim *host);     /* at the end of the seed */

/* host_source.c */
void source_start(struct source *source);
void source_crash(struct source *source); /* the memory of this start goes */
bool source_may_step(const struct source *source);
int64_t source_next_ms(const struct source *source); /* INT64_MAX: nothing will happen by itself */
void source_step(struct source *source);
bool source_is_quiet(const struct source *source); /* all that exists is read and settled */
void source_pop_settled(struct source *source);
void source_abort(struct source *source);  /* of a clean stop: waits for the lane end */
void source_finish(struct source *source); /* then the last checkpoint */
size_t source_event_size(const struct source *source, uint32_t id);
bool source_is_poison(const struct source *source, uint32_t id);

/* host_outlet.c */
void outlet_start(struct outlet *outlet);
void outlet_abandon(struct outlet *outlet, bool is_clean);
void outlet_reload(struct outlet *outlet);
void outlet_free(struct outlet *outlet);
bool worker_may_step(const struct outlet *outlet, const struct sim_worker *worker);
void worker_step(struct outlet *outlet, struct sim_worker *worker);
bool sender_may_step(const struct outlet *outlet);
void sender_step(struct outlet *outlet);
void request_end(struct outlet *outlet, struct sim_request *request);

/* host_endpoint.c */
void endpoint_change_weather(struct outlet *outlet);
void endpoint_read_body(const struct outlet *outlet, struct sim_request *request);
void endpoint_take(struct outlet *outlet, struct sim_request *request, int64_t timeout_ms);
void endpoint_acknowledge(struct outlet *outlet, const struct sim_request *request);
void endpoint_forget(struct outlet *outlet, const struct sim_request *request);

/* host_walk.c: what lies on disk, by another way than the agent's */
void walk_records(const struct outlet *outlet, void (*take)(void *context, struct found_record *),
                  void *context); /* those that are not done */
void walk_spool(const struct outlet *outlet, struct spool_walk *ret);
void walk_hidden(struct outlet *outlet); /* after a scan: what only the sums know */
/* What of it the books know as the stock of the spool. */
struct amount walk_counted(const struct source *source, const struct spool_walk *walk);
void walk_audit(const struct outlet *outlet);
unsigned walk_source(const struct outlet *outlet, struct slice input);
bool walk_has_whole_body(const struct found_record *found);
bool walk_is_whole(const struct outlet *outlet, uint64_t segment, uint64_t at);

/* host_power.c */
void power_note_before(struct outlet *outlet); /* what is on disk, before its power goes */
void power_check_after(struct outlet *outlet); /* what was promised to be there still is */
void power_flip_bit(struct outlet *outlet);    /* in the body of some record */

/* host_spool.c */
void spool_find(struct outlet *outlet);
void spool_start(struct outlet *outlet);
void spool_stop(struct outlet *outlet);
void spool_reload(struct outlet *outlet);
void spool_crash(struct outlet *outlet);
void spool_end(struct outlet *outlet);
bool spool_is_over(const struct outlet *outlet);
void spool_audit_bounds(const struct outlet *outlet);
/* What is damaged is counted so, and nothing else is. */
void spool_audit_damage(const struct outlet *outlet);
bool spooler_may_step(const struct outlet *outlet);
void spooler_step(struct outlet *outlet);

/* host_disk.c */
void disk_make(struct sim_disk *disk);
void disk_end(struct sim_disk *disk);
uint64_t disk_used(const struct sim_disk *disk);
struct sim_file *disk_find(struct sim_disk *disk, const char *name); /* NULL: none */
/* Would that record, but for its mark, be there after a power loss? */
bool disk_is_kept(const struct sim_file *file, uint64_t at, uint64_t end);
void disk_lose_power(struct sim_disk *disk);
void disk_flip_bit(struct sim_file *file, uint64_t at, unsigned bit);

/* host_memory.c: whose agent acts from now on; NULL: the world. Returns who did before. */
struct sim *memory_is_for(struct sim *host);

/* host_audit.c */
void audit_step(struct sim *host);
void audit_rest(const struct sim *host); /* nobody may act before time goes on */
void audit_settled(struct source *source, uint32_t from, uint32_t to);
void audit_stop(struct source *source, const struct amount *closing);
void audit_end(struct sim *host);
uint64_t audit_dropped(const struct books *books);
uint64_t audit_dropped_from_memory(const struct books *books);
uint64_t audit_flows(const struct books *books, enum account from, enum account to);
