# SPDX-License-Identifier: Apache-2.0
"""Lines of any length and any bytes: the neighbours are intact, what was cut is flagged and counted,
and every batch is valid JSON (the receiver parses all of it)."""

import pytest

from rig.agent import MIB, is_sanitized
from rig.lines import append, append_lines, numbers
from rig.waiting import wait_until

MAX = 1024


def make(rig, receiver, **options):
    tail = rig.tail("app.log", max_line_bytes=f"{MAX}B", **options)
    output = rig.http(receiver, batch={"max_wait": "50ms"}, concurrency={"max": 1})  # in order
    return rig.agent({"app": tail}, {"main": output})


def ship(rig, data, count):
    """What arrives of these bytes: the bodies, and the events."""
    receiver = rig.receiver()
    append(rig.folder / "app.log", data)
    agent = make(rig, receiver).start()
    events = receiver.wait_events(count)
    agent.stop().agree_with(receiver)
    assert len(events) == count
    return [event["body"] for event in events], events


def is_cut(event):
    return event.get("attributes", {}).get("log.record.original_bytes")


@pytest.mark.quick
@pytest.mark.parametrize("length", [1, MAX - 1, MAX, MAX + 1, 10 * MAX, 300 * MAX])
def test_a_line_of_any_length_between_two_others(rig, length):
    bodies, events = ship(rig, b"before\n" + b"x" * length + b"\nafter\n", 3)
    assert (bodies[0], bodies[2]) == ("before", "after")
    assert bodies[1] == "x" * min(length, MAX)
    assert is_cut(events[1]) == (length if length > MAX else None)


@pytest.mark.quick
def test_cut_lines_are_counted(rig):
    receiver = rig.receiver()
    append(rig.folder / "app.log", (b"y" * 5000 + b"\n") * 7 + b"short\n")
    agent = make(rig, receiver).start()
    receiver.wait_events(8)
    assert agent.metrics().get("spillway_lines_truncated_total", input="app", output="main") == 7
    agent.stop().agree_with(receiver)


@pytest.mark.quick
def test_a_cut_never_falls_inside_a_character(rig):
    for shift in range(4):
        text = "a" * (MAX - 4 + shift) + "€" * 100
        bodies, _ = ship(rig, text.encode() + b"\n", 1)
        assert text.startswith(bodies[0]) and MAX - 3 <= len(bodies[0].encode()) <= MAX
        (rig.folder / "app.log").unlink()


@pytest.mark.quick
def test_bytes_that_are_not_text(rig):
    """Invalid UTF-8 becomes U+FFFD, NUL and control characters stay, nothing else is touched."""
    data = (b"\xef\xbb\xbfbom\n" b"nul \x00 inside\n" b"bad \xff\xfe\x80 bytes\n" b"\xed\xa0\x80 surrogate\n"
            b"tab\tquote\"back\\slash\x1b[0m\x7f\n" b"overlong \xc0\xaf\n" b"last \xe2\x82\n" b"fine\n")
    bodies, _ = ship(rig, data, 8)
    assert bodies[0] == "\ufeffbom"
    assert bodies[1] == "nul \x00 inside"
    assert bodies[2] == "bad \ufffd\ufffd\ufffd bytes"
    assert bodies[3] == "\ufffd\ufffd\ufffd surrogate"
    assert bodies[4] == "tab\tquote\"back\\slash\x1b[0m\x7f"
    assert bodies[5:] == ["overlong \ufffd\ufffd", "last \ufffd\ufffd", "fine"]


@pytest.mark.parametrize("boundary", [4096, 8192, 65536, 256 * 1024])
def test_a_line_end_of_two_bytes_over_a_boundary(rig, boundary):
    filler = b"f" * 500 + b"\r\n"
    data = filler * (boundary // len(filler))
    data += b"g" * (boundary - 1 - len(data)) + b"\r\nnext\r\n"
    assert data[boundary - 1:boundary + 1] == b"\r\n"
    receiver = rig.receiver()
    append(rig.folder / "app.log", data)
    agent = make(rig, receiver).start()
    wait_until(lambda: "next" in receiver.bodies(), "the last line")
    assert all(set(body) <= {"f"} or set(body) <= {"g"} or body == "next"
               for body in receiver.bodies()), "a carriage return was left in a line"
    agent.stop().agree_with(receiver)


@pytest.mark.quick
def test_a_last_line_waits_for_its_end_also_over_a_restart(rig):
    receiver = rig.receiver()
    append(rig.folder / "app.log", "whole\nhalf")
    agent = make(rig, receiver).start()
    receiver.wait_events(1)
    append(rig.folder / "app.log", " and more\nthen ha")
    receiver.wait_events(2)
    agent.stop()
    append(rig.folder / "app.log", "lf again\n")
    agent.start()
    receiver.wait_events(3)
    agent.stop()
    assert receiver.bodies() == ["whole", "half and more", "then half again"]


def test_a_file_without_a_newline_stays_within_bounds_and_goes_on(rig, request):
    """64 MiB; a GiB with --long."""
    size = 1024 if request.config.getoption("--long") else 64
    receiver = rig.receiver()
    append(rig.folder / "app.log", "first\n")
    agent = make(rig, receiver).start()
    receiver.wait_events(1)
    for _ in range(size):
        append(rig.folder / "app.log", b"z" * MIB)
    append(rig.folder / "app.log", b"\n")
    append_lines(rig.folder / "app.log", 0, 100)
    events = receiver.wait_events(102)
    assert is_cut(events[1]) == size * MIB and len(events[1]["body"]) == MAX
    assert numbers(receiver.bodies()) == list(range(100))
    if not is_sanitized():
        assert agent.peak_bytes < 16 * MIB
    agent.stop().agree_with(receiver)


def test_a_restart_inside_a_long_line_delivers_it_once(rig):
    receiver = rig.receiver()
    append(rig.folder / "app.log", b"first\n" + b"z" * (3 * MIB))
    agent = make(rig, receiver).start()
    receiver.wait_events(1)
    agent.stop()
    append(rig.folder / "app.log", b"z" * MIB + b"\nlast\n")
    agent.start()
    events = receiver.wait_events(3)
    agent.stop()
    assert [event["body"] for event in events] == ["first", "z" * MAX, "last"]
    assert is_cut(events[1]) == 4 * MIB


@pytest.mark.quick
def test_empty_lines_are_passed_over(rig):
    bodies, _ = ship(rig, "\n\none\n\r\n\ntwo\n\n", 2)
    assert bodies == ["one", "two"]
