# SPDX-License-Identifier: Apache-2.0
"""What an agent has saved of its positions: that is what a start after a kill goes on from, and how long
a save takes is the machine's affair."""

from .waiting import wait_until


def checkpoint(agent, lane="app@main"):
    """The text without its head line; empty: nothing is saved yet."""
    path = agent.state_dir / "checkpoints" / lane
    for found in (path, path.with_name(f"{path.name}.previous")):
        try:
            return found.read_text().partition("\n")[2]
        except FileNotFoundError:
            pass  # between two renames the one before is the newest
    return ""


def offset(agent, path, lane="app@main"):
    """In a file that is tailed."""
    for line in checkpoint(agent, lane).splitlines()[1:]:
        fields = line.split(" ")
        if fields[-1] == str(path):
            return int(fields[4])
    return 0


def wait_offset(agent, path, lane="app@main"):
    """Until all of the file is settled, and that is saved."""
    wait_until(lambda: offset(agent, path, lane) == path.stat().st_size,
               lambda: f"{path} to be saved as read, {offset(agent, path, lane)} bytes are")
