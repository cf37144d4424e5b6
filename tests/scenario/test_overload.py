# SPDX-License-Identifier: Apache-2.0
"""More comes than can be sent: what is dropped is dropped by policy, and counted to the last event."""

import collections
import threading
import time

import pytest

from rig.lines import check_exact, line, lines, numbers
from rig.listening import connect
from rig.receiver import Reply
from rig.waiting import wait_until

COUNT = 30000
SMALL = {"capacity": "256KiB"}


class Sampler:
    """Takes all counters again and again; none may ever fall."""

    def __init__(self, agent):
        self._agent, self._last, self.samples = agent, {}, 0
        self.failure = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stop.wait(0.1):
            now = self._agent.metrics().counters()
            fallen = {k: (v, now.get(k)) for k, v in self._last.items() if now.get(k, -1) < v}
            if fallen or min(now.values(), default=0) < 0:
                self.failure = fallen or "a counter below zero"
                return
            self._last = now
            self.samples += 1

    def finish(self):
        self._stop.set()
        self._thread.join()
        assert self.failure is None, f"counters that fell: {self.failure}"
        assert self.samples > 0


def overload(rig, lane, report_interval="1s"):
    """Feeds COUNT lines while the receiver answers nothing; returns what the end needs."""
    receiver = rig.receiver()
    receiver.hold()
    # Small bounds everywhere, so that the lane is what overflows.
    agent = rig.agent({"app": {"type": "stdin", "max_line_bytes": "1KiB",
                               "lane": {**SMALL, **lane}}},
                      {"main": rig.http(receiver, batch={"max_bytes": "16KiB"}, compression="none",
                                        concurrency={"max": 1})},
                      memory_limit="8MiB", report_interval=report_interval).start_piped()
    return receiver, agent


def heal(agent, receiver):
    receiver.release()
    agent.end_input()
    return agent.finish().agree_with(receiver).lane()


@pytest.mark.quick
@pytest.mark.threads
def test_drop_oldest_keeps_the_newest_and_counts_the_rest(rig):
    receiver, agent = overload(rig, {"overflow": "drop_oldest"})
    sampler = Sampler(agent)
    agent.feed(lines(0, COUNT, bytes_=100))
    agent.wait_metric(COUNT, "spillway_lines_total")
    agent.wait_log(msg="ledger")
    agent.wait_metric(1, "spillway_dropped_events_total", reason="evict_oldest")
    sampler.finish()
    lane = heal(agent, receiver)
    came = numbers(receiver.bodies())
    assert lane.received == COUNT and lane.delivered + lane.dropped == COUNT
    assert lane.dropped == lane.evict_oldest == COUNT - len(set(came)) > 0
    assert came == sorted(came) and len(came) == len(set(came))
    newest = 1000  # they fit many times into the lane
    assert came[-newest:] == list(range(COUNT - newest, COUNT))


@pytest.mark.quick
def test_drop_newest_keeps_the_oldest(rig):
    receiver, agent = overload(rig, {"overflow": "drop_newest"})
    agent.feed(lines(0, COUNT, bytes_=100))
    agent.wait_metric(COUNT, "spillway_lines_total")
    lane = heal(agent, receiver)
    came = numbers(receiver.bodies())
    assert lane.received == COUNT and lane.dropped == lane.shed_newest == COUNT - len(came) > 0
    assert came[:1000] == list(range(1000))


def test_block_for_waits_and_then_drops_the_newest(rig):
    receiver, agent = overload(rig, {"overflow": "block", "block_for": "20ms"})
    agent.feed(lines(0, COUNT, bytes_=100))
    agent.wait_metric(1, "spillway_dropped_events_total", reason="block_timeout")
    lane = heal(agent, receiver)
    assert lane.received == COUNT and lane.delivered + lane.block_timeout == COUNT
    assert len(receiver.events()) == lane.delivered


@pytest.mark.threads
def test_block_without_an_end_loses_nothing(rig):
    receiver, agent = overload(rig, {"overflow": "block"})
    feeding = threading.Thread(target=agent.feed, args=(lines(0, COUNT, bytes_=100),))
    feeding.start()  # it waits for the pipe as a program would
    wait_until(lambda: receiver.waiting(), "a request that is held")
    receiver.release()
    feeding.join()
    lane = heal(agent, receiver)
    assert (lane.received, lane.dropped) == (COUNT, 0)
    check_exact(receiver.bodies(), COUNT)


def test_the_first_drop_is_told_at_once_whatever_the_report_interval(rig):
    receiver, agent = overload(rig, {"overflow": "drop_newest"}, report_interval="1h")
    agent.feed(lines(0, COUNT, bytes_=100))
    agent.wait_metric(1, "spillway_dropped_events_total", reason="shed_newest")
    agent.wait_log(msg="first drop", reason="shed_newest", input="app", output="main")
    heal(agent, receiver)
    assert len(agent.log.find(msg="first drop")) == 1


