# SPDX-License-Identifier: Apache-2.0
"""SIGTERM at every moment: it ends in time, and what was not sent is still there or is counted."""

import signal
import time
from pathlib import Path

import pytest

from rig.books import Books
from rig.lines import append_lines, assert_none_missing, check_exact, lines, numbers
from rig.preload import FailingIo
from rig.receiver import Reply
from rig.waiting import wait_until

STDIN = {"app": {"type": "stdin"}}
GRACE_S = 1.0
# For a slow and busy machine, and far less than what an end would take that waits for anything else.
SLACK_S = 25


def make(rig, receiver, inputs=None, grace_s=GRACE_S, **options):
    output = rig.http(receiver, **{"batch": {"max_events": 500}, **options})
    return rig.agent(inputs or {"app": rig.tail("app.log")}, {"main": output},
                     shutdown_grace=f"{int(grace_s)}s")


def stop_timed(agent, expect):
    begin = time.monotonic()
    books = agent.stop(expect)
    took = time.monotonic() - begin
    assert took <= GRACE_S + SLACK_S, f"the stop took {took:.1f} s"
    return books


@pytest.mark.quick
def test_idle_it_ends_at_once(rig):
    receiver = rig.receiver()
    append_lines(rig.folder / "app.log", 0, 10)
    agent = make(rig, receiver, grace_s=60).start()
    receiver.wait_events(10)
    begin = time.monotonic()
    agent.stop().agree_with(receiver)
    assert time.monotonic() - begin < SLACK_S
    assert agent.log.find(msg="stopped")[0]["exit_code"] == "0"


@pytest.mark.quick
@pytest.mark.threads
def test_what_is_queued_for_a_healthy_endpoint_is_sent_first(rig):
    """Backoff waits are skipped: the endpoint has healed, but the agent does not know yet."""
    receiver = rig.receiver()
    receiver.always(503)
    agent = make(rig, receiver, STDIN, grace_s=60, retry={"base": "10m", "cap": "10m"},
                 breaker={"rest": "10m", "rest_max": "10m"}).start_piped()
    agent.feed(lines(0, 10000))
    agent.wait_metric(10000, "spillway_lines_total")
    receiver.wait_requests(1)
    receiver.always(200)
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), 10000, in_order=False)


@pytest.mark.quick
@pytest.mark.parametrize("how", ["whole", "reset", "hang"])
def test_an_endpoint_that_is_away_gets_the_grace_and_no_more(rig, how):
    receiver = rig.receiver()
    receiver.replies(200)
    receiver.always(Reply(503, how=how))
    append_lines(rig.folder / "app.log", 0, 10)
    agent = make(rig, receiver, retry={"base": "10m", "cap": "10m"},
                 breaker={"rest": "10m", "rest_max": "10m"}).start()
    receiver.wait_events(10)
    append_lines(rig.folder / "app.log", 10, 10000)
    receiver.wait_requests(2)
    lane = stop_timed(agent, expect=3).lane()
    assert lane.dropped == 0 and lane.replay > 0, "a file can be read again: nothing is dropped"
    receiver.always(200)
    agent.start()
    receiver.wait_events(10010)
    agent.stop()
    check_exact(receiver.bodies(), 10010, in_order=False)


def test_a_read_that_hangs_does_not_keep_the_rest_from_being_kept(rig):
    """A file server is gone: what is held goes to the spool, the books are closed, and it ends."""
    receiver = rig.receiver()
    receiver.always(503)
    (rig.folder / "far").mkdir()
    append_lines(rig.folder / "far" / "app.log", 1000, 10)
    agent = make(rig, receiver, {**STDIN, "far": rig.tail("far/*.log")}, spool={"max_bytes": "64MiB"})
    server = FailingIo(rig.folder)
    server.under(agent, rig.folder / "far")
    server.fail(1, "hang:pread")
    agent.start_piped()
    agent.feed(lines(0, 1000))
    agent.wait_metric(1000, "spillway_lines_total", input="app")
    wait_until(lambda: any(fd.resolve().parent.name == "far" for fd in
                           Path(f"/proc/{agent.process.pid}/fd").iterdir()), "the file that hangs")
    books = stop_timed(agent, expect=0)
    assert agent.log.find(msg="input does not come back from a read, going on without it")[0]["input"] == "far"
    assert books.lane("app").spool == 1000
    server.mend()
    receiver.always(200)
    agent.start_piped()
    receiver.wait_events(1010)
    agent.end_input()
    agent.stop()
    check_exact(receiver.bodies(), 1010, in_order=False)


def test_the_checkpoint_is_never_ahead_of_what_was_acknowledged(rig):
    """The first batches are taken, the rest is not: exactly the rest is read again."""
    receiver = rig.receiver()
    receiver.replies(200, 200, 200)
    receiver.always(503)
    append_lines(rig.folder / "app.log", 0, 10000)
    agent = make(rig, receiver, concurrency={"max": 1}).start()
    receiver.wait_requests(4)
    first = receiver.events()
    stop_timed(agent, expect=3)
    receiver.always(200)
    agent.start()
    receiver.wait_events(10000)
    agent.stop()
    came = numbers(receiver.bodies())
    assert_none_missing(came, 10000)
    repeated = len(came) - 10000
    assert repeated <= len(first), f"{repeated} repeated, {len(first)} acknowledged before"


