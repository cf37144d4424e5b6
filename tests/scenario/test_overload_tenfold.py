# SPDX-License-Identifier: Apache-2.0
"""Ten times as much comes as the endpoint takes, with each overflow policy: what is missing at the
receiver is what the books call dropped, to the event. That memory stays within its bound is looked at
in every scenario; so that it means something, the events alone would be far more here."""

import threading
import time

import pytest

from rig.agent import is_sanitized
from rig.lines import line, numbers
from rig.receiver import Reply
from test_overload import Sampler

RATE = 20000  # lines/s
BATCH_EVENTS = 200
ANSWER_S = 0.1  # one request at a time: the endpoint takes a tenth
LINE_BYTES = 200

# name: (lane, reasons that may be in the books)
POLICIES = {
    "block": ({"overflow": "block"}, set()),
    "block_for": ({"overflow": "block", "block_for": "5ms"}, {"block_timeout"}),
    "drop_newest": ({"overflow": "drop_newest"}, {"shed_newest"}),
    "drop_oldest": ({"overflow": "drop_oldest"}, {"evict_oldest"}),
    "keep_0": ({"overflow": "drop_oldest", "shed": {"high": "60%", "low": "30%", "keep": "0%"}},
               {"shed_sample"}),
    "keep_10": ({"overflow": "drop_oldest", "shed": {"high": "60%", "low": "30%", "keep": "10%"}},
                {"shed_sample", "evict_oldest"}),
    "adaptive": ({"overflow": "drop_newest", "shed": {"keep": "adaptive"}},
                 {"shed_sample", "shed_newest"}),
    "severity": ({"overflow": "drop_newest", "shed": {"mode": "severity", "keep": "adaptive"}},
                 {"shed_sample", "shed_newest"}),
    "key": ({"overflow": "drop_newest", "shed": {"mode": "key", "key": "body", "keep": "adaptive"}},
            {"shed_sample", "shed_newest"}),
    "largest": ({"overflow": "drop_newest", "shed": {"mode": "largest", "keep": "adaptive"}},
                {"shed_sample", "shed_newest"}),
    "noisiest": ({"overflow": "drop_newest", "shed": {"mode": "noisiest", "keep": "adaptive"},
                  "classes": {"by": "severity"}}, {"shed_sample", "shed_newest", "shed_class"}),
}


class Flood(threading.Thread):
    """Lines into the standard input, evenly; a pipe that is full holds it up as it would a program. It
    goes on until it was enough, too: a slow machine takes longer to make an overload."""

    def __init__(self, agent, seconds, is_enough):
        super().__init__(daemon=True)
        self.count, self._agent, self._seconds, self._is_enough = 0, agent, seconds, is_enough
        self.start()

    def run(self):
        begin = time.monotonic()
        while (passed := time.monotonic() - begin) < self._seconds or not self._is_enough():
            due = int(passed * RATE) - self.count
            if due > 0:
                some = range(self.count, self.count + min(due, 500))
                self._agent.feed([line(n, bytes_=LINE_BYTES) for n in some])
                self.count += len(some)
            else:
                time.sleep(0.005)


def check_weights(receiver, books):
    """If nothing but sampling took any, those that came say how many there were: ten deviations of it."""
    weights = [event.get("attributes", {}).get("sampling.weight", 1) for event in receiver.events()]
    if books.dropped == books.shed_sample and max(weights) > 1:
        off = sum(weight * (weight - 1) for weight in weights) ** 0.5
        assert abs(sum(weights) - books.received) < 10 * off


def overload(rig, policy, seconds):
    lane, reasons = POLICIES[policy]
    receiver = rig.receiver()
    receiver.always(Reply(delay=ANSWER_S))
    output = rig.http(receiver, batch={"max_bytes": "256KiB", "max_events": BATCH_EVENTS},
                      concurrency={"max": 1})
    agent = rig.agent({"app": {"type": "stdin", "max_line_bytes": "1KiB",
                               "lane": {"capacity": "1MiB", **lane}}},
                      {"main": output}, memory_limit="8MiB").start_piped()
    sampler = Sampler(agent)
    flood = Flood(agent, seconds, lambda: not reasons or
                  agent.metrics().get("spillway_dropped_events_total") > 0)
    flood.join()
    sampler.finish()
    taken = agent.metrics().get("spillway_delivered_events_total")
    receiver.always(200)
    agent.end_input()
    books = agent.finish().agree_with(receiver).lane()
    started, stopped = (agent.log.find(msg=f"shedding {what}") for what in ("started", "stopped"))
    if seconds < 10:  # else the log holds back what is told again and again
        assert len(started) == len(stopped)
        assert sum(int(line["shed_events"]) for line in stopped) == books.shed_sample
    came = numbers(receiver.bodies())
    assert len(came) == len(set(came))
    assert books.received == flood.count and books.dropped == flood.count - len(came)
    assert books.dropped == sum(books.fields.get(reason, 0) for reason in reasons)
    assert (books.dropped > 0) == bool(reasons)
    if policy != "keep_0":
        check_weights(receiver, books)
    if not is_sanitized() and policy != "block":
        assert flood.count >= 5 * taken, f"{flood.count} came, {taken} were taken: no overload"
    return books


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_missing_is_what_is_counted(rig, policy):
    overload(rig, policy, seconds=1.5)


@pytest.mark.long
@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_missing_is_what_is_counted_also_after_a_minute(rig, policy):
    books = overload(rig, policy, seconds=60)
    print(f"{policy}: received={books.received} delivered={books.delivered} dropped={books.dropped}")
