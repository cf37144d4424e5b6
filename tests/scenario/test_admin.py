# SPDX-License-Identifier: Apache-2.0
"""The admin endpoint: each route on its unix socket, who may ask the port, and that nobody who asks
badly holds up the shipping."""

import base64
import os
import re
import signal
import socket
import stat
import threading
import time

import pytest

from rig import admin
from rig.admin import ask
from rig.lines import lines
from rig.promtool import program, promtool
from rig.receiver import Reply
from rig.waiting import DEADLINE_S, wait_until

STDIN = {"app": {"type": "stdin"}}
ROUTES = ("/", "/healthz", "/readyz", "/metrics", "/stats", "/recent", "/ledger", "/config", "/version")
PRIVATE = ("/sources",)  # of the unix socket, or with a token
OTHER_TYPES = {"/metrics": "text/plain; version=0.0.4; charset=utf-8", "/": "text/html; charset=utf-8"}


def shipping(rig, **options):
    receiver = rig.receiver()
    return receiver, rig.agent(STDIN, {"main": rig.http(receiver)}, **options)


@pytest.mark.quick
@pytest.mark.threads
def test_every_route_answers_on_the_unix_socket_also_without_a_port(rig):
    receiver, agent = shipping(rig, admin={"listen": ""})
    agent.start_piped()
    assert admin.started(agent)["metrics"] == "off"
    path = admin.started(agent)["admin_socket"]
    assert os.path.dirname(path) == str(agent.runtime_dir)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    agent.feed(lines(0, 100))
    receiver.wait_events(100)
    for route in ROUTES + PRIVATE:
        answer, head = ask(agent, route), ask(agent, route, "HEAD")
        assert answer.status == head.status == 200, (route, answer.text)
        assert answer.text and not head.text
        assert answer.headers["Content-Type"] == head.headers["Content-Type"]
        assert answer.headers["Content-Type"] == OTHER_TYPES.get(route, "application/json")
        assert route in OTHER_TYPES or answer.json
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        refused = ask(agent, route, "POST")
        assert refused.status == 405 and refused.headers["Allow"] == "GET, HEAD"
    nothing = ask(agent, "/nothing")
    assert nothing.status == 404 and all(route in nothing.text for route in ROUTES + PRIVATE)
    agent.end_input()
    agent.finish().agree_with(receiver)
    assert not os.path.exists(path)


def test_stats_and_ledger_say_what_was_moved(rig):
    receiver, agent = shipping(rig)
    agent.start_piped()
    agent.feed(lines(0, 500))
    receiver.wait_events(500)

    def lane():
        return ask(agent, "/stats").json["lanes"][0]
    wait_until(lambda: lane()["delivered"]["events"] == 500, "the last answer")
    stats = ask(agent, "/stats").json
    assert stats["format"] == 1 and stats["outputs"][0]["output"] == "main"
    assert stats["lanes"][0]["flows"]["admit"]["events"] == 500
    assert stats["lanes"][0]["numbers"]["lines"] == 500
    assert stats["outputs"][0]["numbers"]["batches"] >= 1
    books = ask(agent, "/ledger").json["lanes"][0]
    assert books["flows"]["deliver"]["from"] == "in_flight"
    assert sum(cell["events"] for cell in books["flows"]["gather"]["cells"]) == 500
    assert books["balance"] == 0 and books["differences"] == 0
    assert all(account["booked"]["events"] == 0 for account in books["accounts"].values())
    assert all(audit["differing_events"] == 0 for account in books["accounts"].values()
               for audit in account["audits"])
    agent.end_input()
    agent.finish().agree_with(receiver)


def test_the_closing_entries_of_a_killed_start_are_in_the_ledger(rig):
    receiver, agent = shipping(rig)
    receiver.hold()
    agent.start_piped()
    agent.feed(lines(0, 50))
    wait_until(lambda: receiver.waiting(), "a request that is held")
    stale = admin.started(agent)["admin_socket"]
    agent.kill()
    assert os.path.exists(stale)
    receiver.release()
    agent.start_piped()  # the socket of the dead one is replaced
    assert admin.started(agent)["admin_socket"] == stale
    flows = ask(agent, "/ledger").json["lanes"][0]["flows"]
    closing = sum(flow["closing"]["events"] for flow in flows.values() if "closing" in flow)
    assert closing == 50, flows
    agent.end_input()
    agent.finish()


