# SPDX-License-Identifier: Apache-2.0
"""An endpoint that misbehaves in every way: bounded time, and nothing is lost but what it refuses."""

import email.utils
import time

import pytest

from rig.lines import assert_none_missing, check_exact, lines, numbers
from rig.receiver import Reply
from rig.waiting import stays, wait_until

STDIN = {"app": {"type": "stdin"}}
COUNT = 2000


def make(rig, receiver, **options):
    output = rig.http(receiver, **{"batch": {"max_events": 500, "max_wait": "100ms"}, **options})
    return rig.agent(STDIN, {"main": output})


def check_all_came(agent, receiver, count=COUNT):
    """For faults in which an answer may be lost: nothing is missing, and batches repeat with their key."""
    receiver.wait_events(count)
    agent.end_input()
    lane = agent.finish().lane()
    assert (lane.delivered, lane.dropped) == (count, 0)
    assert_none_missing(numbers(receiver.bodies()), count)
    by_key = {}
    for request in receiver.requests:
        if request.whole:
            assert by_key.setdefault(request.key, request.text) == request.text, "a key, two contents"


FAULTS = {
    "reset": Reply(how="reset"),
    "close": Reply(how="close"),
    "half": Reply(how="half"),
    "half_error": Reply(status=500, how="half"),
    "hang": Reply(how="hang"),
    "garbage": Reply(how="garbage"),
    "endless_error": Reply(status=500, how="endless"),
    "500": Reply(500),
    "502": Reply(502, body=b"<html>" + b"x" * 100000),
    "408": Reply(408),
    "slow_answer": Reply(delay=2),
    "half_close": Reply(how="half_close"),
    "reset_midway": Reply(how="reset_midway"),
    "stall_head": Reply(how="stall_head"),
    "stall_body": Reply(how="stall_body"),
    "drip": Reply(500, how="drip"),
    "endless_head": Reply(how="endless_head"),
    "endless_line": Reply(how="endless_line"),
    "endless_interim": Reply(how="endless_interim"),
    "501": Reply(501),
    "599": Reply(599, body=b""),
    "425": Reply(425),
    "100_headers": Reply(500, headers={f"X-Header-{n}": "y" * 900 for n in range(100)}),
}


ENDED_BY_TIMEOUT = {"hang", "stall_head", "stall_body", "drip"}


@pytest.mark.threads
@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_while_it_misbehaves_and_heals(rig, fault):
    receiver = rig.receiver()
    # Those that end only by the timeout, not so often.
    faults = 2 if FAULTS[fault].how in ENDED_BY_TIMEOUT else 4
    receiver.replies(*[FAULTS[fault]] * faults)
    agent = make(rig, receiver, timeout="500ms").start_piped()
    agent.feed(lines(0, COUNT))
    check_all_came(agent, receiver)
    assert agent.log.find(level="error") == []
    came = [request.key for request in receiver.requests if request.whole]
    assert len(came) - len(set(came)) <= faults, "more batches came twice than answers were lost"


def test_an_endless_2xx_answer_counts_as_delivered_and_is_not_read_without_end(rig):
    receiver = rig.receiver()
    receiver.replies(Reply(200, how="endless"))
    agent = make(rig, receiver).start_piped()
    agent.feed(lines(0, 10))
    agent.end_input()
    assert agent.finish().lane().delivered == 10
    assert len(receiver.requests) == 1, "what it had taken was sent again"


@pytest.mark.parametrize("reply", [Reply(204, headers={"Content-Length": None}, body=b""),
                                   Reply(200, body=b""), Reply(202, body=b"\xff\x00{]"),
                                   Reply(207, body=b'{"errors":true}'), Reply(299)],
                         ids=["204", "empty", "no_json", "207", "299"])
def test_any_2xx_delivers_whatever_it_says(rig, reply):
    receiver = rig.receiver()
    receiver.always(reply)
    agent = make(rig, receiver).start_piped()
    agent.feed(lines(0, 100))
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), 100)


def test_interim_answers_are_not_the_answer(rig):
    receiver = rig.receiver()
    receiver.replies(Reply(how="interim_then_whole"))
    agent = make(rig, receiver).start_piped()
    agent.feed(lines(0, 100))
    agent.end_input()
    assert agent.finish().lane().delivered == 100
    assert len(receiver.requests) == 1 and agent.log.find(msg="request failed") == []


@pytest.mark.quick
@pytest.mark.parametrize("status", [301, 302, 304, 401, 403, 404, 405, 410, 451])
def test_a_wrong_key_or_place_is_an_outage_and_no_reason_to_drop(rig, status):
    receiver = rig.receiver()
    receiver.always(Reply(status, headers={"Location": "/elsewhere"}))
    agent = make(rig, receiver).start_piped()
    agent.feed(lines(0, COUNT))
    told = agent.wait_log(msg="circuit breaker opened")
    assert str(status) in told["reason"]
    receiver.wait_requests(3)
    assert agent.metrics().get("spillway_dropped_events_total") == 0
    receiver.always(200)
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), COUNT, in_order=False)


