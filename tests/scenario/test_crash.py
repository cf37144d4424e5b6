# SPDX-License-Identifier: Apache-2.0
"""kill -9 at every moment: no line is missing, and repeated are only lines whose delivery was not yet
in the checkpoint."""

import random
import shutil
import signal
import time

import pytest

from rig import saved
from rig.lines import Writer, append_lines, assert_none_missing, numbers
from rig.receiver import Reply
from rig.waiting import wait_until

LINE_BYTES = 200
BATCH = {"batch": {"max_events": 200, "max_wait": "100ms"}}


def make(rig, receiver):
    return rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver, **BATCH)})


class Matrix:
    """Lines are written all the time; one start after the other is killed."""

    def __init__(self, rig):
        self.receiver = rig.receiver()
        self.agent = make(rig, self.receiver)
        self.path = rig.folder / "app.log"
        self.writer = Writer(self.path, bytes_=LINE_BYTES)
        self.kills = []  # (how many lines were saved as delivered, how many requests had come)

    def saved(self):
        return saved.offset(self.agent, self.path) // (LINE_BYTES + 1)

    def await_saved(self):
        """Positions are saved while it runs, and not at its end alone."""
        came = len(set(numbers(self.receiver.bodies())))
        wait_until(lambda: self.saved() >= came, lambda: f"{came} lines to be saved; {self.saved()} are")

    def await_unacknowledged(self):
        self.receiver.hold()
        wait_until(lambda: self.receiver.waiting(), "a batch without an answer")

    def killed(self):
        self.kills.append((self.saved(), len(self.receiver.requests)))
        self.receiver.release()

    def finish(self):
        self.agent.command = self.agent.command[-1:]
        self.agent.start()
        written = self.writer.stop()
        wait_until(lambda: len(set(numbers(self.receiver.bodies()))) == written, "all lines",
                   pause=0.2)
        self.agent.stop()
        assert_none_missing(numbers(self.receiver.bodies()), written)
        self.check_repeated()

    def check_repeated(self):
        acknowledged = [(r.number, numbers([e["body"] for e in r.events]))
                        for r in self.receiver.acknowledged()]
        for safe, requests in self.kills:
            repeated = {line for number, came in acknowledged if number >= requests
                        for line in came if line < safe}
            assert not repeated, f"{len(repeated)} lines came again that were saved before a kill"


@pytest.mark.quick
def test_what_a_killed_start_held_is_read_again_and_told(rig):
    receiver = rig.receiver()
    receiver.hold()
    append_lines(rig.folder / "app.log", 0, 5000)
    agent = make(rig, receiver).start()
    agent.wait_metric(5000, "spillway_received_events_total", input="app", output="main")
    wait_until(lambda: receiver.waiting(), "a batch without an answer")
    agent.kill()
    receiver.release()
    agent.start()
    closed = agent.wait_log(msg="books of the killed start closed")
    assert (closed["replay"], closed["lost"], closed["books"]) == ("5000", "0", "exact")
    wait_until(lambda: len(set(numbers(receiver.bodies()))) == 5000, "all lines")
    lane = agent.stop().lane()
    assert (lane.received, lane.replay) == (5000, 0), "its own lines speak of this start alone"
    assert_none_missing(numbers(receiver.bodies()), 5000)


def test_killed_at_random_moments(rig, request, seed):
    matrix = Matrix(rig)
    chance = random.Random(seed)
    for _ in range(20 if request.config.getoption("--long") else 6):
        matrix.agent.start()
        before = len(matrix.receiver.acknowledged())
        wait_until(lambda: len(matrix.receiver.acknowledged()) > before, "a batch that is taken")
        matrix.await_saved()
        time.sleep(chance.uniform(0, 1.5))
        matrix.await_unacknowledged()
        time.sleep(chance.uniform(0, 0.2))
        matrix.agent.kill()
        matrix.killed()
    matrix.finish()


# The kernel kills at the n-th call of a kind: while the checkpoint is written (its tmp file, its sync,
# its rename), while the books are saved, and while the start makes pid file, agent id and live books.
MOMENTS = [("rename", 1), ("rename", 3), ("fsync", 2), ("rename", 5), ("fsync", 6), ("rename", 6),
           ("fsync", 9), ("rename", 8)]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_killed_in_the_middle_of_a_save_and_of_the_start(rig):
    matrix = Matrix(rig)
    matrix.receiver.always(Reply(delay=0.1))  # so that a batch is under way at every moment
    for call, nth in MOMENTS:
        matrix.agent.command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
                                "-e", f"inject={call}:signal=SIGKILL:when={nth}",
                                matrix.agent.command[-1]]
        matrix.agent.env = {"ASAN_OPTIONS": "detect_leaks=0"}  # which cannot be under a tracer
        matrix.agent.launch()
        code = matrix.agent.wait_exit()
        assert code in (-signal.SIGKILL, 128 + signal.SIGKILL), f"{call} {nth}: ended with {code}"
        matrix.killed()
    matrix.agent.env = {}
    matrix.finish()


