# SPDX-License-Identifier: Apache-2.0
"""Files come and go, hours' worth of them: what was held for them is let go, and nothing grows."""

import os

import pytest

from rig.lines import append_lines, check_exact
from rig.waiting import promised, wait_until

MIB = 1 << 20
AT_ONCE, LINES, KNOWN = 200, 5, 2000  # files known are kept for a day, or until there are so many


def descriptors(agent):
    return len(os.listdir(f"/proc/{agent.process.pid}/fd"))


def places_kept(agent):
    """Bytes of the input's checkpoints."""
    return sum(file.stat().st_size for file in agent.state_dir.rglob("*.checkpoint*"))


@pytest.mark.long
@pytest.mark.release  # sanitizers keep what was freed
def test_two_hours_of_short_lived_files_leave_nothing_behind(rig):
    """As of a host that makes 10,000 files an hour, each gone seconds after its last line."""
    receiver = rig.receiver()
    agent = rig.agent({"logs": rig.tail("short/*.log", max_files=KNOWN, rotate_wait="1s")},
                      {"main": rig.http(receiver, batch={"max_wait": "50ms"})}).start()
    folder = rig.folder / "short"
    folder.mkdir()
    at, early = 0, None
    for turn in range(100):
        files = [folder / f"{turn}-{number}.log" for number in range(AT_ONCE)]
        for file in files:
            append_lines(file, at, LINES)
            at += LINES
        receiver.wait_events(at)
        for file in files:
            file.unlink()
        if turn == 29:
            early = agent.own_memory(), descriptors(agent), places_kept(agent)
    wait_until(lambda: descriptors(agent) <= early[1] + 10, "closed files")
    promised(agent.own_memory() < early[0] + MIB, f"{agent.own_memory()} B of memory, {early[0]} B early on")
    wait_until(lambda: places_kept(agent) <= early[2], lambda: f"{places_kept(agent)} B of checkpoints")
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), at, in_order=False)