@pytest.mark.parametrize("kind", ["seconds", "date"])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_a_lower_bound_for_the_next_request(rig, status, kind):
    receiver = rig.receiver()

    def answer(request):
        # A date has whole seconds: two from now is at least one away.
        value = "1" if kind == "seconds" else email.utils.formatdate(time.time() + 2, usegmt=True)
        return Reply(status, headers={"Retry-After": value}) if request.number == 0 else None
    receiver.rule(answer)
    agent = make(rig, receiver).start_piped()
    agent.feed(lines(0, COUNT))
    receiver.wait_events(COUNT)
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), COUNT, in_order=False)
    gap = receiver.requests[1].at - receiver.requests[0].at
    assert 0.95 <= gap, f"asked again after {gap:.2f} s"
    assert agent.log.find(msg="circuit breaker opened") == [], "it is alive, only busy"


@pytest.mark.parametrize("status", [429, 503])
def test_an_endpoint_that_asks_for_time_is_busy_and_not_away(rig, status):
    receiver = rig.receiver()
    receiver.replies(*[Reply(status, headers={"Retry-After": "0"})] * 6)
    agent = make(rig, receiver, breaker={"failures": 3}).start_piped()
    agent.feed(lines(0, 10))
    receiver.wait_events(10)
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), 10)
    assert agent.log.find(msg="circuit breaker opened") == []


@pytest.mark.parametrize("value", ["soon", "-1", "", "99999999999999999999999", "Mon, 99 Foo 2099"])
def test_a_senseless_retry_after_does_no_harm(rig, value):
    receiver = rig.receiver()
    receiver.replies(Reply(503, headers={"Retry-After": value}))
    agent = make(rig, receiver).start_piped()
    agent.feed(lines(0, 10))
    receiver.wait_requests(1)
    if not value.startswith("9"):  # a very long one is cut to an hour; the stop does not wait for it
        receiver.wait_events(10)
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), 10)


@pytest.mark.quick
@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("format_", ["ndjson", "json_array"])
def test_413_splits_until_it_fits(rig, compression, format_):
    receiver = rig.receiver()
    receiver.rule(lambda r: 413 if len(r.text) > 40000 else None)
    agent = make(rig, receiver, batch={"max_events": 2000}, compression=compression,
                 format=format_).start_piped()
    agent.feed(lines(0, COUNT, bytes_=100))
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), COUNT, in_order=False)
    keys = [request.key for request in receiver.acknowledged()]
    assert len(set(keys)) == len(keys) and any("/" in key for key in keys), "halves have own keys"


def test_after_a_413_later_batches_are_smaller_and_it_is_said_once(rig):
    receiver = rig.receiver()
    receiver.rule(lambda r: 413 if len(r.text) > 100000 else None)
    agent = make(rig, receiver, batch={"max_events": 100000, "max_bytes": "256KiB",
                                       "max_wait": "100ms"}).start_piped()
    for first in range(0, 40000, 2000):
        agent.feed(lines(first, 2000, bytes_=100))
        receiver.wait_events(first + 2000)
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), 40000, in_order=False)
    refused = [request for request in receiver.requests if request.status == 413]
    said = agent.log.find(msg="batch size lowered")
    assert 1 <= len(refused) <= 6, "it learns from the first ones"
    assert 1 <= len(said) <= 3 and "413" in said[0]["reason"]


def test_one_event_that_is_too_large_alone_is_dropped_and_counted(rig):
    receiver = rig.receiver()
    receiver.rule(lambda r: 413 if len(r.text) > 20000 else None)
    agent = make(rig, receiver).start_piped()
    agent.feed(lines(0, 10) + ["big " + "y" * 30000] + lines(10, 10))
    agent.end_input()
    lane = agent.finish().agree_with(receiver).lane()
    assert (lane.delivered, lane.split_too_large, lane.dropped) == (20, 1, 1)
    check_exact(receiver.bodies(), 20, in_order=False)


@pytest.mark.parametrize("status", [400, 422])
def test_a_poisoned_event_is_found_by_halving_and_dropped_alone(rig, status):
    receiver = rig.receiver()
    receiver.rule(lambda r: status if b"poison" in r.text else None)
    agent = make(rig, receiver, batch={"max_events": 512, "max_wait": "100ms"}).start_piped()
    agent.feed(lines(0, 10))
    receiver.wait_events(10)  # an endpoint that took a batch may judge one
    agent.feed(lines(10, 200) + ["poison"] + lines(210, 200))
    agent.end_input()
    before = len(receiver.requests)
    lane = agent.finish().agree_with(receiver).lane()
    assert (lane.delivered, lane.refuse, lane.dropped) == (410, 1, 1)
    check_exact(receiver.bodies(), 410, in_order=False)
    assert len(receiver.requests) - before <= 2 * 2 * 10, "too many requests for one poisoned event"