@pytest.mark.parametrize("how", ["whole", "hang"])
def test_what_standard_input_left_is_counted(rig, how):
    receiver = rig.receiver()
    receiver.always(Reply(503, how=how))
    agent = make(rig, receiver, STDIN).start_piped()
    agent.feed(lines(0, 3000))
    agent.wait_metric(3000, "spillway_lines_total")
    receiver.wait_requests(1)
    lane = stop_timed(agent, expect=3).lane()
    left = sum(value for name, value in lane.fields.items() if name.startswith("drain_timeout"))
    assert (lane.drain_timeout_in_flight > 0) == (how == "hang")
    assert (lane.received, lane.delivered, lane.dropped, left) == (3000, 0, 3000, 3000)
    assert agent.log.find(msg="stopped")[0]["left_events"] == "3000"


@pytest.mark.quick
@pytest.mark.threads
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_now_and_saves_positions_all_the_same(rig, second):
    receiver = rig.receiver()
    receiver.replies(200)
    receiver.always(Reply(how="hang"))
    append_lines(rig.folder / "app.log", 0, 10)
    agent = make(rig, receiver, timeout="60s")
    agent.config["agent"]["shutdown_grace"] = "60s"
    agent.start()
    receiver.wait_events(10)
    append_lines(rig.folder / "app.log", 10, 100)
    receiver.wait_requests(2)
    agent.process.send_signal(signal.SIGTERM)
    agent.wait_log(msg="stopping")
    begin = time.monotonic()

    def repeat():
        """Two at almost the same time are one wish: what signals a group also signals the process."""
        agent.process.send_signal(second)
        return agent.log.find(msg="second signal, not waiting any longer")
    wait_until(repeat, "the second signal to be taken", pause=0.1)
    assert agent.wait_exit() == 3
    assert time.monotonic() - begin < SLACK_S
    assert Books(agent.log).lane().replay == 100
    receiver.always(200)
    agent.start()
    receiver.wait_events(110)
    agent.stop()
    check_exact(receiver.bodies(), 110)


def test_a_reading_that_waits_for_its_lane_does_not_hold_up_the_end(rig):
    receiver = rig.receiver()
    receiver.hold()
    append_lines(rig.folder / "app.log", 0, 50000, bytes_=100)
    tail = rig.tail("app.log", max_line_bytes="1KiB", lane={"capacity": "256KiB"})
    agent = make(rig, receiver, {"app": tail}, batch={"max_bytes": "16KiB"}).start()
    wait_until(lambda: receiver.waiting(), "a request that is held")
    lane = stop_timed(agent, expect=3).lane()
    assert lane.dropped == 0
    receiver.release()
    agent.start()
    receiver.wait_events(50000)
    agent.stop()
    assert_none_missing(numbers(receiver.bodies()), 50000)


@pytest.mark.threads
def test_what_waits_in_every_account_goes_back_to_its_file(rig):
    """More than the sealed batches may hold, so that the lane is full too when the grace is over."""
    receiver = rig.receiver()
    receiver.hold()
    append_lines(rig.folder / "app.log", 0, 100000, bytes_=100)
    tail = rig.tail("app.log", max_line_bytes="1KiB", lane={"capacity": "4MiB"})
    agent = make(rig, receiver, {"app": tail}, compression="none", batch={"max_bytes": "64KiB"},
                 concurrency={"max": 2})
    agent.config["agent"]["memory_limit"] = "8MiB"
    agent.start()
    wait_until(lambda: receiver.waiting(), "a request that is held")
    agent.wait_metric(20001, "spillway_received_events_total", input="app", output="main")
    lane = stop_timed(agent, expect=3).lane()
    assert lane.dropped == 0
    went_back = agent.log.find(msg="stopped")[0]["left_events"]
    assert int(went_back) == lane.replay > 20000, "the lane was not full"
    receiver.release()
    agent.start()
    wait_until(lambda: len(set(numbers(receiver.bodies()))) == 100000, "all lines", pause=0.2)
    agent.stop()
    assert_none_missing(numbers(receiver.bodies()), 100000)


def test_an_interrupt_while_events_flow_loses_none(rig):
    receiver = rig.receiver()
    append_lines(rig.folder / "app.log", 0, 100000, bytes_=100)
    agent = make(rig, receiver)
    for n in range(3):
        agent.start()
        receiver.wait_requests(5 * n + 5)
        agent.process.send_signal(signal.SIGINT)
        assert agent.wait_exit() in (0, 3)
    agent.start()
    wait_until(lambda: len(set(numbers(receiver.bodies()))) == 100000, "all lines", pause=0.2)
    agent.stop()
    assert_none_missing(numbers(receiver.bodies()), 100000)


def test_hangup_is_told_and_changes_nothing(rig):
    receiver = rig.receiver()
    append_lines(rig.folder / "app.log", 0, 10)
    agent = make(rig, receiver).start()
    agent.process.send_signal(signal.SIGHUP)
    agent.wait_log(msg="reloaded", generation="2", kept="input.app output.main")
    receiver.wait_events(10)
    agent.stop().agree_with(receiver)
