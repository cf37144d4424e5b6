# SPDX-License-Identifier: Apache-2.0
"""systemd's own tool that opens a socket and starts a program at the first that comes, without a systemd."""

import os
import shutil

import pytest

from .journal import ENVIRONMENT, PATH


def activated(agent, *options):
    """The agent is to be started by it; it passes on only what it is told to."""
    tool = shutil.which("systemd-socket-activate", path=PATH)
    if tool is None:
        pytest.skip("no systemd-socket-activate: tests/get-peers unpacks Debian's below build/")
    passed = [word for name in ("ASAN_OPTIONS", "TSAN_OPTIONS") for word in ("-E", name)]
    agent.command = [tool, *options, *passed, *agent.command]
    if not tool.startswith("/usr/"):
        agent.env = {**agent.env, "LD_LIBRARY_PATH": ENVIRONMENT["LD_LIBRARY_PATH"]}
    return agent
