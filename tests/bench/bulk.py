# SPDX-License-Identifier: Apache-2.0
"""The bulk of a file, to an endpoint nearby and to a far one, against the limit of one core: all three
in turn, round by round, so that each is measured in the same minutes as the others."""

import os
import re
import shlex
import statistics
import subprocess
import time

import intake
import protocols
import sockets
from rig import (BUILD, FILE, GIB, Agent, Receiver, Sampler, await_true, count_lines,
                 machine_busy_s)

LIMIT = BUILD / "tests/limit_bench"
FAR_MS = 200
# What fills the way to the far endpoint; an endpoint that is known to bear it need not be found out
# from one request on.
FILLED = {"workers": 2, "max_bytes": "2MiB", "least": 8}
MIB = 1 << 20


# ---- one round ----

def run_limit(args, lines):
    done = subprocess.run([str(LIMIT), "--rounds", "1", str(FILE)], check=True,
                          capture_output=True, text=True)
    found = dict(re.findall(r"(\w+)=([\d.]+)", done.stdout))
    return {name: float(found[name]) for name in ("mb_per_s", "cpu_s_per_gib")}


def run_agent(args, lines, *faults, workers=None, max_bytes="1MiB", least=0):
    """The whole file, from the agent's start to the last acknowledged event."""
    workers = workers or args.workers
    size = FILE.stat().st_size
    # Only our agent says in a header how many events a batch has; others' are counted in the body.
    receiver = Receiver(*([] if args.agent else ["--count-only"]), *faults)
    key = "events_received" if args.agent else "events_told"
    command = shlex.split(args.agent) if args.agent else None
    busy, begin = machine_busy_s(), time.monotonic()
    output = (f"    workers: {workers}\n    batch: {{max_bytes: {max_bytes}}}\n"
              f"    concurrency: {{min: {least}}}")
    agent = Agent(FILE, receiver.url, command, batch=output)
    sampler = Sampler(agent.pid)
    try:
        await_true(f"{lines} events", lambda: agent.check() and receiver.summary()[key] >= lines,
                   seconds=600, step=0.02)
        seconds = time.monotonic() - begin
    finally:
        sampler.stop()
        cpu = agent.stop()
        receiver.stop()
    lasted = time.monotonic() - begin
    others = machine_busy_s() - busy - cpu - receiver.cpu_s
    return {"workers": workers, "mb_per_s": size / 1e6 / seconds,
            "cpu_s_per_gib": cpu * GIB / size,
            "receiver_cpu_s_per_gib": receiver.cpu_s * GIB / size,
            "others_share": max(others, 0) / lasted / os.cpu_count(),
            "peak_own_bytes": sampler.own, "peak_rss_bytes": sampler.rss}


def run_far(args, lines):
    return run_agent(args, lines, "--fault", f"delay={FAR_MS}ms")


def run_far_filled(args, lines):
    return run_agent(args, lines, "--fault", f"delay={FAR_MS}ms", **FILLED)


def run_near_filled(args, lines):
    return run_agent(args, lines, **FILLED)


PARTS = {"limit": run_limit, "throughput": run_agent, "tcp": sockets.run_tcp,
         "syslog": protocols.run_syslog, "http_input": intake.run_intake, "far": run_far,
         "near_filled": run_near_filled, "far_filled": run_far_filled}


# ---- all rounds ----

def summarize(rounds):
    """The best round is the measure: what else runs on the machine only ever slows down."""
    found = {key: (max if key in ("mb_per_s", "peak_own_bytes", "peak_rss_bytes") else min)(
        one[key] for one in rounds) for key in rounds[0]}
    found["rounds"] = rounds
    return found


def measure(args, parts):
    """Of PARTS those in parts, for as many rounds as args says."""
    lines = count_lines()
    rounds = {part: [] for part in PARTS if part in parts}
    for _ in range(args.rounds):
        for part, of_part in rounds.items():
            of_part.append(PARTS[part](args, lines))
    return {part: summarize(of_part) for part, of_part in rounds.items()}


