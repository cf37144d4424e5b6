# SPDX-License-Identifier: Apache-2.0
"""Files at any depth, folders that come and go, and what may not be read: by the real agent."""

import os
import shutil
import subprocess

import pytest

from rig.agent import BINARY, environment
from rig.lines import append, append_lines, check_exact
from rig.waiting import wait_until

# a look without a notification is never due while a scenario runs
PATIENT = {"rescan": "1h"}


def watched(pid):
    """inotify watches of a process; None: its descriptors are changing."""
    count = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            with open(f"/proc/{pid}/fdinfo/{name}") as info:
                count += sum(line.startswith("inotify wd") for line in info)
        except FileNotFoundError:
            return None
    return count


@pytest.mark.quick
@pytest.mark.threads
def test_files_at_any_depth_are_read_and_folders_that_come_later_at_once(rig):
    receiver = rig.receiver()
    logs = rig.folder / "logs"
    (logs / "a/b").mkdir(parents=True)
    (logs / ".hidden").mkdir()
    (logs / "no/below").mkdir(parents=True)
    append_lines(logs / "0.log", 0, 10)
    append_lines(logs / "a/b/1.log", 10, 10)
    append(logs / ".hidden/x.log", "not wanted\n")
    append(logs / "no/below/x.log", "not wanted\n")
    append(logs / "a/b/x.txt", "not wanted\n")
    (logs / "a/b/up").symlink_to("../..")  # a circle, if it were followed
    agent = rig.agent({"app": {**rig.tail("logs/**/*.log", **PATIENT), "exclude": [f"{logs}/no/**"]}},
                      {"main": rig.http(receiver)}).start()
    receiver.wait_events(20)
    (logs / "c/d/e").mkdir(parents=True)
    append_lines(logs / "c/d/e/2.log", 20, 10)
    receiver.wait_events(30)
    (logs / "c/d/e/f").mkdir()
    append_lines(logs / "c/d/e/f/3.log", 30, 10)
    append_lines(logs / "0.log", 40, 10)
    receiver.wait_events(50)
    lane = agent.stop().agree_with(receiver).lane()
    assert lane.delivered == 50 and lane.dropped == 0
    check_exact(receiver.bodies(), 50, in_order=False)
    assert not agent.log.find(level="warn") and not agent.log.find(level="error"), agent.log.text()


def test_folders_that_vanish_give_their_watches_back(rig):
    receiver = rig.receiver()
    keep, pods = rig.folder / "logs/keep", rig.folder / "logs/pods"
    keep.mkdir(parents=True)
    agent = rig.agent({"app": rig.tail("logs/**/*.log", rotate_wait="0s", **PATIENT)},
                      {"main": rig.http(receiver)}).start()
    append_lines(keep / "0.log", 0, 1)
    receiver.wait_events(1)
    at = 1
    wait_until(lambda: watched(agent.process.pid) == 3, lambda: f"3 watches, {watched(agent.process.pid)} there are")
    for _ in range(3):
        for number in range(20):
            (pods / f"{number}/c").mkdir(parents=True)
            append_lines(pods / f"{number}/c/0.log", at, 1)
            at += 1
        receiver.wait_events(at)
        shutil.rmtree(pods)
        wait_until(lambda: watched(agent.process.pid) == 3,
                   lambda: f"3 watches, {watched(agent.process.pid)} there are")
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), at, in_order=False)


def test_over_max_folders_it_is_said_once_and_the_shallow_ones_are_read(rig):
    receiver = rig.receiver()
    for number in range(6):
        (rig.folder / f"logs/{number}/deep").mkdir(parents=True)
        append(rig.folder / f"logs/{number}/deep/0.log", "left out\n")
        append_lines(rig.folder / f"logs/{number}/0.log", number, 1)
    agent = rig.agent({"app": rig.tail("logs/**/*.log", max_folders=7, rescan="1s")},
                      {"main": rig.http(receiver)}).start()
    receiver.wait_events(6)
    agent.wait_metric(6, "spillway_folders_left_out")
    (rig.folder / "logs/0/more").mkdir()  # another look: what was said is not said again
    agent.wait_metric(7, "spillway_folders_left_out")
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), 6, in_order=False)
    told, = agent.log.find(msg="folder is left out")
    assert "max_folders" in told["why"], told


