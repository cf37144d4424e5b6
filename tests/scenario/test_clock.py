# SPDX-License-Identifier: Apache-2.0
"""The wall clock is stepped by an hour, forward and back, as an operator or a time server does it: no
timer hangs or bursts, no data ages. By libfaketime, which does not go with sanitizers: these scenarios
are run with the release build alone."""

import calendar
import email.utils
import glob
import time

import pytest

from rig.listening import connect
from rig.lines import append_lines, check_exact, lines
from rig.receiver import Reply
from rig.waiting import wait_until

LIBRARY = (glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1") or [None])[0]
pytestmark = [pytest.mark.release,
              pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed")]
STEPS = pytest.mark.parametrize("step", ["+3600", "-3600"])


class Clock:
    """The wall clock of one agent; its monotonic clocks go on as they do under a real step."""

    def __init__(self, agent):
        self._agent, self._file = agent, agent.folder / "faketime"
        self.step("+0")
        agent.env = {"LD_PRELOAD": LIBRARY, "FAKETIME_TIMESTAMP_FILE": str(self._file),
                     "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                     "NO_FAKE_STAT": "1"}

    def step(self, seconds):
        tmp = self._file.with_suffix(".tmp")
        tmp.write_text(seconds)
        tmp.rename(self._file)

    def wait_seen(self, seconds):
        """Until the agent's own log has a line from the other hour; reports come each second."""
        def seen():
            record = self._agent.log.read()[-1]
            at = time.strptime(record["time"][:19], "%Y-%m-%dT%H:%M:%S")
            return abs(calendar_s(at) - time.time() - int(seconds)) < 60
        wait_until(seen, "a log line after the step")


def calendar_s(moment):
    return time.mktime((*moment[:8], 0)) - time.timezone


def start(rig, receiver, inputs=None, **options):
    output = rig.http(receiver, **{"batch": {"max_wait": "100ms"}, **options})
    agent = rig.agent(inputs or {"app": {"type": "stdin"}}, {"main": output})
    clock = Clock(agent)
    return agent.start_piped(), clock


def seconds_of(look, more):
    """How long it takes until the figure has grown by so much."""
    begin, first = time.monotonic(), look()
    wait_until(lambda: look() >= first + more, lambda: f"{more} more than {first}: {look()}")
    return time.monotonic() - begin


@STEPS
def test_retries_go_on_at_their_pace_and_nothing_expires(rig, step):
    receiver = rig.receiver()
    receiver.always(503)
    agent, clock = start(rig, receiver, retry={"base": "100ms", "cap": "200ms", "max_age": "30m"},
                         breaker={"rest": "100ms", "rest_max": "200ms"})
    agent.feed(lines(0, 1000))
    agent.wait_log(msg="circuit breaker opened")
    seconds_of(lambda: len(receiver.requests), 10)
    clock.step(step)
    took = seconds_of(lambda: len(receiver.requests), 20)  # it goes on, and not for an hour at once
    agent.feed(lines(1000, 10))  # so that there is a report
    clock.wait_seen(step)
    assert took > 0.5, f"20 requests within {took} s, and a rest is 0.05 s or more"
    receiver.always(200)
    receiver.wait_events(1010)
    agent.end_input()
    lane = agent.finish().agree_with(receiver).lane()
    assert (lane.delivered, lane.dropped) == (1010, 0)


@STEPS
def test_max_age_is_counted_on_a_clock_that_is_not_stepped(rig, step):
    receiver = rig.receiver()
    receiver.always(500)
    agent, clock = start(rig, receiver, retry={"base": "20ms", "cap": "50ms", "max_age": "5s"})
    begin = time.monotonic()
    agent.feed(lines(0, 100))
    receiver.wait_requests(1)
    clock.step(step)
    agent.wait_metric(100, "spillway_dropped_events_total", reason="expire")
    assert time.monotonic() - begin > 4.5, "they aged by the step"
    clock.wait_seen(step)
    receiver.always(200)
    agent.feed(lines(100, 50))
    receiver.wait_events(50)
    agent.end_input()
    lane = agent.finish().agree_with(receiver).lane()
    assert (lane.delivered, lane.expire, lane.dropped) == (50, 100, 100)


@STEPS
def test_a_pause_that_was_asked_for_by_date_ends_when_it_should(rig, step):
    receiver = rig.receiver()


    def answer(request):
        at = email.utils.formatdate(time.time() + 3, usegmt=True)
        return Reply(503, headers={"Retry-After": at}) if request.number == 0 else None
    receiver.rule(answer)
    agent, clock = start(rig, receiver)
    agent.feed(lines(0, 10))
    agent.wait_log(msg="request failed")  # so it has read the answer
    clock.step(step)
    receiver.wait_events(10)
    gap = receiver.requests[1].at - receiver.requests[0].at
    assert gap > 1.5, f"asked again after {gap:.1f} s"
    agent.end_input()
    agent.finish().agree_with(receiver)


@STEPS
def test_batches_collections_and_saves_go_on_without_a_burst(rig, step):
    receiver = rig.receiver()
    path = rig.folder / "app.log"
    append_lines(path, 0, 100)
    inputs = {"app": rig.tail("app.log"), "host": {"type": "host_metrics", "interval": "200ms"}}
    agent, clock = start(rig, receiver, inputs)
    wait_until(lambda: len(receiver.bodies()) > 100, "the first lines and samples")

    def sampled():
        return len({event["time"] for event in receiver.events() if event.get("name") == "system.memory.usage"})

    seconds_of(sampled, 3)
    clock.step(step)
    took = seconds_of(sampled, 10)
    assert took > 1, f"10 samplings within {took} s, and they are 0.2 s apart"
    clock.wait_seen(step)
    checkpoint = agent.state_dir / "checkpoints" / "app@main"
    saved = checkpoint.stat().st_ino
    append_lines(path, 100, 100)
    wait_until(lambda: checkpoint.stat().st_ino != saved, "another checkpoint")
    agent.stop()
    check_exact(receiver.bodies(), 200)


def test_a_stamp_without_a_year_is_of_the_nearest_one_whatever_the_clock_does(rig):
    receiver = rig.receiver()
    agent, clock = start(rig, receiver, {"syslog": {"type": "syslog", "listen": "udp://127.0.0.1:0",
                                                    "time_zone": "UTC"}})
    cases = [  # the clock, and what comes then of stamps
        ("2026-12-31 23:59:30", {"Jan  1 00:00:10": "2027-01-01T00:00:10", "Dec 31 23:59:20": "2026-12-31T23:59:20"}),
        ("2027-01-01 00:00:30", {"Dec 31 23:59:50": "2026-12-31T23:59:50", "Jan  1 00:00:20": "2027-01-01T00:00:20"}),
        ("2039-02-28 12:00:00", {"Feb 28 11:59:59": "2039-02-28T11:59:59"}),
        ("2028-02-29 12:00:00", {"Feb 29 11:59:59": "2028-02-29T11:59:59"}),
    ]
    with connect(agent, "udp") as sender:
        for now, stamps in cases:
            at = calendar.timegm(time.strptime(now, "%Y-%m-%d %H:%M:%S"))
            clock.step(f"{at - time.time():+.0f}")
            for stamp, wanted in stamps.items():
                came = len(receiver.events())
                sender.send(f"<13>{stamp} host app: {now} {stamp}".encode())
                event = receiver.wait_events(came + 1)[came]
                assert event["body"] == f"{now} {stamp}"
                assert event["time"][:19] == wanted
                assert event["observed_time"][:13] in (now[:13].replace(" ", "T"), wanted[:13])
    assert agent.metrics().get("spillway_lines_unparsed_total") == 0
    agent.stop().agree_with(receiver)
