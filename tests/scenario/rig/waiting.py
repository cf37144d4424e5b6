# SPDX-License-Identifier: Apache-2.0
"""Waiting for events, never for time: a condition is looked at until it holds or a deadline is over."""

import time

DEADLINE_S = 120  # against hanging alone: a scenario that passes never waits for it, however slow the machine


class BrokenPromise(AssertionError):
    """What holds on a machine of any speed does not: the books, the memory's bound, no crash.

    Other failures may come from what runs beside; tests/run tries those once more by themselves."""


def promised(holds, what):
    if not holds:
        raise BrokenPromise(what)


def wait_until(condition, what, timeout=DEADLINE_S, pause=0.01):
    """Returns the first true value of condition(); fails with `what` when the deadline is over."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain: {what() if callable(what) else what}")
        time.sleep(pause)


def stays(condition, seconds, what, pause=0.02):
    """For what must not happen: fails as soon as the condition does not hold."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), what() if callable(what) else what
        time.sleep(pause)
