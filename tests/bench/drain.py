# SPDX-License-Identifier: Apache-2.0
"""How fast a spool leaves once the endpoint is back, against the same events sent without one, in turn.
Uncompressed, so that it is the sender that is measured: with a codec, sealing would bound the one without
a spool, whose batches were compressed long before."""

import statistics
import time
import urllib.request

from rig import FILE, Agent, Receiver, await_true, count_lines, cpu_s, mean_ratio

PLAIN = "    compression: none"
SPOOL = f"{PLAIN}\n    spool: {{max_bytes: 64GiB, min_free: 64MiB}}"
QUICK_END = "  shutdown_grace: 0s"
DOWN = "status=503"
TIME = 600


def spooled_bytes(agent):
    return sum(file.stat().st_size for file in (agent.folder / "state/spool").glob("*/*"))


def await_spooled(agent):
    """All that the file has, as events: nothing comes any more."""
    sizes = [0]

    def is_whole():
        agent.check()
        time.sleep(1)
        sizes.append(spooled_bytes(agent))
        return sizes[-1] > FILE.stat().st_size and sizes[-1] == sizes[-2]

    await_true("whole spool", is_whole, seconds=TIME)
    return sizes[-1]


def end_outage(receiver):
    request = urllib.request.Request(receiver.url + "_faults", data=b"", method="PUT")
    urllib.request.urlopen(request, timeout=10).close()


def run(spool):
    """From a third of the events on: before it the limiter finds its limit."""
    lines = count_lines()
    receiver = Receiver("--count-only", *(["--fault", DOWN] if spool else []))
    agent = Agent(FILE, receiver.url, batch=SPOOL if spool else PLAIN, agent=QUICK_END)

    def await_events(count):
        await_true(f"{count} events", lambda: agent.check() and
                   receiver.summary()["events_told"] >= count, seconds=TIME, step=0.005)
        return receiver.summary()["bytes_wire"], time.monotonic(), cpu_s(agent.pid)

    try:
        held = 0
        if spool:
            held = await_spooled(agent)
            end_outage(receiver)
        first, begin, cpu_before = await_events(lines // 3)
        last, end, cpu = await_events(lines)
    finally:
        agent.stop()
        receiver.stop()
    return {"mb_per_s": (last - first) / 1e6 / (end - begin), "held_bytes": held,
            "cpu_s_per_gb": (cpu - cpu_before) * 1e9 / (last - first)}


def measure_drain(args):
    """Each comes first in every other round."""
    pairs = []
    for number in range(args.rounds):
        turn = (False, True) if number % 2 == 0 else (True, False)
        measured = {spool: run(spool) for spool in turn}
        pairs.append((measured[False], measured[True]))
    return {"pairs": pairs}


def rows(found):
    if "drain" not in found:
        return
    pairs = found["drain"]["pairs"]
    straight, drained = (statistics.median(pair[i]["mb_per_s"] for pair in pairs) for i in (0, 1))
    share, error = mean_ratio([(alone["mb_per_s"], spool["mb_per_s"]) for alone, spool in pairs])
    cpu, _ = mean_ratio([(alone["cpu_s_per_gb"], spool["cpu_s_per_gb"]) for alone, spool in pairs])
    held = max(spool["held_bytes"] for _, spool in pairs)
    yield "uncompressed, without a spool", f"{straight:.0f} MB/s on the wire", ""
    yield (f"drain of a spool of {held / 1e9:.1f} GB",
           f"{drained:.0f} MB/s = {share:.0%} +- {error:.0%}, CPU {cpu:.0%}", ">= 80 %")
