# SPDX-License-Identifier: Apache-2.0
"""What a service manager sees: readiness, the watchdog, stopping, exit codes."""

import signal
import socket
import time

import pytest

from rig import yaml
from rig.lines import append_lines
from rig.waiting import wait_until


class Manager:
    """The socket that NOTIFY_SOCKET names."""

    def __init__(self, path):
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self._said = []

    def said(self):
        try:
            while True:
                self._said += self._socket.recv(4096).decode().split("\n")
        except BlockingIOError:
            return self._said


@pytest.fixture
def manager(folder, program_has_systemd):
    return Manager(folder / "notify")


@pytest.mark.quick
def test_it_says_when_it_is_ready_and_when_it_stops(rig, manager):
    receiver = rig.receiver()
    append_lines(rig.folder / "app.log", 0, 10)
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver)})
    agent.env = {"NOTIFY_SOCKET": str(manager.path)}
    agent.start()
    wait_until(lambda: "READY=1" in manager.said(), "READY=1")
    assert "WATCHDOG=1" not in manager.said(), "nobody asked for it"
    receiver.wait_events(10)
    agent.stop()
    assert "STOPPING=1" in manager.said()


@pytest.mark.quick
def test_a_reload_is_announced_and_its_end_too(rig, manager):
    receiver = rig.receiver()
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver)})
    agent.env = {"NOTIFY_SOCKET": str(manager.path)}
    agent.start()
    wait_until(lambda: "READY=1" in manager.said(), "READY=1")
    agent.process.send_signal(signal.SIGHUP)
    wait_until(lambda: manager.said().count("READY=1") == 2, "the second READY=1")
    said = manager.said()
    at = said.index("RELOADING=1")
    stamp = said[at + 1].split("=")
    assert stamp[0] == "MONOTONIC_USEC" and abs(int(stamp[1]) / 1e6 - time.monotonic()) < 600
    assert said.index("READY=1", at) > at
    agent.stop()


def test_the_watchdog_is_fed_while_a_reload_waits_for_an_answer(rig, manager):
    receiver = rig.receiver()
    receiver.hold()
    append_lines(rig.folder / "app.log", 0, 10)
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver)}, shutdown_grace="5s")
    agent.env = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "300000"}
    agent.start()
    wait_until(lambda: receiver.waiting(), "a request")
    agent.config["outputs"]["main"]["headers"] = {"X-A": "b"}
    agent.config_path.write_text(yaml.dump(agent.config))
    agent.process.send_signal(signal.SIGHUP)
    wait_until(lambda: manager.said().count("READY=1") == 2, "the end of the reload")
    said = manager.said()
    begin = said.index("RELOADING=1")
    assert said[begin:said.index("READY=1", begin)].count("WATCHDOG=1") >= 3
    receiver.release()
    agent.stop()


@pytest.mark.quick
def test_the_watchdog_is_fed_while_every_thread_moves_or_rests(rig, manager):
    receiver = rig.receiver()
    receiver.hold()  # an endpoint that hangs is no reason to be restarted
    append_lines(rig.folder / "app.log", 0, 10)
    agent = rig.agent({"app": rig.tail("app.log"), "host": {"type": "host_metrics"}},
                      {"main": rig.http(receiver)})
    agent.env = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "400000"}
    agent.start()
    wait_until(lambda: manager.said().count("WATCHDOG=1") >= 3, "three pings")
    receiver.release()
    receiver.wait_events(10)
    agent.stop()


@pytest.mark.quick
def test_a_start_that_fails_is_never_ready(rig, manager):
    receiver = rig.receiver()
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver)})
    agent.config["agent"]["admin"]["listen"] = f"127.0.0.1:{receiver.port}"
    agent.env = {"NOTIFY_SOCKET": str(manager.path)}
    agent.launch()
    assert agent.wait_exit() == 1
    assert f"127.0.0.1:{receiver.port}" in agent.log.find(msg="cannot start")[0]["error"]
    assert "READY=1" not in manager.said()
