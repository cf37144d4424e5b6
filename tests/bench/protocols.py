# SPDX-License-Identifier: Apache-2.0
"""What is sent in a protocol: messages of syslog, the same lines over TCP as are tailed and datagrams as
they are offered to `socket`; samples of statsd, aggregated."""

import re
import subprocess
import time
import urllib.request

import sockets
from rig import BUILD, FILE, Agent, Receiver, await_true, cpu_s

MESSAGES = BUILD / "messages.log"
HEAD = b"<134>1 2026-11-28T11:59:59.123456Z host app 4711 - - "
DATAGRAMS_PER_S, SAMPLES, SECONDS = 25000, 40, 5
STATSD = """    type: statsd
    listen: udp://127.0.0.1:0
    receive_buffer: 16MiB
    flush_interval: 1s
"""


def write_messages():
    """The lines of the file, each with a head of RFC 5424: made again when the file is."""
    if MESSAGES.exists() and MESSAGES.stat().st_mtime > FILE.stat().st_mtime:
        return
    with FILE.open("rb") as lines, MESSAGES.open("wb") as messages:
        for line in lines:
            messages.write(HEAD + line)


def run_syslog(args, lines):
    write_messages()
    return sockets.run_tcp(args, lines, "syslog", MESSAGES)


def measure_syslog_udp(args):
    return sockets.measure_udp(args, "syslog")


def measure_statsd(args):
    """A million samples a second for five seconds: how many are aggregated, and what that costs."""
    receiver = Receiver("--count-only")
    agent = Agent(FILE, receiver.url, input_=STATSD, agent='  admin: {listen: "127.0.0.1:0"}')
    try:
        port = sockets.port_of(agent)
        before, begin = cpu_s(agent.pid), time.monotonic()
        done = subprocess.run([str(sockets.SENDER), str(port), str(DATAGRAMS_PER_S * SECONDS),
                               str(DATAGRAMS_PER_S), "statsd"], check=True, capture_output=True, text=True)
        seconds = time.monotonic() - begin
        cpu = cpu_s(agent.pid) - before
        sent = int(re.match(r"sent=(\d+)", done.stdout)[1])
        taken = 0

        def settled():
            nonlocal taken
            agent.check()
            last, taken = taken, samples_of(agent)
            return taken == last and taken > 0
        await_true("end", settled, step=2)
    finally:
        agent.stop()
        receiver.stop()
    lost = sockets.told(agent).get("upstream_loss", 0)
    return {"offered_per_s": sent * SAMPLES / seconds, "taken": taken / (sent * SAMPLES),
            "kernel_drops": lost, "uncounted": sent - lost - taken // SAMPLES,
            "cpu_share": cpu / seconds, "samples_per_cpu_s": taken / cpu}


def samples_of(agent):
    address = re.search(r"msg=started .*metrics=(\S+)", (agent.folder / "log").read_text())[1]
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return int(float(re.search(r"^spillway_samples_total\S* (\S+)", answer.read().decode(), re.M)[1]))


def rows(found):
    if "statsd" not in found:
        return
    statsd = found["statsd"]
    yield "statsd, 40 samples in a datagram, offered", f"{statsd['offered_per_s']:,.0f} samples/s", ""
    yield "  aggregated", f"{statsd['taken']:.1%}", ""
    yield "  datagrams dropped by the kernel", str(statsd["kernel_drops"]), ""
    yield "  datagrams not counted", str(statsd["uncounted"]), "0"
    yield "  CPU", f"{statsd['cpu_share']:.0%} of a core", ""
    yield "  for a second of CPU", f"{statsd['samples_per_cpu_s']:,.0f} samples", ">= 1,000,000"
