# SPDX-License-Identifier: Apache-2.0
"""A disk that never answers: the agent ends all the same, and what was in its hand is neither lost nor told
as lost while it arrives. What the call did, nobody knows before the next start, which sees the disk.
How long the end takes is asked in test_shutdown_bound.py."""

import subprocess

import pytest

from rig import yaml
from rig.lines import append_lines, assert_none_missing, lines, numbers
from rig.preload import FailingIo
from rig.waiting import promised, wait_until

COUNT, PER_BATCH = 1000, 100
ENDED_WITHOUT = "the spool's disk does not answer, ending without it"
CLOSED = "books of the killed start closed"


class Scene:
    """One agent that is stopped while its disk hangs, and started again on the disk that is well."""

    def __init__(self, rig, inputs, under="spool", **output):
        self.rig, self.receiver, self.disk = rig, rig.receiver(), FailingIo(rig.folder)
        options = {"batch": {"max_events": PER_BATCH}, "spool": {"max_bytes": "64MiB", "min_free": "0"}, **output}
        self.agent = rig.agent(inputs, {"main": rig.http(self.receiver, **options)}, shutdown_grace="100ms")
        self.disk.under(self.agent, self.agent.state_dir / under)
        self.first, self.is_away = None, False

    def lose_receiver(self):
        self.receiver.go_away()
        self.is_away = True
        return self

    def find_receiver(self):
        if self.is_away:
            self.receiver.come_back()
        self.is_away = False

    def hang(self, *calls):
        self.disk.fail(1, *calls)

    def stop_hung(self, code=3):
        self.disk.wait_hung()
        self.first = self.agent.stop(code).lane()
        self.disk.mend()

    def start_well(self):
        self.find_receiver()
        self.receiver.always(200)
        self.agent.start_piped()
        return self

    def closed(self):
        return self.agent.wait_log(msg=CLOSED)

    def stop(self, arrived):
        """Once so many events have arrived, and none is held."""
        self.receiver.wait_events(arrived)
        wait_until(lambda: self.agent.metrics().get("spillway_stock_events", account="spool", output="main") == 0,
                   "the spool to be empty")
        self.agent.stop()


STDIN = {"app": {"type": "stdin"}}


def fed(scene):
    scene.lose_receiver().agent.start_piped()
    return scene


def missing(scene):
    arrived = numbers(scene.receiver.bodies())
    promised(len(arrived) == len(set(arrived)), "an event of a pipe came twice")
    return COUNT - len(arrived)


@pytest.mark.parametrize("how", ["hang", "late"])
def test_a_batch_that_was_being_written_is_lost_or_arrives_by_what_is_on_disk(rig, how):
    scene = fed(Scene(rig, STDIN))
    scene.hang(f"{how}:pwritev")
    scene.agent.feed(lines(0, COUNT))
    scene.agent.wait_metric(COUNT, "spillway_received_events_total", input="app", output="main")
    scene.stop_hung()
    told = scene.agent.log.find(msg=ENDED_WITHOUT)
    assert [(record["output"], record["at"]) for record in told] == [("main", "write")]
    held, dropped = scene.first.ready, scene.first.dropped
    assert (held, held + dropped) == (PER_BATCH, COUNT), scene.first
    end = scene.agent.log.find(msg="stopped")[0]
    assert (end["left_events"], end["exit_code"]) == (str(COUNT), "3")
    assert scene.agent.log.find(msg="the books are left open")[0]["held_events"] == str(held)
    on_disk = PER_BATCH if how == "late" else 0
    scene.start_well()
    closed = scene.closed()
    lost = int(closed["lost"])
    assert (lost, closed["books"]) == (held - on_disk, "exact")
    scene.stop(on_disk)
    promised(missing(scene) == dropped + lost, f"{missing(scene)} missing, {dropped} dropped, {lost} lost")


@pytest.mark.parametrize("how", ["hang", "late"])
def test_lines_of_a_file_that_were_being_written_all_arrive(rig, how):
    scene = Scene(rig, {"app": rig.tail("app.log")})
    append_lines(rig.folder / "app.log", 0, COUNT)
    scene.hang(f"{how}:pwritev")
    scene.lose_receiver().agent.start()
    scene.agent.wait_metric(COUNT, "spillway_received_events_total", input="app", output="main")
    scene.stop_hung()
    assert (scene.first.ready, scene.first.dropped) == (PER_BATCH, 0), scene.first
    scene.start_well()
    assert scene.closed()["lost"] == "0"
    wait_until(lambda: len(set(numbers(scene.receiver.bodies()))) == COUNT, "all lines")
    scene.stop(COUNT)
    came = numbers(scene.receiver.bodies())
    assert_none_missing(came, COUNT)
    twice = len(came) - COUNT
    promised(twice == (PER_BATCH if how == "late" else 0), f"{twice} came twice")


@pytest.mark.parametrize("call", ["hang:fdatasync", "hang:pread"])
def test_what_is_on_disk_is_the_next_starts_whatever_the_disk_hung_at(rig, call):
    scene = fed(Scene(rig, STDIN, spool={"max_bytes": "64MiB", "min_free": "0", "fsync_interval": "50ms"}))
    scene.hang(call)
    scene.agent.feed(lines(0, COUNT))
    scene.agent.wait_metric(COUNT, "spillway_received_events_total", input="app", output="main")
    scene.stop_hung()
    on_disk, dropped = scene.first.spool, scene.first.dropped
    assert on_disk > 0 and (scene.first.held, on_disk + dropped) == (on_disk, COUNT), scene.first
    assert scene.agent.log.find(msg="the books are left open") == []
    scene.start_well().stop(on_disk)
    promised(missing(scene) == dropped, f"{missing(scene)} missing, {dropped} dropped")
    assert scene.agent.log.find(msg=CLOSED) == []


