# SPDX-License-Identifier: Apache-2.0
"""The straight way: what is read arrives once, as it was, however it is written and sent."""

import base64
import json

import pytest

from rig.lines import append, check_exact, lines
from rig.receiver import Reply
from rig.waiting import wait_until

STDIN = {"app": {"type": "stdin"}}


@pytest.mark.quick
@pytest.mark.threads
def test_lines_of_standard_input_arrive_once_and_in_order(rig):
    receiver = rig.receiver()
    agent = rig.agent(STDIN, {"main": rig.http(receiver, concurrency={"max": 1})}).start_piped()
    agent.feed(lines(0, 20000))
    agent.end_input()
    lane = agent.finish().agree_with(receiver).lane()
    check_exact(receiver.bodies(), 20000)
    assert (lane.received, lane.dropped) == (20000, 0)


def test_a_json_array_is_whole_json(rig):
    receiver = rig.receiver()
    output = rig.http(receiver, format="json_array", compression="none")
    agent = rig.agent(STDIN, {"main": output}).start_piped()
    agent.feed(lines(0, 3000))
    agent.end_input()
    agent.finish().agree_with(receiver)
    assert isinstance(json.loads(receiver.requests[0].body), list)
    assert receiver.requests[0].headers["content-type"] == "application/json"
    check_exact(receiver.bodies(), 3000, in_order=False)


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd", "auto"])
def test_what_is_compressed_expands_to_the_same(rig, compression):
    receiver = rig.receiver()
    agent = rig.agent(STDIN, {"main": rig.http(receiver, compression=compression)}).start_piped()
    agent.feed(lines(0, 5000, bytes_=200))
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), 5000, in_order=False)
    coding = {"none": None, "auto": "gzip"}.get(compression, compression)
    assert {r.headers.get("content-encoding") for r in receiver.requests} == {coding}


@pytest.mark.quick
def test_a_request_says_whose_it_is_and_how_many_events_it_has(rig):
    receiver = rig.receiver()
    output = rig.http(receiver, method="PUT", headers={"X-Tenant": "blue", "X-Empty": ""},
                      batch={"max_events": 100})
    agent = rig.agent(STDIN, {"main": output}).start_piped()
    agent.feed(lines(0, 1000))
    agent.end_input()
    agent.finish().agree_with(receiver)
    heads = [request.headers for request in receiver.requests]
    assert {(h["x-tenant"], h["x-empty"]) for h in heads} == {("blue", "")}
    assert {request.method for request in receiver.requests} == {"PUT"}
    assert len({h["spillway-agent"] for h in heads}) == 1
    assert len({h["idempotency-key"] for h in heads}) == len(heads)
    assert sorted(int(h["spillway-sequence"]) for h in heads) == list(range(1, len(heads) + 1))
    for request in receiver.requests:
        assert int(request.headers["spillway-events"]) == len(request.events) <= 100
        assert "expect" not in request.headers


@pytest.mark.parametrize("auth, header", [
    ({"user": "Aladdin", "password": "open:sesame"},
     "Basic " + base64.b64encode(b"Aladdin:open:sesame").decode()),
    ({"bearer_token": "abc.def-123"}, "Bearer abc.def-123")])
def test_it_says_who_it_is(rig, auth, header):
    receiver = rig.receiver()
    receiver.rule(lambda r: None if r.headers.get("authorization") == header else Reply(401))
    agent = rig.agent(STDIN, {"main": rig.http(receiver, auth=auth)}).start_piped()
    agent.feed(lines(0, 10))
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), 10)
    secret = auth.get("password") or auth["bearer_token"]
    assert secret not in agent.log.text()


def test_events_on_standard_output_are_one_json_object_a_line(rig):
    agent = rig.agent(STDIN, {"out": {"type": "stdout"}}).start_piped()
    agent.feed(lines(0, 5000))
    agent.end_input()
    assert agent.finish().lane().delivered == 5000
    written = (agent.folder / "stdout").read_text().splitlines()
    check_exact([json.loads(text)["body"] for text in written], 5000)