# ---- the table ----

def median(part, key):
    return statistics.median(one[key] for one in part["rounds"])


def ratio(found, part, other, key):
    """Of the best rounds, and the median of the ratios within one round."""
    pairs = zip(found[part]["rounds"], found[other]["rounds"])
    return (found[part][key] / found[other][key],
            statistics.median(one[key] / of_other[key] for one, of_other in pairs))


def speed(found, part, others):
    text = f"{found[part]['mb_per_s']:.0f} MB/s, median {median(found[part], 'mb_per_s'):.0f}"
    for other, name in others:
        if other in found:
            best, middle = ratio(found, part, other, "mb_per_s")
            text += f" = {best:.0%} of {name}, median {middle:.0%}"
    return text


def cost(found, part):
    key = "cpu_s_per_gib"
    text = f"{found[part][key]:.2f} s, median {median(found[part], key):.2f}"
    if part != "limit" and "limit" in found:
        best, middle = ratio(found, part, "limit", key)
        text += f" = {best:.2f} x the limit, median {middle:.2f}"
    return text


def agent_rows(found, part, wanted_cpu, wanted_memory):
    run = found[part]
    yield "  CPU for a GiB", cost(found, part), wanted_cpu
    yield "  the receiver's", f"{run['receiver_cpu_s_per_gib']:.2f} s", ""
    yield "  peak memory of its own", f"{run['peak_own_bytes'] / MIB:.1f} MiB", wanted_memory
    yield "  peak RSS", f"{run['peak_rss_bytes'] / MIB:.1f} MiB", ""
    yield ("  others on the machine took", f"{run['others_share']:.0%} of it, median "
           f"{median(run, 'others_share'):.0%}", "")


def rows(found):
    """(what, measured, wanted), as far as it was measured."""
    if "limit" in found:
        yield "limit: encode + gzip, one core", speed(found, "limit", ()), ""
        yield "  CPU for a GiB", cost(found, "limit"), ""
    if "throughput" in found:
        others = (("limit", "the limit"),)
        workers = found["throughput"]["workers"]
        how = "defaults" if workers == 1 else f"{workers} workers"
        yield f"file to http, gzip, {how}", speed(found, "throughput", others), ">= 80 %"
        yield from agent_rows(found, "throughput", "<= 1.5 x", "< 32 MB")
    if "tcp" in found:
        others = (("limit", "the limit"), ("throughput", "tail"))
        yield "lines over TCP, overflow: block", speed(found, "tcp", others), ">= 60 % of tail"
        yield from agent_rows(found, "tcp", "", "")
    if "syslog" in found:
        others = (("limit", "the limit"), ("throughput", "tail"))
        yield "syslog over TCP, RFC 5424", speed(found, "syslog", others), ">= 60 % of tail"
        yield from agent_rows(found, "syslog", "", "")
    if "far" in found:
        others = (("limit", "the limit"), ("throughput", "near"))
        yield f"the same, answers after {FAR_MS} ms", speed(found, "far", others), ""
        yield from agent_rows(found, "far", "", "< 72 MiB")
    filled = f"{FILLED['workers']} workers, batches of {FILLED['max_bytes']}, from {FILLED['least']} on"
    if "near_filled" in found:
        others = (("limit", "the limit"), ("throughput", "near"))
        yield f"near, {filled}", speed(found, "near_filled", others), ""
        yield from agent_rows(found, "near_filled", "", "< 72 MiB")
    if "far_filled" in found:
        others = (("limit", "the limit"), ("near_filled", "the same near"))
        yield f"far, {filled}", speed(found, "far_filled", others), ">= 400 MB/s"
        yield from agent_rows(found, "far_filled", "", "< 72 MiB")
    if "http_input" in found:
        yield ("the lines as NDJSON to an http input",
               speed(found, "http_input", (("throughput", "near"),)), ">= 50 %")
        yield "  CPU for a GiB", cost(found, "http_input"), ""
