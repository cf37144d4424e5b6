# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus scrapes an agent in trouble, in both formats, one in bad company, and one that is
well: every query of the dashboard returns data, every rule can be evaluated, and those that this trouble
is about begin to fire, for the one that is well none.

The dashboard itself is not drawn here: there is no Grafana among Debian's packages."""

import json
import math
import operator
import pathlib
import re
import socket
import threading

import pytest

from rig import admin
from rig.agent import is_sanitized
from rig.http_sender import Sender, ndjson
from rig.lines import append_lines, lines
from rig.prometheus_server import PrometheusServer, Relay
from rig.promtool import program
from rig.receiver import Reply
from rig.waiting import DEADLINE_S, wait_until

PACKAGING = pathlib.Path(__file__).resolve().parents[2] / "packaging"
CHOSEN = {"$job": "spillway", "$instance": ".*", "$input": ".*", "$output": ".*",
          "$__rate_interval": "15s", "$__range": "1m"}
# What the trouble below is about: true for as long as it lasts, or once it has happened.
BEGIN = {"SpillwayDropping", "SpillwayDroppingMuch", "SpillwayOutputHeld", "SpillwayBreakerOpen",
         "SpillwayNothingDelivered", "SpillwaySaturated", "SpillwayRefused",
         "SpillwaySourceOverran", "SpillwayUnparsed", "SpillwaySendersPutOff", "SpillwayRequestsBad",
         "SpillwayConnectionsRefused", "SpillwaySeriesOverflow", "SpillwayRunsFailing",
         "SpillwayRunsOverlap", "SpillwayCollectFailing"}
MAY_BEGIN = {"SpillwayLogHeldBack"}  # each refused line would like to be told
# Told by the log at the end of the process, which is scraped no more.
NEVER_SCRAPED = {"drain_timeout_ring", "drain_timeout_batch", "drain_timeout_ready",
                 "drain_timeout_in_flight"}


class Trouble:
    """An agent with a healthy output that refuses some, one that is turned away, one that spools;
    fed until it is closed."""

    def __init__(self, rig, folder):
        healthy, closed, away = (rig.receiver() for _ in range(3))
        healthy.rule(lambda request: 422 if b"poison" in request.text else None)
        closed.always(Reply(401))
        away.always(503)
        small = {"batch": {"max_bytes": "16KiB", "max_wait": "50ms"}}
        self.path = folder / "app.log"
        self.agent = rig.agent(
            {"app": {"type": "stdin", "lane": {"capacity": "320KiB", "overflow": "drop_oldest"}},
             "files": rig.tail("app.log"),
             "host": {"type": "host_metrics", "interval": "1s"}},
            {"main": rig.http(healthy, **small, dead_letter={"path": str(folder / "dead")}),
             "closed": rig.http(closed, **small),
             "away": rig.http(away, **small, spool={"max_bytes": "64MiB", "min_free": "0"})},
            memory_limit="128MiB", shutdown_grace="1s").start_piped()
        self.agent.feed(lines(0, 1))
        healthy.wait_events(1)  # an endpoint that took a batch may refuse one
        self._over = threading.Event()
        self._feeder = threading.Thread(target=self._feed)
        self._feeder.start()

    def _feed(self):
        at = 1
        while not self._over.wait(0.02):
            self.agent.feed([*lines(at, 100, bytes_=200), f"poison {at}"])
            append_lines(self.path, at, 10)
            at += 100

    def close(self):
        self._over.set()
        self._feeder.join()

    def metrics(self):
        return admin.ask(self.agent, "/metrics").text


class BadCompany:
    """An agent whose senders, commands and targets are all as they should not be, and whose output
    takes nothing, so that it has to put senders off."""

    def __init__(self, rig):
        closed = rig.receiver()
        closed.always(Reply(401))
        here = "127.0.0.1:0"
        self.agent = rig.agent(
            {"web": {"type": "http", "listen": f"tcp://{here}", "max_body_bytes": "1MiB",
                     "max_pending_bytes": "2MiB", "lane": {"capacity": "1MiB"}},
             "syslog": {"type": "syslog", "listen": [f"udp://{here}"], "receive_buffer": "4KiB"},
             "strangers": {"type": "socket", "listen": [f"tcp://{here}"], "allow": ["192.0.2.0/24"]},
             "statsd": {"type": "statsd", "listen": [f"udp://{here}"], "flush_interval": "1s",
                        "max_series": 8},
             "checks": {"type": "exec", "command": ["sh", "-c", "sleep 1; exit 1"], "interval": "200ms"},
             "targets": {"type": "prometheus", "targets": ["http://127.0.0.1:1/metrics"],
                         "interval": "1s", "timeout": "1s"}},
            {"closed": rig.http(closed, batch={"max_bytes": "16KiB", "max_wait": "50ms"})},
            memory_limit="128MiB", shutdown_grace="1s").start()
        self._over = threading.Event()
        self._feeder = threading.Thread(target=self._feed)
        self._feeder.start()

    def _address(self, name):
        source = self.agent.wait_log(msg="listens", input=name)["source"]
        host, port = re.fullmatch(r"\w+://(.*):(\d+)", source).groups()
        return host, int(port)

    def _feed(self):
        web, body = Sender(self.agent), ndjson(lines(0, 1000, bytes_=200))
        syslog, statsd = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
        syslog.connect(self._address("syslog"))
        statsd.connect(self._address("statsd"))
        while not self._over.wait(0.05):
            web.post(body)
            web.post(b'[{"body":', content_type="application/json")
            for _ in range(200):  # more than its buffer holds
                syslog.send(b"<999>" + b"x" * 1000)
            for i in range(20):
                statsd.send(f"answers:1|c|#id:{i}".encode())
            try:
                socket.create_connection(self._address("strangers"), timeout=DEADLINE_S).close()
            except ConnectionResetError:
                pass

    def close(self):
        self._over.set()
        self._feeder.join()


