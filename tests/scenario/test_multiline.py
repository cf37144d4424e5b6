# SPDX-License-Identifier: Apache-2.0
"""Events of several lines from what cannot be read again: connections and standard input."""

import socket
import struct
import subprocess

import pytest

from rig.agent import BINARY
from rig.listening import connect
from rig.waiting import wait_until
from test_reload import reload, write
from test_socket import SOON, listen, make

FIRST = ["java.lang.IllegalStateException: one", "\tat a.B.c(B.java:1)", "\tat a.B.d(B.java:2)"]
SECOND = ["java.lang.RuntimeException: two", "\tat x.Y.z(Y.java:3)", "Caused by: java.io.IOException: low",
          "\tat x.Y.w(Y.java:4)"]
LATE = {"traces": ["java"], "wait": "1m"}
SHORT = {"traces": ["java"], "wait": "100ms"}
ENDED = "spillway_events_ended_total"


def send(stream, line):
    stream.sendall(f"{line}\n".encode())


def lines_are(agent, count):
    wait_until(lambda: agent.metrics().get("spillway_lines_total") == count, f"{count} lines read")


@pytest.mark.quick
def test_traces_of_two_connections_that_interleave_are_two_events(rig):
    receiver, agent = make(rig, "tcp://127.0.0.1:0", multiline=LATE)
    agent.start()
    with connect(agent) as one, connect(agent) as two:
        ports = {stream.getsockname()[1]: lines for stream, lines in ((one, FIRST), (two, SECOND))}
        for nth in range(4):
            for stream, trace in ((one, FIRST), (two, SECOND)):
                if nth < len(trace):
                    send(stream, trace[nth])
            lines_are(agent, min(2 * nth + 2, 7))
        assert receiver.events() == [], "neither is known to be whole"
        send(one, "plain")
        receiver.wait_events(1)
        assert receiver.bodies() == ["\n".join(FIRST)]
    events = receiver.wait_events(3)
    assert sorted(receiver.bodies()) == sorted(["\n".join(FIRST), "\n".join(SECOND), "plain"])
    for event in events:
        lines = ports[event["attributes"]["network.peer.port"]]
        assert event["body"] in ("\n".join(lines), "plain")
        assert "log.record.incomplete" not in event["attributes"]
    assert agent.metrics().get(ENDED) == 0
    assert agent.stop().agree_with(receiver).lane().received == 3


def test_a_connection_that_dies_in_the_middle_of_a_trace_gives_what_came(rig):
    receiver, agent = make(rig, "tcp://127.0.0.1:0", multiline=LATE)
    agent.start()
    with connect(agent) as other, connect(agent) as stream:
        send(other, SECOND[0])
        stream.sendall(("\n".join(FIRST[:2]) + "\n\tat a.B").encode())
        lines_are(agent, 3)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.close()  # a reset
        [event] = receiver.wait_events(1)
        assert event["body"] == "\n".join([*FIRST[:2], "\tat a.B"])
        assert event["attributes"]["network.peer.address"] == "127.0.0.1"
        assert event["attributes"]["log.record.original_bytes"] == len(event["body"])
        send(other, SECOND[1])
        lines_are(agent, 5)
        agent.stop().agree_with(receiver)
    assert receiver.bodies()[1:] == ["\n".join(SECOND[:2])], "what is held at a stop is given"


def test_a_trace_of_which_no_more_comes_is_given_after_its_wait(rig):
    receiver, agent = make(rig, "tcp://127.0.0.1:0", multiline=SHORT)
    agent.start()
    with connect(agent) as stream:
        send(stream, "\n".join(FIRST))
        receiver.wait_events(1)
        send(stream, "\n".join(SECOND))
        receiver.wait_events(2)
        assert receiver.bodies() == ["\n".join(FIRST), "\n".join(SECOND)]
    agent.stop().agree_with(receiver)


def test_a_reload_gives_what_other_rules_held_and_one_that_changes_nothing_keeps_it(rig):
    receiver, agent = make(rig, "tcp://127.0.0.1:0", multiline=LATE)
    agent.start()
    with connect(agent) as stream:
        send(stream, FIRST[0])
        lines_are(agent, 1)
        agent.config["inputs"]["app"]["idle_timeout"] = "1h"
        reload(agent)
        send(stream, FIRST[1])
        lines_are(agent, 2)
        assert receiver.events() == []
        agent.config["inputs"]["app"]["multiline"] = {"start": "^begin", "max_lines": 2, "wait": "1m"}
        reload(agent)
        receiver.wait_events(1)
        send(stream, "begin\nmore\nand more")
        receiver.wait_events(2)
        del agent.config["inputs"]["app"]["multiline"]
        reload(agent)
        receiver.wait_events(3)
        send(stream, FIRST[1])
        receiver.wait_events(4)
    events = receiver.events()
    assert [event["body"] for event in events] == ["\n".join(FIRST[:2]), "begin\nmore", "and more", FIRST[1]]
    assert [event["attributes"].get("log.record.incomplete") for event in events] == [None, True, None, None]
    assert agent.metrics().get(ENDED) == 1
    agent.stop().agree_with(receiver)


@pytest.mark.parametrize("options, words", [
    ({"listen": ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"]}, "'udp://127.0.0.1:0' brings datagrams"),
    ({"listen": ["unixgram:///tmp/none"]}, "'unixgram:///tmp/none' brings datagrams"),
    ({"listen": ["tcp://127.0.0.1:0"], "framing": "length16"}, "multiline: needs framing: newline"),
    ({"listen": ["tcp://127.0.0.1:0"], "multiline": {"start": "("}}, "multiline"),
    ({"listen": ["tcp://127.0.0.1:0"], "max_connections": 100000}, "memory_limit"),
])
def test_what_makes_no_sense_is_refused_by_name(rig, options, words):
    agent = rig.agent(listen(**{"multiline": LATE, **options}), {"main": rig.http(rig.receiver())})
    write(agent)
    done = subprocess.run([BINARY, "check", "-c", str(agent.config_path)], text=True, capture_output=True)
    assert done.returncode != 0 and words in done.stdout + done.stderr


def test_standard_input_is_joined_until_its_end_its_wait_or_a_stop(rig):
    receiver = rig.receiver()
    agent = rig.agent({"app": {"type": "stdin", "multiline": SHORT}}, {"main": rig.http(receiver, batch=SOON)})
    agent.start_piped()
    agent.feed(FIRST)
    receiver.wait_events(1)
    agent.config["inputs"]["app"]["multiline"] = LATE
    reload(agent)
    agent.feed(SECOND)
    lines_are(agent, 7)
    assert len(receiver.events()) == 1
    agent.stop().agree_with(receiver)
    assert receiver.bodies() == ["\n".join(FIRST), "\n".join(SECOND)]
