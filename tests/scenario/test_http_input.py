# SPDX-License-Identifier: Apache-2.0
"""What is sent over HTTP: an answer of 200 is kept, and whatever else is answered is not taken."""

import gzip
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import ssl
import threading
import time
import zlib

import pytest

from rig import yaml, zstd
from rig.http_sender import Sender, address_of, await_end, connect, curl, ndjson, needs_curl
from rig.lines import check_exact, lines, numbers
from rig.receiver import Reply
from rig.waiting import DEADLINE_S, stays, wait_until
from test_tls import Certificates

EXAMPLE = pathlib.Path(__file__).parents[2] / "config" / "examples" / "http-input.yaml"
# So little that some ten thousand events fill it all.
SMALL = {"max_body_bytes": "1MiB", "max_pending_bytes": "2MiB", "lane": {"capacity": "1MiB"}}
BATCH = {"max_bytes": "256KiB", "max_wait": "20ms"}


def make(rig, receiver, **options):
    return rig.agent({"web": {"type": "http", "listen": "tcp://127.0.0.1:0", **options}},
                     {"main": rig.http(receiver, batch=BATCH)})


def make_small(rig, *receivers, **options):
    outputs = {f"out{i}": rig.http(receiver, batch=BATCH, compression="none")
               for i, receiver in enumerate(receivers)}
    return rig.agent({"web": {"type": "http", "listen": "tcp://127.0.0.1:0", **SMALL, **options}}, outputs,
                     memory_limit="16MiB" if len(receivers) == 1 else "20MiB")


# ---- what comes, goes ----

@needs_curl
@pytest.mark.quick
def test_curl_sends_in_every_form_and_every_event_arrives(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver).start()
    plain, array = ndjson(lines(0, 10)), json.dumps([{"body": b} for b in lines(10, 10)]).encode()
    text = "".join(f"{line}\n" for line in lines(20, 10)).encode()
    for body, *arguments in [
            (plain,),  # as curl sends by itself
            (array, "-H", "Content-Type: application/json"),
            (text, "-H", "Content-Type: text/plain"),
            (gzip.compress(ndjson(lines(30, 10))), "-H", "Content-Encoding: gzip"),
            (zlib.compress(ndjson(lines(40, 10))), "-H", "Content-Encoding: deflate"),
            (ndjson(lines(50, 10)), "-H", "Transfer-Encoding: chunked")]:
        assert curl(agent, *arguments, body=body) == (200, b'{"accepted":10}\n')
    receiver.wait_events(60)
    check_exact(receiver.bodies(), 60)
    assert curl(agent, "-G", path="/healthz")[0] == 200
    lane = agent.stop().agree_with(receiver).lane()
    assert (lane.received, lane.delivered) == (60, 60)


def test_the_fields_of_other_loggers_are_found_and_what_is_no_json_goes_as_it_is(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver).start()
    body = b'\n'.join([
        b'{"@timestamp":"2026-11-28T07:00:00.25+01:00","message":"m","level":"WARN","n":1,"x":{"y":[1]}}',
        b'{"time":1795000000123,"msg":"p","pid":7,"level":30,"ok":true,"none":null}',
        b'{"body":"cut',
        b'not json at all'])
    sender = Sender(agent)
    assert sender.post(body, content_type="application/x-ndjson")[::2] == (200, {"accepted": 4})
    logstash, pino, cut, text = receiver.wait_events(4)
    assert (logstash["time"], logstash["body"], logstash["severity_number"]) == (
        "2026-11-28T06:00:00.250Z", "m", 13)
    assert logstash["attributes"] == {"n": 1, "x": '{"y":[1]}'}
    assert pino["body"] == "p" and pino["attributes"] == {"pid": 7, "level": 30, "ok": True}
    assert pino["time"].startswith("2026-11-")
    assert cut["body"] == '{"body":"cut' and text["body"] == "not json at all"
    assert cut["attributes"] == {"log.parse_error": "not a JSON object"}
    assert agent.metrics().get("spillway_lines_unparsed_total", input="web", output="main") == 2
    agent.stop().agree_with(receiver)


