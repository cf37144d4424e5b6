# SPDX-License-Identifier: Apache-2.0
"""A journal that systemd-journal-remote made, read to its end by the agent and by `journalctl -o json`, in
turn: the agent sends what it read, journalctl throws it away."""

import os
import resource
import shutil
import struct
import subprocess
import time

from rig import BUILD, FILE, ROOT, Agent, Receiver, await_true

ENTRIES, BEGIN_US = 200000, 1764320000000000
PEERS = ROOT / "build/peers"
ENVIRONMENT = {**os.environ, "PATH": f"{os.environ['PATH']}:{PEERS}/bin:{PEERS}/usr/bin",
               "LD_LIBRARY_PATH": f"{PEERS}/usr/lib/x86_64-linux-gnu/systemd"}
INPUT = """    type: journald
    directory: {folder}
    start_at: beginning
    lane: {{overflow: block}}"""


def entry(number):
    """The fields that a service's line has; one in a hundred is binary."""
    text = f"GET /api/items/{number} 200 {number % 977} ms for client {number % 4096}"
    message = f"MESSAGE={text}\n".encode() if number % 100 else (
        b"MESSAGE\n" + struct.pack("<Q", len(text) + 1) + text.encode() + b"\0\n")
    return b"__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%032x\n%s" % (
        BEGIN_US + number * 1000, number * 1000, 1 + number // (ENTRIES // 4), message) + (
        f"PRIORITY={number % 8}\nSYSLOG_IDENTIFIER=shop\nSYSLOG_FACILITY=3\n_TRANSPORT=stdout\n"
        f"_PID={1000 + number % 16}\n_UID=33\n_GID=33\n_COMM=shop\n_EXE=/usr/bin/shop\n"
        f"_CMDLINE=/usr/bin/shop --serve\n_SYSTEMD_UNIT=shop.service\n_SYSTEMD_SLICE=system.slice\n"
        f"_SYSTEMD_CGROUP=/system.slice/shop.service\n_MACHINE_ID={7:032x}\n"
        f"_HOSTNAME=host{number % 3}\n\n").encode()


def make(folder):
    remote = shutil.which("systemd-journal-remote", path=f"/lib/systemd:{PEERS}/lib/systemd")
    if remote is None:
        raise RuntimeError("no systemd-journal-remote: tests/get-peers unpacks Debian's")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with subprocess.Popen([remote, f"--output={folder}/bench.journal", "-"], env=ENVIRONMENT,
                          stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        for number in range(ENTRIES):
            process.stdin.write(entry(number))
        process.stdin.close()
    if process.returncode != 0:
        raise RuntimeError("systemd-journal-remote failed")


def run_journalctl(folder):
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(["journalctl", "-q", "-o", "json", "--no-pager", "-D", folder], env=ENVIRONMENT,
                   stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"wall_s": time.monotonic() - begin, "cpu_s": after.ru_utime + after.ru_stime
            - before.ru_utime - before.ru_stime}


def run_agent(folder):
    """From its start to the last acknowledged entry; CPU of its whole life."""
    receiver, begin = Receiver("--count-only"), time.monotonic()
    agent = Agent(FILE, receiver.url, input_=INPUT.format(folder=folder))
    try:
        await_true("last entry", lambda: agent.check() and
                   receiver.summary()["events_told"] >= ENTRIES, seconds=300, step=0.01)
        wall = time.monotonic() - begin
    finally:
        cpu = agent.stop()
        told = receiver.stop()["events_told"]
    return {"wall_s": wall, "cpu_s": cpu, "missing": ENTRIES - told}


def measure_journald(args):
    """The best of rounds in turn: others on the machine only ever slow down."""
    folder = BUILD / "journal"
    make(folder)
    rounds = [(run_journalctl(folder), run_agent(folder)) for _ in range(min(args.rounds, 3))]
    found = {f"{who}_{key}": min(pair[i][key] for pair in rounds) for i, who in
             enumerate(("journalctl", "agent")) for key in ("wall_s", "cpu_s")}
    return {**found, "missing": max(pair[1]["missing"] for pair in rounds)}


def rows(found):
    if "journald" not in found:
        return
    journal = found["journald"]
    for key, what in (("cpu_s", "CPU"), ("wall_s", "time")):
        agent, other = journal[f"agent_{key}"], journal[f"journalctl_{key}"]
        yield (f"journal, {ENTRIES:,} entries: {what}", f"{agent:.2f} s; journalctl -o json {other:.2f} s: "
               f"{other / agent:.1f} x", ">= 5 x")
    yield "  missing", str(journal["missing"]), "0"
