# SPDX-License-Identifier: Apache-2.0
"""Programs that send, those that are installed or what tests/get-peers unpacked; and a thread that
sends numbered lines."""

import os
import pathlib
import shutil
import subprocess
import threading
import time

import pytest

from .lines import lines
from .waiting import DEADLINE_S

PEERS = pathlib.Path(__file__).resolve().parents[3] / "build/peers"
FOLDERS = [PEERS / "usr/bin", PEERS / "bin"]


def program(name):
    path = shutil.which(name) or next((str(folder / name) for folder in FOLDERS
                                       if (folder / name).is_file()), None)
    if path is None:
        pytest.skip(f"no {name}: tests/get-peers unpacks Debian's below build/")
    return path


def run(name, *arguments, data=b"", timeout=DEADLINE_S):
    """Until it ends; its input ends with the data."""
    libraries = [PEERS / folder for folder in ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")]
    env = {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries))}
    done = subprocess.run([program(name), *map(str, arguments)], input=data, capture_output=True,
                          timeout=timeout, env=env)
    assert done.returncode == 0, (name, done.stdout, done.stderr)


class LineSender:
    """Sends `count` numbered lines over a connected stream, as fast as they are taken or at so many a
    second, and closes it."""

    def __init__(self, stream, count, bytes_=200, rate=0):
        self.stream, self.count, self.bytes_, self.rate = stream, count, bytes_, rate
        self.sent, self.failure = 0, None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        begin = time.monotonic()
        try:
            while self.sent < self.count:
                some = min(500, self.count - self.sent)
                self.stream.sendall("".join(f"{text}\n" for text in
                                            lines(self.sent, some, "r", self.bytes_)).encode())
                self.sent += some
                if self.rate:
                    time.sleep(max(0, begin + self.sent / self.rate - time.monotonic()))
            self.stream.close()
        except OSError as error:
            self.failure = error

    def is_done(self):
        assert self.failure is None, self.failure
        return not self._thread.is_alive()

    def join(self, timeout=DEADLINE_S):
        self._thread.join(timeout)
        assert self.is_done(), f"only {self.sent} of {self.count} lines were taken"
