/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/man_ledger.h"

#include "base/man.h"
#include "ledger/tables.h"

static const char beginning[] =
    ".TH SPILLWAY\\-LEDGER 7 \"\" \"Spillway " SPILLWAY_VERSION "\" \"Spillway\"\n"
    ".SH NAME\nspillway\\-ledger \\- the books of Spillway: where every event went\n"
    ".SH DESCRIPTION\n"
    "The books count copies: an event that goes to two outputs is two copies, each in a lane of "
    "its "
    "own, and figures of different outputs are never added. A copy is at any instant in exactly "
    "one "
    "account. A flow is a move between two accounts, and each is one counter for each lane, of "
    "events and of their bytes. What an account holds is what flowed in less what flowed out.\n"
    ".PP\n"
    "Whoever holds events compares what is really there with the books, at each report. "
    "\\fBbalance\\fR is the sum of the differences: it is 0, and anything else is a bug, logged as "
    "an error.\n"
    ".PP\n"
    "Each \\fBagent.report_interval\\fR the log has one line for each lane in which anything "
    "moved, "
    "with the flows into \\fIdropped\\fR that are not 0 by name:\n"
    ".PP\n.nf\n"
    "level=info msg=ledger input=nginx output=main received=120034 delivered=118000\n"
    "  dropped=2034 shed_sample=1800 evict_oldest=234 ring=0 batch=0 ready=0\n"
    "  in_flight=0 spool=0 balance=0\n"
    ".fi\n"
    ".PP\n"
    "\\fBreceived\\fR is what came from \\fIworld\\fR less what was given back to it. As metrics: "
    "\\fBspillway_received_events_total\\fR, \\fBspillway_delivered_events_total\\fR, "
    "\\fBspillway_filtered_events_total\\fR, \\fBspillway_lost_events_total\\fR, "
    "\\fBspillway_dropped_events_total\\fR with the flow as \\fIreason\\fR, each also as "
    "\\fB_bytes_total\\fR, and \\fBspillway_stock_events\\fR by \\fIaccount\\fR. "
    "\\fBspillway top\\fR shows them while the agent runs, hangs, or after it died.\n"
    ".PP\n"
    "Each start has books of its own. After a crash the next start closes those of the one before: "
    "what its input can read again is \\fIreplay\\fR, what lies on disk is \\fIcarried\\fR, the "
    "rest "
    "is \\fIlost\\fR, by the account in which it was.\n";

static void add_flow(struct buf *ret, const struct flow_info *flow)
{
    (void)buf_add_text(ret, ".TP\n\\fB");
    man_add(ret, slice_of(flow->name));
    (void)buf_printf(ret, "\\fR (%s to %s)\n", account_infos[flow->from].name,
                     account_infos[flow->to].name);
    man_add(ret, slice_of(flow->doc));
    (void)buf_add_text(ret, "\n");
}

void man_ledger(struct buf *ret)
{
    (void)buf_add_text(ret, beginning);
    (void)buf_add_text(ret, ".SH ACCOUNTS\n");
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        (void)buf_printf(ret, ".TP\n\\fB%s\\fR%s\n", account_infos[i].name,
                         account_infos[i].held ? " (held by the agent)" : "");
        man_add(ret, slice_of(account_infos[i].doc));
        (void)buf_add_text(ret, "\n");
    }
    (void)buf_add_text(ret, ".SH FLOWS\n");
    for (unsigned i = 0; i < FLOWS; i++)
        add_flow(ret, &flow_infos[i]);
    (void)buf_add_text(ret, ".SH \"SEE ALSO\"\nspillway(1), spillway.yaml(5)\n");
}
