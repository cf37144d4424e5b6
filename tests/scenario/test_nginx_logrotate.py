# SPDX-License-Identifier: Apache-2.0
"""The access log of a busy nginx, rotated by logrotate: every line arrives, or it is known where it went."""

import re

import pytest

from rig.lines import assert_none_missing
from rig.nginx import PIPELINED, Logrotate, Nginx
from rig.waiting import wait_until

ROTATIONS = 4
NUMBER = re.compile(rb"GET /r\.(\d+)\. ")


@pytest.fixture
def nginx(folder):
    (folder / "web").mkdir(mode=0o755)
    made = Nginx(folder / "web")
    yield made
    made.stop()


def read(rig, glob="web/access.log"):
    receiver = rig.receiver()
    agent = rig.agent({"web": rig.tail(glob, rescan="1s", rotate_wait="60s")},
                      {"main": rig.http(receiver, batch={"max_wait": "50ms"})})
    return receiver, agent.start()


def rotate_under_load(nginx, logrotate, receiver):
    """The agent has looked between two rotations: of content that was replaced twice it cannot tell."""
    for _ in range(ROTATIONS):
        before = nginx.requested + PIPELINED  # what is under way may be in the log already
        wait_until(lambda: nginx.requested >= before + 500, "requests before a rotation")
        wait_until(lambda: max(numbers_of(receiver), default=-1) >= before, "lines since the last one")
        logrotate.run()
    requested = nginx.stop_load()
    assert requested >= ROTATIONS * 500
    return requested


def numbers_in(data):
    return [int(number) for number in NUMBER.findall(data)]


def numbers_of(receiver):
    return numbers_in("\n".join(receiver.bodies()).encode())


def test_renamed_and_made_anew_every_line_arrives_once(rig, nginx):
    logrotate = Logrotate(rig.folder, nginx.log, "create\n postrotate\n  kill -USR1 $(cat "
                          f"{nginx.pid_file})\n endscript")
    receiver, agent = read(rig)
    requested = rotate_under_load(nginx, logrotate, receiver)
    assert len(list(nginx.folder.glob("access.log.*"))) == ROTATIONS
    receiver.wait_events(requested)
    lane = agent.stop().agree_with(receiver).lane()
    came = numbers_of(receiver)
    assert_none_missing(came, requested)
    assert len(came) == requested
    assert lane.dropped == 0


def test_copied_and_cut_off_what_is_in_a_file_arrives_once_and_the_rest_is_no_secret(rig, nginx):
    """Between its copy and its cut logrotate destroys what nginx writes. Nobody can read that; of what the
    agent had seen of it, it counts each byte."""
    logrotate = Logrotate(rig.folder, nginx.log, "copytruncate")
    receiver, agent = read(rig, "web/access.log*")
    requested = rotate_under_load(nginx, logrotate, receiver)
    there = sorted(number for path in nginx.folder.glob("access.log*")
                   for number in numbers_in(path.read_bytes()))
    assert len(list(nginx.folder.glob("access.log.*"))) == ROTATIONS
    wait_until(lambda: set(there) <= set(numbers_of(receiver)), "all lines that are on disk")
    came = numbers_of(receiver)
    lane = agent.stop().agree_with(receiver).lane()
    assert len(came) == len(set(came)), "lines came twice"
    destroyed = set(range(requested)) - set(came)
    assert not destroyed & set(there)
    lost = sum(int(event["bytes"]) for event in agent.log.find(msg="lost before it was read"))
    assert lane.dropped == lane.upstream_loss
    assert lost <= 200 * len(destroyed)
