# SPDX-License-Identifier: Apache-2.0
"""OTLP over HTTP, in protobuf and in JSON: each request is made by Google's protobuf from a .proto, and
both forms of it must become the same events."""

import base64
import gzip
import importlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

import pytest

from rig.http_sender import Sender, address_of
from rig.waiting import wait_until

json_format = pytest.importorskip("google.protobuf.json_format", reason="python3-protobuf is not installed")
pytestmark = pytest.mark.skipif(shutil.which("protoc") is None, reason="protobuf-compiler is not installed")
PROTO = pathlib.Path(__file__).parent / "rig"
IDS = ("traceId", "spanId", "parentSpanId")
TIME = 1795849920123456789


@pytest.fixture(scope="module")
def otlp(tmp_path_factory):
    made = tmp_path_factory.mktemp("otlp")
    subprocess.run(["protoc", f"-I{PROTO}", f"--python_out={made}", "otlp.proto"], check=True)
    sys.path.insert(0, str(made))
    try:
        yield importlib.import_module("otlp_pb2")
    finally:
        sys.path.remove(str(made))


@pytest.fixture
def pair(rig):
    """The receiver and the agent."""
    receiver = rig.receiver()
    agent = rig.agent({"web": {"type": "http", "listen": "tcp://127.0.0.1:0",
                               "resource": {"host.name": "here"}}},
                      {"main": rig.http(receiver, batch={"max_wait": "20ms"})}).start()
    yield receiver, agent
    if agent.process is not None:
        agent.stop().agree_with(receiver)


def to_json(message):
    """As OTLP wants it: ids in hexadecimal, not in base64."""
    def convert(value):
        if isinstance(value, dict):
            return {key: base64.b64decode(item).hex() if key in IDS else convert(item)
                    for key, item in value.items()}
        return [convert(item) for item in value] if isinstance(value, list) else value
    return json.dumps(convert(json_format.MessageToDict(message))).encode()


def post(agent, path, body, content_type, **headers):
    sender = Sender(agent)
    sender.connection.request("POST", path, body, {"Content-Type": content_type, **headers})
    answer = sender.connection.getresponse()
    return answer.status, answer.headers["Content-Type"], answer.read()


def both(pair, path, message, count):
    """The events of a message, which are the same in both forms."""
    receiver, agent = pair
    came = len(receiver.events())
    assert post(agent, path, message.SerializeToString(), "application/x-protobuf") == (
        200, "application/x-protobuf", b"")
    assert post(agent, path, gzip.compress(to_json(message)), "application/json; charset=utf-8",
                **{"Content-Encoding": "gzip"}) == (200, "application/json", b"{}")
    events = receiver.wait_events(came + 2 * count)[came:]
    assert len(events) == 2 * count
    first, second = events[:count], events[count:]
    for event in events:
        event.pop("observed_time", None)
    assert first == second
    return first


def text(otlp, key, value):
    return otlp.KeyValue(key=key, value=otlp.AnyValue(string_value=value))


@pytest.mark.quick
def test_log_records_in_both_forms(otlp, pair):
    any_of = otlp.AnyValue
    nested = any_of(kvlist_value=otlp.KeyValueList(values=[
        otlp.KeyValue(key="list", value=any_of(array_value=otlp.ArrayValue(values=[
            any_of(int_value=-5), any_of(double_value=0.5), any_of(bool_value=True), any_of(),
            any_of(bytes_value=b"\x00\xff")]))),
        otlp.KeyValue(key='quo"te', value=any_of(string_value="ä\n"))]))
    record = otlp.LogRecord(
        time_unix_nano=TIME, severity_number=14, severity_text="WARN2", trace_id=bytes(range(16)),
        span_id=bytes(range(8)), body=any_of(string_value='a "body"\n'), dropped_attributes_count=3,
        event_name="my.event", attributes=[
            text(otlp, "t", "x"), otlp.KeyValue(key="i", value=any_of(int_value=1 << 62)),
            otlp.KeyValue(key="r", value=any_of(double_value=1.25)),
            otlp.KeyValue(key="b", value=any_of(bool_value=False)),
            otlp.KeyValue(key="n", value=nested), otlp.KeyValue(key="none", value=any_of())])
    scope = otlp.Scope(name="lib", version="1.2", attributes=[text(otlp, "s", "y")])
    resource = otlp.Resource(attributes=[text(otlp, "service.name", "shop"), text(otlp, "host.name", "far")])
    message = otlp.Logs(resource_logs=[
        otlp.ResourceLogs(resource=resource, scope_logs=[otlp.ScopeLogs(scope=scope, log_records=[
            record, otlp.LogRecord(body=any_of(int_value=7))])]),
        otlp.ResourceLogs(scope_logs=[otlp.ScopeLogs(log_records=[otlp.LogRecord(body=nested)])])])
    first, second, third = both(pair, "/v1/logs", message, 3)
    json_text = '{"list":[-5,0.5,true,null,"AP8="],"quo\\"te":"ä\\n"}'
    assert first == {
        "time": "2026-11-28T07:12:00.123456789Z", "severity_number": 14, "severity_text": "WARN2",
        "body": 'a "body"\n', "trace_id": bytes(range(16)).hex(), "span_id": bytes(range(8)).hex(),
        "dropped_attributes_count": 3,
        "attributes": {"otel.scope.name": "lib", "otel.scope.version": "1.2", "s": "y", "t": "x",
                       "i": 1 << 62, "r": 1.25, "b": False, "n": json_text, "otel.event.name": "my.event"},
        "resource": {"service.name": "shop", "host.name": "far"}}
    assert second["body"] == "7" and second["resource"] == first["resource"]
    assert third == {"body": json_text, "resource": {"host.name": "here"}}


