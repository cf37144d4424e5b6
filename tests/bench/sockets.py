# SPDX-License-Identifier: Apache-2.0
"""What is sent to the input `socket`: a file's bytes over one TCP connection, in turn with the same file
tailed, and datagrams faster than they may be taken: how many arrive, and whether the rest is counted."""

import os
import re
import socket
import subprocess
import threading
import time

from rig import BUILD, FILE, GIB, Agent, Receiver, Sampler, await_true, machine_busy_s

SENDER = BUILD / "tests/datagram_bench"
PER_SECOND, SECONDS = 200000, 5
SOCKET = """    type: {type}
    listen: {scheme}://127.0.0.1:0
{more}"""


def port_of(agent):
    """Where it listens, as its log tells."""
    found = []

    def look():
        agent.check()
        found[:] = re.findall(r"msg=listens .*source=\w+://[\d.]+:(\d+)", (agent.folder / "log").read_text())
        return found
    await_true("port", look)
    return int(found[0])


def send_file(port, file):
    with socket.create_connection(("127.0.0.1", port)) as stream, file.open("rb") as source:
        while os.sendfile(stream.fileno(), source.fileno(), None, 1 << 24):
            pass


def run_tcp(args, lines, kind="socket", file=FILE):
    """From the first byte sent to the last acknowledged event."""
    size = file.stat().st_size
    receiver = Receiver("--count-only")
    agent = Agent(file, receiver.url, batch=f"    workers: {args.workers}", input_=SOCKET.format(
        type=kind, scheme="tcp", more="    lane: {overflow: block}"))
    sampler = Sampler(agent.pid)
    try:
        port = port_of(agent)
        busy, begin = machine_busy_s(), time.monotonic()
        threading.Thread(target=send_file, args=(port, file), daemon=True).start()
        await_true(f"{lines} events", lambda: agent.check() and receiver.summary()["events_told"] >= lines,
                   seconds=600, step=0.02)
        seconds = time.monotonic() - begin
    finally:
        sampler.stop()
        cpu = agent.stop()
        receiver.stop()
    others = machine_busy_s() - busy - cpu - receiver.cpu_s
    return {"mb_per_s": size / 1e6 / seconds, "cpu_s_per_gib": cpu * GIB / size,
            "receiver_cpu_s_per_gib": receiver.cpu_s * GIB / size,
            "others_share": max(others, 0) / seconds / os.cpu_count(),
            "peak_own_bytes": sampler.own, "peak_rss_bytes": sampler.rss}


def measure_udp(args, kind="socket"):
    """200,000 datagrams/s offered for five seconds."""
    receiver = Receiver("--count-only")
    agent = Agent(FILE, receiver.url, input_=SOCKET.format(
        type=kind, scheme="udp", more="    receive_buffer: 16MiB"))
    try:
        port = port_of(agent)
        done = subprocess.run([str(SENDER), str(port), str(PER_SECOND * SECONDS), str(PER_SECOND), kind],
                              check=True, capture_output=True, text=True)
        sent, seconds = re.match(r"sent=(\d+) seconds=([\d.]+)", done.stdout).groups()
        await_true("rest", lambda: agent.check() and told(agent).get("received") == int(sent))
    finally:
        cpu = agent.stop()
        arrived = receiver.stop()["events_told"]
    books = told(agent)
    return {"sent": int(sent), "per_s": int(sent) / float(seconds), "arrived": arrived,
            "kernel_drops": books.get("upstream_loss", 0),
            "ring_drops": books["dropped"] - books.get("upstream_loss", 0),
            "uncounted": int(sent) - arrived - books["dropped"], "cpu_share": cpu / float(seconds)}


def told(agent):
    """The last line of the books."""
    lines = re.findall(r"msg=ledger (.*)", (agent.folder / "log").read_text())
    return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)\b", lines[-1])} if lines else {}


def rows(found):
    for part, what in (("udp", "UDP"), ("syslog_udp", "syslog over UDP")):
        if part not in found:
            continue
        udp = found[part]
        yield f"{what}, 200 bytes each, offered", f"{udp['per_s']:,.0f} /s", ""
        yield "  arrive at the receiver", f"{udp['arrived'] / udp['sent']:.1%}", ""
        yield ("  dropped by the kernel, by a full lane",
               f"{udp['kernel_drops']}, {udp['ring_drops']}", "")
        yield "  not counted", str(udp["uncounted"]), "0"
        yield "  CPU", f"{udp['cpu_share']:.0%} of a core", ""
