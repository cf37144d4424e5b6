# SPDX-License-Identifier: Apache-2.0
"""The kernel's log, the real one: messages that are written to /dev/kmsg come back from it."""

import os
import uuid

import pytest

from rig.saved import checkpoint
from rig.waiting import wait_until


def write_messages(tag, first, count, level=6):
    """As user-space programs may: each write is one message. The kernel limits how many come through
    one descriptor in a while, so each has one of its own."""
    for number in range(first, first + count):
        with open("/dev/kmsg", "wb", buffering=0) as device:
            device.write(f"<{level}>spillway-test {tag} {number}\n".encode())


def came(receiver, tag):
    return [event for event in receiver.events()
            if event.get("body", "").startswith(f"spillway-test {tag} ")]


def numbers_of(receiver, tag):
    return [int(event["body"].split()[2]) for event in came(receiver, tag)]


@pytest.mark.skipif(not os.access("/dev/kmsg", os.R_OK | os.W_OK), reason="no /dev/kmsg to write to")
def test_messages_of_the_kernel_come_once_over_restarts_and_kills(rig):
    tag = uuid.uuid4().hex
    receiver = rig.receiver()
    agent = rig.agent({"kernel": {"type": "kmsg"}}, {"main": rig.http(receiver)})
    write_messages(tag, 0, 5)  # before the start: they are in the kernel's buffer
    agent.start()
    write_messages(tag, 5, 5, level=3)
    wait_until(lambda: len(numbers_of(receiver, tag)) >= 10, "ten messages")
    last = came(receiver, tag)[-1]
    assert (last["severity_text"], last["severity_number"]) == ("err", 17)
    assert last["attributes"]["log.syslog.facility.code"] == 1, "user space: the kernel says so"
    sequences = [event["attributes"]["linux.kmsg.sequence"] for event in came(receiver, tag)]
    assert sequences == sorted(set(sequences))
    agent.stop()
    write_messages(tag, 10, 5)  # while it is down
    agent.start()
    wait_until(lambda: len(numbers_of(receiver, tag)) >= 15, "what came while it was down")
    last = came(receiver, tag)[-1]["attributes"]["linux.kmsg.sequence"]
    wait_until(lambda: int(checkpoint(agent, "kernel@main").split()[-1]) > last, "the last one to be saved")
    receiver.hold()
    write_messages(tag, 15, 5)
    wait_until(lambda: receiver.waiting(), "a batch without an answer")
    agent.kill()
    receiver.release()
    agent.start()
    wait_until(lambda: set(numbers_of(receiver, tag)) >= set(range(20)), "all messages")
    assert agent.stop().lane().upstream_loss == 0
    numbers = numbers_of(receiver, tag)
    assert set(numbers) == set(range(20))
    assert all(numbers.count(number) == 1 for number in range(15)), "settled before the kill"
