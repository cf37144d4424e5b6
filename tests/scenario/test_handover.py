# SPDX-License-Identifier: Apache-2.0
"""Sockets that the service manager opened: `systemd:NAME`. They are there before the agent is and stay
when it goes, so that nobody who sends finds the door shut."""

import fcntl
import pathlib
import socket
import struct
import sys

import pytest

from rig.activation import activated
from rig.agent import BINARY
from rig.syslog_peers import logger
from rig.waiting import wait_until

# What systemd does for a service of socket units, sd_listen_fds(3): from descriptor 3 on.
LAUNCHER = """
import os, sys
names, fds, command = sys.argv[1], [int(fd) for fd in sys.argv[2].split(",")], sys.argv[3:]
for place, fd in enumerate(fds):
    os.dup2(fd, 3 + place)
    os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
os.execvp(command[0], command)
"""


SO_MEMINFO = 55  # linux/sock_diag.h has its words; the ninth counts drops


class SocketUnits:
    """Sockets by name, held open here, and handed over at each start of an agent."""

    def __init__(self):
        self.names, self.sockets = [], []

    def add(self, name, family, kind, address):
        made = socket.socket(family, kind)
        made.bind(address)
        if kind == socket.SOCK_STREAM:
            made.listen(16)
        self.names.append(name)
        self.sockets.append(made)
        return made.getsockname()

    def start(self, agent):
        fds = [fcntl.fcntl(made, fcntl.F_DUPFD, 100) for made in self.sockets]
        agent.command = [sys.executable, "-c", LAUNCHER, ":".join(self.names),
                         ",".join(map(str, fds)), BINARY]
        agent.start(pass_fds=fds)
        for fd in fds:
            socket.close(fd)

    def close(self):
        for made in self.sockets:
            made.close()


@pytest.fixture
def units():
    made = SocketUnits()
    yield made
    made.close()


def by_body(receiver):
    return {event["body"]: event.get("attributes", {}) for event in receiver.events()}


def test_syslog_comes_by_sockets_of_systemd_also_while_the_agent_is_down(rig, units):
    receiver = rig.receiver()
    agent = rig.agent({"syslog": {"type": "syslog", "listen": ["systemd:net", "systemd:log"]}},
                      {"main": rig.http(receiver)})
    log = rig.folder / "log"
    here = ("127.0.0.1", 0)
    _, udp = units.add("net", socket.AF_INET, socket.SOCK_DGRAM, here)
    units.add("log", socket.AF_UNIX, socket.SOCK_DGRAM, str(log))
    _, tcp = units.add("net", socket.AF_INET, socket.SOCK_STREAM, here)

    def send(when):
        for kind, port in (("udp", udp), ("tcp", tcp)):
            logger("--server", "127.0.0.1", "--port", port, f"--{kind}", "--rfc5424", "--tag", "app",
                   message=f"{kind} {when}")
        logger("--socket", log, "--tag", "app", message=f"unixgram {when}")
    units.start(agent)
    send("first")
    receiver.wait_events(3)
    agent.stop().agree_with(receiver)
    assert log.is_socket(), "it is not ours to remove"
    send("meanwhile")
    units.start(agent)
    receiver.wait_events(6)
    came = by_body(receiver)
    assert set(came) == {f"{kind} {when}" for kind in ("udp", "tcp", "unixgram")
                         for when in ("first", "meanwhile")}
    for body, attributes in came.items():
        assert attributes["log.syslog.appname"] == "app"
        assert attributes.get("network.peer.address") == (None if "gram" in body else "127.0.0.1")
    assert agent.metrics().get("spillway_lines_unparsed_total", input="syslog") == 0
    assert agent.stop().lane().received == 3


@pytest.mark.parametrize("ends", ["stop", "kill"])
def test_what_a_socket_loses_while_no_agent_reads_it_is_counted_by_the_next(rig, units, ends):
    """The socket is the service manager's and outlives each of them, and so does the kernel's count."""
    receiver = rig.receiver()
    agent = rig.agent({"syslog": {"type": "syslog", "listen": "systemd:net", "receive_buffer": "4KiB"}},
                      {"main": rig.http(receiver)})
    address = units.add("net", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
    units.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sent = 0

    def send(count):
        nonlocal sent
        for number in range(sent, sent + count):
            sender.sendto(f"<14>Jan  1 00:00:00 host app: line {number}".encode(), address)
        sent += count

    def dropped_by_kernel():
        return struct.unpack("9I", units.sockets[0].getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))[8]
    lost = []
    for drops in (True, True, False):  # of the first nobody has heard before
        send(200 if drops else 1)
        units.start(agent)
        new = dropped_by_kernel() - sum(lost)
        assert (new > 0) == drops
        if new > 0:
            agent.wait_metric(new, "spillway_dropped_events_total", reason="upstream_loss")
        receiver.wait_events(sent - dropped_by_kernel())
        lost.append(agent.metrics().get("spillway_dropped_events_total", reason="upstream_loss"))
        if ends == "stop":
            assert agent.stop().lane().upstream_loss == lost[-1]
        else:
            agent.kill()
    sender.close()
    assert sum(lost) == dropped_by_kernel() == sent - len(by_body(receiver))


@pytest.mark.parametrize("kind", ["unixgram", "unix"])
def test_systemds_own_tool_starts_the_agent_at_the_first_message(rig, kind):
    receiver = rig.receiver()
    agent = rig.agent({"syslog": {"type": "syslog", "listen": "systemd:log"}},
                      {"main": rig.http(receiver)})
    path = rig.folder / "log"
    activated(agent, *(["-d"] if kind == "unixgram" else []), "-l", path, "--fdname=log")
    agent.launch()
    wait_until(path.is_socket, lambda: f"its socket\n{agent.log.text()}")
    logger("--socket", path, "--tag", "app", message="wake up")
    agent.wait_log(msg="started")
    logger("--socket", path, "--tag", "app", message="another")
    receiver.wait_events(2)
    assert sorted(by_body(receiver)) == ["another", "wake up"]
    agent.stop().agree_with(receiver)
