# SPDX-License-Identifier: Apache-2.0
"""Files that are renamed, moved and removed while they are read: every line once, oldest file first."""

import gzip
import os
import time

import pytest

from rig.lines import append, append_lines, assert_none_missing, check_exact, line, numbers

SMALL_LANE = {"max_line_bytes": "1KiB", "lane": {"capacity": "128KiB"}}


def make(rig, receiver, path="app.log", **options):
    return rig.agent({"app": rig.tail(path, **{"rescan": "1s", **options})},
                     {"main": rig.http(receiver, batch={"max_bytes": "16KiB"},
                                       concurrency={"max": 1})})


def rotate(log, keep=7):
    """app.log → app.log.1 → app.log.2 …, as logrotate does; app.log is then made anew."""
    for n in range(keep, 0, -1):
        older, newer = f"{log}.{n}", log if n == 1 else f"{log}.{n - 1}"
        if os.path.exists(newer):
            os.rename(newer, older)
    open(log, "w").close()


@pytest.mark.quick
@pytest.mark.threads
@pytest.mark.parametrize("glob", ["app.log", "app.log*"])
def test_five_rotations_while_the_endpoint_is_away(rig, glob):
    """The writer keeps its old descriptor for a while after each rename, as programs do."""
    receiver = rig.receiver()
    receiver.always(503)
    log = rig.folder / "app.log"
    append_lines(log, 0, 100, bytes_=200)
    agent = make(rig, receiver, glob, **SMALL_LANE).start()
    receiver.wait_requests(1)
    number = 100
    for _ in range(5):
        with open(log, "a") as late:
            rotate(log)
            for _ in range(2000):
                late.write(line(number, bytes_=200) + "\n")
                number += 1
        append_lines(log, number, 1000, bytes_=200)
        number += 1000
    receiver.always(200)
    receiver.wait_events(number)
    lane = agent.stop().agree_with(receiver).lane()
    # A rotated file that the pattern matches too is a path of its own: no order between paths.
    check_exact(receiver.bodies(), number, in_order=glob == "app.log")
    assert lane.dropped == 0


@pytest.mark.quick
def test_a_rotation_while_the_agent_was_down(rig):
    receiver = rig.receiver()
    log = rig.folder / "app.log"
    append_lines(log, 0, 1000)
    agent = make(rig, receiver).start()
    receiver.wait_events(1000)
    agent.stop()
    append_lines(log, 1000, 500)
    rotate(log)
    append_lines(log, 1500, 500)
    agent.start()
    receiver.wait_events(2000)
    agent.stop()
    check_exact(receiver.bodies(), 2000)


def test_the_oldest_is_compressed_and_removed_after_it_was_read(rig):
    receiver = rig.receiver()
    log = rig.folder / "app.log"
    agent = make(rig, receiver, "app.log*", exclude=["*.gz"]).start()
    for step in range(6):
        append_lines(log, step * 300, 300)
        receiver.wait_events((step + 1) * 300)
        rotate(log)
        oldest = rig.folder / "app.log.2"
        if oldest.exists():
            with gzip.open(f"{oldest}.{step}.gz", "wb") as packed:
                packed.write(oldest.read_bytes())
            oldest.unlink()
    append_lines(log, 1800, 10)
    receiver.wait_events(1810)
    agent.stop()
    check_exact(receiver.bodies(), 1810)


def test_a_file_that_was_moved_out_of_the_folder_is_read_to_its_end(rig):
    receiver = rig.receiver()
    receiver.always(503)
    log, elsewhere = rig.folder / "app.log", rig.folder / "archive"
    elsewhere.mkdir()
    append_lines(log, 0, 5000, bytes_=200)
    agent = make(rig, receiver, **SMALL_LANE).start()
    receiver.wait_requests(1)
    with open(log, "a") as late:
        os.rename(log, elsewhere / "app.old")
        late.write("".join(line(n, bytes_=200) + "\n" for n in range(5000, 6000)))
    append_lines(log, 6000, 1000)
    receiver.always(200)
    receiver.wait_events(7000)
    agent.stop()
    check_exact(receiver.bodies(), 7000)