def test_killed_again_and_again_while_it_starts(rig, seed):
    matrix = Matrix(rig)
    chance = random.Random(seed)
    for _ in range(10):
        matrix.agent.launch()
        time.sleep(chance.uniform(0, 0.05))
        matrix.agent.kill()
        matrix.killed()
    matrix.finish()


DAMAGES = {
    "empty": lambda whole: b"",
    "nuls": lambda whole: b"\0" * len(whole),
    "half": lambda whole: whole[:len(whole) // 2],
    "another version": lambda whole: whole.replace(b"spillway-checkpoint 1", b"spillway-checkpoint 0"),
    "one bit": lambda whole: whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:],
}


@pytest.mark.quick
@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.parametrize("both", [False, True], ids=["the newest", "both copies"])
def test_a_damaged_checkpoint_never_stops_the_start(rig, name, both):
    receiver = rig.receiver()
    append_lines(rig.folder / "app.log", 0, 100)
    agent = make(rig, receiver).start()
    receiver.wait_events(100)
    agent.stop()
    agent.start()
    append_lines(rig.folder / "app.log", 100, 100)
    receiver.wait_events(200)
    agent.stop()
    checkpoint = agent.state_dir / "checkpoints" / "app@main"
    previous = checkpoint.with_name(checkpoint.name + ".previous")
    for path in (checkpoint, previous) if both else (checkpoint,):
        path.write_bytes(DAMAGES[name](path.read_bytes()))
    append_lines(rig.folder / "app.log", 200, 100)
    agent.start()
    told = agent.wait_log(level="error")
    assert told["path"] == str(checkpoint)
    assert ("previous" in told["msg"]) == (not both)
    wait_until(lambda: len(set(numbers(receiver.bodies()))) == 300, "all lines")
    agent.stop()
    assert_none_missing(numbers(receiver.bodies()), 300)


@pytest.mark.quick
def test_a_save_that_was_interrupted_before_its_rename_is_no_matter(rig):
    receiver = rig.receiver()
    append_lines(rig.folder / "app.log", 0, 100)
    agent = make(rig, receiver).start()
    receiver.wait_events(100)
    agent.stop()
    checkpoint = agent.state_dir / "checkpoints" / "app@main"
    checkpoint.with_name(checkpoint.name + ".tmp").write_bytes(b"spillway-checkp")
    append_lines(rig.folder / "app.log", 100, 100)
    agent.start()
    receiver.wait_events(200)
    agent.stop()
    assert sorted(numbers(receiver.bodies())) == list(range(200))


@pytest.mark.quick
def test_a_file_that_is_gone_after_a_kill_before_any_answer_is_counted(rig):
    """Nothing was acknowledged yet, so nothing was settled: the file is known all the same."""
    receiver = rig.receiver()
    receiver.hold()
    append_lines(rig.folder / "app.log", 0, 1000, bytes_=99)
    agent = make(rig, receiver).start()
    wait_until(lambda: receiver.waiting(), "a batch without an answer")
    wait_until((agent.state_dir / "checkpoints" / "app@main").exists, "a checkpoint")
    agent.kill()
    (rig.folder / "app.log").unlink()
    receiver.always(503)
    receiver.release()
    agent.start()
    told = agent.wait_log(msg="lost before it was read")
    assert int(told["bytes"]) == 1000 * 100
    agent.stop()


def test_standard_input_that_was_held_is_lost_and_counted(rig):
    receiver = rig.receiver()
    receiver.hold()
    agent = rig.agent({"app": {"type": "stdin"}}, {"main": rig.http(receiver, **BATCH)})
    agent.start_piped()
    agent.feed(f"r.{n}." for n in range(3000))
    agent.wait_metric(3000, "spillway_received_events_total", input="app", output="main")
    agent.kill()
    agent.start_piped()
    closed = agent.wait_log(msg="books of the killed start closed")
    assert (closed["replay"], closed["lost"]) == ("0", "3000")
    assert agent.metrics().get("spillway_lost_events_total", input="app", output="main") == 3000
    agent.end_input()
    receiver.release()
    agent.finish()