def test_metrics_of_every_kind_in_both_forms(otlp, pair):
    when = {"start_time_unix_nano": TIME - 10**9, "time_unix_nano": TIME}
    attributes = [text(otlp, "k", "v\n")]
    number = otlp.NumberDataPoint
    metrics = [
        otlp.Metric(name="g", unit="Cel", gauge=otlp.Gauge(data_points=[
            number(as_double=1.5, attributes=attributes, **when), number(as_int=-3, flags=1, **when)])),
        otlp.Metric(name="s", unit="By", sum=otlp.Sum(
            aggregation_temporality=2, is_monotonic=True, data_points=[number(as_int=5, **when)])),
        otlp.Metric(name="u", sum=otlp.Sum(aggregation_temporality=2, data_points=[number(as_int=-5, **when)])),
        otlp.Metric(name="d", sum=otlp.Sum(aggregation_temporality=1, is_monotonic=True,
                                           data_points=[number(as_int=2, **when)])),
        otlp.Metric(name="h", unit="s", histogram=otlp.Histogram(aggregation_temporality=2, data_points=[
            otlp.HistogramDataPoint(count=6, sum=9.5, min=0.5, max=4, bucket_counts=[1, 0, 5, 0],
                                    explicit_bounds=[1, 2, 5], attributes=attributes, **when)])),
        otlp.Metric(name="e", exponential_histogram=otlp.ExponentialHistogram(
            aggregation_temporality=2, data_points=[otlp.ExponentialHistogramDataPoint(
                count=7, sum=1, scale=0, zero_count=1, positive=otlp.Buckets(offset=1, bucket_counts=[2, 0, 1]),
                negative=otlp.Buckets(offset=-1, bucket_counts=[3]), **when)])),
        otlp.Metric(name="q", summary=otlp.Summary(data_points=[otlp.SummaryDataPoint(
            count=2, sum=3, quantile_values=[otlp.ValueAtQuantile(quantile=0.5, value=1)], **when)]))]
    message = otlp.Metrics(resource_metrics=[otlp.ResourceMetrics(scope_metrics=[
        otlp.ScopeMetrics(metrics=metrics)])])
    samples = both(pair, "/v1/metrics", message, 22)
    seen = [(s["name"], s["type"], s["value"], (s.get("attributes") or {}).get("le")) for s in samples]
    assert seen == [
        ("g", "gauge", 1.5, None), ("g", "gauge", None, None), ("s", "sum", 5, None), ("u", "updown", -5, None),
        ("d", "sum", 2, None),
        ("h.count", "sum", 6, None), ("h.sum", "sum", 9.5, None), ("h.min", "gauge", 0.5, None),
        ("h.max", "gauge", 4, None), ("h.bucket", "sum", 1, "1"), ("h.bucket", "sum", 6, "5"),
        ("h.bucket", "sum", 6, "+Inf"),
        ("e.count", "sum", 7, None), ("e.sum", "sum", 1, None), ("e.bucket", "sum", 3, "-0.5"),
        ("e.bucket", "sum", 4, "0"), ("e.bucket", "sum", 6, "4"), ("e.bucket", "sum", 7, "16"),
        ("e.bucket", "sum", 7, "+Inf"),
        ("q.count", "sum", 2, None), ("q.sum", "sum", 3, None), ("q", "gauge", 1, None)]
    assert samples[0]["attributes"] == {"k": "v\n"} and samples[0]["unit"] == "Cel"
    assert samples[2]["start_time"] == "2026-11-28T07:11:59.123456789Z" and samples[2]["unit"] == "By"
    assert samples[4]["temporality"] == "delta" and samples[4]["start_time"] == samples[2]["start_time"]
    assert [s for s in samples if s.get("no_recorded_value")] == [samples[1]]
    assert samples[9]["attributes"] == {"k": "v\n", "le": "1"} and samples[9]["unit"] == "1"
    assert samples[21]["attributes"] == {"quantile": "0.5"}


