# SPDX-License-Identifier: Apache-2.0
"""A new file with the number of an old one: told apart by birth, by content, also over a restart."""

import os
import pathlib
import shutil
import tempfile

import pytest

from rig.lines import append, append_lines, check_exact
from rig.waiting import wait_until

HEAD = "# the same first line in both\n" * 10


@pytest.fixture
def disk():
    """Not tmpfs, which gives each file a number of its own; and without the agent's state, whose
    saves would take the number that has just become free."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="spillway-", dir="/var/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def try_to_make_with_inode(path, inode):
    """Makes files until one has it: each that was made meanwhile keeps a number busy."""
    spares = []
    try:
        for n in range(5000):
            spare = path.with_name(f"spare.{n}")
            spare.touch()
            if spare.stat().st_ino == inode:
                spare.rename(path)
                return True
            spares.append(spare)
        return False
    finally:
        for spare in spares:
            spare.unlink(missing_ok=True)


def make_with_inode(path, inode):
    """Makes `path` with that inode; other processes may hold the number for a while."""
    for _ in range(20):
        if try_to_make_with_inode(path, inode):
            return True
    return False


@pytest.mark.parametrize("head", ["", HEAD], ids=["other_head", "same_head"])
@pytest.mark.parametrize("count", [3, 100, 300], ids=["shorter", "equal", "longer"])
@pytest.mark.parametrize("when", ["live", "down"])
def test_a_new_file_with_the_inode_of_the_old_one_is_read_whole(rig, disk, head, count, when):
    receiver = rig.receiver()
    log = disk / "app.log"
    agent = rig.agent({"app": rig.tail(log, rotate_wait="0s", rescan="1s")},
                      {"main": rig.http(receiver, concurrency={"max": 1})})
    each = 100 + head.count("\n")
    for old in range(10):  # another process may have taken the number for good: then with the next one
        append(log, head)
        append_lines(log, 0, 100, run=f"old{old}", bytes_=50)
        if agent.process is None:
            agent.start()
        receiver.wait_events((old + 1) * each)
        if when == "down":
            agent.stop()
        inode = log.stat().st_ino
        log.unlink()
        if when == "live":
            wait_closed(agent, inode)
        if make_with_inode(log, inode):
            break
    assert log.exists(), "no inode is given out again here"
    append(log, head)
    append_lines(log, 0, count, run="new", bytes_=50)
    if when == "down":
        agent.start()
    receiver.wait_events((old + 1) * each + count + head.count("\n"))
    agent.stop()
    for run in range(old + 1):
        check_exact(receiver.bodies(), 100, run=f"old{run}")
    check_exact(receiver.bodies(), count, run="new")


def wait_closed(agent, inode):
    """Until no descriptor of the agent holds the removed file."""
    def is_closed():
        base = f"/proc/{agent.process.pid}/fd"
        for name in os.listdir(base):
            try:
                if os.stat(f"{base}/{name}").st_ino == inode:
                    return False
            except OSError:
                continue
        return True
    wait_until(is_closed, "the agent to close the removed file")


def test_two_files_with_the_same_content_are_two_files(rig):
    receiver = rig.receiver()
    for name in ("a.log", "b.log"):
        append_lines(rig.folder / name, 0, 100)
    agent = rig.agent({"app": rig.tail("*.log")}, {"main": rig.http(receiver)}).start()
    receiver.wait_events(200)
    agent.stop()
    for name in ("a.log", "b.log"):
        path = str(rig.folder / name)
        check_exact([e["body"] for e in receiver.events()
                     if e["resource"]["log.file.path"] == path], 100, in_order=False)


def test_a_file_with_two_names_is_read_once(rig):
    receiver = rig.receiver()
    append_lines(rig.folder / "a.log", 0, 100)
    os.link(rig.folder / "a.log", rig.folder / "b.log")
    agent = rig.agent({"app": rig.tail("*.log")}, {"main": rig.http(receiver)}).start()
    receiver.wait_events(100)
    append_lines(rig.folder / "b.log", 100, 100)
    receiver.wait_events(200)
    agent.stop()
    check_exact(receiver.bodies(), 200)


@pytest.mark.quick
def test_a_short_file_keeps_its_identity_while_it_grows_over_a_restart(rig):
    receiver = rig.receiver()
    log = rig.folder / "app.log"
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver)})
    for n in range(4):
        append_lines(log, n, 1)
        agent.start()
        receiver.wait_events(n + 1)
        agent.stop()
    append_lines(log, 4, 200)
    agent.start()
    receiver.wait_events(204)
    agent.stop()
    check_exact(receiver.bodies(), 204)
