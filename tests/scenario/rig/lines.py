# SPDX-License-Identifier: Apache-2.0
"""Numbered lines, and what became of them: every line is `RUN.N.padding`."""

import collections
import os
import threading
import time

from .waiting import promised


def line(number, run="r", bytes_=0):
    text = f"{run}.{number}."
    return text + "x" * max(0, bytes_ - len(text))


def lines(first, count, run="r", bytes_=0):
    return [line(number, run, bytes_) for number in range(first, first + count)]


def numbers(bodies, run="r"):
    """Numbers of the run in the order in which they came."""
    return [int(body.split(".", 2)[1]) for body in bodies if body.startswith(f"{run}.")]


def check_exact(bodies, count, run="r", in_order=True):
    """Numbers 0 … count-1, each exactly once."""
    came = numbers(bodies, run)
    assert_none_missing(came, count)
    twice = [n for n, times in collections.Counter(came).items() if times > 1]
    promised(not twice, f"{len(twice)} lines came more than once: {twice[:10]}")
    promised(not in_order or came == sorted(came), "the lines are not in order")


def assert_none_missing(came, count):
    missing = sorted(set(range(count)) - set(came))
    promised(not missing,
             f"{len(missing)} of {count} lines are missing: {missing[:10]} … {missing[-3:]}")
    extra = sorted(set(came) - set(range(count)))
    promised(not extra, f"lines that were never written: {extra[:10]}")


def append(path, text):
    """One write, as a program's log library does it."""
    data = text if isinstance(text, bytes) else text.encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        while data:
            data = data[os.write(descriptor, data):]
    finally:
        os.close(descriptor)


def append_lines(path, first, count, run="r", bytes_=0):
    append(path, "".join(f"{text}\n" for text in lines(first, count, run, bytes_)))


class Writer:
    """Writes numbered lines until stopped, in a thread. before(n) may rotate the file."""

    def __init__(self, path, run="r", burst=20, pause=0.005, bytes_=100, before=None):
        self.path, self.run, self.written = path, run, 0
        self._burst, self._pause, self._bytes, self._before = burst, pause, bytes_, before
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self):
        while not self._stop.is_set():
            if self._before:
                self._before(self.written)
            append_lines(self.path, self.written, self._burst, self.run, self._bytes)
            self.written += self._burst
            time.sleep(self._pause)

    def stop(self):
        self._stop.set()
        self._thread.join()
        return self.written
