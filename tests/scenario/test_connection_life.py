# SPDX-License-Identifier: Apache-2.0
"""Connections end in the middle of life, announced or not: that costs neither a line nor a failure."""

import random
import time

import pytest

from rig.lines import check_exact, lines

ROUNDS = 40


def start(rig, receiver):
    # A backoff would be noticed: it would wait for half a minute on the mean.
    output = rig.http(receiver, batch={"max_wait": "1ms"}, concurrency={"max": 1},
                      retry={"base": "60s", "cap": "60s"})
    return rig.agent({"app": {"type": "stdin"}}, {"main": output}).start_piped()


def finish(agent, receiver, count):
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), count)
    assert agent.log.find(msg="circuit breaker opened") == []
    assert agent.log.find(msg="request failed") == [], "a connection that ended is no failure"


def test_an_endpoint_that_closes_idle_connections_at_any_moment(rig, seed):
    """Pauses are about as long as it waits: it closes just before, while and just after a request comes."""
    chance = random.Random(seed)
    receiver = rig.receiver()
    receiver.keep_alive_s = 0.03
    agent = start(rig, receiver)
    for n in range(ROUNDS):
        agent.feed(lines(n, 1))
        receiver.wait_events(n + 1)
        time.sleep(chance.uniform(0.02, 0.04))
    assert receiver.accepted > 5, "it closed nothing"
    finish(agent, receiver, ROUNDS)


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
@pytest.mark.parametrize("requests", [1, 3])
def test_an_endpoint_that_closes_after_some_requests_without_a_word(rig, requests, late):
    """Late: when the next request is on its way already, so that nobody can see it in time."""
    receiver = rig.receiver()
    receiver.requests_per_connection, receiver.closes_late = requests, late
    agent = start(rig, receiver)
    for n in range(ROUNDS):
        agent.feed(lines(n, 1))
        receiver.wait_events(n + 1)
    assert receiver.accepted >= ROUNDS // requests
    finish(agent, receiver, ROUNDS)