def test_readyz_says_why_not(rig):
    receiver, agent = shipping(rig, admin={"listen": "127.0.0.1:0"})
    agent.config["agent"]["runtime_dir"] = "/proc/no-such-folder"
    agent.start_piped()
    assert admin.started(agent)["admin_socket"].startswith("none: ")
    ready = ask(agent, "/readyz", tcp=True)
    assert ready.status == 503 and ready.json["ready"] is False
    why = {check["check"]: check.get("why") for check in ready.json["checks"]}
    assert why["inputs open"] is None and "anonymous memory" in why["books on file"]
    assert ask(agent, "/healthz", tcp=True).status == 200
    agent.end_input()
    agent.finish().agree_with(receiver)


def test_while_it_stops_it_is_alive_and_not_ready(rig):
    receiver, agent = shipping(rig)
    receiver.hold()
    agent.start_piped()
    agent.feed(lines(0, 50))
    wait_until(lambda: receiver.waiting(), "a request that is held")
    agent.process.send_signal(signal.SIGTERM)
    agent.wait_log(msg="stopping")
    wait_until(lambda: ask(agent, "/readyz").status == 503, "not ready")
    assert "stopping" in ask(agent, "/readyz").text
    for route in ROUTES:
        assert route == "/readyz" or ask(agent, route).status == 200, route
    assert ask(agent, "/healthz").status == 200
    receiver.release()
    agent.finish().agree_with(receiver)


def test_config_shows_no_secret(rig):
    receiver = rig.receiver()
    secret = rig.folder / "token"
    secret.write_text("hush-token\n")
    agent = rig.agent(STDIN, {"main": rig.http(receiver, headers={"X-Key": "hush-header"},
                                               auth={"bearer_token": "hush-bearer"})},
                      admin={"listen": "127.0.0.1:0", "token": f"${{file:{secret}}}"}).start_piped()
    config = ask(agent, "/config")
    assert "hush" not in config.text
    assert config.json["outputs"]["main"]["headers"] == {"value": {"X-Key": "(hidden)"},
                                                         "default": False}
    assert config.json["agent"]["memory_limit"] == {"value": 64 << 20, "unit": "bytes",
                                                    "default": True}
    # On the port nothing but /healthz is told without the token.
    for route in ROUTES + ("/nothing",):
        status = ask(agent, route, tcp=True).status
        assert status == (200 if route == "/healthz" else 401), route
        assert ask(agent, route, tcp=True, Authorization="Bearer hush-tokem").status in (200, 401)
        right = ask(agent, route, tcp=True, Authorization="Bearer hush-token").status
        assert right == (404 if route == "/nothing" else 200), route
    agent.end_input()
    agent.finish().agree_with(receiver)


def test_a_browser_is_asked_for_the_token_as_a_password(rig):
    receiver, agent = shipping(rig, admin={"listen": "127.0.0.1:0", "token": "hush"})
    agent.start_piped()
    stranger = ask(agent, "/", tcp=True)
    assert stranger.status == 401 and stranger.headers["WWW-Authenticate"].startswith("Basic realm=")
    right = {"Authorization": f"Basic {base64.b64encode(b'anyone:hush').decode()}"}
    for route in ("/", "/stats", "/recent"):
        assert ask(agent, route, tcp=True, **right).status == 200
        assert ask(agent, route, method="POST", tcp=True, **right).status == 401  # only to read
        wrong = base64.b64encode(b"hush:").decode()
        assert ask(agent, route, tcp=True, Authorization=f"Basic {wrong}").status == 401
    agent.end_input()
    agent.finish().agree_with(receiver)