def test_one_agent_sends_to_another_and_nothing_changes_on_the_way(rig):
    receiver = rig.receiver()
    second = make(rig, receiver).start()
    host, port = address_of(second)
    first = rig.agent({"app": {"type": "stdin", "resource": {"host.name": "far", "env": "test"}},
                       "own": {"type": "self", "interval": "200ms", "logs": "no"}},
                      {"main": {"type": "http", "url": f"http://{host}:{port}/",
                                "batch": {"max_wait": "20ms"}, "compression": "zstd"}})
    first.start_piped()
    first.feed(lines(0, 200))

    def samples():
        return [e for e in receiver.events() if e.get("name") == "spillway_received_events_total"]
    wait_until(lambda: len(numbers(receiver.bodies())) == 200 and samples(), "lines and samples")
    line = next(event for event in receiver.events() if "body" in event)
    assert line["resource"] == {"host.name": "far", "env": "test"}
    assert samples()[0]["type"] == "sum" and samples()[0]["attributes"]["input"] in ("app", "own")
    first.process.send_signal(signal.SIGTERM)
    first.finish()
    check_exact(receiver.bodies(), 200, in_order=False)
    second.stop().agree_with(receiver)


def test_the_example_takes_what_has_the_token(rig):
    receiver = rig.receiver()
    agent = rig.agent({}, {})
    agent.config_text = EXAMPLE.read_text().replace("agent:", f"agent:\n  runtime_dir: {agent.runtime_dir}")
    agent.env = {"STATE_DIR": str(agent.state_dir), "LISTEN": "tcp://127.0.0.1:0",
                 "ENDPOINT": receiver.url, "TOKEN": "s3cret"}
    agent.start()
    sender = Sender(agent)
    assert sender.post(ndjson(["a"]))[0] == 401
    assert sender.post(ndjson(["a"]), authorization="Bearer s3cret")[0] == 200
    receiver.wait_events(1)
    agent.process.send_signal(signal.SIGTERM)
    agent.finish().agree_with(receiver)
    assert "s3cret" not in agent.log.text()


# ---- what is refused ----

def test_what_is_wrong_is_answered_by_what_it_is_and_nothing_of_it_is_taken(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver, max_body_bytes="64KiB", max_event_bytes="16KiB",
                 auth={"user": "me", "password": "pw:1", "bearer_token": "tok"}).start()
    sender = Sender(agent)
    right = {"authorization": "Basic bWU6cHc6MQ=="}
    for wrong in ("", "Basic bWU6cHc6MA==", "Bearer tokk", "Bearer to", "Bearer ", "tok"):
        assert sender.post(ndjson(["x"]), authorization=wrong)[0] == 401, wrong
    cases = [
        (400, b'[{"body":"a"},{"body":', {"content_type": "application/json"}),
        (400, b"[" * 3000, {"content_type": "application/json"}),
        (400, b"\x1f\x8b\x08garbage", {"content_encoding": "gzip"}),
        (400, gzip.compress(ndjson(["a"]))[:-6], {"content_encoding": "gzip"}),
        (400, b"(\xb5/\xfdgarbage", {"content_encoding": "zstd"}),
        (413, b"x" * 65537, {}),
        (413, gzip.compress(b"x" * 65537), {"content_encoding": "gzip"}),
        (413, zstd.compress(b"x" * 65537), {"content_encoding": "zstd"}),
        (415, b"x", {"content_encoding": "br"}),
        (415, b"x", {"content_type": "image/png"})]
    for status, body, headers in cases:
        sender = Sender(agent)  # a refused length ends the connection
        answer = sender.post(body, **right, **headers)
        assert answer[0] == status and "error" in answer[2], (status, headers, answer)
    sender.close()
    sender = Sender(agent)
    sender.connection.request("DELETE", "/", headers=right)
    answer = sender.connection.getresponse()
    assert (answer.status, answer.headers["Allow"]) == (405, "POST, PUT")
    answer.read()
    assert sender.post(ndjson(["good"]), authorization="bearer tok")[0] == 200
    receiver.wait_events(1)
    assert receiver.bodies() == ["good"]
    assert agent.metrics().get("spillway_received_requests_bad_total", input="web", output="main") == 17
    assert "pw:1" not in agent.log.text() and "bWU6" not in agent.log.text()
    lane = agent.stop().agree_with(receiver).lane()
    assert lane.received == 1


def test_a_bomb_costs_neither_memory_nor_time(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver).start()
    bomb = gzip.compress(bytes(64 << 20), 9)
    assert len(bomb) < 100000
    for _ in range(5):
        begun = time.monotonic()
        assert Sender(agent).post(bomb, content_encoding="gzip")[0] == 413
        assert time.monotonic() - begun < 30
    agent.stop()


# ---- no room ----

