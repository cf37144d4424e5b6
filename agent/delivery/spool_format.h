/* SPDX-License-Identifier: Apache-2.0 */
/* spool_format: how sealed batches lie in a segment file of the spool.
 *
 *   head of the segment | record | record | … | sum of the segment | tail
 *
 * A record is a head (identity, age, whose events) and a body (the sealed bytes, sent as they are).
 * Each has a CRC-32C of its own, so a body that is damaged is still counted exactly. Beside them a
 * record has one word that is written again in place when the batch is done: its mark. A segment
 * that is not written any more ends with its sum: what is in it for each lane, so that a start
 * reads no records. All numbers are little-endian, records begin at multiples of 8. Nothing read is
 * trusted. Pure. Threads: any. */
#pragma once

#include "base/buf.h"
#include "delivery/batch.h"

enum {
    SPOOL_VERSION = 1,
    SPOOL_SEGMENT_HEAD = 64,
    SPOOL_BOOT_BYTES = 16,
    SPOOL_TOUCHED_AT = 56, /* in a segment: a word that is not 0 once any record is marked */
    SPOOL_MARK_AT = 4,     /* in a record: not 0 once it is done */
    SPOOL_RECORD_LEAST = 96,
    SPOOL_TAIL = 16,
    SPOOL_LANES_MAX = LEDGER_LANES,
    SPOOL_RUNS_MAX = 4096,
    SPOOL_HEAD_MAX = 128 * 1024, /* of a record; the sum of a segment is smaller */
    SPOOL_DONE = 0x454e4f44,     /* the value of both words */
};

enum spool_read {
    SPOOL_READ,    /* there it is */
    SPOOL_MORE,    /* more bytes are needed: *ret_need */
    SPOOL_DAMAGED, /* it is not what was written */
    SPOOL_FOREIGN, /* a segment's head alone: not a spool, or of another version */
};

struct spool_segment_head {
    uint64_t id;
    int64_t made_real_ms;
    unsigned char boot[SPOOL_BOOT_BYTES]; /* in which its oldest_boot_ms mean something */
    bool is_touched;
    uint32_t version; /* also of one that is FOREIGN; 0: not a spool */
};
void spool_write_segment_head(const struct spool_segment_head *head,
                              unsigned char ret[SPOOL_SEGMENT_HEAD]);
enum spool_read spool_read_segment_head(struct slice bytes, struct spool_segment_head *ret);

/* When a record is written, and where the one before it begins (0: none). */
struct spool_stamp {
    int64_t boot_ms, real_ms;
    uint64_t previous_at;
};
struct spool_record { /* a head; borrows the bytes it was read from */
    size_t head_bytes;
    uint64_t body_bytes, raw_bytes, sequence, previous_at, events;
    uint32_t body_crc;
    uint8_t encoding, compression;
    bool is_done;
    int64_t oldest_boot_ms; /* admission of its oldest event, in the boot of the segment */
    int64_t age_ms;         /* of it when it was written, at written_real_ms: for other boots */
    int64_t written_real_ms;
    struct slice key;
    unsigned lane_count;
    struct slice lanes[SPOOL_LANES_MAX]; /* names of inputs */
    size_t run_count;
    const char *runs;
};
/* Appends the head of that batch. false: no memory, or more runs than a record has. */
bool spool_write_record_head(const struct batch *batch, const struct spool_stamp *stamp,
                             struct buf *ret);
enum spool_read spool_read_record_head(struct slice bytes, struct spool_record *ret,
                                       size_t *ret_need);
/* lane: index into lanes. index < run_count. */
struct amount spool_record_run(const struct spool_record *record, size_t index, unsigned *ret_lane);
/* From the begin of this record to the begin of the next. */
uint64_t spool_record_bytes(const struct spool_record *record);
uint64_t spool_padded(uint64_t bytes); /* up to a multiple of 8 */
bool spool_body_is_whole(const struct spool_record *record, const char *body);

struct spool_sum_row {
    struct slice lane; /* name of an input */
    struct amount amount;
};
struct spool_sum {
    uint64_t records, last_at; /* last_at: where the last record begins */
    int64_t newest_boot_ms, newest_age_ms, newest_real_ms; /* of the youngest, as in a record */
    unsigned row_count;
    struct spool_sum_row rows[SPOOL_LANES_MAX];
};
/* Appends sum and tail; at: where in the segment they will lie. */
bool spool_write_sum(const struct spool_sum *sum, uint64_t at, struct buf *ret);
/* The last SPOOL_TAIL bytes of a segment: where its sum begins. */
enum spool_read spool_read_tail(struct slice bytes, uint64_t *ret_at);
enum spool_read spool_read_sum(struct slice bytes, struct spool_sum *ret);
