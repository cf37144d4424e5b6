# SPDX-License-Identifier: Apache-2.0
"""TLS as it is checked by default, with a CA and a client certificate of one's own; and a proxy."""

import random
import shutil
import ssl
import subprocess
import time

import pytest

from rig.lines import append_lines, assert_none_missing, check_exact, numbers
from rig.receiver import Receiver
from rig.waiting import stays, wait_until

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


class TlsReceiver(Receiver):
    """The scripted endpoint behind TLS."""

    def __init__(self, context):
        self._context = context
        self.handshake = None  # a function of the connection instead of a handshake
        super().__init__()
        self.url = f"https://localhost:{self.port}/ingest"

    def _serve(self, connection):
        try:
            if self.handshake is not None:
                self.handshake(connection)
                connection.close()
                return
            connection = self._context.wrap_socket(connection, server_side=True)
        except (ssl.SSLError, OSError):
            connection.close()
            return
        super()._serve(connection)


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Certificates:
    def __init__(self, folder):
        self.folder = folder
        self.ca, self.ca_key = folder / "ca.pem", folder / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "2", "-subj", "/CN=a test's authority", "-keyout", self.ca_key,
                "-out", self.ca)

    def issue(self, name, host):
        key, request, certificate = (self.folder / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key, "-days", "2",
                "-copy_extensions", "copy", "-CAcreateserial", "-out", certificate)
        return certificate, key


@pytest.fixture
def certificates(folder):
    return Certificates(folder)


def endpoint(rig, certificates, host="localhost", wants_client=False):
    certificate, key = certificates.issue("server", host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if wants_client:
        context.load_verify_locations(certificates.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    receiver = TlsReceiver(context)
    rig.receivers.append(receiver)
    return receiver


def start(rig, receiver, **tls):
    append_lines(rig.folder / "app.log", 0, 100)
    output = rig.http(receiver, **({"tls": tls} if tls else {}))
    return rig.agent({"app": rig.tail("app.log")}, {"main": output}, shutdown_grace="1s").start()


def delivers(agent, receiver):
    receiver.wait_events(100)
    check_exact(receiver.bodies(), 100)
    agent.wait_metric(100, "spillway_delivered_events_total")  # its grace is short
    agent.stop().agree_with(receiver)


def holds(agent, receiver, *words):
    """Nothing is sent and nothing is dropped, and the log says why."""
    reason = agent.wait_log(msg="circuit breaker opened")["reason"]
    assert any(word in reason.lower() for word in words), reason
    stays(lambda: not receiver.requests, 0.3, "a request was sent all the same")
    lane = agent.stop(expect=3).lane()
    assert (lane.delivered, lane.dropped, lane.replay) == (0, 0, 100)


def test_a_certificate_of_an_authority_of_our_own_is_taken(rig, certificates):
    receiver = endpoint(rig, certificates)
    delivers(start(rig, receiver, ca_file=certificates.ca), receiver)


def test_a_certificate_of_an_unknown_authority_is_not(rig, certificates):
    receiver = endpoint(rig, certificates)
    holds(start(rig, receiver), receiver, "certificate", "ssl")


def test_a_certificate_of_another_host_is_not(rig, certificates):
    receiver = endpoint(rig, certificates, host="elsewhere.example")
    holds(start(rig, receiver, ca_file=certificates.ca), receiver, "certificate", "ssl", "match")


def test_unless_the_operator_says_so(rig, certificates):
    receiver = endpoint(rig, certificates, host="elsewhere.example")
    delivers(start(rig, receiver, verify=False), receiver)


def test_a_client_certificate_is_shown(rig, certificates):
    receiver = endpoint(rig, certificates, wants_client=True)
    certificate, key = certificates.issue("client", "agent.example")
    delivers(start(rig, receiver, ca_file=certificates.ca, cert_file=certificate, key_file=key),
             receiver)


def test_a_missing_client_certificate_holds_the_data(rig, certificates):
    receiver = endpoint(rig, certificates, wants_client=True)
    agent = start(rig, receiver, ca_file=certificates.ca)
    agent.wait_log(msg="circuit breaker opened")
    lane = agent.stop(expect=3).lane()
    assert (lane.delivered, lane.dropped, lane.replay) == (0, 0, 100)


def speak_plain_text(connection):
    connection.sendall(b"220 mail.example ESMTP\r\n")
    connection.recv(4096)


def close_in_the_handshake(connection):
    connection.recv(1)


def stall_in_the_handshake(connection):
    while connection.recv(4096):  # until the other side gives up
        pass


def break_the_handshake(connection):
    """A ServerHello that promises more than comes, and then an alert in the middle of it."""
    connection.recv(4096)
    connection.sendall(b"\x16\x03\x03\x00\x40\x02\x00\x00\x3c\x15\x03\x03\x00\x02\x02\x28")


HANDSHAKES = [speak_plain_text, close_in_the_handshake, stall_in_the_handshake, break_the_handshake]


@pytest.mark.parametrize("handshake", HANDSHAKES)
def test_a_broken_handshake_is_an_outage_that_passes(rig, certificates, handshake):
    receiver = endpoint(rig, certificates)
    receiver.handshake = handshake
    append_lines(rig.folder / "app.log", 0, 100)
    # A handshake that is not broken has to fit too; on a slow machine it may take a few.
    output = rig.http(receiver, connect_timeout="2s", tls={"ca_file": certificates.ca},
                      breaker={"failures": 2, "rest": "50ms", "rest_max": "100ms"})
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": output}).start()
    agent.wait_log(msg="circuit breaker opened")
    assert not receiver.requests
    receiver.handshake = None
    delivers(agent, receiver)


def test_handshakes_broken_in_random_order_lose_nothing(rig, certificates, seed):
    chance = random.Random(seed)
    receiver = endpoint(rig, certificates)
    output = rig.http(receiver, connect_timeout="300ms", tls={"ca_file": certificates.ca},
                      batch={"max_wait": "50ms"})
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": output}).start()
    order = [chance.choice([*HANDSHAKES, None]) for _ in range(8)]
    print("handshakes:", ", ".join(getattr(handshake, "__name__", "whole") for handshake in order))
    for number, receiver.handshake in enumerate(order):
        append_lines(rig.folder / "app.log", number * 100, 100)
        receiver.cut_connections()
        time.sleep(chance.uniform(0.05, 0.5))
    receiver.handshake = None
    wait_until(lambda: len(set(numbers(receiver.bodies()))) == len(order) * 100, "all lines")
    lane = agent.stop().lane()
    assert (lane.delivered, lane.dropped) == (len(order) * 100, 0)
    assert_none_missing(numbers(receiver.bodies()), len(order) * 100)


def test_requests_go_through_the_proxy_that_is_named(rig):
    proxy = rig.receiver()
    append_lines(rig.folder / "app.log", 0, 10)
    output = rig.http(proxy, url="http://logs.example/ingest", proxy=f"http://127.0.0.1:{proxy.port}")
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": output}).start()
    proxy.wait_events(10)
    assert proxy.requests[0].path == "http://logs.example/ingest"
    agent.stop()