def start_a_well_one(rig):
    receiver = rig.receiver()
    agent = rig.agent({"app": {"type": "stdin"}}, {"main": rig.http(receiver)}).start_piped()
    agent.feed(lines(0, 1000))
    receiver.wait_events(1000)
    return agent


@pytest.fixture(scope="module")
def dashboard():
    return json.loads((PACKAGING / "grafana/spillway.json").read_text())


def queries(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            expr = target["expr"]
            for name, value in CHOSEN.items():
                expr = expr.replace(name, value)
            assert "$" not in expr, expr
            yield panel["title"], expr


def check_every_query_returns_data(prometheus, dashboard):
    def empty():
        return [f"{title}: {expr}" for title, expr in queries(dashboard)
                if not any(math.isfinite(value) for _, value in prometheus.query(expr))]
    wait_until(lambda: not empty(), lambda: "\n".join(["no data:", *empty()]), pause=0.5)


def check_each_variable_has_values(prometheus, dashboard):
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "datasource":
            continue
        metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
        for name, value in CHOSEN.items():
            metric = metric.replace(name, value)
        found = prometheus.get(f"label/{label}/values", **{"match[]": metric})
        assert label == variable["name"] and found, variable["definition"]


def check_rules(prometheus, well):
    broken = [(rule["name"], rule.get("lastError")) for rule in prometheus.rules()
              if rule["health"] == "err"]
    assert not broken, broken

    def begun():
        return {rule["name"] for rule in prometheus.rules() if rule["state"] != "inactive"}

    def about_the_well_one():
        return {rule["name"] for rule in prometheus.rules() for alert in rule["alerts"]
                if alert["labels"]["instance"] == well} - sanitizers
    sanitizers = {"SpillwayMemory"} if is_sanitized() else set()
    allowed = BEGIN | MAY_BEGIN | sanitizers
    # Not at once: a scrape that took too long on a busy machine is SpillwayDown, until the next one.
    wait_until(lambda: BEGIN <= begun() <= allowed, lambda: f"missing: {BEGIN - begun()}, not about "
               f"this trouble: {begun() - allowed}", pause=0.5)
    wait_until(lambda: not about_the_well_one(), about_the_well_one, pause=0.5)


def check_formats(prometheus, direct, classic):
    """The same series, whichever of them is scraped."""
    wait_until(lambda: {target["health"] for target in prometheus.targets()} == {"up"},
               prometheus.targets, pause=0.5)
    assert {kind.split(";")[0] for kind in direct.content_types} == {"application/openmetrics-text"}
    assert {kind.split(";")[0] for kind in classic.content_types} == {"text/plain"}

    def series(job, address):
        return {tuple(sorted((key, value) for key, value in labels.items() if key not in ("job", "instance")))
                for labels, _ in prometheus.query(
                    f'{{__name__=~"spillway_.*|process_.*", job="{job}", instance="{address}"}}')}

    def both():
        return series("spillway", direct.address), series("classic", classic.address)
    wait_until(lambda: operator.eq(*both()), lambda: sorted(operator.xor(*both()))[:10], pause=0.5)
    assert len(both()[0]) > 300


def check_names(metrics, dashboard):
    """Names that no agent has return no data and no error: an alert on one would never fire."""
    known = {re.sub("_(bucket|sum|count)$", "", name)
             for name in re.findall(r"^([a-z_]+)[{ ]", metrics, re.MULTILINE)}
    text = (PACKAGING / "prometheus/alerts.yaml").read_text()
    exprs = re.findall(r"expr: (?:>-\n)?(.*?)\n +(?:for|labels):", text, re.DOTALL)
    assert len(exprs) == text.count("- alert:")
    exprs += [expr for _, expr in queries(dashboard)]
    used = {re.sub("_bucket$", "", name) for expr in exprs
            for name in re.findall(r"\b(?:spillway|process)_[a-z_]+", expr)}
    assert len(used) > 50 and used <= known, used - known


def check_each_reason_has_one_alert(metrics):
    text = (PACKAGING / "prometheus/alerts.yaml").read_text()
    patterns = re.findall(r'dropped_events_total\{reason=~?"([^"]+)"', text)
    for reason in set(re.findall(r'^spillway_dropped_events_total.*reason="(\w+)"', metrics, re.MULTILINE)):
        alerts = [pattern for pattern in patterns if re.fullmatch(pattern, reason)]
        assert len(alerts) == (0 if reason in NEVER_SCRAPED else 1), (reason, alerts)


def test_a_real_prometheus_finds_what_the_dashboard_and_the_alerts_ask_for(rig, folder, dashboard):
    program("prometheus")  # or it is skipped, before anything runs
    agent = start_a_well_one(rig)
    well = "%s:%d" % admin.address(agent)
    trouble, company = Trouble(rig, folder), BadCompany(rig)
    relays = direct, classic = [Relay(admin.address(trouble.agent), accept) for accept in (None, "text/plain")]
    try:
        check_names(trouble.metrics(), dashboard)
        check_each_reason_has_one_alert(trouble.metrics())
        with PrometheusServer(folder, {"spillway": [direct.address, well, "%s:%d" % admin.address(company.agent)],
                                       "classic": [classic.address]}) as prometheus:
            check_every_query_returns_data(prometheus, dashboard)
            check_each_variable_has_values(prometheus, dashboard)
            check_rules(prometheus, well)
            check_formats(prometheus, direct, classic)
    finally:
        trouble.close()
        company.close()
        for relay in relays:
            relay.close()
    trouble.agent.stop(expect=3)
    company.agent.stop(expect=3)
    agent.stop()