def test_a_file_that_may_not_be_read_is_said_once_and_read_from_its_begin_when_it_may(rig):
    receiver = rig.receiver()
    append_lines(rig.folder / "open.log", 0, 5)
    append_lines(rig.folder / "closed.log", 5, 5)
    (rig.folder / "closed.log").chmod(0o600)
    agent = rig.as_nobody(rig.agent({"app": rig.tail("*.log", **PATIENT)}, {"main": rig.http(receiver)})).start()
    receiver.wait_events(5)
    agent.wait_metric(1, "spillway_sources_refused")
    append_lines(rig.folder / "closed.log", 10, 5)
    append_lines(rig.folder / "other.log", 15, 5)  # another look at all names, and nothing said again
    receiver.wait_events(10)
    (rig.folder / "closed.log").chmod(0o644)
    receiver.wait_events(20)
    wait_until(lambda: agent.metrics().get("spillway_sources_refused") == 0, "nothing to be refused any more")
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), 20, in_order=False)
    told, = agent.log.find(msg="file cannot be opened")
    assert told["source"].endswith("/closed.log") and "mode 0600 of owner 0, group 0" in told["why"], told
    assert "add the user to the group" in told["why"] and "CAP_DAC_READ_SEARCH" in told["why"], told


@pytest.mark.parametrize("mode", [0o711, 0o744], ids=["not to be listed", "not to be passed through"])
def test_a_folder_that_is_closed_is_said_once_and_looked_into_when_it_may(rig, mode):
    receiver = rig.receiver()
    closed = rig.folder / "closed"
    closed.mkdir()
    append_lines(rig.folder / "open.log", 0, 5)
    append_lines(closed / "a.log", 5, 5)
    append_lines(closed / "b.log", 10, 5)
    closed.chmod(mode)
    agent = rig.as_nobody(rig.agent({"app": rig.tail("**/*.log", **PATIENT)}, {"main": rig.http(receiver)}))
    agent.config["inputs"]["app"]["exclude"] = [f"{agent.folder}/**"]
    agent.start()
    receiver.wait_events(5)
    agent.wait_metric(1, "spillway_folders_left_out")
    append_lines(rig.folder / "other.log", 15, 5)
    receiver.wait_events(10)
    closed.chmod(0o755)
    receiver.wait_events(20)
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), 20, in_order=False)
    told, = agent.log.find(msg="folder cannot be looked into")
    assert told["source"] == str(closed) and "CAP_DAC_READ_SEARCH" in told["why"], told


# ---- what check and why say ----

def ask(agent, *words):
    done = subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=60, env=environment())
    return done.returncode, (done.stdout + done.stderr).replace(str(agent.folder.parent), "DIR")


def test_check_and_why_go_down_into_folders_as_the_agent_does(rig):
    (rig.folder / "logs/a/b").mkdir(parents=True)
    (rig.folder / "logs/.h").mkdir()
    for name in ("0.log", "a/b/1.log", "a/b/x.txt", ".h/2.log"):
        append(rig.folder / "logs" / name, "x\n")
    (rig.folder / "logs/link").symlink_to("a")
    agent = rig.agent({"app": rig.tail("logs/**/*.log")}, {"main": rig.http(rig.receiver())})
    agent.start()
    agent.stop()
    code, shown = ask(agent, "check", "--env", "-c", agent.config_path)
    assert code == 0 and "input app: DIR/logs/**/*.log: 2 of 2 files can be read\n" in shown, shown
    for name, words in (("a/b/1.log", "read to byte 2 of 2, nothing behind"),
                        ("link/b/1.log", "read to byte 2 of 2, nothing behind"),  # the same file
                        ("a/b/x.txt", "where 'x.txt' is not '*.log'"),
                        (".h/2.log", "where '.h' is not '*.log'")):
        _, shown = ask(agent, "why", "-c", agent.config_path, rig.folder / "logs" / name)
        assert words in shown, shown
