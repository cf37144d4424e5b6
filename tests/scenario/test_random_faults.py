# SPDX-License-Identifier: Apache-2.0
"""A bad afternoon: faults of the endpoint in random order, and kill -9 in between. Then the endpoint
heals, and every line was delivered or is counted. --seed repeats the order of the faults."""

import random
import threading
import time

import pytest

from rig.lines import Writer, assert_none_missing, line, numbers
from rig.receiver import Reply
from rig.wire import FAULTS as WIRE_FAULTS
from rig.waiting import wait_until

STATUSES = [301, 401, 404, 408, 429, 500, 502, 503, 504]
SENSELESS = ["soon", "-1", "", "1e3", "0x10", "Mon, 99 Foo 2099", "Thu, 01 Jan 1970 00:00:00 GMT", "0"]


class Trouble:
    """Picks what goes wrong next and does it to the receiver; heal() ends all of it."""

    def __init__(self, receiver, chance):
        self._receiver, self._chance = receiver, chance
        self.names = []
        self._undo = lambda: None

    def _reply(self, reply, share):
        # A rule draws in the order of the requests, which is the kernel's: only the faults repeat.
        lot = random.Random(self._chance.random())
        self._receiver.rule(lambda request: reply if lot.random() < share else None)
        return lambda: self._receiver.rule(None)

    def _status(self, share):
        headers = {}
        if self._chance.random() < 0.3:
            headers["Retry-After"] = self._chance.choice(SENSELESS)
        return self._reply(Reply(self._chance.choice(STATUSES), headers=headers), share)

    def _wire(self, share):
        how = self._chance.choice(sorted(WIRE_FAULTS))
        self.names[-1] += f" {how}"
        # These count as answers: with 200 more is delivered than was acknowledged.
        whole = how in ("endless", "interim_then_whole")
        status = 500 if whole else self._chance.choice([200, 500])
        return self._reply(Reply(status, how=how), share)

    def _slow(self, share):
        return self._reply(Reply(delay=self._chance.uniform(0.05, 0.8)), share)

    def _slow_reader(self, share):
        self._receiver.always(Reply(read_rate=self._chance.choice([1000, 20000])))
        return lambda: self._receiver.always(200)

    def _refused(self, share):
        self._receiver.go_away()
        return self._receiver.come_back

    def _deaf(self, share):
        self._receiver.deafen()
        return self._receiver.hear

    def _cut(self, share):
        self._receiver.cut_connections()
        return lambda: None

    def _too_large(self, share):
        most = self._chance.choice([2000, 20000])
        self._receiver.rule(lambda request: 413 if len(request.text) > most else None)
        return lambda: self._receiver.rule(None)

    def next(self):
        self.heal()
        kind = self._chance.choice(["_status", "_wire", "_wire", "_slow", "_slow_reader", "_refused", "_deaf",
                                    "_cut", "_too_large"])
        self.names.append(kind)
        self._undo = getattr(self, kind)(self._chance.choice([0.2, 0.6, 1]))

    def heal(self):
        self._undo()
        self._undo = lambda: None


def output(rig, receiver):
    return rig.http(receiver, timeout="400ms",
                    batch={"max_bytes": "32KiB", "max_events": 200, "max_wait": "50ms"})


def check_keys(receiver):
    """A key stands for one content, whatever happened to the request that brought it."""
    by_key = {}
    for request in receiver.requests:
        if request.whole:
            assert by_key.setdefault(request.key, request.text) == request.text, "a key, two contents"


def check_bad_afternoon(rig, seed, steps):
    """A file can be read again: nothing may be missing, whatever was killed when."""
    chance = random.Random(seed)
    receiver = rig.receiver()
    trouble = Trouble(receiver, chance)
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": output(rig, receiver)}).start()
    writer = Writer(rig.folder / "app.log", burst=20, pause=0.02)
    for _ in range(steps):
        trouble.next()
        time.sleep(chance.uniform(0.05, 0.6))
        if chance.random() < 0.3:
            agent.kill()
            trouble.names.append("kill")
            agent.start()
    trouble.heal()
    print("faults:", ", ".join(trouble.names))
    written = writer.stop()
    wait_until(lambda: len(set(numbers(receiver.bodies()))) == written, pause=0.2,
               what=lambda: f"{written} lines; there are {len(set(numbers(receiver.bodies())))}")
    lane = agent.stop().lane()
    assert_none_missing(numbers(receiver.bodies()), written)
    assert (lane.dropped, lane.lost) == (0, 0)
    check_keys(receiver)


class Feeder(threading.Thread):
    """Lines into the standard input at a steady pace."""

    def __init__(self, agent):
        super().__init__(daemon=True)
        self.count, self._agent, self._over = 0, agent, threading.Event()
        self.start()

    def run(self):
        while not self._over.wait(0.01):
            self._agent.feed([line(n, bytes_=200) for n in range(self.count, self.count + 50)])
            self.count += 50

    def stop(self):
        self._over.set()
        self.join()
        self._agent.end_input()
        return self.count


def check_small_lane(rig, seed, steps):
    """What cannot be read again is pushed out of a small lane: exactly that is missing."""
    chance = random.Random(seed)
    receiver = rig.receiver()
    trouble = Trouble(receiver, chance)
    agent = rig.agent({"app": {"type": "stdin", "max_line_bytes": "1KiB",
                               "lane": {"capacity": "256KiB", "overflow": "drop_oldest"}}},
                      {"main": {**output(rig, receiver), "compression": "none"}}, memory_limit="8MiB")
    agent.start_piped()
    feeder = Feeder(agent)
    for _ in range(steps):
        trouble.next()
        time.sleep(chance.uniform(0.05, 0.6))
    # At last an outage that is longer than the lane can bear.
    trouble.heal()
    receiver.always(503)
    agent.wait_metric(1, "spillway_dropped_events_total", reason="evict_oldest")
    receiver.always(200)
    print("faults:", ", ".join(trouble.names))
    count = feeder.stop()
    lane = agent.finish().lane()
    came = set(numbers(receiver.bodies()))
    assert (lane.received, lane.delivered) == (count, len(came))
    assert lane.dropped == lane.evict_oldest == count - len(came) > 0
    check_keys(receiver)


def test_faults_and_kills_in_random_order_lose_nothing(rig, seed):
    check_bad_afternoon(rig, seed, steps=12)


def test_faults_in_random_order_and_a_small_lane_miss_what_is_counted(rig, seed):
    check_small_lane(rig, seed, steps=8)


@pytest.mark.long
def test_a_hundred_bad_minutes_in_short(rig, seed):
    check_bad_afternoon(rig, seed, steps=300)


@pytest.mark.long
def test_a_hundred_bad_minutes_with_a_small_lane(rig, seed):
    check_small_lane(rig, seed, steps=300)
