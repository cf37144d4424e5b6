# SPDX-License-Identifier: Apache-2.0
"""The admin port behind TLS: HTTPS alone, and the same bounds as without."""

import os
import shutil
import socket
import ssl
import subprocess

import pytest

from rig.waiting import DEADLINE_S, wait_until
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
    done = subprocess.run(["curl", "-sS", "--max-time", str(DEADLINE_S), "--cacert", ca, "-w", "\n%{http_code}",
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
    with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200" not in plain.recv(4096)
    end(agent)


def test_a_guest_that_never_shakes_hands_is_cut_off_and_holds_up_nobody(rig, certificates):
    cert, key = certificates.issue("admin", "localhost")
    agent = make(rig, cert, key)
    agent.start_piped()
    host, port = agent.log.find(msg="started")[0]["metrics"].rsplit(":", 1)
    guests = [socket.create_connection((host, int(port)), timeout=DEADLINE_S) for _ in range(8)]
    guests[0].sendall(b"\x16\x03\x01\x02\x00")  # the head of a hello that does not come
    assert ask(agent, "/healthz", ca=certificates.ca)[0] == "200"
    for guest in guests:  # each is cut off, or this waits in vain
        try:
            while guest.recv(4096):
                pass
        except ConnectionResetError:
            pass
        guest.close()
    assert ask(agent, "/healthz", ca=certificates.ca)[0] == "200"
    end(agent)


def serial(agent, ca):
    """Of the certificate that the port shows, or None where the handshake fails."""
    port = agent.log.find(msg="started")[0]["metrics"].rsplit(":", 1)[1]
    context = ssl.create_default_context(cafile=ca)
    with socket.create_connection(("localhost", int(port)), timeout=DEADLINE_S) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            return secure.getpeercert()["serialNumber"]


def replace(source, target):
    """As a tool for certificates does it: all of the new file at once."""
    shutil.copy(source, f"{target}.new")
    os.replace(f"{target}.new", target)


def test_a_renewed_pair_and_token_are_in_use_without_a_signal_and_a_bad_one_is_not(rig, certificates, folder):
    cert, key = certificates.issue("admin", "localhost")
    token = folder / "token"
    token.write_text("first\n")
    agent = make(rig, cert, key, token_file=token)
    agent.start_piped()
    first = serial(agent, certificates.ca)
    bearer = "Authorization: Bearer "
    assert ask(agent, "/metrics", "-H", bearer + "first", ca=certificates.ca)[0] == "200"
    other_cert, other_key = certificates.issue("other", "localhost")
    replace(other_cert, cert)
    wait_until(lambda: serial(agent, certificates.ca) and agent.log.find(
        msg="changed certificate of the admin port is of no use, the old one is kept"), "the refusal")
    assert serial(agent, certificates.ca) == first
    replace(other_key, key)
    wait_until(lambda: serial(agent, certificates.ca) != first, "the new pair")
    token.write_text("sec ond")
    wait_until(lambda: ask(agent, "/metrics", "-H", bearer + "first", ca=certificates.ca)[0] == "200" and
               agent.log.find(msg="changed token of the admin port is of no use, the old one is kept"),
               "the refusal")
    token.write_text("second")
    wait_until(lambda: ask(agent, "/metrics", "-H", bearer + "second", ca=certificates.ca)[0] == "200",
               "the new token")
    assert ask(agent, "/metrics", "-H", bearer + "first", ca=certificates.ca)[0] == "401"
    end(agent)


def test_an_answer_that_is_on_its_way_is_not_cut_off_by_a_renewal(rig, certificates, folder):
    cert, key = certificates.issue("admin", "localhost")
    agent = make(rig, cert, key, token="secret")
    agent.start_piped()
    port = agent.log.find(msg="started")[0]["metrics"].rsplit(":", 1)[1]
    seen = folder / "tap.out"
    tap = subprocess.Popen(["curl", "-sSN", "--cacert", certificates.ca, "-H", "Authorization: Bearer secret",
                            "-o", seen, f"https://localhost:{port}/tap?name=app&for_ms=3600000"])

    def shows(word):
        agent.feed(f"{word}\n")
        return seen.exists() and word in seen.read_text()
    wait_until(lambda: shows("before"), "the tap", pause=0.1)
    first = serial(agent, certificates.ca)
    other = certificates.issue("other", "localhost")
    replace(other[0], cert), replace(other[1], key)
    wait_until(lambda: serial(agent, certificates.ca) != first, "the new pair")
    wait_until(lambda: shows("after"), "the tap goes on", pause=0.1)
    assert tap.poll() is None
    tap.terminate()
    tap.wait(DEADLINE_S)
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
