# SPDX-License-Identifier: Apache-2.0
"""What start after start crashed on is set aside and counted; what was merely killed is not."""

import json
import pathlib
import signal

from rig import preload
from rig.lines import append_lines, check_exact
from rig.saved import wait_offset
from rig.waiting import wait_until

DEEP_SEND = pathlib.Path(__file__).parent / "preload/deep_send.c"
BATCH = {"batch": {"max_events": 100}, "concurrency": {"max": 1}}


def start_and_end(agent, receiver, how):
    """Dies of that signal while all lines are in hand and none was acknowledged."""
    waiting = len(receiver.waiting())
    agent.start()
    wait_until(lambda: len(receiver.waiting()) > waiting, "a batch without an answer")
    agent.wait_metric(300, "spillway_received_events_total", input="app", output="main")
    agent.kill(how)


def answer_again(receiver):
    receiver.cut_connections()  # of the starts that died: nothing was acknowledged on them
    receiver.release()


def make(rig):
    receiver = rig.receiver()
    receiver.hold()
    append_lines(rig.folder / "app.log", 0, 300, run="bad")
    return rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver, **BATCH)}), receiver


def stop_and_add_up(agent, **expected):
    lane = agent.stop().lane("app", "main")
    assert {name: lane.fields.get(name, 0) for name in expected} == expected


def set_aside(rig):
    path = rig.agents[0].state_dir / "quarantine" / "app@main"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_three_crashes_without_progress_set_aside_what_was_in_hand(rig):
    agent, receiver = make(rig)
    for _ in range(3):
        start_and_end(agent, receiver, signal.SIGABRT)
    answer_again(receiver)
    agent.start()
    agent.wait_log(msg="set aside what was in hand at the crashes", events="300")
    append_lines(rig.folder / "app.log", 0, 50, run="good")
    receiver.wait_events(50)
    stop_and_add_up(agent, received=350, delivered=50, dropped=300, quarantine_read=300)
    check_exact([record["body"] for record in set_aside(rig)], 300, run="bad")
    check_exact(receiver.bodies(), 50, run="good")
    agent.start()  # and that was all: the next start has nothing to set aside
    append_lines(rig.folder / "app.log", 50, 50, run="good")
    receiver.wait_events(100)
    stop_and_add_up(agent, received=50, delivered=50, dropped=0)


def test_kills_set_nothing_aside(rig):
    agent, receiver = make(rig)
    for _ in range(4):
        start_and_end(agent, receiver, signal.SIGKILL)
    answer_again(receiver)
    agent.start()
    receiver.wait_events(300)
    stop_and_add_up(agent, received=300, delivered=300, dropped=0)
    check_exact(receiver.bodies(), 300, run="bad")


def test_progress_between_crashes_begins_the_count_anew(rig):
    agent, receiver = make(rig)
    for _ in range(2):
        start_and_end(agent, receiver, signal.SIGABRT)
    answer_again(receiver)
    agent.start()
    receiver.wait_events(300)
    wait_offset(agent, rig.folder / "app.log")
    receiver.hold()
    append_lines(rig.folder / "app.log", 300, 300, run="bad")
    agent.wait_metric(600, "spillway_received_events_total", input="app", output="main")
    agent.kill(signal.SIGABRT)
    start_and_end(agent, receiver, signal.SIGABRT)
    answer_again(receiver)
    agent.start()
    receiver.wait_events(600)
    stop_and_add_up(agent, received=300, delivered=300, dropped=0)
    check_exact(receiver.bodies(), 600, run="bad")


def test_what_is_behind_what_was_set_aside_is_not_blamed_for_the_same_crashes(rig):
    """Once positions were saved behind it, that is over: another crash is the first of its own."""
    agent, receiver = make(rig)
    for _ in range(3):
        start_and_end(agent, receiver, signal.SIGABRT)
    agent.start()
    agent.wait_log(msg="set aside what was in hand at the crashes", events="300")
    wait_offset(agent, rig.folder / "app.log")
    append_lines(rig.folder / "app.log", 0, 50, run="good")
    agent.wait_metric(350, "spillway_received_events_total", input="app", output="main")
    agent.kill(signal.SIGABRT)
    answer_again(receiver)
    agent.start()
    receiver.wait_events(50)
    append_lines(rig.folder / "app.log", 50, 50, run="good")
    receiver.wait_events(100)
    stop_and_add_up(agent, received=100, delivered=100, dropped=0)
    check_exact(receiver.bodies(), 100, run="good")


def test_a_line_on_which_the_stack_overflows_is_set_aside(rig):
    """The fault that leaves its handler no stack to run on counts as any other."""
    receiver = rig.receiver()
    path = rig.folder / "app.log"
    path.write_text("too deep\n")
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver, compression="none", **BATCH)})
    # What a sanitizer would make of the fault is not asked for.
    agent.env = {"ASAN_OPTIONS": "handle_segv=0", "TSAN_OPTIONS": "handle_segv=0"}
    preload.load(agent, preload.build(DEEP_SEND, rig.folder))
    for _ in range(3):
        agent.launch()
        assert agent.wait_exit(expect_crash=signal.SIGSEGV) == -signal.SIGSEGV
        assert agent.log.find(msg="the agent crashed")
    agent.start()
    agent.wait_log(msg="set aside what was in hand at the crashes", events="1")
    append_lines(path, 0, 50, run="good")
    receiver.wait_events(50)
    stop_and_add_up(agent, received=51, delivered=50, dropped=1, quarantine_read=1)
    assert [record["body"] for record in set_aside(rig)] == ["too deep"]
    check_exact(receiver.bodies(), 50, run="good")
