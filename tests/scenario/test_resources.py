# SPDX-License-Identifier: Apache-2.0
"""Few descriptors, few watches, many files: it says so once, and goes on with what there is."""

import os
import subprocess
import time

import pytest

from rig.agent import BINARY, is_sanitized
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


def idle_share(pid, seconds=10):
    """Of a core; shown and not judged, since the machine may be busy."""
    def ticks():
        with open(f"/proc/{pid}/stat") as file:
            return sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13]))
    before = ticks()
    time.sleep(seconds)
    return (ticks() - before) / os.sysconf("SC_CLK_TCK") / seconds


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


def held(pid):
    """Open descriptors of a process."""
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.mark.long
def test_ten_thousand_quiet_files_in_a_hundred_folders_cost_next_to_nothing(rig):
    quiet, busy, folders = 10_000, 10, 100
    for number in range(quiet):
        folder = rig.folder / f"logs/{number % 10}/{number % folders}"
        folder.mkdir(parents=True, exist_ok=True)
        append_lines(folder / f"{number}.log", number, 1)
    receiver = rig.receiver()
    agent = rig.agent({"logs": rig.tail("logs/**/*.log", max_files=quiet + 2 * busy)}, {"main": rig.http(receiver)})
    agent.start()
    await_lines(receiver, quiet)
    at, most_held, pid = quiet, 0, agent.process.pid
    for _ in range(20):
        for number in range(busy):
            append_lines(rig.folder / f"logs/{number}/busy.log", at, 1)
            at += 1
        await_lines(receiver, at)
        most_held = max(most_held, held(pid))
    for number in range(0, quiet, 100):  # closed long ago
        append_lines(rig.folder / f"logs/{number % 10}/{number % folders}/{number}.log", at, 1)
        at += 1
    await_lines(receiver, at)
    most_held = max(most_held, held(pid))
    wait_until(lambda: is_quiet(pid), "two seconds in which next to nothing happens")
    print(f"{most_held} descriptors, {agent.own_memory() / (1 << 20):.1f} MiB, {idle_share(pid):.3%} of a core idle")
    assert most_held <= 1024 + 64, f"{most_held} descriptors"
    assert is_sanitized() or agent.own_memory() <= 24 << 20, agent.own_memory()
    lane = agent.stop().agree_with(receiver).lane()
    assert lane.delivered == at and lane.dropped == 0
    check_exact(receiver.bodies(), at, in_order=False)
    assert not agent.log.find(level="warn") and not agent.log.find(level="error"), agent.log.text()


@pytest.mark.long
@pytest.mark.release  # the rig bounds the memory of programs without sanitizers
def test_what_ten_thousand_files_take_is_taken_off_the_memory_for_batches(rig):
    quiet, busy = 10_000, 60_000
    (rig.folder / "logs").mkdir()
    for number in range(quiet):
        append_lines(rig.folder / f"logs/{number}.log", busy + number, 1)
    append_lines(rig.folder / "busy.log", 0, busy, bytes_=1000)
    receiver = rig.receiver()
    receiver.hold()
    agent = rig.agent({"logs": rig.tail("logs/*.log", "busy.log", max_files=quiet + 1)},
                      {"main": rig.http(receiver, compression="none", concurrency={"min": 64})}).start()
    agent.wait_metric(quiet // 2, "spillway_lines_total")
    agent.wait_metric(24 << 20, "spillway_sealed_memory_bytes")
    left = agent.metrics().get("spillway_sealed_memory_limit_bytes", output="main")
    assert 24 << 20 < left < 42 << 20, left
    receiver.release()
    await_lines(receiver, quiet + busy)
    agent.stop().agree_with(receiver)  # and was never over memory_limit and 8 MiB
    check_exact(receiver.bodies(), quiet + busy, in_order=False)


def may_limit_watches():
    return subprocess.run(["unshare", "-Ur", "sh", "-c", "echo 5 >/proc/sys/user/max_inotify_watches"],
                          capture_output=True).returncode == 0


@pytest.mark.skipif(not may_limit_watches(), reason="no user namespace is allowed here")
@pytest.mark.parametrize("limit, left", [("max_inotify_watches", 5), ("max_inotify_instances", 0)])
def test_without_watches_to_be_had_files_are_looked_at_and_it_is_said_once(rig, limit, left):
    files = 20
    receiver = rig.receiver()
    agent = rig.agent({"logs": rig.tail("logs/**/*.log", rescan="1s")}, {"main": rig.http(receiver)})
    agent.command = ["unshare", "-Ur", "sh", "-c",
                     f'echo {left} >/proc/sys/user/{limit} && exec "$@"', "sh", BINARY]
    for number in range(files):
        (rig.folder / f"logs/{number % 3}").mkdir(parents=True, exist_ok=True)
        append_lines(rig.folder / f"logs/{number % 3}/{number}.log", number, 1)
    agent.start()
    await_lines(receiver, files)
    agent.wait_metric(1, "spillway_sources_unwatched")
    at = files
    for _ in range(2):
        for number in range(files):
            append_lines(rig.folder / f"logs/{number % 3}/{number}.log", at, 1)
            at += 1
        await_lines(receiver, at)
    (rig.folder / "logs/new/below").mkdir(parents=True)
    append_lines(rig.folder / "logs/new/below/0.log", at, 1)
    await_lines(receiver, at + 1)
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), at + 1, in_order=False)
    told, = agent.log.find(level="warn")
    assert told["msg"] == "no more file notifications, polling" and "fs.inotify.max_user_" in told["why"], told