def wait_full(sender, first=0):
    """Sends until the lane is full: how many events were accepted."""
    accepted = first
    while True:
        answer = sender.post(ndjson(lines(accepted, 500, bytes_=500)))
        if answer[0] != 200:
            return accepted, answer
        accepted += 500


def test_a_full_lane_refuses_and_what_it_took_before_is_all_delivered(rig):
    receiver = rig.receiver()
    receiver.hold()
    agent = make_small(rig, receiver, retry_after="3s").start()
    sender = Sender(agent)
    accepted, (status, headers, answer) = wait_full(sender)
    assert (status, headers["Retry-After"]) == (429, "3") and "nothing of it was taken" in answer["error"]
    assert agent.metrics().get("spillway_received_requests_put_off_total", input="web", output="out0") == 1
    receiver.release()
    wait_until(lambda: len(set(numbers(receiver.bodies()))) >= accepted, "all that was accepted")
    lane = agent.stop().agree_with(receiver).lane()
    assert lane.dropped == 0 and lane.received == lane.delivered


def test_an_offer_goes_into_all_lanes_or_into_none(rig):
    quick, slow = rig.receiver(), rig.receiver()
    slow.hold()
    agent = make_small(rig, quick, slow).start()
    accepted, answer = wait_full(Sender(agent))
    assert answer[0] == 429
    quick.wait_events(accepted)
    stays(lambda: len(quick.events()) == accepted, 0.3, "nothing of what was refused")
    slow.release()
    slow.wait_events(accepted)
    books = agent.stop()
    for output, receiver in (("out0", quick), ("out1", slow)):
        check_exact(receiver.bodies(), accepted, in_order=False)
        assert books.lane(output=output).received == accepted


@pytest.mark.parametrize("acknowledge", ["accepted", "delivered"])
def test_with_when_full_wait_senders_wait_and_nothing_is_refused(rig, acknowledge):
    receiver = rig.receiver()
    receiver.hold()
    agent = make_small(rig, receiver, when_full="wait", acknowledge=acknowledge,
                       **({"max_pending_bytes": "20MiB"} if acknowledge == "delivered" else {}))
    if acknowledge == "delivered":
        agent.config["agent"]["memory_limit"] = "34MiB"  # as much as before for the lane and its batches
    agent.start()
    # Who waits for a delivery sends nothing else meanwhile: it takes many to fill a lane.
    answers, senders, each = [], *((3, 13) if acknowledge == "accepted" else (50, 1))

    def send(first):
        sender = Sender(agent)
        for number in range(first, first + each * 500, 500):
            answers.append(sender.post(ndjson(lines(number, 500, bytes_=500)))[0])
    threads = [threading.Thread(target=send, args=(i * each * 500,)) for i in range(senders)]
    for thread in threads:
        thread.start()
    wait_until(lambda: agent.metrics().get("spillway_lane_used_bytes", input="web", output="out0") > 700000,
               "a lane that is full")
    stays(lambda: any(thread.is_alive() for thread in threads), 0.3, "senders wait")
    receiver.release()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert answers == [200] * senders * each
    receiver.wait_events(senders * each * 500)
    check_exact(receiver.bodies(), senders * each * 500, in_order=False)
    agent.stop().agree_with(receiver)


def test_more_than_a_lane_holds_is_too_large_whenever_it_comes(rig):
    receiver = rig.receiver()
    agent = make_small(rig, receiver, max_body_bytes="2MiB").start()
    body = ndjson(lines(0, 3500, bytes_=500))
    status, _, answer = Sender(agent).post(body)
    assert (status, answer["error"]) == (413, "more than a lane of this input holds")
    agent.stop()
    assert not receiver.events()


# ---- acknowledged when delivered ----

def test_acknowledge_delivered_answers_when_the_endpoint_has_it(rig):
    receiver = rig.receiver()
    receiver.hold()
    agent = make(rig, receiver, acknowledge="delivered").start()
    answers = []
    sender = threading.Thread(target=lambda: answers.append(Sender(agent).post(ndjson(lines(0, 50)))))
    sender.start()
    wait_until(receiver.waiting, "a request at the endpoint")
    stays(lambda: not answers, 0.3, "no answer yet")
    receiver.release()
    sender.join(DEADLINE_S)
    assert answers[0][::2] == (200, {"delivered": 50})
    receiver.replies(400)
    status, _, answer = Sender(agent).post(ndjson(["poison"]))
    assert (status, answer["dropped"]) == (500, 1)
    lane = agent.stop().lane()
    assert (lane.delivered, lane.dropped) == (50, 1)


