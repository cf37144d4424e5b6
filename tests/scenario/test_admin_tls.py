# SPDX-License-Identifier: Apache-2.0
"""The admin port behind TLS: HTTPS alone, and the same bounds as without."""

import shutil
import socket
import subprocess
import time

import pytest

from test_tls import Certificates

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
STDIN = {"app": {"type": "stdin"}}


@pytest.fixture
def certificates(folder):
    return Certificates(folder)


def make(rig, cert, key, **admin):
    receiver = rig.receiver()
    return rig.agent(STDIN, {"main": rig.http(receiver)},
                     admin={"listen": "127.0.0.1:0", "tls": {"cert_file": cert, "key_file": key}, **admin})


def ask(agent, path, *options, ca):
    port = agent.log.find(msg="started")[0]["metrics"].rsplit(":", 1)[1]
    done = subprocess.run(["curl", "-sS", "--max-time", "10", "--cacert", ca, "-w", "\n%{http_code}",
                           f"https://localhost:{port}{path}", *options], capture_output=True, text=True)
    return done.stdout.rpartition("\n")[2], done.stdout + done.stderr


def end(agent):
    agent.end_input()
    agent.finish()


def test_it_speaks_https_alone_and_wants_the_token_there(rig, certificates):
    cert, key = certificates.issue("admin", "localhost")
    agent = make(rig, cert, key, token="secret")
    agent.start_piped()
    assert ask(agent, "/healthz", ca=certificates.ca)[0] == "200"
    assert ask(agent, "/metrics", ca=certificates.ca)[0] == "401"
    code, text = ask(agent, "/metrics", "-H", "Authorization: Bearer secret", ca=certificates.ca)
    assert code == "200" and "spillway_received_events_total" in text
    other = certificates.issue("other", "localhost")[0]
    assert ask(agent, "/healthz", ca=other)[0] == "000", "a client that checks is not fooled"
    host, port = agent.log.find(msg="started")[0]["metrics"].rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200" not in plain.recv(4096)
    end(agent)


def test_a_guest_that_never_shakes_hands_is_cut_off_and_holds_up_nobody(rig, certificates):
    cert, key = certificates.issue("admin", "localhost")
    agent = make(rig, cert, key)
    agent.start_piped()
    host, port = agent.log.find(msg="started")[0]["metrics"].rsplit(":", 1)
    guests = [socket.create_connection((host, int(port)), timeout=20) for _ in range(8)]
    guests[0].sendall(b"\x16\x03\x01\x02\x00")  # the head of a hello that does not come
    assert ask(agent, "/healthz", ca=certificates.ca)[0] == "200"
    began = time.monotonic()
    for guest in guests:
        try:
            while guest.recv(4096):
                pass
        except ConnectionResetError:
            pass
        guest.close()
    assert time.monotonic() - began < 15
    assert ask(agent, "/healthz", ca=certificates.ca)[0] == "200"
    end(agent)


@pytest.mark.parametrize("cert, key, told", [
    ("none.pem", "a.key", "none.pem"), ("a.pem", "b.key", "are no certificate and key that fit")])
def test_what_cannot_be_used_is_told_at_the_start(rig, certificates, cert, key, told):
    certificates.issue("a", "localhost"), certificates.issue("b", "localhost")
    agent = make(rig, certificates.folder / cert, certificates.folder / key)
    agent.launch(stdin=subprocess.DEVNULL)
    assert agent.wait_exit() == 1
    assert told in agent.log.find(msg="cannot start")[0]["error"]


@pytest.mark.quick
@pytest.mark.parametrize("admin, told", [
    ({"listen": "127.0.0.1:0", "tls": {"cert_file": "/a"}}, "cert_file and key_file belong together"),
    ({"listen": "127.0.0.1:0", "tls": {"key_file": "/a"}}, "cert_file and key_file belong together"),
    ({"listen": "", "tls": {"cert_file": "/a", "key_file": "/b"}}, "is for admin.listen")])
def test_a_half_of_a_pair_is_told_by_check(rig, admin, told):
    agent = rig.agent(STDIN, {"main": rig.http(rig.receiver())}, admin=admin)
    agent.launch(stdin=subprocess.DEVNULL)
    assert agent.wait_exit() == 78
    assert f"agent.admin.tls: {told}" in agent.log.text()
