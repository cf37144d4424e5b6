# SPDX-License-Identifier: Apache-2.0
"""When it is tried again: a random time between zero and a bound that doubles; never before the endpoint
allows it; and together with others only as far as chance has it."""

import pytest

from rig.lines import check_exact, lines
from rig.receiver import Reply

BASE_S, CAP_S = 0.1, 0.4
TRIES = 8
SLACK_S = 10  # for a slow and busy machine: how long each wait is, is asked of tests/unit/delivery


class Trial:
    """One batch that fails so often."""

    def __init__(self, rig, replies, base_s=BASE_S, cap_s=CAP_S):
        self._tries = len(replies) + 1
        self._receiver = rig.receiver()
        self._receiver.replies(*replies)
        output = rig.http(self._receiver, batch={"max_wait": "100ms"},
                          retry={"base": f"{int(base_s * 1000)}ms", "cap": f"{int(cap_s * 1000)}ms"},
                          breaker={"failures": 1000})
        self._agent = rig.agent({"app": {"type": "stdin"}}, {"main": output}).start_piped()
        self._agent.feed(lines(0, 100))

    def gaps(self):
        """The times between the attempts, once the last one was good."""
        self._receiver.wait_events(100)
        self._agent.end_input()
        self._agent.finish().agree_with(self._receiver)
        check_exact(self._receiver.bodies(), 100)
        requests = self._receiver.requests
        assert len({request.key for request in requests}) == 1, "a retry has the same key"
        assert self._agent.log.find(msg="circuit breaker opened") == []
        assert len(self._agent.log.find(msg="request failed")) == 1, "a line for each repetition"
        assert len(requests) == self._tries
        return [later.at - sooner.at for sooner, later in zip(requests, requests[1:])]


def test_each_wait_is_between_zero_and_a_bound_that_doubles_and_two_agents_differ(rig):
    trials = [Trial(rig, [500] * TRIES) for _ in "ab"]
    first, second = [trial.gaps() for trial in trials]
    bounds = [min(CAP_S, BASE_S * 2 ** n) for n in range(TRIES)]
    for gaps in (first, second):
        assert all(0 <= gap <= bound + SLACK_S for gap, bound in zip(gaps, bounds)), gaps
    # Two draws from 0.1 s or more are that close with a chance of 2 in 5 at most, here all but one of 8.
    apart = sum(abs(a - b) > 0.02 for a, b in zip(first, second))
    assert apart >= 2, f"{first} and {second} are the same waits"


@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_that_was_asked_for_is_a_floor_and_little_more(rig, status):
    gaps = Trial(rig, [Reply(status, headers={"Retry-After": "1"})]).gaps()
    assert 1 <= gaps[0] + 0.01 <= 1.2 + SLACK_S, gaps


def test_the_bound_stops_to_double_at_the_cap(rig):
    """Eighteen times twice as long would be an hour. Of twenty requests that failed the breaker makes an end."""
    assert len(Trial(rig, [500] * 18, base_s=0.01, cap_s=0.01).gaps()) == 18
