/* SPDX-License-Identifier: Apache-2.0 */
/* groups: what the groups of host_metrics share: one round of collection, and the making of a
 * sample. Names, units and attributes are those of the OpenTelemetry semantic conventions for
 * system metrics (opentelemetry.io/docs/specs/semconv/system/system-metrics), version 1.41; load
 * averages, which the conventions lack, are named as the OpenTelemetry Collector names them; those
 * of systemd's units, which they lack too, as those of containers. Threads: the reading's. */
#pragma once

#include "plugin.h"
#include "proc.h"

/* The files that groups read; each is read once a round, however many groups want it. */
enum host_file {
    HOST_STAT,
    HOST_LOADAVG,
    HOST_MEMINFO,
    HOST_VMSTAT,
    HOST_UPTIME,
    HOST_MOUNTS,
    HOST_MOUNTINFO,
    HOST_DISKSTATS,
    HOST_NETWORK,
    HOST_PRESSURE_CPU,
    HOST_PRESSURE_MEMORY,
    HOST_PRESSURE_IO,
    HOST_FILES
};

struct top;   /* of top.c: what was seen of each process a round ago */
struct units; /* of units.c: the same of each control group */
struct disks; /* of disk.c: the same of each disk */

enum { GROUP_ROWS = 256 }; /* devices, interfaces, mounts: more are left out and told */

struct round {
    struct sink *sink;
    const char *root;                         /* path of the host's root, "" for our own */
    int64_t now_ns, boot_ns;                  /* Unix; boot_ns 0: unknown */
    const struct text_list *filesystem_types; /* empty: those that are local */
    size_t top_count;                         /* of group_top_processes() and group_units() */
    struct top **top;                         /* made when it is first needed */
    struct units **units;                     /* the same */
    struct disks **disks;                     /* the same */
    struct proc_file *files;                  /* [HOST_FILES] */
    struct slice texts[HOST_FILES];           /* what was read in this round; NULL: not yet */
};

/* The whole file, as it is in this round. */
bool round_read(struct round *round, enum host_file file, struct slice *ret_text, struct err *err);

/* A sample of this round. Texts are literals, or lie in a proc_file until the next round. */
struct event *round_sample(struct round *round, const char *name, enum event_kind kind,
                           const char *unit, double number);
/* Tells that a group has more than GROUP_ROWS rows. */
void round_tell_left_out(struct round *round, const char *group);

/* Each reads its files and makes its samples. false: nothing could be had, err says why. */
bool group_cpu(struct round *round, struct err *err);
bool group_load(struct round *round, struct err *err);
bool group_memory(struct round *round, struct err *err);
bool group_paging(struct round *round, struct err *err);
bool group_filesystem(struct round *round, struct err *err);
bool group_disk(struct round *round, struct err *err);
bool group_network(struct round *round, struct err *err);
bool group_connections(struct round *round, struct err *err);
bool group_uptime(struct round *round, struct err *err);
bool group_processes(struct round *round, struct err *err);
bool group_top_processes(struct round *round, struct err *err);
bool group_pressure(struct round *round, struct err *err);
bool group_temperature(struct round *round, struct err *err);
bool group_units(struct round *round, struct err *err);
void top_free(struct top **topp);
void units_free(struct units **unitsp);
void disks_free(struct disks **disksp);
