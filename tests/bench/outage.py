# SPDX-License-Identifier: Apache-2.0
"""What a sick endpoint costs: a healthy output beside it, and the CPU while a breaker is open."""

import re
import socket
import statistics
import threading
import time

from rig import (BUILD, FILE, GIB, Agent, Receiver, await_true, count_lines, cpu_s, generate)

ROUNDS = 3
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
    """In turn, so that what else the machine does hits all of them."""
    kinds = [ALONE, *SICKNESS]
    bulk, wait = {kind: [] for kind in kinds}, {kind: [] for kind in kinds}
    for _ in range(ROUNDS):
        for kind in kinds:
            bulk[kind].append(measure_bulk(kind))
            wait[kind].append(wait_p99_ms(kind))
    return {kind: {"mb_per_s": statistics.median(speed for speed, _ in bulk[kind]),
                   "cpu_s_per_gib": statistics.median(cpu for _, cpu in bulk[kind]),
                   "p99_ms": statistics.median(wait[kind]),
                   "all_bulk": bulk[kind], "all_p99_ms": wait[kind]} for kind in kinds}


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
    for _ in range(ROUNDS):
        for name, lane in LANES.items():
            shares[name].append(cpu_share_while_open(lane))
    pairs = zip(shares["drop_oldest"], shares["keep_0"])
    return {"drop_oldest_share": statistics.median(shares["drop_oldest"]),
            "keep_0_share": statistics.median(shares["keep_0"]),
            "beyond_share": statistics.median(dropping - shedding for dropping, shedding in pairs)}


def rows(found):
    if "sick" in found:
        alone = found["sick"][ALONE]
        yield ("healthy output alone", f"{alone['mb_per_s']:.0f} MB/s, {alone['cpu_s_per_gib']:.2f} s CPU "
               "for a GiB", "")
        yield "  20,000 lines/s: write to arrival p99", f"{alone['p99_ms']:.0f} ms", ""
        for kind in SICKNESS:
            beside = found["sick"][kind]
            share = beside["mb_per_s"] / alone["mb_per_s"]
            more = beside["p99_ms"] / alone["p99_ms"] - 1
            cpu = beside["cpu_s_per_gib"] / alone["cpu_s_per_gib"]
            yield (f"  beside one that {kind}", f"{beside['mb_per_s']:.0f} MB/s = {share:.0%}, CPU "
                   f"{cpu:.0%}; p99 {beside['p99_ms']:.0f} ms = {more:+.0%}", ">= 95 %; <= +10 %")
    if "breaker" in found:
        share = found["breaker"]
        yield ("breaker open, 20,000 lines/s: CPU", f"{share['drop_oldest_share']:.1%} of a core, with "
               f"keep 0 {share['keep_0_share']:.1%}", "")
        yield "  beyond reading", f"{share['beyond_share']:.1%} of a core", "< 5 %"
