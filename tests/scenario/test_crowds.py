# SPDX-License-Identifier: Apache-2.0
"""Ten thousand connections at once: as many as are allowed are served, whoever they are, and the rest is
refused and counted; memory has its bound (looked at by the rig)."""

import resource
import socket

import pytest

from rig.http_sender import address_of, ndjson
from rig.lines import lines
from rig.listening import bound
from rig.waiting import wait_until

pytestmark = pytest.mark.long
COUNT = 10000
REFUSED = "spillway_connections_refused_total"


@pytest.fixture
def many_descriptors():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < COUNT + 1000:
        pytest.skip(f"only {before[1]} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (COUNT + 1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def crowd(where):
    return [socket.create_connection(where, timeout=60) for _ in range(COUNT)]


def say(guests, make):
    """Each says what is made for its number; how many could."""
    for number, guest in enumerate(guests):
        try:
            guest.sendall(make(number))
        except OSError:
            pass  # one that was refused


def answered(guest):
    try:
        return guest.recv(4096).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


@pytest.mark.parametrize("most", [100, 4000])
def test_ten_thousand_at_http(rig, many_descriptors, most):
    receiver = rig.receiver()
    agent = rig.agent({"web": {"type": "http", "listen": "tcp://127.0.0.1:0", "max_connections": str(most),
                               "max_connections_per_address": "10000", "idle_timeout": "1h",
                               "request_timeout": "10m", "max_body_bytes": "64KiB", "max_event_bytes": "16KiB"}},
                      {"main": rig.http(receiver)}, memory_limit="192MiB")
    agent.start()
    guests = crowd(address_of(agent))
    agent.wait_metric(COUNT - most, REFUSED, input="web")

    def ask(number):
        body = ndjson(lines(number, 1))
        return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    say(guests, ask)
    taken = sum(answered(guest) for guest in guests)
    assert taken == most
    assert agent.metrics().get(REFUSED, input="web") == COUNT - most
    for guest in guests:
        guest.close()
    assert agent.stop(timeout=60).agree_with(receiver).lane().received == most


@pytest.mark.parametrize("most", [100, 8000])
def test_ten_thousand_at_syslog(rig, many_descriptors, most):
    receiver = rig.receiver()
    agent = rig.agent({"syslog": {"type": "syslog", "listen": "tcp://127.0.0.1:0", "max_connections": str(most)}},
                      {"main": rig.http(receiver)}, memory_limit="128MiB")
    agent.start()
    guests = crowd(bound(agent, "tcp"))
    agent.wait_metric(COUNT - most, REFUSED, input="syslog")
    assert agent.metrics().get("spillway_connections_accepted_total", input="syslog") == most
    say(guests, lambda number: b"<13>1 - host app - - - r.%d.half a line" % number)
    for guest in guests:
        guest.close()
    wait_until(lambda: agent.metrics().get("spillway_sources_open", input="syslog") == 1, "all are gone", timeout=60)
    assert agent.stop(timeout=60).agree_with(receiver).lane().received == most
    assert len(set(receiver.bodies())) == most
