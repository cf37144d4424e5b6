# SPDX-License-Identifier: Apache-2.0
"""What holds an output up is told once, with its cause, and so is its end."""

import subprocess
import time

import pytest

from rig.lines import check_exact, lines
from rig.receiver import Reply
from rig.waiting import wait_until

STDIN = {"app": {"type": "stdin"}}
NONE, CPU, ENDPOINT = 0, 2, 4
CAUSE = "spillway_saturation_cause"


def make(rig, receiver, **options):
    output = rig.http(receiver, **{"batch": {"max_events": 100, "max_wait": "50ms"}, **options})
    return rig.agent(STDIN, {"main": output}).start_piped()


def wait_cause(agent, cause):
    wait_until(lambda: agent.metrics().get(CAUSE, output="main") == cause,
               lambda: f"the cause {cause}\n{agent.log.text()}")


@pytest.mark.quick
def test_a_slow_endpoint_is_the_cause_until_it_is_quick_again(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver, concurrency={"max": 1})
    receiver.always(Reply(delay=0.5))
    agent.feed(lines(0, 10000))  # more than it takes until that was seen
    told = agent.wait_log(msg="output held up")
    assert (told["output"], told["cause"], told["before"]) == ("main", "endpoint", "none")
    assert float(told["blocked"]) >= 0.5 and told["limit"] == "1"
    assert agent.metrics().get(CAUSE, output="main") == ENDPOINT
    assert agent.metrics().get("spillway_saturation", output="main") >= 0.5
    receiver.always(200)
    receiver.wait_events(10000)
    over = agent.wait_log(msg="output no longer held up")
    assert (over["cause"], over["before"]) == ("none", "endpoint")
    assert agent.metrics().get(CAUSE, output="main") == NONE
    assert agent.metrics().get("spillway_wait_p99_seconds", output="main") >= 0.5
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), 10000)
    assert len(agent.log.find(msg="output held up")) == 1, "it flapped"


def test_an_endpoint_that_is_away_is_the_cause(rig):
    receiver = rig.receiver()
    receiver.always(500)
    agent = make(rig, receiver)
    agent.feed(lines(0, 20))
    agent.wait_log(msg="circuit breaker opened")
    agent.feed(lines(20, 980))  # which wait for it; what was batched before does not hold up more
    wait_cause(agent, ENDPOINT)
    assert "wait_p99_ms" not in agent.wait_log(msg="output held up"), "nothing has arrived yet"
    receiver.always(200)
    receiver.wait_events(1000)
    wait_cause(agent, NONE)
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), 1000, in_order=False)


def test_an_output_that_keeps_up_is_held_up_by_nothing(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver)
    fed = 0
    ends = time.monotonic() + 6
    while time.monotonic() < ends:
        agent.feed(lines(fed, 20))
        fed += 20
        receiver.wait_events(fed)  # it keeps up, however slow the machine
    assert agent.metrics().get(CAUSE, output="main") == NONE
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), fed, in_order=False)
    assert agent.log.find(msg="output held up") == []


def test_more_than_the_workers_can_encode_is_the_processors_fault(rig):
    agent = rig.agent({"app": {"type": "generator", "rate": "1000000/s"}},
                      {"main": {"type": "stdout", "compression": "gzip", "compression_level": 9}})
    agent.start(stdout=subprocess.DEVNULL)
    told = agent.wait_log(msg="output held up", cause="cpu")
    assert float(told["busy"]) > float(told["blocked"]) and float(told["busy"]) + float(told["blocked"]) >= 0.9
    assert agent.metrics().get(CAUSE, output="main") == CPU
    agent.stop()
