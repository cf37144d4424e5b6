# SPDX-License-Identifier: Apache-2.0
"""/metrics: text that Prometheus takes, and the same figures as in the ledger line."""

import re
import socket
import urllib.error
import urllib.request

import pytest

from rig.books import Lane
from rig.lines import lines
from rig.receiver import Reply
from rig.waiting import DEADLINE_S, wait_until

STDIN = {"app": {"type": "stdin"}}
LANE = {"input": "app", "output": "main"}


@pytest.mark.quick
def test_it_is_text_for_prometheus_with_help_and_types(rig):
    receiver = rig.receiver()
    agent = rig.agent(STDIN, {"main": rig.http(receiver)}).start_piped()
    agent.feed(lines(0, 100))
    receiver.wait_events(100)
    metrics = agent.metrics()
    for name, (kind, _) in metrics.families.items():
        assert re.fullmatch(r"(spillway|process)_[a-z0-9_]+", name), name
        assert (kind == "counter") == name.endswith("_total"), f"{name} is a {kind}"
    for family in ("received", "delivered", "filtered", "lost", "dropped"):
        for unit in ("events", "bytes"):
            assert f"spillway_{family}_{unit}_total" in metrics.families
    assert "spillway_stock_events" in metrics.families
    agent.end_input()
    agent.finish()


@pytest.mark.quick
def test_they_say_what_the_ledger_line_says(rig):
    receiver = rig.receiver()
    receiver.rule(lambda r: 413 if b"too big" in r.text else None)
    inputs = {"app": {"type": "stdin", "processors": ["quiet"]}}
    agent = rig.agent(inputs, {"main": rig.http(receiver)},
                      processors={"quiet": {"type": "filter", "pattern": "^debug"}}).start_piped()
    agent.feed(lines(0, 500) + ["debug"] * 7 + ["too big"] + lines(500, 500))
    wait_until(lambda: agent.metrics().get("spillway_delivered_events_total") == 1000, "all of them")

    def settled():
        found = agent.log.find(msg="ledger")
        return found and found[-1]["delivered"] == "1000" and found[-1]
    ledger, metrics = Lane(wait_until(settled, "the ledger line")), agent.metrics()
    for name in ("received", "delivered", "filtered", "dropped", "lost"):
        assert metrics.get(f"spillway_{name}_events_total", **LANE) == getattr(ledger, name), name
    assert metrics.get("spillway_dropped_events_total", reason="split_too_large", **LANE) == 1
    assert (ledger.received, ledger.filtered, ledger.dropped) == (1008, 7, 1)
    assert metrics.get("spillway_received_bytes_total", **LANE) > 1000
    assert metrics.get("spillway_audit_differences_total") == 0
    assert metrics.get("spillway_reports_total") >= 1
    agent.end_input()
    agent.finish().agree_with(receiver)


def test_stocks_say_where_events_wait(rig):
    receiver = rig.receiver()
    receiver.hold()
    agent = rig.agent(STDIN, {"main": rig.http(receiver, batch={"max_events": 100},
                                               concurrency={"max": 1})}).start_piped()
    agent.feed(lines(0, 1000))
    wait_until(lambda: receiver.waiting(), "a request that is held")

    def stocks():
        metrics = agent.metrics()
        return {account: metrics.get("spillway_stock_events", account=account, **LANE)
                for account in ("ring", "batch", "ready", "in_flight", "spool")}
    wait_until(lambda: sum(stocks().values()) == 1000 and 0 < stocks()["in_flight"] <= 100, stocks)
    receiver.release()
    agent.end_input()
    agent.finish().agree_with(receiver)


