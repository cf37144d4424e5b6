# SPDX-License-Identifier: Apache-2.0
"""Few descriptors, few watches, many files: it says so once, and goes on with what there is."""

import subprocess
import time

import pytest

from rig.agent import BINARY
from rig.lines import append_lines, check_exact
from rig.waiting import wait_until


def switches(pid):
    """Times that a thread of it went to sleep by itself, by thread."""
    shown = subprocess.run(["grep", "-h", "^voluntary_ctxt", "-r", f"/proc/{pid}/task", "--include=status"],
                           capture_output=True, text=True).stdout
    return sum(int(line.split()[1]) for line in shown.splitlines())


def is_quiet(pid):
    before = switches(pid)
    time.sleep(2)
    return switches(pid) - before < 30


def await_lines(receiver, count):
    wait_until(lambda: len(receiver.events()) >= count, lambda: f"{count} lines, {len(receiver.events())} came")


def test_a_thousand_quiet_files_and_few_descriptors_hold_up_nobody(rig):
    quiet, busy, rounds = 1000, 10, 5
    for number in range(quiet):
        append_lines(rig.folder / f"quiet{number}.log", number, 1)
    receiver = rig.receiver()
    agent = rig.agent({"logs": rig.tail("*.log", max_files=quiet + busy)}, {"main": rig.http(receiver)})
    agent.command = ["/usr/bin/prlimit", "--nofile=64:64", "--", BINARY]
    agent.start()
    await_lines(receiver, quiet)
    at = quiet
    for _ in range(rounds):
        for number in range(busy):
            append_lines(rig.folder / f"busy{number}.log", at, 1)
            at += 1
        await_lines(receiver, at)
    for number in range(busy):  # those that were closed meanwhile are opened again
        append_lines(rig.folder / f"quiet{number * 17}.log", at, 1)
        at += 1
    await_lines(receiver, at)
    wait_until(lambda: is_quiet(agent.process.pid), "two seconds in which next to nothing happens")
    lane = agent.stop().agree_with(receiver).lane()
    assert lane.delivered == at and lane.dropped == 0
    check_exact(receiver.bodies(), at, in_order=False)
    assert not agent.log.find(level="error")


def may_limit_watches():
    return subprocess.run(["unshare", "-Ur", "sh", "-c", "echo 5 >/proc/sys/user/max_inotify_watches"],
                          capture_output=True).returncode == 0


@pytest.mark.skipif(not may_limit_watches(), reason="no user namespace is allowed here")
def test_without_watches_to_be_had_files_are_looked_at_and_it_is_said_once(rig):
    files = 20
    receiver = rig.receiver()
    agent = rig.agent({"logs": rig.tail("*.log", rescan="1s")}, {"main": rig.http(receiver)})
    agent.command = ["unshare", "-Ur", "sh", "-c",
                     'echo 5 >/proc/sys/user/max_inotify_watches && exec "$@"', "sh", BINARY]
    for number in range(files):
        append_lines(rig.folder / f"{number}.log", number, 1)
    agent.start()
    await_lines(receiver, files)
    agent.wait_metric(1, "spillway_sources_unwatched")
    at = files
    for _ in range(2):
        for number in range(files):
            append_lines(rig.folder / f"{number}.log", at, 1)
            at += 1
        await_lines(receiver, at)
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), at, in_order=False)
    told = [record for record in agent.log.read() if "watch" in record.get("msg", "") + record.get("why", "")]
    assert len(told) == 1, told