def test_a_removed_file_that_was_open_is_read_to_its_end(rig):
    receiver = rig.receiver()
    receiver.always(503)
    log = rig.folder / "app.log"
    append_lines(log, 0, 5000, bytes_=200)
    agent = make(rig, receiver, **SMALL_LANE).start()
    receiver.wait_requests(1)
    log.unlink()
    receiver.always(200)
    receiver.wait_events(5000)
    agent.stop()
    check_exact(receiver.bodies(), 5000)


def test_a_file_removed_while_the_agent_was_down_is_counted_by_name(rig):
    receiver = rig.receiver()
    log = rig.folder / "app.log"
    append_lines(log, 0, 5000, bytes_=200)
    receiver.hold()
    agent = make(rig, receiver, **SMALL_LANE).start()
    receiver.wait_requests(1)
    agent.kill()
    log.unlink()
    agent.start()
    append_lines(log, 0, 10, run="new")
    receiver.release()
    agent.wait_log(msg="ledger")
    receiver.wait_events(10)
    agent.stop()
    check_exact([b for b in receiver.bodies() if b.startswith("new.")], 10, run="new")


def test_the_target_of_a_symbolic_link_is_exchanged(rig):
    receiver = rig.receiver()
    link = rig.folder / "current"
    for n in range(3):
        target = rig.folder / f"target.{n}"
        append_lines(target, n * 100, 100)
    link.symlink_to("target.0")
    agent = make(rig, receiver, "current").start()
    receiver.wait_events(100)
    for n in (1, 2):
        fresh = rig.folder / "fresh"
        fresh.symlink_to(f"target.{n}")
        os.replace(fresh, link)
        receiver.wait_events((n + 1) * 100)
    agent.stop()
    check_exact(receiver.bodies(), 300)


def test_many_fast_rotations_while_it_reads(rig):
    """Two renames may fall between two looks: the file in the middle is found by its inode."""
    receiver = rig.receiver()
    log = rig.folder / "app.log"
    append_lines(log, 0, 1)
    agent = make(rig, receiver, "app.log*").start()
    number = 1
    for step in range(100):
        append_lines(log, number, 50)
        number += 50
        rotate(log, keep=200)
        if step % 10 == 0:
            time.sleep(0.01)  # paces the writer, waits for nothing
    receiver.wait_events(number)
    agent.stop()
    check_exact(receiver.bodies(), number, in_order=False)


def test_a_last_line_without_newline_is_delivered_when_its_file_is_given_up(rig):
    receiver = rig.receiver()
    log = rig.folder / "app.log"
    append(log, "r.0.\nr.1.half")
    agent = make(rig, receiver, rotate_wait="100ms").start()
    receiver.wait_events(1)
    rotate(log)
    append(log, "r.2.\n")
    receiver.wait_events(3)
    agent.stop()
    assert sorted(receiver.bodies()) == ["r.0.", "r.1.half", "r.2."]


def test_files_that_appear_later_are_found_and_excluded_ones_are_left_out(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver, "logs/*/*.log", exclude=["*debug*"]).start()
    for name in ("a", "b"):
        (rig.folder / "logs" / name).mkdir(parents=True)
        append_lines(rig.folder / "logs" / name / "x.log", 0, 100, run=name)
        append_lines(rig.folder / "logs" / name / "debug.log", 0, 100, run="no")
    receiver.wait_events(200)
    agent.stop()
    for name in ("a", "b"):
        check_exact(receiver.bodies(), 100, run=name)
    assert numbers(receiver.bodies(), "no") == []
    paths = {event["resource"]["log.file.path"] for event in receiver.events()}
    assert paths == {str(rig.folder / "logs" / name / "x.log") for name in ("a", "b")}


def test_from_the_end_only_new_lines_are_read(rig):
    receiver = rig.receiver()
    log = rig.folder / "app.log"
    append_lines(log, 0, 1000, run="old")
    agent = make(rig, receiver, start_at="end").start()
    agent.wait_metric(1, "spillway_sources_open")
    append_lines(log, 0, 100)
    receiver.wait_events(100)
    agent.stop()
    assert_none_missing(numbers(receiver.bodies()), 100)
    assert numbers(receiver.bodies(), "old") == []
