# SPDX-License-Identifier: Apache-2.0
"""Batches of the spool that start after start crashed on are set aside, counted, and kept where they
can be put back; what was merely killed is not."""

import os
import signal

from rig.lines import check_exact, lines, numbers
from rig.waiting import wait_until

OUTPUT = {"concurrency": {"min": 1, "max": 1}, "batch": {"max_events": 100, "max_wait": "100ms"},
          "retry": {"base": "50ms", "cap": "200ms"},
          "breaker": {"failures": 1, "rest": "100ms", "rest_max": "300ms"},
          "spool": {"max_bytes": "16MiB", "min_free": "0"}}
SAID = "batches of the spool set aside"


def spooled(rig, count):
    receiver = rig.receiver()
    receiver.always(503)
    agent = rig.agent({"app": {"type": "stdin"}}, {"main": rig.http(receiver, **OUTPUT)},
                      shutdown_grace="5s")
    agent.start_piped()
    agent.feed(lines(0, count))
    agent.wait_metric(count, "spillway_received_events_total", input="app", output="main")
    agent.end_input()
    assert agent.finish().lane().spool == count
    receiver.always(200)
    receiver.hold()
    return agent, receiver


def start_and_end(agent, receiver, how):
    """Dies of that signal while batches of the spool are in hand and none was acknowledged."""
    waiting = len(receiver.waiting())
    agent.start_piped()
    wait_until(lambda: len(receiver.waiting()) > waiting, "a batch without an answer")
    agent.wait_metric(4, "spillway_spool_in_hand", output="main")  # in flight, and read ahead
    agent.kill(how)


def answer_again(receiver):
    receiver.cut_connections()
    receiver.release()


def drain(agent):
    wait_until(lambda: agent.metrics().get("spillway_stock_events", account="spool", output="main")
               == 0, "an empty spool")
    agent.end_input()
    return agent.finish().lane()


def spool_folder(agent):
    return agent.state_dir / "spool" / "main"


def test_three_crashes_set_aside_what_was_in_hand_and_it_can_be_put_back(rig):
    agent, receiver = spooled(rig, 1000)
    for _ in range(3):
        start_and_end(agent, receiver, signal.SIGABRT)
    answer_again(receiver)
    agent.start_piped()
    said = agent.wait_log(msg=SAID)
    aside = int(said["events"])
    assert (said["batches"], said["not_kept"]) == ("4", "0") and 0 < aside <= 400
    lane = drain(agent)
    assert (lane.received, lane.delivered, lane.dropped) == (1000, 1000 - aside, aside)
    assert lane.quarantine_spool == aside
    assert numbers(receiver.bodies()) == list(range(aside, 1000))
    assert not agent.log.find(msg="files in the spool are left alone")
    kept = spool_folder(agent) / "quarantine" / said["file"]
    os.rename(kept, spool_folder(agent) / said["file"])
    agent.start_piped()
    lane = drain(agent)
    assert (lane.received, lane.delivered, lane.dropped) == (aside, aside, 0)
    check_exact(receiver.bodies(), 1000, in_order=False)


def test_kills_set_nothing_of_the_spool_aside(rig):
    agent, receiver = spooled(rig, 600)
    for _ in range(4):
        start_and_end(agent, receiver, signal.SIGKILL)
    answer_again(receiver)
    agent.start_piped()
    lane = drain(agent)
    assert (lane.delivered, lane.dropped) == (600, 0)
    assert not agent.log.find(msg=SAID)
    assert not (spool_folder(agent) / "quarantine").exists()
    check_exact(receiver.bodies(), 600)


def test_a_batch_that_left_the_spool_begins_the_count_anew(rig):
    agent, receiver = spooled(rig, 1000)
    for _ in range(2):
        start_and_end(agent, receiver, signal.SIGABRT)
    answer_again(receiver)
    receiver.replies(200)
    receiver.always(503)
    agent.start_piped()
    agent.wait_metric(1, "spillway_delivered_events_total", input="app", output="main")
    agent.wait_metric(1, "spillway_spool_in_hand", output="main")
    agent.kill(signal.SIGABRT)
    receiver.always(200)
    agent.start_piped()
    lane = drain(agent)
    assert lane.dropped == 0
    assert not agent.log.find(msg=SAID)
    assert set(numbers(receiver.bodies())) == set(range(1000))
