# SPDX-License-Identifier: Apache-2.0
"""copytruncate: the same file is cut off and written anew, at the worst moments."""

import os
import random
import re
import shutil
import signal
import time
from contextlib import contextmanager

import pytest

from rig.lines import Writer, append, append_lines, check_exact, line, numbers
from rig.waiting import wait_until


def make(rig, receiver, **options):
    return rig.agent({"app": rig.tail("app.log", rescan="1s", **options)},
                     {"main": rig.http(receiver, batch={"max_bytes": "16KiB"},
                                       concurrency={"max": 1})})


@contextmanager
def asleep(agent):
    """The agent stands still meanwhile, so that it sees only the end of what is done."""
    agent.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        agent.process.send_signal(signal.SIGCONT)


@pytest.mark.quick
@pytest.mark.parametrize("count", [3, 99, 100, 101, 500], ids=lambda n: f"{n}_of_100")
@pytest.mark.parametrize("head", ["", "# the same first line in all of them\n" * 10],
                         ids=["other_head", "same_head"])
def test_cut_off_and_written_anew_between_two_looks(rig, count, head):
    receiver = rig.receiver()
    log = rig.folder / "app.log"
    append(log, head)
    append_lines(log, 0, 100, run="old", bytes_=50)
    agent = make(rig, receiver).start()
    heads = head.count("\n")
    receiver.wait_events(100 + heads)
    with asleep(agent):
        os.truncate(log, 0)
        append(log, head)
        append_lines(log, 0, count, run="new", bytes_=50)
    receiver.wait_events(100 + count + 2 * heads)
    agent.wait_metric(1, "spillway_sources_truncated_total")
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), 100, run="old")
    check_exact(receiver.bodies(), count, run="new")


@pytest.mark.parametrize("count", [3, 100, 500])
def test_written_anew_while_the_agent_was_down(rig, count):
    receiver = rig.receiver()
    log = rig.folder / "app.log"
    append_lines(log, 0, 100, run="old", bytes_=50)
    agent = make(rig, receiver).start()
    receiver.wait_events(100)
    agent.stop()
    os.truncate(log, 0)
    append_lines(log, 0, count, run="new", bytes_=50)
    agent.start()
    receiver.wait_events(100 + count)
    agent.stop()
    check_exact(receiver.bodies(), count, run="new")
    check_exact(receiver.bodies(), 100, run="old")


def test_bytes_cut_off_before_they_were_read_are_counted_with_the_name_of_the_file(rig):
    receiver = rig.receiver()
    receiver.always(503)
    log = rig.folder / "app.log"
    append_lines(log, 0, 20000, run="old", bytes_=99)
    agent = make(rig, receiver, max_line_bytes="1KiB", lane={"capacity": "256KiB"}).start()
    receiver.wait_requests(1)
    os.truncate(log, 0)
    append_lines(log, 0, 10, run="new")
    receiver.always(200)
    told = agent.wait_log(msg="lost before it was read", source=str(log))
    agent.wait_metric(1, "spillway_sources_truncated_total")
    wait_until(lambda: len(numbers(receiver.bodies(), "new")) == 10, "the new lines")
    agent.stop()
    check_exact(receiver.bodies(), 10, run="new")
    came = numbers(receiver.bodies(), "old")
    assert came == list(range(len(came))), "what was read before the cut is whole and in order"
    assert int(told["bytes"]) == (20000 - len(came)) * 100


def test_a_writer_without_append_leaves_a_hole_that_is_skipped(rig):
    receiver = rig.receiver()
    log = rig.folder / "app.log"
    with open(log, "wb", buffering=0) as writer:
        for n in range(100):
            writer.write(f"{line(n, bytes_=99)}\n".encode())
        agent = make(rig, receiver).start()
        receiver.wait_events(100)
        with asleep(agent):
            os.truncate(log, 0)
            for n in range(100, 200):  # at its old offset: 10,000 NULs come before it
                writer.write(f"{line(n, bytes_=99)}\n".encode())
        receiver.wait_events(200)
    agent.stop()
    check_exact(receiver.bodies(), 200)


def rotate_by_copy(log, keep=4):
    """As logrotate does it with `copytruncate`."""
    for n in range(keep - 1, 0, -1):
        if os.path.exists(f"{log}.{n}"):
            os.rename(f"{log}.{n}", f"{log}.{n + 1}")
    shutil.copyfile(log, f"{log}.1")
    os.truncate(log, 0)


@pytest.mark.threads
def test_copies_that_the_glob_matches_are_not_read_twice(rig, seed):
    chance = random.Random(seed)
    receiver = rig.receiver()
    log = rig.folder / "app.log"
    append(log, "")
    agent = rig.agent({"app": rig.tail("app.log*", rescan="1s")},
                      {"main": rig.http(receiver, batch={"max_bytes": "16KiB"})}).start()
    writer = Writer(log, burst=50, pause=0.005, bytes_=80)
    in_files = set()
    for _ in range(8):
        # The agent has looked between two rotations: of content that was replaced twice it cannot tell.
        before = writer.written
        wait_until(lambda: max(numbers(receiver.bodies()), default=-1) >= before, "lines since the last one")
        time.sleep(chance.uniform(0, 0.3))
        rotate_by_copy(log, keep=9)
    writer.stop()
    append_lines(log, 0, 5, run="last")
    for path in rig.folder.glob("app.log*"):
        in_files |= set(numbers(path.read_text().splitlines()))
    wait_until(lambda: in_files <= set(numbers(receiver.bodies())), "all lines that are in a file")
    wait_until(lambda: len(numbers(receiver.bodies(), "last")) == 5, "the last lines")
    agent.stop()
    came = numbers(receiver.bodies())
    assert len(came) == len(set(came)), f"{len(came) - len(set(came))} lines came twice"


@pytest.mark.threads
@pytest.mark.parametrize("rounds", [15, pytest.param(100, marks=pytest.mark.long)])
def test_copytruncate_races_with_a_busy_writer(rig, seed, rounds):
    """Lines that were cut off before anyone could read them are gone; all others come once, whole."""
    chance = random.Random(seed)
    receiver = rig.receiver()
    log = rig.folder / "app.log"
    append(log, "")
    agent = make(rig, receiver).start()
    writer = Writer(log, burst=100, pause=0.005, bytes_=80)
    for n in range(rounds):
        time.sleep(chance.uniform(0, 0.05))
        shutil.copyfile(log, rig.folder / f"copy.{n}")
        os.truncate(log, 0)
    written = writer.stop()
    append_lines(log, 0, 5, run="last")
    last = [line(n, run="last") for n in range(5)]
    wait_until(lambda: receiver.bodies()[-5:] == last, "the last lines")
    agent.stop()
    bodies = receiver.bodies()
    for body in bodies:
        assert re.fullmatch(r"(r\.\d+\.x*|last\.\d\.)", body) and "\0" not in body, body
    came = numbers([body for body in bodies if len(body) == 80])
    assert len(came) == len(set(came)), "lines came twice"
    assert came == sorted(came)
    # What the copies and the last file do not have either was never there to be read.
    in_files = set()
    for path in [*rig.folder.glob("copy.*"), log]:
        in_files |= set(numbers(path.read_text().splitlines()))
    assert set(came) <= set(range(written))
    assert set(numbers(log.read_text().splitlines())) <= set(came), "the last file came whole"
    assert in_files - set(came) <= set(range(written)) and agent.log.find(level="error") == []