def test_the_page_allows_only_its_own_script_and_style(rig):
    receiver, agent = shipping(rig)
    agent.start_piped()
    first, second = ask(agent, "/"), ask(agent, "/")
    nonces = []
    for page in (first, second):
        policy = dict(part.strip().split(" ", 1)
                      for part in page.headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["connect-src"] == "'self'" and policy["img-src"] == "data:"
        nonce = re.fullmatch(r"'nonce-([0-9a-f]{32})'", policy["script-src"])[1]
        assert policy["style-src"] == f"'nonce-{nonce}'"
        assert page.text.count(nonce) == page.text.count("<script") + page.text.count("<style") == 2
        nonces.append(nonce)
    assert nonces[0] != nonces[1]
    assert "{{" not in first.text
    # Nothing of it is elsewhere.
    assert not re.search(r"""(?:src|href)=["'](?!/|#|data:)""", first.text)
    assert re.findall(r"https?://[^'\" ]+", first.text) == ["http://www.w3.org/2000/svg"] * 2
    agent.end_input()
    agent.finish().agree_with(receiver)


def test_recent_tells_drops_troubles_and_log_lines_but_no_event(rig):
    receiver = rig.receiver()
    receiver.rule(lambda r: Reply(400, body=b"cannot take " + r.text[:200]) if b"poison" in r.text else None)
    agent = rig.agent(STDIN, {"main": rig.http(receiver)}).start_piped()
    agent.feed(lines(0, 100))
    receiver.wait_events(100)
    agent.feed(["poison"])
    agent.wait_metric(1, "spillway_dropped_events_total", reason="refuse")
    recent = ask(agent, "/recent").json
    [drop] = recent["drops"]
    assert (drop["input"], drop["output"], drop["reason"]) == ("app", "main", "refuse")
    assert drop["events"] == drop["events_by_minute"][-1] + drop["events_by_minute"][-2] == 1
    assert drop["since_seconds"] <= 60 and recent["troubles"] == [] and recent["drops_left_out"] == 0
    assert "refused by the endpoint" in drop["meaning"]
    said = [line["text"] for line in recent["log"]]
    assert any(line.startswith('msg="request failed"') for line in said)
    assert any(line.startswith("msg=started") for line in said)
    assert not any(line.startswith("msg=ledger") for line in said)
    assert "poison" in agent.log.text() and "poison" not in ask(agent, "/recent").text
    receiver.always(401)
    agent.feed(["more"])
    wait_until(lambda: ask(agent, "/recent").json["troubles"], "the breaker to open")
    [trouble] = ask(agent, "/recent").json["troubles"]
    assert (trouble["trouble"], trouble["output"]) == ("breaker", "main")
    receiver.always(200)
    wait_until(lambda: not ask(agent, "/recent").json["troubles"], "the breaker to close")
    agent.end_input()
    agent.finish().agree_with(receiver)


def test_a_name_of_somebody_else_is_refused_on_the_port(rig):
    receiver, agent = shipping(rig)
    agent.start_piped()
    for host, status in (("localhost", 200), ("127.0.0.1:1", 200), ("[::1]", 200),
                         ("evil.example", 403), ("localhost.evil.example", 403)):
        for route in ROUTES:
            assert ask(agent, route, tcp=True, Host=host).status == status, (host, route)
    assert ask(agent, "/stats", Host="evil.example").status == 200  # no browser has the socket
    agent.end_input()
    agent.finish().agree_with(receiver)


def test_openmetrics_is_what_its_own_parser_takes(rig):
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    receiver, agent = shipping(rig)
    agent.start_piped()
    agent.feed(lines(0, 10))
    receiver.wait_events(10)
    wanted = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;" \
             "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    answer = ask(agent, "/metrics", tcp=True, Accept=wanted)
    assert answer.headers["Content-Type"] == \
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = {family.name: family for family in parser.text_string_to_metric_families(answer.text)}
    assert families["spillway_received_events"].samples[0].value == 10
    lag = families["spillway_delivery_lag_seconds"]
    assert lag.type == "histogram" and lag.unit == "seconds"
    assert families["process_resident_memory_bytes"].unit == "bytes"
    assert families["process_cpu_seconds"].type == "counter"
    assert families["spillway_build"].type == "info"
    for name in ("process_open_fds", "process_max_fds", "process_start_time_seconds"):
        assert families[name].samples[0].value > 0
    classic = ask(agent, "/metrics", tcp=True, Accept="text/plain;version=0.0.4")
    assert classic.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    agent.end_input()
    agent.finish().agree_with(receiver)


def test_classic_text_is_what_promtool_takes(rig):
    program("promtool")  # or it is skipped, before anything runs
    receiver, agent = shipping(rig)
    agent.start_piped()
    agent.feed(lines(0, 10))
    receiver.wait_events(10)
    assert promtool("check", "metrics", input=ask(agent, "/metrics").text) == (0, "")
    agent.end_input()
    agent.finish().agree_with(receiver)


# ---- bad guests ----

class Guests:
    """Connections that behave badly for as long as they are let."""

    def __init__(self, target):
        self.target, self.open = target, []

    def connect(self):
        guest = socket.socket(socket.AF_INET)
        guest.setblocking(False)
        try:
            guest.connect(self.target)
        except BlockingIOError:
            pass
        self.open.append(guest)
        return guest

    def send(self, data):
        for guest in self.open:
            try:
                guest.send(data)
            except OSError:
                pass

    def close(self):
        for guest in self.open:
            guest.close()
        self.open.clear()


def test_a_request_that_drips_in_is_cut_off(rig):
    receiver, agent = shipping(rig)
    agent.start_piped()
    began = time.monotonic()
    with socket.create_connection(admin.address(agent)) as slow:
        slow.settimeout(0.1)
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Drip: ")
        while time.monotonic() - began < DEADLINE_S:
            try:
                slow.sendall(b"x")  # never idle
                if slow.recv(100) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    took = time.monotonic() - began
    assert 3 < took < DEADLINE_S, took
    assert ask(agent, "/healthz", tcp=True).status == 200
    agent.end_input()
    agent.finish().agree_with(receiver)


def test_bad_guests_leave_the_shipping_untouched(rig):
    receiver, agent = shipping(rig)
    agent.start_piped()
    guests = Guests(admin.address(agent))
    done = threading.Event()
    fed = []

    def feed():
        at = 0
        while not done.is_set():
            agent.feed(lines(at, 200))
            at += 200
            fed[:] = [at]
            time.sleep(0.01)
    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        for round_ in range(100):  # 10,000 connections
            for _ in range(100):
                guests.connect()
            guests.send((b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n",  # and never a last line
                         b"\x16\x03\x01\0\xff garbage \r\n\r\n\0\0\0",
                         b"GET /" + b"x" * 60000 + b" HTTP/1.1\r\n",
                         b"GET / HTTP/1.1\r\nX: " + b"y" * 60000,
                         b"")[round_ % 5])
            if round_ % 3 == 2:
                guests.close()
            assert ask(agent, "/healthz").status == 200  # the socket has its own places
    finally:
        guests.close()
        done.set()
        feeder.join()
    receiver.wait_events(fed[0])
    wait_until(lambda: try_health(agent), "the port to answer again")
    assert ask(agent, "/stats").json["lanes"][0]["numbers"]["lines"] == fed[0]
    agent.end_input()
    agent.finish().agree_with(receiver)


STRANGE = (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 9,
           b"GET /stats HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(5000)) + b"\r\n",
           b"GET /stats HTTP/1.1\r\nHost: local\0host\r\n\r\n",
           b"GET /sta%00ts HTTP/1.1\r\nHost: localhost\r\n\r\n",
           b"GET http://evil.example/stats HTTP/1.1\r\nHost: evil.example\r\n\r\n",
           b"GET /stats HTTP/9.9\r\n\r\n", b"GET /stats\r\n\r\n", b"\r\n" * 20000,
           b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
           b"POST /stats HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n" + b"z" * 65535,
           b"POST /stats HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
           b"POST /stats HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
           b"GET /stats HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n" * 500)


def test_strange_requests_are_refused_or_cut_off_and_tell_nothing(rig):
    receiver, agent = shipping(rig)
    agent.start_piped()
    for data in STRANGE:
        with socket.create_connection(admin.address(agent), timeout=DEADLINE_S) as guest:
            answer = b""
            try:
                guest.sendall(data)
                guest.shutdown(socket.SHUT_WR)
                while chunk := guest.recv(65536):
                    answer += chunk
            except OSError:
                pass  # cut off
        assert answer.count(b"HTTP/1.1 200 ") <= (b"keep-alive" in data), (data[:60], answer[:200])
        assert b"root:" not in answer
    agent.feed(lines(0, 100))
    receiver.wait_events(100)
    assert ask(agent, "/healthz", tcp=True).status == 200
    agent.end_input()
    agent.finish().agree_with(receiver)


def sit_down(target, kind):
    """Takes a place, and says half of what it wants."""
    guest = socket.socket(kind)
    guest.settimeout(1)
    try:
        guest.connect(target)
        guest.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
    except OSError:
        pass  # all places are taken
    return guest


def test_guests_that_only_sit_there_lose_their_places(rig):
    """Also on the unix socket."""
    receiver, agent = shipping(rig)
    agent.start_piped()
    guests = [sit_down(admin.address(agent), socket.AF_INET) for _ in range(40)]
    guests += [sit_down(admin.started(agent)["admin_socket"], socket.AF_UNIX) for _ in range(40)]
    agent.feed(lines(0, 1000))
    receiver.wait_events(1000)
    with sit_down(admin.address(agent), socket.AF_INET) as one_more:
        one_more.settimeout(DEADLINE_S)
        try:
            assert one_more.recv(100) == b""  # there is no place for it, or it loses it
        except ConnectionResetError:
            pass
    wait_until(lambda: try_health(agent), "the port to answer again")
    assert ask(agent, "/healthz").status == 200
    for guest in guests:
        guest.close()
    agent.end_input()
    agent.finish().agree_with(receiver)


def try_health(agent):
    try:
        return ask(agent, "/healthz", tcp=True).status == 200
    except OSError:
        return False
