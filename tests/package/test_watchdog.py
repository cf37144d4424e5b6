# SPDX-License-Identifier: Apache-2.0
"""A thread that stands still while all others go on: the service manager starts the agent anew. One
service for each kind of thread, and one whose threads all rest, stand side by side, as each takes as long."""

import ctypes
import json
import os
import pathlib
import re

import pytest

from test_service import receive, received, say

PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
pytestmark = pytest.mark.long
# service → the name of the threads that are stopped, and what the log says of them
STOPPED = {"spillway": ("reading", "a reading of input '(journal|host)', for "),
           "spillway-sender": ("sender", "the sender of output 'main', for "),
           "spillway-worker": ("batch", "a batch worker of output 'main', for ")}
IDLE = "spillway-idle"
OUTPUT = "outputs: {main: {type: http, url: 'http://127.0.0.1:8088/', retry: {cap: 1s}}}\n"


def trace(request, thread):
    if libc.ptrace(ctypes.c_long(request), ctypes.c_long(thread), None, None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def reap(stopped):
    """A thread that is traced ends when its tracer has heard of it."""
    for thread in stopped:
        try:
            os.waitpid(thread, os.WNOHANG | WALL)
        except ChildProcessError:
            pass


def threads(root, inside, name):
    """Of the process with that number in the root, as the host numbers them."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/status") as file:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
            if status["NSpid"].split()[1:] == [inside] and \
                    os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{root.leader}/ns/pid"):
                return [int(task) for task in os.listdir(f"/proc/{pid}/task")
                        if pathlib.Path(f"/proc/{pid}/task/{task}/comm").read_text() == name + "\n"]
        except (OSError, KeyError):
            continue
    raise AssertionError("the agent is not there")


def value(root, service, name):
    return root.run(f"systemctl show --value -p {name} {service}.service").out.strip()


def add_service(root, name, inputs):
    """The same unit with folders of its own."""
    unit = root.path("/lib/systemd/system/spillway.service").read_text()
    for key in ("StateDirectory", "RuntimeDirectory"):
        unit, count = re.subn(f"^{key}=spillway$", f"{key}={name}", unit, flags=re.MULTILINE)
        assert count == 1
    root.write(f"/etc/systemd/system/{name}.service", unit.replace("/etc/spillway/", f"/etc/{name}/"))
    root.write(f"/etc/{name}/spillway.yaml",
               f"agent: {{state_dir: /var/lib/{name}, runtime_dir: /run/{name}}}\ninputs: {{{inputs}}}\n{OUTPUT}")


def came(root, service, text):
    """Did the line arrive by that service?"""
    for line in received(root):
        if text not in line:
            continue
        event = json.loads(line)
        by = event.get("resource", {}).get("by", "spillway")
        if event.get("body") == text and by == service:
            return True
    return False


def test_a_stopped_thread_is_a_restart_and_nothing_is_lost_and_one_that_rests_is_none(root, deb):
    (root.folder / "root" / deb.name).write_bytes(deb.read_bytes())
    root.run(f"apt-get -y install ./{deb.name}", timeout=200)
    root.write("/etc/spillway/conf.d/output.yaml", OUTPUT)
    root.run("systemctl reload spillway")
    for service in list(STOPPED)[1:]:
        add_service(root, service, f"journal: {{type: journald, resource: {{by: {service}}}}}")
    add_service(root, IDLE, "none: {type: tail, paths: [/var/log/nothing-here.log]}")
    receive(root)
    root.run(f"systemctl daemon-reload; systemctl start {' '.join([*STOPPED, IDLE])}")
    say(root, "before")
    for service in STOPPED:
        root.wait(lambda: came(root, service, "before"), f"the first line by {service}")

    pids = {service: value(root, service, "MainPID") for service in [*STOPPED, IDLE]}
    stopped = []
    for service, (name, _) in STOPPED.items():
        found = threads(root, pids[service], name)
        assert len(found) == (2 if name == "reading" else 1), (service, found)
        stopped += found
    for thread in stopped:
        trace(PTRACE_SEIZE, thread)
        trace(PTRACE_INTERRUPT, thread)

    def is_new(service):
        reap(stopped)
        return value(root, service, "MainPID") not in ("0", pids[service])

    say(root, "while it stands")
    for service, (_, told) in STOPPED.items():
        root.wait(lambda: is_new(service), f"a new {service}", 600)
        journal = root.run(f"journalctl -u {service}.service -o cat --no-pager").out
        assert re.search(f'the watchdog is not fed" thread="{told}', journal), journal[-4000:]
        assert "Watchdog timeout" in journal
        root.wait(lambda: came(root, service, "while it stands"), f"the line that {service} held")
        assert value(root, service, "NRestarts") == "1"
    assert value(root, IDLE, "MainPID") == pids[IDLE] and value(root, IDLE, "NRestarts") == "0"
    assert value(root, IDLE, "WatchdogUSec") == value(root, "spillway", "WatchdogUSec") == "30s"