def test_who_waits_too_long_for_a_delivery_is_told_so_and_it_is_delivered_all_the_same(rig):
    receiver = rig.receiver()
    receiver.hold()
    agent = make(rig, receiver, acknowledge="delivered", acknowledge_timeout="200ms").start()
    status, _, answer = Sender(agent).post(ndjson(lines(0, 5)))
    assert (status, answer["accepted"]) == (504, 5)
    receiver.release()
    receiver.wait_events(5)
    agent.stop().agree_with(receiver)


# ---- bad clients ----

@pytest.mark.threads
def test_slow_dripping_and_endless_clients_are_cut_and_hold_nobody_up(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver, request_timeout="3s", idle_timeout="3s", max_body_bytes="64KiB",
                 max_event_bytes="16KiB").start()
    silent, half_head, half_body, endless = (connect(agent) for _ in range(4))
    half_head.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nX-Drip: ")
    half_body.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
    endless.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    over = threading.Event()

    def drip(connection, piece):
        while not over.wait(0.05):
            try:
                connection.sendall(piece)
            except OSError:
                return
    threads = [threading.Thread(target=drip, args=arguments, daemon=True) for arguments in
               ((half_head, b"a"), (half_body, b"b"), (endless, b"1000\r\n" + b"e" * 4096 + b"\r\n"))]
    for thread in threads:
        thread.start()
    for number in range(10):
        assert Sender(agent).post(ndjson(lines(number, 1)))[0] == 200
    for connection in (silent, half_head, half_body, endless):
        await_end(connection)
    over.set()
    receiver.wait_events(10)
    check_exact(receiver.bodies(), 10)
    agent.stop().agree_with(receiver)


GARBAGE = [b"\0" * 1000, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"GET\n\n\n", os.urandom(4096),
           b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
           b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
           b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
           b"POST / HTTP/1.1\r\n" + b"A: " + b"b" * 100000 + b"\r\n\r\n",
           b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nshort"]


def test_garbage_and_wrong_lengths_take_nothing_and_break_nothing(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver, request_timeout="2s", idle_timeout="2s").start()
    connections = [connect(agent) for _ in GARBAGE]
    for connection, garbage in zip(connections, GARBAGE):
        try:
            connection.sendall(garbage)
        except OSError:
            pass  # it was cut already
    for connection in connections:
        await_end(connection)
    assert Sender(agent).post(ndjson(["good"]))[0] == 200
    receiver.wait_events(1)
    assert receiver.bodies() == ["good"]
    agent.stop().agree_with(receiver)


def test_connections_over_the_limit_are_closed_and_those_within_it_work(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver, max_connections=20, max_connections_per_address=20).start()
    kept = [Sender(agent) for _ in range(20)]
    for sender in kept:
        assert sender.post(ndjson(["x"]))[0] == 200
    more = [connect(agent) for _ in range(300)]
    for connection in more:
        await_end(connection)
    for sender in kept:
        assert sender.post(ndjson(["y"]))[0] == 200
    assert agent.metrics().get("spillway_connections_refused_total", input="web", output="main") >= 300
    kept.pop().close()
    wait_until(lambda: try_post(agent), "a place that became free")
    receiver.wait_events(41)
    agent.stop().agree_with(receiver)


def test_to_close_a_connection_that_rests_is_no_refusal_and_one_that_never_asked_is(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver, idle_timeout="2s").start()

    def count(what):
        return agent.metrics().get(f"spillway_connections_{what}_total", input="web", output="main")
    sender = Sender(agent)
    assert sender.post(ndjson(["x"]))[0] == 200
    await_end(sender.connection.sock)
    assert (count("accepted"), count("refused")) == (1, 0)
    with connect(agent) as silent:
        await_end(silent)
    wait_until(lambda: (count("accepted"), count("refused")) == (2, 1), "one that is counted")
    agent.stop().agree_with(receiver)


def try_post(agent):
    try:
        return Sender(agent).post(ndjson(["z"]))[0] == 200
    except OSError:
        return False


# ---- life ----

@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@needs_curl
def test_tls_and_a_reload_that_takes_a_renewed_certificate(rig, folder):
    certificates = Certificates(folder)
    receiver = rig.receiver()
    cert, key = certificates.issue("web", "localhost")
    agent = make(rig, receiver, tls={"cert_file": cert, "key_file": key})
    agent.config["inputs"]["web"]["listen"] = "tls://127.0.0.1:0"
    agent.start()
    port = address_of(agent)[1]

    def serial():
        context = ssl.create_default_context(cafile=certificates.ca)
        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as plain, \
                context.wrap_socket(plain, server_hostname="localhost") as secure:
            return secure.getpeercert()["serialNumber"]
    arguments = ("--cacert", certificates.ca, "--resolve", f"localhost:{port}:127.0.0.1")
    assert curl(agent, *arguments, body=ndjson(["a"]), url=f"https://localhost:{port}/")[0] == 200
    before = serial()
    certificates.issue("web", "localhost")
    agent.config["inputs"]["web"]["idle_timeout"] = "10s"
    reload(agent, 2)
    wait_until(lambda: serial() != before, "the renewed certificate")
    assert curl(agent, *arguments, body=ndjson(["b"]), url=f"https://localhost:{port}/")[0] == 200
    receiver.wait_events(2)
    agent.stop().agree_with(receiver)


def test_senders_come_while_reloads_open_another_inlet(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver, max_connections=50).start()
    address, over = address_of(agent), threading.Event()

    def knock():
        while not over.is_set():
            try:
                socket.create_connection(address, timeout=20).close()
            except OSError:
                pass
    knocker = threading.Thread(target=knock)
    knocker.start()
    try:
        for generation in range(2, 12):
            agent.config["inputs"]["web"]["max_connections"] = 50 + generation
            reload(agent, generation)
    finally:
        over.set()
        knocker.join()
    wait_until(lambda: try_post(agent), "a sender that is let in")
    receiver.wait_events(1)
    agent.stop().agree_with(receiver)


def test_while_the_agent_stops_it_says_so_and_delivers_what_it_has(rig):
    receiver = rig.receiver()
    receiver.hold()
    agent = make(rig, receiver).start()
    sender = Sender(agent)
    assert sender.post(ndjson(lines(0, 10)))[0] == 200
    wait_until(receiver.waiting, "a request at the endpoint")
    agent.process.send_signal(signal.SIGTERM)
    agent.wait_log(msg="stopping")
    wait_until(lambda: Sender(agent).post(ndjson(["late"]))[0] == 503, "an answer of 503")
    receiver.release()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), 10)