def test_histograms_count_events_batches_and_requests(rig):
    receiver = rig.receiver()
    receiver.always(503)
    agent = rig.agent(STDIN, {"main": rig.http(receiver, batch={"max_events": 100})}).start_piped()
    agent.feed(lines(0, 1000))
    agent.wait_metric(1, "spillway_requests_total", output="main")
    wait_until(lambda: agent.metrics().get("spillway_batch_oldest_seconds", output="main") >= 1,
               "the batches that wait to grow old")
    assert agent.metrics().get("spillway_retry_budget_tokens", output="main") < 10
    receiver.always(200)
    receiver.wait_events(1000)
    wait_until(lambda: agent.metrics().get("spillway_delivered_events_total") == 1000, "all of them")
    assert agent.metrics().get("spillway_ring_wait_seconds_count", **LANE) == 1000

    def counts(name, number):
        metrics = agent.metrics()
        return (metrics.get(f"spillway_{name}_seconds_count", output="main"),
                metrics.get(f"spillway_{number}_total", **(LANE if "events" in number else {"output": "main"})))
    for name, number in (("delivery_lag", "delivered_events"), ("batch_age", "batches"),
                         ("request_duration", "requests")):
        # One is counted a moment after the other.
        wait_until(lambda n=name, m=number: len(set(counts(n, m))) == 1, lambda n=name, m=number: (n, counts(n, m)))
        assert counts(name, number)[0] > 0, name
    metrics = agent.metrics()
    assert metrics.get("spillway_batches_total", output="main") >= 10
    # What waited for the endpoint did so for a second or more, and the batches were young.
    lag, batch = (metrics.get(f"spillway_{name}_seconds_bucket", output="main", le="0.5")
                  for name in ("delivery_lag", "batch_age"))
    assert lag < 1000 and batch > 0
    assert metrics.get("spillway_delivery_lag_seconds_sum", output="main") > 100
    assert metrics.get("spillway_memory_limit_bytes") == 64 << 20
    agent.end_input()
    agent.finish().agree_with(receiver)


def test_breaker_and_requests_are_shown(rig):
    receiver = rig.receiver()
    receiver.always(Reply(401))
    agent = rig.agent(STDIN, {"main": rig.http(receiver)}).start_piped()
    agent.feed(lines(0, 10))
    agent.wait_metric(1, "spillway_breaker_state", output="main")
    metrics = agent.metrics()
    assert metrics.get("spillway_breaker_opens_total", output="main") == 1
    assert metrics.get("spillway_requests_total", output="main") >= 1
    assert metrics.get("spillway_request_failures_total", output="main") >= 1
    receiver.always(200)
    receiver.wait_events(10)
    wait_until(lambda: agent.metrics().get("spillway_breaker_state", output="main") == 0, "closed")
    agent.end_input()
    agent.finish().agree_with(receiver)


@pytest.mark.threads
def test_other_paths_and_broken_clients_do_no_harm(rig):
    receiver = rig.receiver()
    agent = rig.agent(STDIN, {"main": rig.http(receiver)}).start_piped()
    host, port = agent.log.find(msg="started")[0]["metrics"].rsplit(":", 1)
    for path, status in (("/metrics/", 404), ("/metricsx", 404)):
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=DEADLINE_S)
        assert error.value.code == status
    idle = []
    for data in (b"", b"GET /metrics", b"\0" * 5000, b"POST /metrics HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
                 b"GET /" + b"x" * 100000 + b" HTTP/1.1\r\n\r\n"):
        client = socket.create_connection((host, int(port)))
        try:
            client.sendall(data)
        except OSError:
            pass
        idle.append(client)
    agent.feed(lines(0, 10))
    receiver.wait_events(10)
    assert agent.metrics().get("spillway_lines_total", **LANE) == 10
    for client in idle:
        client.close()
    agent.end_input()
    agent.finish().agree_with(receiver)


def test_an_address_in_use_is_told_at_the_start(rig):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        agent = rig.agent(STDIN, {"main": {"type": "stdout"}}, admin={"listen": f"127.0.0.1:{port}"})
        agent.launch()
        assert agent.wait_exit() == 1
        assert str(port) in agent.log.find(msg="cannot start")[0]["error"]

