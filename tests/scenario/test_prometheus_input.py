# SPDX-License-Identifier: Apache-2.0
"""The input `prometheus`: a real exporter, and targets that hang, lie, flood and forget."""

import collections
import gzip
import http.server
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import pytest
import yaml as pyyaml

from rig import yaml
from rig.agent import BINARY, environment
from rig.prometheus_server import listening_port
from rig.promtool import program
from rig.waiting import wait_until
from test_tls import Certificates

EXAMPLE = pathlib.Path(__file__).parents[2] / "config/examples/prometheus.yaml"
PLAIN = "text/plain; version=0.0.4"
OWN = {"up", "scrape_duration_seconds", "scrape_samples_scraped"}
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Targets:
    """What is answered at each path: text, or a function that is given the request. `seen` has the
    headers of the last request to each."""

    def __init__(self, answers, host="127.0.0.1", tls=None):
        self.answers, self.seen, self.over = answers, {}, threading.Event()
        self.at = ("https" if tls else "http") + "://" + ("localhost" if tls else f"[{host}]" if ":" in host else host)
        targets = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                targets.seen[self.path] = self.headers
                answer = targets.answers[self.path]
                try:
                    answer(self) if callable(answer) else reply(self, answer)
                except OSError:
                    self.close_connection = True

            def log_message(self, *unused):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 128  # all targets are asked at once
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

            def finish_request(self, request, client_address):
                if tls is not None:
                    request = tls.wrap_socket(request, server_side=True)
                super().finish_request(request, client_address)

            def handle_error(self, *unused):
                pass  # a handshake that failed: the agent tells why

        self._server = Server((host, 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, path):
        return f"{self.at}:{self.port}{path}"

    def close(self):
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


def reply(request, text, status=200, content_type=PLAIN):
    body = text if isinstance(text, bytes) else text.encode()
    request.send_response(status)
    request.send_header("Content-Type", content_type)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


@pytest.fixture
def targets():
    made = Targets({})
    yield made
    made.close()


def scrape(*urls, **options):
    return {"type": "prometheus", "targets": list(urls), "interval": "200ms", **options}


def patient(*urls, **options):
    """A scrape may take as long as its interval: here one that fails would be noticed."""
    return scrape(*urls, **{"interval": "1s", **options})


def samples(receiver, name, job=None):
    return [event for event in receiver.events() if event.get("name") == name
            and job in (None, event["resource"]["service.name"])]


def values(receiver, name, job=None):
    return [event["value"] for event in samples(receiver, name, job)]


def test_a_real_exporter_and_the_example(rig):
    exporter = subprocess.Popen([program("prometheus-node-exporter"), "--web.listen-address=127.0.0.1:0"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port = wait_until(lambda: listening_port(exporter.pid), "the exporter listens")
        receiver = rig.receiver()
        example = pyyaml.safe_load(EXAMPLE.read_text())
        agent = rig.agent(example["inputs"], {"main": rig.http(receiver)})
        agent.env = {"NODE_EXPORTER": f"127.0.0.1:{port}", "INTERVAL": "1s"}
        agent.start()
        wait_until(lambda: 1 in values(receiver, "up"), "a scrape")
    finally:
        exporter.kill()
        exporter.wait()
    wait_until(lambda: values(receiver, "up")[-1] == 0, "it is seen that it is gone")
    cpu = samples(receiver, "node_cpu_seconds_total")
    assert cpu and all(event["type"] == "sum" and event["unit"] == "s" for event in cpu)
    assert {"idle", "user"} <= {event["attributes"]["mode"] for event in cpu}
    assert cpu[0]["attributes"]["environment"] == "production"
    assert cpu[0]["resource"]["service.name"] == "exporters"
    assert cpu[0]["resource"]["service.instance.id"] == f"127.0.0.1:{port}"
    assert samples(receiver, "node_memory_MemTotal_bytes")[0]["type"] == "gauge"
    scraped = values(receiver, "scrape_samples_scraped")[0]
    first = samples(receiver, "scrape_samples_scraped")[0]["time"]
    assert scraped > 200
    assert scraped == sum(1 for event in receiver.events()
                          if event["time"] == first and event["name"] not in OWN)
    assert not agent.log.find(msg="not a readable record")
    agent.stop().agree_with(receiver)


def test_both_formats_as_events(rig, targets):
    targets.answers = {
        "/plain": ('# TYPE rpc_seconds histogram\nrpc_seconds_bucket{le="+Inf",path="a\\"\\\\\\n"} 3\n'
                   "# TYPE odd gauge\nodd NaN\nodd{is=\"over\"} +Inf\nlast 2 1395066363000"),
        "/open": lambda request: reply(request, (
            "# TYPE hits counter\n# UNIT hits bytes\n"
            'hits_total{zone="x",site="theirs"} 5 1395066363.5 # {trace_id="1"} 2\n# EOF\n'),
            content_type=OPEN),
        "/cut": lambda request: reply(request, "a 1\n", content_type=OPEN)}
    (rig.folder / "token").write_text("sesame\n")
    receiver = rig.receiver()
    agent = rig.agent({
        "plain": scrape(targets.url("/plain"), auth={"user": "ann", "password": "secret"}),
        "open": scrape(targets.url("/open"), labels={"site": "ours"}),
        "scraped": scrape(targets.url("/open"), honor_timestamps="no",
                          auth={"bearer_token_file": str(rig.folder / "token")}),
        "cut": scrape(targets.url("/cut")),
    }, {"main": rig.http(receiver)})
    agent.start()
    agent.wait_log(msg="a scrape failed", input="cut", why="the answer has no # EOF at its end")
    for job, up in (("plain", 1), ("open", 1), ("scraped", 1), ("cut", 0)):
        wait_until(lambda: up in values(receiver, "up", job), f"a scrape of {job}")  # noqa: B023
    bucket = samples(receiver, "rpc_seconds_bucket")[0]
    assert bucket["attributes"] == {"le": "+Inf", "path": 'a"\\\n'} and bucket["type"] == "sum"
    odd = samples(receiver, "odd")[:2]
    assert [event["value"] for event in odd] == [None, None]
    assert odd[0]["attributes"] == {"prometheus.value": "NaN"}
    assert odd[1]["attributes"] == {"is": "over", "prometheus.value": "+Inf"}
    assert samples(receiver, "last")[0]["time"].startswith("2014-03-17T14:26:03")
    hits = samples(receiver, "hits_total", "open")[0]
    assert hits["attributes"] == {"zone": "x", "site": "ours"}
    assert (hits["type"], hits["unit"], hits["value"]) == ("sum", "By", 5)
    assert hits["time"].startswith("2014-03-17T14:26:03.5")
    assert not samples(receiver, "hits_total", "scraped")[0]["time"].startswith("2014")
    assert targets.seen["/plain"]["Authorization"] == "Basic YW5uOnNlY3JldA=="
    assert "openmetrics" in targets.seen["/plain"]["Accept"]
    agent.stop().agree_with(receiver)


def test_what_ill_behaved_targets_do_to_the_agent_and_to_the_others(rig, targets):
    sent = []

    def flood(request):
        request.send_response(200)
        request.end_headers()  # without a length: until the connection ends
        request.close_connection = True
        lines = b"".join(b'big{n="%04d",pad="%s"} 1\n' % (at, b"x" * 480) for at in range(2000))
        for _ in range(1024):
            request.wfile.write(lines)
            sent.append(len(lines))

    packed = gzip.compress(b"# " + b"x" * (64 << 20) + b"\n", 1)

    def bomb(request):
        request.send_response(200)
        request.send_header("Content-Encoding", "gzip")
        request.send_header("Content-Length", str(len(packed)))
        request.end_headers()
        request.wfile.write(packed)

    targets.answers = {
        "/good": "beat 1\n", "/bomb": bomb, "/500": lambda request: reply(request, "beat 1\n", 500),
        "/hangs": lambda request: targets.over.wait(60), "/flood": flood,
        "/garbage": b"<html>\n\0\xff\xfe{{{\n" + b"y" * 100000 + b"\n",
        "/mixed": "fine 1\nnot fine\nmore{ 3\nlong{a=\"" + "z" * 20000 + "\"} 1\nfine2 2\n",
        "/many": "".join(f"many{{n=\"{at}\"}} 1\n" for at in range(30)),
        "/moves": lambda request: reply(request, "", 302)}
    receiver = rig.receiver()
    jobs = {path[1:]: path for path in targets.answers}
    inputs = {"all": scrape(*map(targets.url, targets.answers), max_body_bytes="1MiB", timeout="10s",
                            interval="1s", max_samples="100")}
    inputs.update({job: scrape(targets.url(path), max_body_bytes="1MiB", interval="1s", max_samples="20")
                   for job, path in jobs.items()})
    agent = rig.agent(inputs, {"main": rig.http(receiver)}, memory_limit="128MiB")
    agent.start()
    agent.wait_log(msg="a scrape failed", input="bomb", why="it answered more than max_body_bytes")
    for job in ("500", "moves", "flood", "garbage", "hangs"):
        agent.wait_metric(1, "spillway_collect_failures_total", input=job)
    wait_until(lambda: set(jobs) == {event["resource"]["service.name"] for event in
                                     samples(receiver, "up")} - {"all"}, "an answer or none, of each")
    wait_until(lambda: len(samples(receiver, "beat", "all")) >= 2, "the hanging one holds nobody")
    for job in ("good", "mixed", "many"):
        wait_until(lambda: 1 in values(receiver, "up", job), f"an answer of {job}")  # noqa: B023
    for job in ("500", "moves", "flood", "garbage", "hangs", "bomb"):
        assert set(values(receiver, "up", job)) == {0}, job
    assert sum(sent) < 256 << 20, "nobody reads a gigabyte"
    wait_until(lambda: 1500 < max(values(receiver, "scrape_samples_scraped", "flood")) < 2100, "up to the bound")
    wait_until(lambda: 30 in values(receiver, "scrape_samples_scraped", "many"), "all of the many")
    assert not samples(receiver, "beat", "500")
    books = agent.stop().agree_with(receiver)
    whole = len(samples(receiver, "fine2", "mixed"))  # the last scrape may be cut by the stop
    assert 3 * whole <= books.lane("mixed").malformed <= 3 * (whole + 1)
    assert books.lane("many").malformed * 2 == len(samples(receiver, "many", "many"))
    assert books.lane("garbage").malformed >= 3


def markers(receiver, job="job"):
    """name and labels of each series that was said to have ended, in that order"""
    found = [event for event in receiver.events()
             if event.get("no_recorded_value") and event["resource"]["service.name"] == job]
    assert all(event["value"] is None for event in found)
    return [(event["name"], event.get("attributes", {})) for event in found]


def test_a_series_that_is_gone_gets_one_marker_as_has_each_of_a_target_that_cannot_be_had(rig, targets):
    targets.answers = {"/a": ('# TYPE hits counter\n# UNIT hits bytes\nstays 1\ngoes{b="2",a="1"} 1\n'
                              'hits_total{zone="x"} 7\ntheir_time 3 1395066363000\n')}
    receiver = rig.receiver()
    agent = rig.agent({"job": patient(targets.url("/a"), labels={"site": "ours"})},
                      {"main": rig.http(receiver)})
    agent.start()
    wait_until(lambda: len(samples(receiver, "goes")) >= 2, "all series, twice")
    assert markers(receiver) == []
    targets.answers["/a"] = 'stays 2\nhits_total{zone="x"} 8\n'
    wait_until(lambda: values(receiver, "stays").count(2) >= 3, "those that stay")
    assert markers(receiver) == [("goes", {"a": "1", "b": "2", "site": "ours"})], "one, and none for their time"
    gone, kept = samples(receiver, "goes")[-1], samples(receiver, "stays")
    assert gone["time"] == kept[values(receiver, "stays").index(2)]["time"], "of the scrape that missed it"
    assert agent.metrics().get("spillway_series", input="job") == 2 + len(OWN)
    targets.answers["/a"] = lambda request: reply(request, "stays 3\n", 500)
    wait_until(lambda: len(markers(receiver)) == 3, "the marker of each")
    wait_until(lambda: values(receiver, "up").count(0) >= 3, "more scrapes that fail")
    assert sorted(markers(receiver)[1:], key=str) == [("hits_total", {"site": "ours", "zone": "x"}),
                                                      ("stays", {"site": "ours"})]
    ended = samples(receiver, "hits_total")[-1]
    assert (ended["type"], ended["unit"]) == ("sum", "By") and ended["value"] is None
    targets.answers["/a"] = 'goes{a="1",b="2"} 5\n'
    wait_until(lambda: 5 in values(receiver, "goes"), "it is back")
    assert len(markers(receiver)) == 3
    agent.stop().agree_with(receiver)
    assert len(markers(receiver)) == 3, "none at the stop: it may go on after a restart"


def test_what_of_a_series_came_before_a_scrape_broke_off_counts_and_the_rest_is_gone(rig, targets):
    whole = "".join(f"s{at} 1\n" for at in range(4))

    def break_off(request):
        request.send_response(200)
        request.send_header("Content-Length", "1000000")
        request.end_headers()
        request.wfile.write(b"s0 2\ns1 2\n" + b"# \n" * 8192)
        request.close_connection = True

    targets.answers = {"/a": whole}
    receiver = rig.receiver()
    agent = rig.agent({"job": patient(targets.url("/a"))}, {"main": rig.http(receiver)})
    agent.start()
    wait_until(lambda: samples(receiver, "s3"), "all series")
    targets.answers["/a"] = break_off
    wait_until(lambda: values(receiver, "up").count(0) >= 2, "two broken scrapes")
    assert sorted(name for name, _ in markers(receiver)) == ["s2", "s3"]
    assert values(receiver, "s0")[-1] == 2
    agent.stop().agree_with(receiver)


def test_series_that_find_no_room_are_sent_and_get_no_marker(rig, targets):
    targets.answers = {"/a": "".join(f'many{{n="{at}",pad="{"x" * 200}"}} 1\n' for at in range(1000))}
    receiver = rig.receiver()
    agent = rig.agent({"job": patient(targets.url("/a"), max_series_memory="64KiB"),
                       "none": patient(targets.url("/a"), max_series_memory="0")}, {"main": rig.http(receiver)})
    agent.start()
    agent.wait_log(msg="some series will get no marker when they are gone", input="job")
    wait_until(lambda: len(samples(receiver, "many", "none")) >= 1000, "all samples all the same")
    wait_until(lambda: len(samples(receiver, "scrape_samples_scraped", "job")) >= 3, "whole scrapes")
    wait_until(lambda: 100 < agent.metrics().get("spillway_series", input="job") < 65536 / 250, "those with room")
    targets.answers["/a"] = "other 1\n"
    wait_until(lambda: len(samples(receiver, "other", "job")) >= 2 and len(samples(receiver, "other", "none")) >= 2,
               "scrapes without them")
    ended = [labels["n"] for name, labels in markers(receiver) if name == "many"]
    assert 100 < len(set(ended)) < 65536 / 250 and markers(receiver, "none") == []
    # A scrape that a busy machine was too late for ends all series, too.
    assert len(ended) == len(set(ended)) or 0 in values(receiver, "up", "job"), \
        collections.Counter(ended).most_common(3)
    assert not agent.log.find(msg="some series will get no marker when they are gone", input="none")
    agent.stop().agree_with(receiver)


def test_a_reload_keeps_what_is_known_of_targets_that_stay_and_ends_those_that_go(rig, targets):
    targets.answers = {"/a": "stays 1\ngoes 1\n", "/b": "other 1\n"}
    receiver = rig.receiver()
    agent = rig.agent({"job": patient(targets.url("/a"), targets.url("/b"))}, {"main": rig.http(receiver)})
    agent.start()
    wait_until(lambda: samples(receiver, "goes") and samples(receiver, "other"), "all series")

    def reload(**options):
        agent.config["inputs"]["job"].update(options)
        agent.config_path.write_text(yaml.dump(agent.config))
        agent.process.send_signal(signal.SIGHUP)

    targets.answers["/c"] = "third 1\n"
    reload(targets=[targets.url("/a"), targets.url("/c")])
    wait_until(lambda: samples(receiver, "third"), "the other target")
    wait_until(lambda: len(markers(receiver)) >= 4, "the end of the one that goes")
    assert {name for name, _ in markers(receiver)} == {"other"} | OWN and len(markers(receiver)) == 4
    targets.answers["/a"] = "stays 2\n"
    wait_until(lambda: 2 in values(receiver, "stays"), "a scrape without one of its series")
    wait_until(lambda: "goes" in [name for name, _ in markers(receiver)], "its marker, over the reload")
    reload(labels={"site": "new"})
    wait_until(lambda: samples(receiver, "third")[-1].get("attributes") == {"site": "new"}, "the label")
    wait_until(lambda: len(markers(receiver)) == 5 + 2 * 4, "series with other labels are others")
    assert all(labels == {} for _, labels in markers(receiver)[5:])
    assert collections.Counter(name for name, _ in markers(receiver)[5:]) == {
        "stays": 1, "third": 1, **{name: 2 for name in OWN}}
    agent.stop().agree_with(receiver)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_targets_over_tls_are_checked_and_may_check_who_asks(rig):
    certificates = Certificates(rig.folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificates.issue("target", "localhost"))
    context.load_verify_locations(certificates.ca)
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    asking.load_cert_chain(*certificates.issue("asking", "localhost"))
    asking.load_verify_locations(certificates.ca)
    asking.verify_mode = ssl.CERT_REQUIRED
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    other.load_cert_chain(*certificates.issue("other", "elsewhere.example"))
    ours = dict(zip(("cert_file", "key_file"), map(str, certificates.issue("client", "agent"))))
    made = [Targets({"/": "beat 1\n"}, tls=tls) for tls in (context, asking, other)]
    good, wants, named = (targets.url("/") for targets in made)
    ca = {"ca_file": str(certificates.ca)}
    token = rig.folder / "token"
    token.write_text("first\n")
    receiver = rig.receiver()
    jobs = {
        "known": patient(good, tls=ca, auth={"user": "ann", "password": "secret"}),
        "stranger": patient(good), "unchecked": patient(named, tls={"verify": "no"}),
        "named": patient(named, tls=ca), "nobody": patient(wants, tls=ca),
        "client": patient(wants, tls={**ca, **ours}, auth={"bearer_token_file": str(token)})}
    for name, job in jobs.items():  # the first scrape of each tells; a handshake may take its time
        job["interval"] = job["timeout"] = "4s" if name == "client" else "20s"
    agent = rig.agent(jobs, {"main": rig.http(receiver)}, memory_limit="128MiB")
    agent.start()

    def why(job):
        return " / ".join(record["why"] for record in agent.log.find(msg="a scrape failed", input=job))
    try:
        for job in ("known", "unchecked", "client"):
            wait_until(lambda: samples(receiver, "beat", job), f"a scrape of {job}")  # noqa: B023
        for job, word in (("stranger", "certificate"), ("named", "does not match"), ("nobody", "")):
            wait_until(lambda: why(job) and word in why(job), lambda: f"why {job} fails: {why(job)}")  # noqa: B023
            wait_until(lambda: samples(receiver, "up", job), f"what became of {job}")  # noqa: B023
            assert set(values(receiver, "up", job)) == {0} and not samples(receiver, "beat", job), job
        assert made[0].seen["/"]["Authorization"] == "Basic YW5uOnNlY3JldA=="
        assert made[1].seen["/"]["Authorization"] == "Bearer first"
        token.write_text("second\n")
        wait_until(lambda: made[1].seen["/"]["Authorization"] == "Bearer second", "the token of now")
        token.unlink()
        wait_until(lambda: "cannot open" in why("client"), lambda: f"that it is gone: {why('client')}")
        assert samples(receiver, "beat", "known")[0]["resource"]["url.scheme"] == "https"
    finally:
        for targets in made:
            targets.close()
    agent.stop().agree_with(receiver)
    assert "secret" not in agent.log.text() and "first" not in agent.log.text()


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as tried:
            tried.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6 on this host")
def test_a_target_by_its_ipv6_address(rig):
    targets = Targets({"/": "beat 1\n"}, host="::1")
    receiver = rig.receiver()
    agent = rig.agent({"six": patient(targets.url("/"))}, {"main": rig.http(receiver)})
    agent.start()
    try:
        wait_until(lambda: samples(receiver, "beat"), "a scrape")
    finally:
        targets.close()
    resource = samples(receiver, "beat")[0]["resource"]
    assert resource["service.instance.id"] == f"[::1]:{targets.port}"
    agent.stop().agree_with(receiver)


def test_a_target_that_leads_elsewhere_or_wants_a_password_is_down_and_nobody_else_is_asked(rig, targets):
    def wants(request):
        reply(request, "", 401)

    def moves(request):
        request.send_response(301)
        request.send_header("Location", targets.url("/elsewhere"))
        request.send_header("Content-Length", "0")
        request.end_headers()

    targets.answers = {"/moves": moves, "/wants": wants, "/elsewhere": "beat 1\n"}
    receiver = rig.receiver()
    agent = rig.agent({"moves": patient(targets.url("/moves")), "wants": patient(targets.url("/wants"))},
                      {"main": rig.http(receiver)})
    agent.start()
    agent.wait_log(msg="a scrape failed", input="moves", why="it answered with status 301")
    agent.wait_log(msg="a scrape failed", input="wants", why="it answered with status 401")
    wait_until(lambda: len(values(receiver, "up", "moves")) > 2, "several scrapes")
    assert set(values(receiver, "up")) == {0} and "/elsewhere" not in targets.seen
    agent.stop().agree_with(receiver)


@pytest.mark.parametrize("options, problem", [
    ({"targets": ["ftp://x/"]}, "must begin with http"),
    ({"targets": ["http://"]}, "is no URL"),
    ({"targets": ["http://a:b@c/"]}, "put the user name and password into auth.user"),
    ({"targets": ["http://x/"] * 65}, "name 1 to 64"),
    ({"targets": ["http://x/"], "auth": {"user": "a", "bearer_token": "b"}}, "not both"),
    ({"targets": ["http://x/"], "tls": {"cert_file": "/a"}}, "belong together"),
])
def test_what_cannot_be_is_said(rig, options, problem):
    path = rig.folder / "agent.yaml"
    path.write_text(yaml.dump({"agent": {"state_dir": str(rig.folder)},
                               "outputs": {"o": {"type": "stdout"}},
                               "inputs": {"p": {"type": "prometheus", **options}}}))
    done = subprocess.run([BINARY, "check", "-c", path], capture_output=True, text=True, timeout=60,
                          env=environment())
    assert done.returncode != 0 and problem in done.stdout + done.stderr, done
