# SPDX-License-Identifier: Apache-2.0
"""The input `socket`: every kind of address, real senders, and where each record went."""

import os
import socket

import pytest

from rig.listening import bound, connect
from rig.waiting import wait_until


def listen(*addresses, **options):
    return {"app": {"type": "socket", "listen": list(addresses), **options}}


@pytest.mark.quick
def test_each_kind_of_address_takes_records_and_tells_who_sent_them(rig):
    receiver = rig.receiver()
    agent = rig.agent(listen("tcp://127.0.0.1:0", "udp://[::1]:0", f"unix://{rig.folder}/s",
                             f"unixgram://{rig.folder}/d", f"fifo://{rig.folder}/f"),
                      {"main": rig.http(receiver)})
    agent.start()
    with connect(agent, "tcp") as tcp, connect(agent, "udp") as udp, connect(agent, "unix") as stream, \
            connect(agent, "unixgram") as gram:
        ports = {tcp.getsockname()[1]: "127.0.0.1", udp.getsockname()[1]: "::1"}
        tcp.sendall(b"over tcp\nand \xc3\xa4\r\n\nnot whole")
        udp.send(b"over udp\n")
        stream.sendall(b"over unix\n")
        gram.send(b"over unixgram")
        with open(rig.folder / "f", "w") as fifo:
            fifo.write("over a fifo\n")
        receiver.wait_events(6)
    receiver.wait_events(7)
    by_body = {event["body"]: event.get("attributes", {}) for event in receiver.events()}
    assert set(by_body) == {"over tcp", "and \u00e4", "not whole", "over udp", "over unix",
                            "over unixgram", "over a fifo"}
    for body in ("over tcp", "not whole", "over udp"):
        attributes = by_body[body]
        assert ports[attributes["network.peer.port"]] == attributes["network.peer.address"], body
    assert "network.peer.address" not in by_body["over unix"]
    assert agent.stop().agree_with(receiver).lane().received == 7
    assert not os.path.exists(rig.folder / "s"), "its socket goes with it"