@pytest.mark.parametrize("call", ["hang:unlinkat", "late:unlinkat"])
def test_a_segment_that_was_being_removed_is_sent_no_more(rig, call):
    scene = fed(Scene(rig, STDIN))
    scene.hang(call)
    scene.agent.feed(lines(0, COUNT))
    scene.agent.wait_metric(COUNT, "spillway_stock_events", account="spool", output="main")
    scene.find_receiver()
    scene.receiver.wait_events(COUNT)
    scene.stop_hung(code=0)
    assert (scene.first.delivered, scene.first.held) == (COUNT, 0), scene.first
    scene.start_well().stop(COUNT)
    assert missing(scene) == 0


def test_refused_events_are_counted_once_though_their_letters_hang(rig):
    letters = rig.folder / "letters"
    scene = Scene(rig, STDIN, under=letters, dead_letter={"path": letters}, batch={"max_events": COUNT})
    scene.agent.start_piped()
    scene.agent.feed(lines(0, COUNT))
    scene.receiver.wait_events(COUNT)
    scene.hang("hang:open")
    scene.receiver.always(422)
    scene.agent.feed(lines(COUNT, 1))
    scene.stop_hung(code=0)
    assert (scene.first.delivered, scene.first.refuse, scene.first.held) == (COUNT, 1, 0), scene.first
    assert scene.agent.log.find(msg="the disk of the dead letters does not answer, ending without them")
    scene.start_well().agent.stop()
    assert len(numbers(scene.receiver.bodies())) == COUNT and not letters.exists()


def test_what_a_sender_does_not_come_back_from_is_counted_and_the_other_outputs_spool(rig):
    scene = Scene(rig, STDIN)
    agent, out = scene.agent, rig.folder / "out"
    agent.config["outputs"]["out"] = {"type": "stdout", "batch": {"max_events": PER_BATCH}}
    scene.disk.under(agent, out)
    scene.hang("hang:write")
    scene.lose_receiver()
    with open(out, "wb") as file:
        agent.start(stdin=subprocess.PIPE, stdout=file)
    agent.feed(lines(0, COUNT))
    for name in ("main", "out"):
        agent.wait_metric(COUNT, "spillway_received_events_total", input="app", output=name)
    scene.disk.wait_hung()
    books = agent.stop(3)
    scene.disk.mend()
    out_lane, main_lane = books.lane(output="out"), books.lane(output="main")
    assert out.read_bytes() == b"" and (out_lane.dropped, out_lane.held) == (COUNT, 0), out_lane
    assert out_lane.drain_timeout_in_flight == PER_BATCH, out_lane
    assert (main_lane.spool, main_lane.dropped) == (COUNT, 0), main_lane
    assert agent.log.find(msg="the sender does not come back from a call, ending without it")
    del agent.config["outputs"]["out"]
    scene.start_well().stop(COUNT)
    assert missing(scene) == 0 and agent.log.find(msg=CLOSED) == []


def test_a_state_that_cannot_be_saved_costs_a_second_reading_and_no_line(rig):
    scene = Scene(rig, {"app": rig.tail("app.log")}, under="checkpoints")
    scene.agent.start()
    scene.hang("hang:rename", "hang:fsync")
    append_lines(rig.folder / "app.log", 0, COUNT)
    scene.receiver.wait_events(COUNT)
    scene.stop_hung(code=0)
    told = scene.agent.log.find(msg="the disk of state_dir does not answer, ending without it")
    assert [record["path"].rsplit("/", 1)[1] for record in told] == ["app@main"]
    append_lines(rig.folder / "app.log", COUNT, COUNT)
    scene.start_well()
    wait_until(lambda: len(set(numbers(scene.receiver.bodies()))) == 2 * COUNT, "all lines")
    scene.agent.stop()
    assert_none_missing(numbers(scene.receiver.bodies()), 2 * COUNT)


def test_an_output_that_is_taken_out_on_a_hung_disk_holds_up_nobody(rig):
    scene = Scene(rig, STDIN)
    agent = scene.agent
    agent.config["outputs"]["other"] = {**agent.config["outputs"]["main"]}
    scene.disk.under(agent, agent.state_dir / "spool/other")
    fed(scene)
    scene.hang("hang:pwritev")
    agent.feed(lines(0, COUNT))
    scene.disk.wait_hung()
    other = agent.config["outputs"].pop("other")
    agent.config_path.write_text(yaml.dump(agent.config))
    agent.process.send_signal(1)
    told = agent.wait_log(msg="an output that was taken out cannot end, its disk does not answer")
    assert told["output"] == "other"
    scene.find_receiver()
    scene.receiver.wait_events(COUNT)
    agent.config["outputs"]["main"]["headers"] = {"X-A": "b"}
    agent.config_path.write_text(yaml.dump(agent.config))
    agent.process.send_signal(1)
    agent.wait_log(msg="reloaded", generation="3")
    agent.config["outputs"]["other"] = other  # not while it is at its end
    agent.config_path.write_text(yaml.dump(agent.config))
    agent.process.send_signal(1)
    assert "is just being taken out" in agent.wait_log(msg="reload refused, the agent goes on as it was")["error"]
    scene.disk.mend()
    agent.wait_log(msg="output taken out", output="other")
    agent.stop()