@pytest.mark.quick
@pytest.mark.threads
def test_a_slow_output_does_not_hold_up_another(rig):
    """Bulkheads: the file is read once for each output, and each waits for itself alone."""
    fast, slow = rig.receiver(), rig.receiver()
    slow.hold()
    agent = rig.agent({"app": rig.tail("app.log", max_line_bytes="4KiB",
                                        lane={"capacity": "256KiB"})},
                      {"fast": rig.http(fast, batch={"max_bytes": "16KiB"}),
                       "slow": rig.http(slow, batch={"max_bytes": "16KiB"})})
    append(rig.folder / "app.log", "".join(f"{text}\n" for text in lines(0, 20000, bytes_=200)))
    agent.start()
    fast.wait_events(20000)
    assert slow.events() == []
    slow.release()
    slow.wait_events(20000)
    books = agent.stop()
    for name, receiver in (("fast", fast), ("slow", slow)):
        books.agree_with(receiver, name)
        check_exact(receiver.bodies(), 20000, in_order=False)
        assert books.lane("app", name).dropped == 0


def test_a_filter_is_counted_as_filtered_and_set_adds_attributes(rig):
    receiver = rig.receiver()
    inputs = {"app": {"type": "stdin", "processors": ["no_debug", "team"],
                      "resource": {"service.name": "shop"}}}
    processors = {"no_debug": {"type": "filter", "pattern": "^debug"},
                  "team": {"type": "set", "attributes": {"team": "payments"}}}
    agent = rig.agent(inputs, {"main": rig.http(receiver)}, processors=processors).start_piped()
    agent.feed(f"{'debug' if n % 4 == 0 else 'info'} {n}" for n in range(1000))
    agent.end_input()
    lane = agent.finish().agree_with(receiver).lane()
    assert (lane.received, lane.filtered, lane.delivered, lane.dropped) == (1000, 250, 750, 0)
    for event in receiver.events():
        assert event["body"].startswith("info")
        assert event["attributes"]["team"] == "payments"
        assert event["resource"]["service.name"] == "shop"
        assert event["resource"]["host.name"]


@pytest.mark.quick
def test_metrics_of_the_host_arrive_with_their_types_and_units(rig):
    receiver = rig.receiver()
    agent = rig.agent({"host": {"type": "host_metrics", "interval": "200ms"}},
                      {"main": rig.http(receiver)}).start()

    def names():
        return {event["name"] for event in receiver.events()}
    wanted = {"system.cpu.time", "system.memory.usage", "system.network.io"}
    wait_until(lambda: wanted <= names(), lambda: f"{wanted - names()}")
    agent.stop().agree_with(receiver)
    cpu = next(e for e in receiver.events() if e["name"] == "system.cpu.time")
    assert (cpu["type"], cpu["unit"]) == ("sum", "s") and cpu["value"] >= 0
    assert cpu["start_time"] <= cpu["time"]
    memory = next(e for e in receiver.events() if e["name"] == "system.memory.usage")
    assert memory["unit"] == "By" and memory["attributes"]["system.memory.state"]


@pytest.mark.quick
def test_the_first_event_does_not_wait_for_company(rig):
    receiver = rig.receiver()
    append(rig.folder / "app.log", "the first\n")
    agent = rig.agent({"app": rig.tail("app.log")},
                      {"main": rig.http(receiver, batch={"max_wait": "10m"})}).start()
    receiver.wait_events(1)
    agent.stop().agree_with(receiver)


@pytest.mark.threads
def test_several_workers_lose_and_repeat_nothing(rig):
    receiver = rig.receiver()
    output = rig.http(receiver, workers=4, batch={"max_bytes": "32KiB"})
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": output})
    append(rig.folder / "app.log", "".join(f"{text}\n" for text in lines(0, 30000, bytes_=150)))
    agent.start()
    receiver.wait_events(30000)
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), 30000, in_order=False)
