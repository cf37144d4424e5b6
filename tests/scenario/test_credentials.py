# SPDX-License-Identifier: Apache-2.0
"""Certificates, keys, authorities and tokens that are exchanged while the agent runs, without a signal."""

import os
import shutil

import pytest

from rig.lines import append_lines, check_exact
from test_tls import Certificates, TlsReceiver, endpoint

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


class Lines:
    """A hundred lines at a time, each awaited at the receiver."""

    def __init__(self, rig, receiver):
        self.rig, self.receiver, self.sent = rig, receiver, 0

    def ship(self):
        append_lines(self.rig.folder / "app.log", self.sent, 100)
        self.sent += 100
        self.receiver.wait_events(self.sent)


class ClientReceiver(TlsReceiver):
    """Remembers who came."""

    def __init__(self, context):
        self.clients = []
        super().__init__(context)

    def _serve_one(self, connection, data):
        self.clients.append(dict(part[0] for part in connection.getpeercert()["subject"])["commonName"])
        return super()._serve_one(connection, data)


@pytest.fixture
def certificates(folder):
    return Certificates(folder)


def wants_client(rig, certificates, monkeypatch):
    monkeypatch.setattr("test_tls.TlsReceiver", ClientReceiver)
    return endpoint(rig, certificates, wants_client=True)


def make(rig, receiver, **options):
    return rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver, **options)})


def check(agent, lines):
    check_exact(lines.receiver.bodies(), lines.sent)
    agent.stop().agree_with(lines.receiver)


def replace(source, target):
    """All of it at once: half a file would be one more change."""
    shutil.copy(source, f"{target}.new")
    os.replace(f"{target}.new", target)


def changed(agent, **fields):
    agent.wait_log(msg="changed credentials are in use", **fields)


def test_a_new_certificate_is_used_and_a_pair_that_does_not_fit_leaves_the_old(rig, certificates,
                                                                               monkeypatch):
    receiver = wants_client(rig, certificates, monkeypatch)
    first, second = certificates.issue("a", "first.example"), certificates.issue("b", "second.example")
    cert, key = rig.folder / "client.pem", rig.folder / "client.key"
    shutil.copy(first[0], cert), shutil.copy(first[1], key)
    agent = make(rig, receiver, tls={"ca_file": certificates.ca, "cert_file": cert, "key_file": key}).start()
    lines = Lines(rig, receiver)
    lines.ship()
    replace(second[0], cert)  # its key is not there yet
    while not agent.log.find(msg="changed credentials are of no use, the old ones are kept"):
        lines.ship()
    assert set(receiver.clients) == {"first.example"}
    replace(second[1], key)
    while not agent.log.find(msg="changed credentials are in use"):
        lines.ship()
    lines.ship()
    assert receiver.clients[-1] == "second.example"
    assert agent.metrics().get("spillway_breaker_opens_total", output="main") == 0
    assert agent.metrics().get("spillway_credential_failures_total", output="main") == 1
    assert agent.metrics().get("spillway_credential_changes_total", output="main") == 1
    check(agent, lines)


def test_a_link_that_is_swapped_brings_a_new_pair(rig, certificates, monkeypatch):
    receiver = wants_client(rig, certificates, monkeypatch)
    for folder, name in (("v1", "first.example"), ("v2", "second.example")):
        (rig.folder / folder).mkdir()
        cert, key = certificates.issue(folder, name)
        shutil.copy(cert, rig.folder / folder / "tls.crt"), shutil.copy(key, rig.folder / folder / "tls.key")
    (rig.folder / "data").symlink_to("v1")  # as Kubernetes mounts a secret
    agent = make(rig, receiver, tls={"ca_file": certificates.ca, "cert_file": rig.folder / "data/tls.crt",
                                     "key_file": rig.folder / "data/tls.key"}).start()
    lines = Lines(rig, receiver)
    lines.ship()
    (rig.folder / "next").symlink_to("v2")
    os.replace(rig.folder / "next", rig.folder / "data")
    while not agent.log.find(msg="changed credentials are in use"):
        lines.ship()
    lines.ship()
    assert (receiver.clients[0], receiver.clients[-1]) == ("first.example", "second.example")
    check(agent, lines)


def test_an_outage_by_an_old_authority_ends_when_the_file_has_the_new_one(rig, folder):
    ours, theirs = folder / "ours", folder / "theirs"
    ours.mkdir(), theirs.mkdir()
    receiver = endpoint(rig, Certificates(theirs))
    trusted = rig.folder / "ca.pem"
    shutil.copy(Certificates(ours).ca, trusted)
    agent = make(rig, receiver, tls={"ca_file": trusted}).start()
    append_lines(rig.folder / "app.log", 0, 100)
    agent.wait_log(msg="circuit breaker opened")
    replace(theirs / "ca.pem", trusted)
    receiver.wait_events(100)
    changed(agent)
    check_exact(receiver.bodies(), 100)
    agent.stop().agree_with(receiver)


def test_a_token_is_read_anew_and_a_file_without_one_leaves_the_old(rig):
    receiver = rig.receiver()
    token = rig.folder / "token"
    token.write_text("first\n")
    agent = make(rig, receiver, auth={"bearer_token_file": token}).start()
    lines = Lines(rig, receiver)
    lines.ship()
    token.write_text("")
    while not agent.log.find(msg="changed credentials are of no use, the old ones are kept"):
        lines.ship()
    token.write_text("second")
    while not agent.log.find(msg="changed credentials are in use"):
        lines.ship()
    lines.ship()
    tokens = [request.headers["authorization"] for request in receiver.requests]
    assert (tokens[0], tokens[-1]) == ("Bearer first", "Bearer second")
    assert set(tokens) == {"Bearer first", "Bearer second"}
    check(agent, lines)
