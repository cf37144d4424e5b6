# SPDX-License-Identifier: Apache-2.0
"""A thread that stands still while all others go on: the service manager starts the agent anew."""

import ctypes
import os
import pathlib

import pytest

from test_service import bodies, receive, say

PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
pytestmark = pytest.mark.long


def reap(stopped):
    """A thread that is traced ends when its tracer has heard of it."""
    for thread in stopped:
        try:
            os.waitpid(thread, os.WNOHANG | WALL)
        except ChildProcessError:
            pass


def trace(request, thread):
    if libc.ptrace(ctypes.c_long(request), ctypes.c_long(thread), None, None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def readings(root):
    """The threads that read inputs, as the host numbers them."""
    inside = root.unit("MainPID")
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/status") as file:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
            if status["NSpid"].split()[1:] == [inside] and \
                    os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{root.leader}/ns/pid"):
                return [int(task) for task in os.listdir(f"/proc/{pid}/task")
                        if pathlib.Path(f"/proc/{pid}/task/{task}/comm").read_text() == "reading\n"]
        except (OSError, KeyError):
            continue
    raise AssertionError("the agent is not there")


def test_a_stopped_thread_is_a_restart_and_nothing_is_lost(root, deb):
    (root.folder / "root" / deb.name).write_bytes(deb.read_bytes())
    root.run(f"apt-get -y install ./{deb.name}", timeout=200)
    root.write("/etc/spillway/conf.d/output.yaml",
               "outputs: {main: {type: http, url: 'http://127.0.0.1:8088/', retry: {cap: 1s}}}\n")
    root.run("systemctl reload spillway")
    receive(root)
    say(root, "before")
    root.wait(lambda: "before" in bodies(root), "the first line")
    pid, stopped = root.unit("MainPID"), readings(root)
    assert len(stopped) == 2
    for thread in stopped:
        trace(PTRACE_SEIZE, thread)
        trace(PTRACE_INTERRUPT, thread)

    def is_new():
        reap(stopped)
        return root.unit("MainPID") not in ("0", pid)

    say(root, "while it stands")
    root.wait(is_new, "a new process", 240)
    assert "a thread is stuck, the watchdog is not fed" in root.journal()
    assert "Watchdog timeout" in root.journal()
    root.wait(lambda: "while it stands" in bodies(root), "the line that nobody read")
    assert root.unit("NRestarts") == "1"