def test_the_first_drop_is_told_and_later_ones_are_not_each(rig):
    receiver, agent = overload(rig, {"overflow": "drop_oldest"})
    agent.feed(lines(0, COUNT, bytes_=100))
    agent.wait_log(msg="first drop", level="info", reason="evict_oldest", input="app", output="main")
    wait_until(lambda: any("evict_oldest" in r for r in agent.log.find(msg="ledger")),
               "a ledger line with the drops")
    assert len(agent.log.find(msg="first drop")) == 1
    assert len(agent.log.read()) < 500, "the log is flooded"
    heal(agent, receiver)


def test_shedding_keeps_a_known_share_and_says_its_weight(rig):
    receiver, agent = overload(rig, {"overflow": "drop_newest", "capacity": "1MiB",
                                     "shed": {"high": "50%", "low": "10%", "keep": "10%"}})
    for first in range(0, COUNT, 500):  # in pieces: the door looks at the level between them
        agent.feed(lines(first, 500, bytes_=100))
    agent.wait_metric(COUNT, "spillway_lines_total")
    agent.wait_log(msg="shedding started", input="app", output="main")
    receiver.release()
    stopped = agent.wait_log(msg="shedding stopped", input="app", output="main")  # nothing comes any more
    lane = heal(agent, receiver)
    assert float(stopped["fill"]) <= float(stopped["low"]) == 0.1
    assert int(stopped["shed_events"]) == lane.shed_sample
    assert lane.received == COUNT and lane.delivered + lane.dropped == COUNT
    weights = [event.get("attributes", {}).get("sampling.weight", 1) for event in receiver.events()]
    sampled = [weight for weight in weights if weight != 1]
    assert sampled and set(sampled) == {10}
    assert lane.shed_sample > 0
    # Ten standard deviations of the sum: 1 in 10 kept, each with weight 10.
    thrown = lane.shed_sample + len(sampled)
    assert abs(sum(sampled) - thrown) < 10 * (thrown * 0.9 * 10) ** 0.5


def test_by_key_all_lines_of_a_key_are_kept_or_none(rig):
    receiver, agent = overload(rig, {"capacity": "2MiB", "overflow": "drop_newest",
                                     "shed": {"high": "10%", "low": "1%", "keep": "25%",
                                              "mode": "key", "key": "body"}})
    agent.feed([f"fill.{n}.{'x' * 200}" for n in range(2000)])
    agent.wait_log(msg="shedding started")
    keys, times = 2000, 4
    for _ in range(times):
        agent.feed([f"key.{n}" for n in range(keys)])
    agent.wait_metric(2000 + keys * times, "spillway_lines_total")
    lane = heal(agent, receiver)
    kept = [event for event in receiver.events() if event["body"].startswith("key.")]
    counts = collections.Counter(event["body"] for event in kept)
    assert set(counts.values()) == {times} and lane.dropped == lane.shed_sample
    assert 0.2 * keys < len(counts) < 0.3 * keys
    assert {event["attributes"]["sampling.weight"] for event in kept} == {4}


def test_by_severity_errors_are_kept_longest(rig):
    receiver = rig.receiver()
    receiver.hold()
    agent = rig.agent({"app": {"type": "syslog", "listen": ["tcp://127.0.0.1:0"],
                               "lane": {"capacity": "2MiB", "overflow": "drop_newest",
                                        "shed": {"high": "10%", "low": "1%", "mode": "severity",
                                                 "severity": {"debug": "10%", "info": "20%"}}}}},
                      {"main": rig.http(receiver, batch={"max_bytes": "16KiB"},
                                        compression="none", concurrency={"max": 1})},
                      memory_limit="16MiB", report_interval="1s").start()
    priorities = {"debug": 7, "info": 6, "warn": 4, "error": 3}  # of user, 1
    each = 1000
    with connect(agent, "tcp") as sender:
        sender.sendall(b"".join(b"<14>fill: %s\n" % (b"x" * 400) for _ in range(each)))
        agent.wait_log(msg="shedding started", input="app", output="main")
        sender.sendall("".join(f"<{8 + priority}>app: {name}.{n}\n" for n in range(each)
                               for name, priority in priorities.items()).encode())
        agent.wait_metric(each * (1 + len(priorities)), "spillway_lines_total")
        receiver.release()
        stopped = agent.wait_log(msg="shedding stopped", input="app", output="main")
    lane = agent.stop().agree_with(receiver).lane()
    kept = {name: [event for event in receiver.events() if event["body"].startswith(f"{name}.")]
            for name in priorities}
    assert len(kept["error"]) == each, "an error was shed"
    assert 50 < len(kept["debug"]) < 150 < len(kept["info"]) < 260 < 400 < len(kept["warn"]) < 600
    weight = {name: {event["attributes"].get("sampling.weight", 1) for event in events}
              for name, events in kept.items()}
    assert weight == {"debug": {10}, "info": {5}, "warn": {2}, "error": {1}}
    assert lane.dropped == lane.shed_sample == int(stopped["shed_events"])
    shed = dict(part.split("=") for part in stopped["shed_by_severity"].split())
    assert int(shed["debug"]) == each - len(kept["debug"]) and "error" not in shed


