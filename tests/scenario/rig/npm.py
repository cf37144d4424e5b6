# SPDX-License-Identifier: Apache-2.0
"""Senders of npm, which tests/get-peers fetches as tests/scenario/node/package-lock.json has them, and the
programs in that folder that use them. Scenarios with them have the mark `npm`."""

import os
import pathlib
import shutil
import subprocess

from .waiting import DEADLINE_S

HERE = pathlib.Path(__file__).resolve().parents[1] / "node"
FETCHED = pathlib.Path(__file__).resolve().parents[3] / "build/peers/node"
LEFT_OUT = "scenarios with senders of npm: tests/get-peers did not fetch them"


def is_there():
    fetched = FETCHED / "fetched.json"
    return shutil.which("node") is not None and fetched.exists() and \
        fetched.read_bytes() == (HERE / "package-lock.json").read_bytes()


def run(program, *arguments, timeout=DEADLINE_S, **variables):
    """To its end."""
    env = {**os.environ, "NODE_PATH": str(FETCHED / "node_modules"), "NO_PROXY": "*", "no_proxy": "*", **variables}
    done = subprocess.run(["node", HERE / program, *map(str, arguments)], env=env, capture_output=True,
                          text=True, timeout=timeout, check=False)
    assert done.returncode == 0 and not done.stderr, (program, done.stdout, done.stderr)