def test_400_from_an_endpoint_that_never_took_a_batch_holds_the_data(rig):
    receiver = rig.receiver()
    receiver.always(400)
    agent = make(rig, receiver).start_piped()
    agent.feed(lines(0, COUNT))
    agent.wait_log(msg="circuit breaker opened")
    receiver.wait_requests(3)
    assert agent.metrics().get("spillway_dropped_events_total") == 0
    receiver.always(200)
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), COUNT, in_order=False)


@pytest.mark.quick
@pytest.mark.threads
def test_a_refused_connection_and_then_an_endpoint(rig):
    receiver = rig.receiver()
    receiver.go_away()
    agent = rig.agent(STDIN, {"main": {"type": "http", "url": receiver.url,
                                       "retry": {"base": "20ms", "cap": "100ms"},
                                       "breaker": {"rest": "20ms", "rest_max": "100ms"}}})
    agent.start_piped()
    agent.feed(lines(0, COUNT))
    agent.wait_log(msg="circuit breaker opened")
    receiver.come_back()
    receiver.wait_events(COUNT)
    agent.wait_log(msg="circuit breaker closed")
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), COUNT, in_order=False)


def test_an_endpoint_of_which_every_second_answer_is_an_error_opens_the_breaker(rig):
    receiver = rig.receiver()
    receiver.rule(lambda request: 500 if request.number % 2 else None)
    agent = make(rig, receiver, batch={"max_events": 100}, concurrency={"max": 1}).start_piped()
    agent.feed(lines(0, COUNT))
    told = agent.wait_log(msg="circuit breaker opened")
    assert told["reason"] == "half of the last 20 requests failed, the last: status 500", told
    receiver.wait_events(COUNT)
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), COUNT)


def test_while_the_breaker_is_open_one_probe_at_a_time_goes_out(rig):
    receiver = rig.receiver()
    receiver.always(500)
    agent = make(rig, receiver, breaker={"failures": 3, "rest": "200ms", "rest_max": "200ms"}).start_piped()
    agent.feed(lines(0, COUNT))
    agent.wait_log(msg="circuit breaker opened")
    receiver.always(Reply(500, delay=0.1))
    wait_until(lambda: not receiver.waiting(), "answers to those that were sent before")
    opened = len(receiver.requests)
    sealed = agent.metrics().get("spillway_batches_total", output="main")
    agent.feed(lines(COUNT, COUNT))
    stays(lambda: len(receiver.waiting()) <= 1, 1.0, "two requests at once while the breaker is open")
    assert 1 <= len(receiver.requests) - opened <= 20
    # Nothing is encoded for it either, but what was begun before.
    assert agent.metrics().get("spillway_batches_total", output="main") <= sealed + 1
    receiver.always(200)
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), 2 * COUNT, in_order=False)


def test_events_older_than_max_age_are_expired_and_counted(rig):
    receiver = rig.receiver()
    receiver.always(500)
    agent = make(rig, receiver, batch={"max_wait": "10ms"},
                 retry={"base": "20ms", "cap": "50ms", "max_age": "5s"}).start_piped()
    agent.feed(lines(0, 100))
    agent.wait_metric(100, "spillway_dropped_events_total", reason="expire")
    receiver.always(200)
    agent.feed(lines(100, 50))
    receiver.wait_events(50)
    agent.end_input()
    lane = agent.finish().agree_with(receiver).lane()
    assert (lane.delivered, lane.expire, lane.dropped) == (50, 100, 100)


def test_an_endpoint_that_reads_slowly_is_waited_for(rig):
    receiver = rig.receiver()
    receiver.replies(Reply(read_rate=200_000))
    agent = make(rig, receiver, compression="none").start_piped()
    agent.feed(lines(0, 500, bytes_=300))
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), 500, in_order=False)


def test_connections_are_kept_and_one_that_was_closed_meanwhile_costs_nothing(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver, batch={"max_wait": "10ms"}, concurrency={"max": 1}).start_piped()
    for n in range(5):
        agent.feed(lines(n, 1))
        receiver.wait_events(n + 1)
    assert receiver.accepted == 1, "each request opened a connection"
    receiver.replies(Reply(headers={"Connection": "close"}))
    agent.feed(lines(5, 1))
    receiver.wait_events(6)
    agent.feed(lines(6, 1))
    receiver.wait_events(7)
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), 7)


def test_two_outages_in_a_row_each_end_with_all_data_there(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver).start_piped()
    for n in range(2):
        before = len(agent.log.find(msg="circuit breaker opened"))
        receiver.always(Reply(how="reset"))
        agent.feed(lines(n * COUNT, COUNT))
        wait_until(lambda: len(agent.log.find(msg="circuit breaker opened")) > before, "an outage")
        receiver.always(200)
        receiver.wait_events((n + 1) * COUNT)
    check_all_came(agent, receiver, 2 * COUNT)