def test_the_largest_events_go_first(rig):
    receiver, agent = overload(rig, {"capacity": "2MiB", "overflow": "drop_newest",
                                     "shed": {"high": "30%", "low": "1%", "keep": "40%",
                                              "mode": "largest"}})
    fed = 0
    for fed in range(0, 12000, 100):  # one in four is large, and they are most of the bytes
        agent.feed([line(fed + n, "large" if n % 4 == 0 else "small", 900 if n % 4 == 0 else 50)
                    for n in range(100)])
    fed += 100
    agent.wait_metric(fed, "spillway_lines_total")
    agent.wait_log(msg="shedding started", input="app", output="main")
    lane = heal(agent, receiver)
    weights = {run: [event.get("attributes", {}).get("sampling.weight", 1)
                     for event in receiver.events() if event["body"].startswith(run)]
               for run in ("large", "small")}
    assert lane.dropped == lane.shed_sample > 0
    assert len(weights["small"]) == sum(weights["small"]) == fed * 3 // 4, "a small one was shed"
    assert max(weights["large"]) > 2
    off = sum(weight * (weight - 1) for weight in weights["large"]) ** 0.5  # one standard deviation
    assert abs(sum(weights["large"]) - fed // 4) < 10 * off


def test_adaptive_shedding_holds_the_lane_between_the_marks_and_ends_by_itself(rig):
    receiver = rig.receiver()
    receiver.always(Reply(delay=0.05))  # 16 KiB every 50 ms, one at a time
    agent = rig.agent({"app": {"type": "stdin", "max_line_bytes": "1KiB",
                               "lane": {"capacity": "1MiB", "overflow": "drop_newest",
                                        "shed": {"keep": "adaptive"}}}},
                      {"main": rig.http(receiver, batch={"max_bytes": "16KiB", "max_wait": "50ms"},
                                        compression="none", concurrency={"max": 1})},
                      memory_limit="8MiB").start_piped()
    fed, fills = 0, []
    end = time.monotonic() + 12
    while time.monotonic() < end or not fills:
        if fed < 1000 + 4 * len(receiver.events()):  # four times what leaves, however slow the machine
            agent.feed(lines(fed, 200, bytes_=250))
            fed += 200
        time.sleep(0.05)
        if agent.log.find(msg="shedding started"):
            metrics = agent.metrics()
            fills.append(metrics.get("spillway_lane_used_bytes")
                         / metrics.get("spillway_lane_capacity_bytes"))
    assert agent.metrics().get("spillway_lane_oldest_seconds") >= 0
    assert not agent.log.find(msg="shedding stopped")
    receiver.always(Reply())
    for _ in range(200):  # a trickle: all of it is kept, and after 5 s that is told
        agent.feed(lines(fed, 1, bytes_=250))
        fed += 1
        time.sleep(0.1)
        if agent.log.find(msg="shedding stopped"):
            break
    started = agent.wait_log(msg="shedding started", input="app", output="main")
    stopped = agent.wait_log(msg="shedding stopped", input="app", output="main")
    agent.end_input()
    lane = agent.finish().agree_with(receiver).lane()
    assert float(started["fill"]) >= 0.8 and int(started["bytes"]) > 0
    assert int(stopped["shed_events"]) == lane.shed_sample
    assert stopped["shed_by_severity"] == f"info={lane.shed_sample}"
    assert len(agent.log.find(msg="shedding started")) == 1
    assert lane.received == fed and lane.dropped == lane.shed_sample > fed / 4
    assert lane.shed_newest == 0 and max(fills) < 0.95
    kept = sum(event.get("attributes", {}).get("sampling.weight", 1) for event in receiver.events())
    assert abs(kept - fed) < 0.1 * fed


def test_a_record_larger_than_the_lane_takes_is_counted_and_the_rest_goes_on(rig):
    receiver = rig.receiver()
    agent = rig.agent({"app": {"type": "stdin"}},
                      {"main": rig.http(receiver, batch={"max_bytes": "4KiB"})}).start_piped()
    agent.feed(["before", "y" * 20000, "after"])
    agent.end_input()
    lane = agent.finish().agree_with(receiver).lane()
    assert [event["body"] for event in receiver.events()] == ["before", "after"]
    assert (lane.received, lane.delivered, lane.too_large, lane.dropped) == (3, 2, 1, 1)