def test_spans_with_their_events_and_links_in_both_forms(otlp, pair):
    span = otlp.Span(trace_id=b"t" * 16, span_id=b"s" * 8, parent_span_id=b"p" * 8, name="GET /", kind=2,
                     start_time_unix_nano=TIME, end_time_unix_nano=TIME + 1500, trace_state="a=b",
                     attributes=[text(otlp, "http.route", "/")],
                     events=[otlp.Event(time_unix_nano=TIME + 5, name="exception",
                                        attributes=[text(otlp, "exception.type", "E")])],
                     links=[otlp.Link(trace_id=b"T" * 16, span_id=b"S" * 8)],
                     status=otlp.Status(code=2, message="bad"))
    message = otlp.Traces(resource_spans=[otlp.ResourceSpans(scope_spans=[otlp.ScopeSpans(spans=[span])])])
    whole, event, link = both(pair, "/v1/traces", message, 3)
    assert whole["body"] == "GET /" and whole["trace_id"] == (b"t" * 16).hex()
    assert whole["attributes"] == {
        "span.record": "span", "span.trace_state": "a=b", "span.parent_id": (b"p" * 8).hex(),
        "span.kind": "server", "http.route": "/", "span.status": "error", "span.status_message": "bad",
        "span.duration_ns": 1500}
    assert event["body"] == "exception" and event["span_id"] == whole["span_id"]
    assert event["attributes"] == {"span.record": "event", "span.name": "GET /", "exception.type": "E"}
    assert link["trace_id"] == (b"T" * 16).hex() and link["attributes"]["span.name"] == "GET /"


def test_what_cannot_be_kept_is_told_as_partial_success_and_counted(otlp, pair):
    receiver, agent = pair
    point = otlp.HistogramDataPoint(count=1, bucket_counts=[1, 2], explicit_bounds=[1, 2, 3])
    good = otlp.Metric(name="g", gauge=otlp.Gauge(data_points=[otlp.NumberDataPoint(as_int=1)]))
    message = otlp.Metrics(resource_metrics=[otlp.ResourceMetrics(scope_metrics=[otlp.ScopeMetrics(metrics=[
        good, otlp.Metric(name="h", histogram=otlp.Histogram(data_points=[point])),
        otlp.Metric(name="n" * 300, gauge=otlp.Gauge(data_points=[otlp.NumberDataPoint()]))])])])
    status, _, answer = post(agent, "/v1/metrics", message.SerializeToString(), "application/x-protobuf")
    response = otlp.Response.FromString(answer)
    assert status == 200 and response.partial_success.rejected == 2 and response.partial_success.error_message
    status, _, answer = post(agent, "/v1/metrics", to_json(message), "application/json")
    assert status == 200 and json.loads(answer)["partialSuccess"]["rejectedDataPoints"] == "2"
    receiver.wait_events(2)
    lane = agent.stop().agree_with(receiver).lane()
    assert (lane.received, lane.malformed, lane.delivered) == (6, 4, 2)


def test_garbage_is_refused_in_the_form_of_otlp_and_nothing_of_it_is_taken(otlp, pair):
    receiver, agent = pair
    record = otlp.LogRecord(body=otlp.AnyValue(string_value="x" * 50))
    whole = otlp.Logs(resource_logs=[otlp.ResourceLogs(scope_logs=[
        otlp.ScopeLogs(log_records=[record] * 20)])]).SerializeToString()
    chance = random.Random(5)
    status, kind, answer = post(agent, "/v1/logs", whole[:-7], "application/x-protobuf")
    assert (status, kind) == (400, "application/x-protobuf")
    assert "OTLP" in otlp.RpcStatus.FromString(answer).message
    assert post(agent, "/v1/logs", b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[1]}]}]}',
                "application/json")[0] == 400
    assert post(agent, "/v1/logs", b'{"resourceLogs":[', "application/json")[0] == 400
    assert post(agent, "/v1/logs", b"x", "text/plain")[0] == 415
    deep = otlp.AnyValue(int_value=1)
    for _ in range(60):
        deep = otlp.AnyValue(array_value=otlp.ArrayValue(values=[deep]))
    message = otlp.Logs(resource_logs=[otlp.ResourceLogs(scope_logs=[otlp.ScopeLogs(
        log_records=[otlp.LogRecord(body=deep)])])])
    assert post(agent, "/v1/logs", message.SerializeToString(), "application/x-protobuf")[0] == 200
    assert receiver.wait_events(1)[0]["dropped_attributes_count"] == 1
    taken = 1
    for _ in range(100):
        body = bytearray(whole)
        body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
        status, _, answer = post(agent, "/v1/logs", bytes(body), "application/x-protobuf")
        assert status in (200, 400)
    assert post(agent, "/v1/traces", os.urandom(1000), "application/x-protobuf")[0] in (200, 400)
    assert taken <= len(receiver.events())
    address_of(agent)
    agent.stop().agree_with(receiver)
    wait_until(lambda: agent.process is None, "the end")
