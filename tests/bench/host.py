# SPDX-License-Identifier: Apache-2.0
"""What one round of host_metrics costs: CPU time of the thread that collects. Of the groups that are not
collected by default those that grow with the host: its processes, its connections, its units, of which as
many as a large host has are made, real ones."""

import contextlib
import pathlib
import time

from rig import FILE, Agent, Receiver

UNITS, INTERVAL_MS, WINDOWS = (100, 300), 100, 8
INPUT = """    type: host_metrics
    interval: {interval}ms
    {collect}"""


def mount_of_cgroups():
    """Where control groups of version 2 are."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        place, kind = line.split(" - ")
        if kind.startswith("cgroup2 "):
            return pathlib.Path(place.split()[4])
    raise OSError("no control groups of version 2")


@contextlib.contextmanager
def units(count):
    """As of services, without processes: reading one does not depend on what is in it."""
    slice_ = mount_of_cgroups() / "spillway-bench.slice"
    made = [slice_, *(slice_ / f"bench-{number}.service" for number in range(count))]
    try:
        for folder in made:
            folder.mkdir(exist_ok=True)
        yield
    finally:
        for folder in reversed(made):
            if folder.is_dir():
                folder.rmdir()


def collecting_s(pid):
    """CPU time of the reading's thread."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == "reading":
            return int((task / "schedstat").read_text().split()[0]) / 1e9
    raise RuntimeError("no thread that reads")


def a_round_ms(collect=""):
    """In the best of some seconds: others on the machine only ever slow down."""
    receiver = Receiver("--count-only")
    agent = Agent(FILE, receiver.url, input_=INPUT.format(interval=INTERVAL_MS, collect=collect))
    found = []
    try:
        for _ in range(1 + WINDOWS):  # the first has the start in it
            agent.check()
            begin, before = collecting_s(agent.pid) if found else 0, time.monotonic()
            time.sleep(1)
            found.append((collecting_s(agent.pid) - begin) * INTERVAL_MS / (time.monotonic() - before))
        return min(found[1:])
    finally:
        agent.stop()
        receiver.stop()


def count_connections():
    return sum(len(pathlib.Path(f"/proc/self/net/{name}").read_text().splitlines()) - 1
               for name in ("tcp", "tcp6") if pathlib.Path(f"/proc/self/net/{name}").exists())


def measure_host(args):
    found = {"default_ms": a_round_ms()}
    for group in ("top_processes", "connections"):
        found[f"{group}_ms"] = a_round_ms(f"collect: [{group}]")
    found["processes"] = sum(path.name.isdigit() for path in pathlib.Path("/proc").iterdir())
    found["connections"] = count_connections()
    for count in UNITS:
        try:
            with units(count):
                found[f"units_{count}_ms"] = a_round_ms("collect: [units]")
        except OSError:
            pass  # no control groups of version 2, or not for us
    return found


def rows(found):
    if "host" not in found:
        return
    host = found["host"]
    yield "host_metrics, CPU a round: defaults", f"{host['default_ms']:.2f} ms", "< 3 ms"
    yield f"  top_processes, of {host['processes']}", f"{host['top_processes_ms']:.2f} ms", "< 3 ms"
    yield f"  connections, {host['connections']}", f"{host['connections_ms']:.2f} ms", "< 3 ms"
    for count in UNITS:
        cost = host.get(f"units_{count}_ms")
        yield (f"  units, of {count}", "no control groups of version 2 may be made here" if cost is None
               else f"{cost:.2f} ms", "< 3 ms")