def test_a_reload_keeps_connections_unless_the_place_changes(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver).start()
    sender = Sender(agent)
    assert sender.post(ndjson(lines(0, 1)))[0] == 200
    agent.config["inputs"]["web"].update(auth={"bearer_token": "new"})
    reload(agent, 2)
    assert sender.post(ndjson(["x"]))[0] == 401
    assert sender.post(ndjson(lines(1, 1)), authorization="Bearer new")[0] == 200
    agent.config["inputs"]["web"].update(max_connections=50, auth={})
    reload(agent, 3)
    assert Sender(agent).post(ndjson(lines(2, 1)))[0] == 200
    receiver.wait_events(3)
    agent.stop().agree_with(receiver)


def reload(agent, generation):
    agent.config_path.write_text(yaml.dump(agent.config))
    agent.process.send_signal(signal.SIGHUP)
    wait_until(lambda: agent.metrics().get("spillway_config_generation") == generation, "the reload")


def test_every_answer_of_200_is_in_the_books_through_kills(rig, seed):
    """Of what was answered with 200 nothing is missing that is not counted as lost."""
    receiver = rig.receiver()
    receiver.rule(lambda request: Reply(delay=0.02))
    agent = make(rig, receiver)
    chance, accepted, sent, lost = random.Random(seed), [], 0, 0
    for _ in range(3):
        agent.start()
        for line in agent.log.find(msg="books of the killed start closed"):
            lost += int(line["lost"])
        until = time.monotonic() + chance.uniform(0.3, 0.8)
        sender = Sender(agent)
        while True:
            count = chance.randrange(1, 300)
            assert sender.post(ndjson(lines(sent, count)))[0] == 200
            accepted += range(sent, sent + count)
            sent += count
            if time.monotonic() > until:
                break
        agent.kill()
    agent.start()
    lost += sum(int(line["lost"]) for line in agent.log.find(msg="books of the killed start closed"))
    agent.stop()
    missing = set(accepted) - set(numbers(receiver.bodies()))
    assert len(missing) <= lost, f"{len(missing)} are missing, {lost} were counted as lost"
    assert accepted, "nothing was sent"
