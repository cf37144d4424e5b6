# SPDX-License-Identifier: Apache-2.0
"""Prometheus's own programs: those that are installed, or what tests/get-peers unpacked."""

import os
import pathlib
import shutil
import subprocess

import pytest

from .waiting import DEADLINE_S

UNPACKED = pathlib.Path(__file__).resolve().parents[3] / "build/peers/usr/bin"


def program(name):
    found = shutil.which(name, path=f"{os.environ['PATH']}:{UNPACKED}")
    if found is None:
        pytest.skip(f"no {name}: tests/get-peers unpacks Debian's below build/")
    return found


def promtool(*arguments, **how):
    """Its exit code, and all that it said."""
    done = subprocess.run([program("promtool"), *map(str, arguments)], capture_output=True, text=True,
                          timeout=DEADLINE_S, **how)
    return done.returncode, done.stdout + done.stderr
