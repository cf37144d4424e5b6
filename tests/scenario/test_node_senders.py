# SPDX-License-Identifier: Apache-2.0
"""What applications on node.js send with the libraries that people use: OpenTelemetry's SDK, hot-shots,
winston-syslog. All of it must arrive, as it was meant."""

import collections
import pathlib

import pytest
import yaml as pyyaml

from rig import npm
from rig.http_sender import address_of
from rig.listening import bound
from rig.waiting import wait_until
from test_tls import Certificates

pytestmark = pytest.mark.npm
EXAMPLE = pathlib.Path(__file__).parents[2] / "config/examples/http-input.yaml"
COUNT = 100


def named(receiver, name):
    return [event for event in receiver.events() if event.get("name") == name]


@pytest.mark.parametrize("form", ["json", "proto"])
def test_the_sdk_of_opentelemetry_sends_logs_metrics_and_traces(rig, form):
    receiver = rig.receiver()
    agent = rig.agent(pyyaml.safe_load(EXAMPLE.read_text())["inputs"], {"main": rig.http(receiver)})
    agent.env = {"LISTEN": "tcp://127.0.0.1:0", "TOKEN": "sesame"}
    agent.start()
    host, port = address_of(agent)
    npm.run("otel.js", f"http://{host}:{port}", form, COUNT,
            OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20sesame")
    # a log record, a span and its event each; 2 sums, a gauge, and of the histogram count, sum, min, max, 3 buckets
    events = receiver.wait_events(3 * COUNT + 10)
    assert {event["resource"]["service.name"] for event in events} == {f"shop-{form}"}
    bodies = [event for event in events if event.get("body", "").endswith("– ü")]
    assert {event["body"] for event in bodies} == {f"order {at} – ü" for at in range(COUNT)}
    records = {event["attributes"].get("span.record", "log"): event for event in events
               if event.get("body") in ("order 7 – ü", "order 7")}
    log, span = records["log"], records["span"]
    assert (log["severity_number"], log["severity_text"]) == (13, "WARN")
    assert log["attributes"]["order.id"] == 7 and log["attributes"]["vip"] is False
    assert log["attributes"]["list"] == '["one","two"]' and log["attributes"]["otel.scope.name"] == "shop"
    assert (log["trace_id"], log["span_id"]) == (span["trace_id"], span["span_id"])
    assert span["attributes"]["span.kind"] == "server" and span["attributes"]["span.status_message"] == "late"
    packed = [event for event in events if event.get("body") == "packed"]
    assert len(packed) == COUNT and {event["attributes"]["boxes"] for event in packed} == {2}
    orders, = named(receiver, "orders")
    assert (orders["type"], orders["unit"], orders["value"]) == ("sum", "{order}", 3 * COUNT)
    assert orders["attributes"]["kind"] == "book" and orders["start_time"] < orders["time"]
    stock, = named(receiver, "stock")
    assert (stock["type"], stock["value"]) == ("updown", -COUNT)
    load, = named(receiver, "load")
    assert (load["type"], load["value"], load["attributes"]["core"]) == ("gauge", 0.5, 1)
    buckets = {event["attributes"]["le"]: event["value"] for event in named(receiver, "took.bucket")}
    numbers = [at % 20 for at in range(COUNT)]
    assert buckets == {"5": sum(number <= 5 for number in numbers), "10": sum(number <= 10 for number in numbers),
                       "+Inf": COUNT}
    assert named(receiver, "took.sum")[0]["value"] == sum(numbers)
    assert agent.stop().agree_with(receiver).lane().received == 3 * COUNT + 10


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_hot_shots_sends_to_statsd(rig, protocol):
    receiver = rig.receiver()
    agent = rig.agent({"statsd": {"type": "statsd", "listen": [f"{protocol}://127.0.0.1:0"],
                                  "flush_interval": "100ms", "temporality": "delta"}}, {"main": rig.http(receiver)})
    agent.start()
    npm.run("statsd.js", protocol, *bound(agent, protocol), COUNT)

    def total(name):
        return sum(event["value"] for event in named(receiver, name))

    wait_until(lambda: total("shop.orders") == 3 * COUNT and total("shop.answer.count") == COUNT
               and named(receiver, "shop.far"), lambda: f"all samples; orders are {total('shop.orders')}")
    assert {(event["attributes"]["kind"], event["attributes"]["via"]) for event in named(receiver, "shop.orders")} \
        == {("book", protocol)}
    assert total("shop.answer.sum") == 250 * COUNT
    assert named(receiver, "shop.stock")[-1]["value"] == 6
    assert named(receiver, "shop.size.max")[0]["attributes"]["unit"] == "kg"
    assert 2 <= total("shop.users") <= 2 * len(named(receiver, "shop.users"))
    if protocol == "udp":
        wait_until(lambda: sum("body" in event for event in receiver.events()) == 2, "the event and the check")
        logs = {event["body"]: event for event in receiver.events() if "body" in event}
        assert logs["it is"]["severity_number"] == 13
        assert logs["no answer"]["attributes"]["statsd.check.name"] == "shop.db"
    assert agent.metrics().get("spillway_lines_unparsed_total", input="statsd") == 0
    agent.stop().agree_with(receiver)


@pytest.mark.parametrize("kind", ["BSD", "5424"])
@pytest.mark.parametrize("protocol", ["udp4", "tcp4", "tls4"])
def test_winston_sends_to_syslog(rig, protocol, kind):
    scheme = protocol[:3]
    options = {"listen": [f"{scheme}://127.0.0.1:0"]}
    if scheme == "tls":
        certificate, key = Certificates(rig.folder).issue("server", "localhost")
        options["tls"] = {"cert_file": str(certificate), "key_file": str(key)}
    receiver = rig.receiver()
    agent = rig.agent({"syslog": {"type": "syslog", **options}}, {"main": rig.http(receiver)})
    agent.start()
    npm.run("syslog.js", protocol, *bound(agent, scheme), kind, COUNT)
    events = receiver.wait_events(COUNT)
    assert collections.Counter(event["body"] for event in events) == collections.Counter(
        f"order {at} over {protocol} as {kind}" for at in range(COUNT)), events[0]
    severities = {event["body"].split()[1]: event["severity_number"] for event in events}
    assert severities["0"] == 17 and severities["1"] == 9
    attributes = events[0]["attributes"]
    assert attributes["log.syslog.facility.code"] == 19 and attributes["log.syslog.appname"] == "shop"
    assert attributes["log.syslog.hostname"] == "here"
    assert attributes.get("log.syslog.version") == (1 if kind == "5424" else None)
    assert agent.metrics().get("spillway_lines_unparsed_total", input="syslog") == 0
    agent.stop().agree_with(receiver)
