# SPDX-License-Identifier: Apache-2.0
"""What a sick endpoint costs: a healthy output beside it, and the CPU while a breaker is open."""

import re
import socket
import statistics
import threading
import time

from rig import (BUILD, FILE, GIB, Agent, Receiver, await_true, count_lines, cpu_s, generate,
                 mean_ratio)

QUICK_END = "  shutdown_grace: 0s"


class Closed:
    """A port that refuses as long as it is held."""

    def __init__(self):
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"

    def stop(self):
        self._socket.close()


class SlowReader:
    """Takes connections, and 10 kB a second of what comes."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection):
        with connection:
            while not self._over.wait(0.1) and connection.recv(1000):
                pass

    def stop(self):
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


SICKNESS = {
    "refuses": Closed,
    "hangs": lambda: Receiver("--count-only", "--fault", "hang"),
    "reads slowly": SlowReader,
    "answers 500": lambda: Receiver("--count-only", "--fault", "status=500"),
}
ALONE = "alone"


def outputs_beside(sick):
    return f"  sick:\n    type: http\n    url: {sick.url}\n    timeout: 2s" if sick else ""


def measure_bulk(kind):
    """MB/s and CPU seconds for a GiB to the healthy output, from a third of the file on: before that the
    sick one still compresses what fits into its share of the memory, once."""
    lines, sick = count_lines(), SICKNESS[kind]() if kind != ALONE else None
    healthy = Receiver("--count-only")
    agent = Agent(FILE, healthy.url, batch=outputs_beside(sick), agent=QUICK_END)

    def await_events(count):
        await_true(f"{count} events", lambda: agent.check() and
                   healthy.summary()["events_told"] >= count, seconds=600, step=0.005)
        return healthy.summary()["events_told"], time.monotonic(), cpu_s(agent.pid)

    try:
        first, begin, cpu_before = await_events(lines // 3)
        last, end, cpu = await_events(lines)
        size = (last - first) / lines * FILE.stat().st_size
        return size / 1e6 / (end - begin), (cpu - cpu_before) * GIB / size
    finally:
        agent.stop()
        healthy.stop()
        if sick:
            sick.stop()


def wait_p99_ms(kind, seconds=5, rate=20000):
    """From write to arrival at the healthy output, while the lane of the sick one overflows."""
    file = BUILD / "sick.log"
    file.write_text("")
    sick = SICKNESS[kind]() if kind != ALONE else None
    healthy = Receiver()
    batch = "    batch: {max_wait: 200ms}\n" + outputs_beside(sick)
    agent = Agent(file, healthy.url, inputs="    lane: {overflow: drop_oldest}", batch=batch,
                  agent=QUICK_END)
    try:
        time.sleep(1)
        generate(file, rate, seconds, "--stamp")
        await_true("last event", lambda: agent.check() and
                   healthy.summary()["lines"]["unique"] >= rate * seconds - 1)
    finally:
        agent.stop()
        summary = healthy.stop()
        if sick:
            sick.stop()
    return summary["latency_ms"]["p99"]


def measure_sick(args):
    """Each sickness beside a run alone, which comes first in every other round: what else the machine
    does hits both, and being second is not an advantage."""
    pairs = {kind: [] for kind in SICKNESS}
    waits = {kind: [] for kind in [ALONE, *SICKNESS]}
    for number in range(args.rounds):
        for kind, of_kind in pairs.items():
            turn = (ALONE, kind) if number % 2 == 0 else (kind, ALONE)
            measured = {who: measure_bulk(who) for who in turn}
            of_kind.append((measured[ALONE], measured[kind]))
        for kind, of_kind in waits.items():
            of_kind.append(wait_p99_ms(kind))
    return {"pairs": pairs, "p99_ms": waits}


def cpu_share_while_open(lane, seconds=8, rate=20000):
    """Of a core, with a full lane and an endpoint that refuses."""
    file, closed = BUILD / "breaker.log", Closed()
    file.write_text("")
    agent = Agent(file, closed.url, inputs=f"    lane: {lane}", agent=QUICK_END)
    try:
        generate(file, 100000, 1)
        await_true("open breaker", lambda: agent.check() and "circuit breaker opened" in
                   (agent.folder / "log").read_text())
        time.sleep(2)
        before, begin = cpu_s(agent.pid), time.monotonic()
        generate(file, rate, seconds)
        share = (cpu_s(agent.pid) - before) / (time.monotonic() - begin)
    finally:
        agent.stop()
        closed.stop()
    told = re.findall(r"msg=ledger .* received=(\d+) delivered=0 ", (agent.folder / "log").read_text())
    if not told or int(told[-1]) < rate * seconds:
        raise RuntimeError(f"the agent did not take all lines: {told[-1:]}")
    return share


LANES = {"drop_oldest": "{overflow: drop_oldest}",
         "keep_0": "{overflow: drop_oldest, shed: {high: 1%, low: 0%, keep: 0%}}"}


def measure_breaker(args):
    shares = {name: [] for name in LANES}
    for _ in range(args.rounds):
        for name, lane in LANES.items():
            shares[name].append(cpu_share_while_open(lane))
    pairs = zip(shares["drop_oldest"], shares["keep_0"])
    return {"drop_oldest_share": statistics.median(shares["drop_oldest"]),
            "keep_0_share": statistics.median(shares["keep_0"]),
            "beyond_share": statistics.median(dropping - shedding for dropping, shedding in pairs)}


def sick_rows(pairs, p99_ms):
    """The ratio within a pair swings by a tenth when others use the machine, so it is a mean that
    counts, and how far it can be trusted stands beside it."""
    alone = [alone[0] for of_kind in pairs.values() for alone, _ in of_kind]
    wait_alone = statistics.median(p99_ms[ALONE])
    yield "healthy output alone", f"{statistics.median(alone):.0f} MB/s", ""
    yield "  20,000 lines/s: write to arrival p99", f"{wait_alone:.0f} ms", ""
    for kind, of_kind in pairs.items():
        speed = statistics.median(beside[0] for _, beside in of_kind)
        share, error = mean_ratio([(alone[0], beside[0]) for alone, beside in of_kind])
        cpu, _ = mean_ratio([(alone[1], beside[1]) for alone, beside in of_kind])
        wait = statistics.median(p99_ms[kind])
        yield (f"  beside one that {kind}", f"{speed:.0f} MB/s = {share:.1%} +- {error:.1%}, CPU {cpu:.0%}; "
               f"p99 {wait:.0f} ms = {wait / wait_alone - 1:+.0%}", ">= 95 %; <= +10 %")


def rows(found):
    if "sick" in found:
        yield from sick_rows(**found["sick"])
    if "breaker" in found:
        share = found["breaker"]
        yield ("breaker open, 20,000 lines/s: CPU", f"{share['drop_oldest_share']:.1%} of a core, with "
               f"keep 0 {share['keep_0_share']:.1%}", "")
        yield "  beyond reading", f"{share['beyond_share']:.1%} of a core", "< 5 %"
