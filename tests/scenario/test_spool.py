# SPDX-License-Identifier: Apache-2.0
"""The spool: an outage goes to disk and comes back, across stops and kills, and whatever happens to
the files, what is missing at the receiver is what the books count."""

import errno
import json
import os
import pathlib
import random
import shutil
import subprocess
import time

import pytest

from rig.agent import BINARY
from rig.lines import Writer, append_lines, assert_none_missing, check_exact, lines, numbers
from rig.preload import FailingIo
from rig.waiting import wait_until

STDIN = {"app": {"type": "stdin"}}
SPOOL = {"max_bytes": "64MiB", "min_free": "0"}
OUTPUT = {"concurrency": {"min": 1},  # no pacing after an outage: that is another test's
          "batch": {"max_events": 500, "max_wait": "100ms"},
          "retry": {"base": "50ms", "cap": "200ms"},
          "breaker": {"failures": 1, "rest": "100ms", "rest_max": "300ms"}}


def make(rig, receiver, inputs=None, spool=None, **options):
    output = rig.http(receiver, **{**OUTPUT, "spool": {**SPOOL, **(spool or {})}, **options})
    return rig.agent(inputs or STDIN, {"main": output}, shutdown_grace="60s")


def stock(agent, account):
    return agent.metrics().get("spillway_stock_events", account=account, output="main")


def on_disk(agent, count):
    wait_until(lambda: stock(agent, "spool") >= count,
               lambda: f"{count} events in the spool; there are {stock(agent, 'spool')}")


def segments(agent):
    return sorted((agent.state_dir / "spool" / "main").glob("*.seg"))


def missing_lines(receiver, count):
    return count - len(set(numbers(receiver.bodies())) & set(range(count)))


@pytest.mark.quick
@pytest.mark.threads
def test_an_outage_goes_to_disk_and_all_of_it_is_delivered(rig):
    receiver = rig.receiver()
    receiver.always(503)
    agent = make(rig, receiver).start_piped()
    for n in range(4):
        agent.feed(lines(n * 5000, 5000))
        on_disk(agent, (n + 1) * 5000 - 500)  # one batch may be in flight as the probe
    assert agent.metrics().get("spillway_spool_bytes", output="main") > 0
    receiver.always(200)
    receiver.wait_events(20000)
    agent.feed(lines(20000, 1000))
    receiver.wait_events(21000)
    wait_until(lambda: segments(agent) == [], "an empty spool")
    agent.end_input()
    lane = agent.finish().lane()
    assert (lane.received, lane.delivered, lane.dropped, lane.spool) == (21000, 21000, 0, 0)
    check_exact(receiver.bodies(), 21000, in_order=False)


def test_with_one_request_at_a_time_the_order_is_kept(rig):
    receiver = rig.receiver()
    receiver.replies(200, 200, *[503] * 20)
    agent = make(rig, receiver, concurrency={"min": 1, "max": 1}).start_piped()
    for n in range(40):
        agent.feed(lines(n * 500, 500))
        time.sleep(0.02)
    receiver.wait_events(20000)
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), 20000)


def test_newest_first_sends_what_is_new_before_the_backlog(rig):
    receiver = rig.receiver()
    receiver.always(503)
    agent = make(rig, receiver, spool={"newest_first": True},
                 concurrency={"min": 1, "max": 1}).start_piped()
    for n in range(10):
        agent.feed(lines(n * 500, 500))
        on_disk(agent, n * 500)
    receiver.always(200)
    receiver.wait_events(5000)
    agent.end_input()
    agent.finish().agree_with(receiver)
    got = numbers(receiver.bodies())
    assert sorted(got) == list(range(5000))
    assert got.index(4500) < got.index(1000)


@pytest.mark.quick
@pytest.mark.threads
def test_a_stop_with_the_endpoint_away_leaves_it_to_the_next_start(rig):
    receiver = rig.receiver()
    receiver.always(503)
    agent = make(rig, receiver).start_piped()
    agent.feed(lines(0, 10000))
    agent.wait_metric(10000, "spillway_lines_total")
    agent.end_input()
    lane = agent.finish().lane()
    assert (lane.received, lane.spool, lane.dropped) == (10000, 10000, 0)
    keys = {request.key for request in receiver.requests}
    receiver.always(200)
    agent.start_piped()
    taken = agent.wait_log(msg="spool of the start before taken over")
    assert (taken["carried"], taken["lost"]) == ("10000", "0")
    receiver.wait_events(10000)
    agent.end_input()
    lane = agent.finish().lane()
    assert (lane.received, lane.delivered, lane.spool) == (10000, 10000, 0)
    check_exact(receiver.bodies(), 10000, in_order=False)
    assert keys <= {request.key for request in receiver.acknowledged()}, "the keys changed"
    assert segments(agent) == []


def test_a_full_spool_gives_up_its_oldest_and_counts_them(rig):
    receiver = rig.receiver()
    receiver.always(503)
    agent = make(rig, receiver, spool={"max_bytes": "4MiB"}, compression="none").start_piped()
    for n in range(10):
        agent.feed(lines(n * 5000, 5000, bytes_=200))
        agent.wait_metric((n + 1) * 5000, "spillway_received_events_total", input="app")
        assert agent.metrics().get("spillway_spool_bytes", output="main") <= 4 << 20
    on_disk(agent, 5000)
    wait_until(lambda: sum(stock(agent, a) for a in ("ring", "batch", "ready")) == 0,
               "all on disk", pause=0.05)
    receiver.always(200)
    wait_until(lambda: stock(agent, "spool") == 0, "an empty spool", pause=0.05)
    agent.end_input()
    books = agent.finish()
    lane = books.lane()
    books.agree_with(receiver)
    assert lane.spool_evict > 0 and lane.dropped == lane.spool_evict
    assert missing_lines(receiver, 50000) == lane.spool_evict
    assert 49999 in numbers(receiver.bodies()), "the newest were given up"


def test_a_batch_that_is_refused_in_part_is_split_and_counted(rig):
    receiver = rig.receiver()
    receiver.replies(200)
    letters = rig.folder / "main.dead"
    agent = make(rig, receiver, dead_letter={"path": letters}).start_piped()
    agent.feed(lines(0, 1))
    receiver.wait_events(1)
    receiver.always(503)
    agent.feed(lines(1, 1000))
    on_disk(agent, 1000)
    poison = {77, 500, 999}

    def judge(request):
        return 422 if poison & set(numbers([e["body"] for e in request.events])) else 200

    receiver.rule(judge)
    wait_until(lambda: stock(agent, "spool") + stock(agent, "ready") + stock(agent, "in_flight") == 0,
               "an end of all", timeout=30)  # who has nothing to do looks again after a minute
    agent.end_input()
    lane = agent.finish().lane()
    assert (lane.delivered, lane.spool_refuse, lane.dropped) == (1001 - 3, 3, 3)
    assert missing_lines(receiver, 1001) == 3
    kept = [json.loads(line) for line in letters.read_text().splitlines()]
    assert set(numbers([letter["event"]["body"] for letter in kept])) == poison
    assert [letter["reason"] for letter in kept] == ["status 422"] * 3


# ---- a disk that fails ----

def small_disk(folder, mib):
    """A tmpfs of that size for the spool, in a mount namespace of the agent's own; None: not allowed."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "--mount", "true"],
                                                         capture_output=True).returncode != 0:
        return None
    folder.mkdir()
    return ["unshare", "--mount", "sh", "-c",
            f'mount -t tmpfs -o size={mib}m,nr_inodes=0 none "{folder}" && exec "$@"', "sh"]


def test_a_disk_that_is_full_is_memory_mode_said_once_and_shipping_goes_on(rig):
    disk = rig.folder / "disk"
    prefix = small_disk(disk, 1)
    if prefix is None:
        pytest.skip("mount namespaces are not allowed here")
    receiver = rig.receiver()
    receiver.always(503)
    agent = make(rig, receiver, spool={"path": disk}, compression="none")
    agent.command = prefix + agent.command
    agent.start_piped()
    for n in range(10):
        agent.feed(lines(n * 2000, 2000, bytes_=200))
        agent.wait_metric((n + 1) * 2000, "spillway_lines_total")
    agent.wait_metric(1, "spillway_spool_state", output="main")
    said = agent.wait_log(msg="spool cannot be used, batches are held in memory")
    assert "No space" in said["error"]
    agent.wait_metric(2, "spillway_spool_errors_total", output="main")  # it is tried again
    agent.wait_metric(5, "spillway_saturation_cause", output="main")  # disk
    receiver.always(200)
    wait_until(lambda: sum(stock(agent, a) for a in ("ring", "batch", "ready", "in_flight", "spool"))
               == 0, "an end of all", pause=0.05)
    agent.feed(lines(20000, 100))
    receiver.wait_events(20100)
    agent.end_input()
    lane = agent.finish().lane()
    assert (lane.delivered, lane.dropped) == (20100, 0)
    assert len(agent.log.find(msg=said["msg"])) == 1
    check_exact(receiver.bodies(), 20100, in_order=False)


# ---- kill -9 ----

def check_after_kills(agent, receiver, count):
    """Every line at least once; or it is in the books as lost or dropped."""
    wait_until(lambda: stock(agent, "spool") == 0, "an empty spool", pause=0.05)
    lost = sum(int(r.get("lost", 0)) for log in agent.logs
               for r in log.find(msg="books of the killed start closed"))
    agent.stop()
    missing = missing_lines(receiver, count)
    assert missing <= lost, f"{missing} missing, {lost} counted as lost"
    return missing, lost


def test_files_are_whole_after_kills_while_spilling_and_draining(rig, seed):
    chance = random.Random(seed)
    receiver = rig.receiver()
    agent = make(rig, receiver, {"app": rig.tail("app.log")})
    writer = Writer(rig.folder / "app.log", bytes_=200)
    for n in range(8):
        receiver.always(503 if n % 2 == 0 else 200)
        agent.start()
        time.sleep(chance.uniform(0.2, 1.5))
        agent.kill()
    receiver.always(200)
    agent.start()
    written = writer.stop()
    wait_until(lambda: missing_lines(receiver, written) == 0, "all lines", pause=0.2)
    agent.stop()
    assert_none_missing(numbers(receiver.bodies()), written)


def test_what_a_killed_start_had_on_disk_is_carried_exactly(rig):
    receiver = rig.receiver()
    receiver.always(503)
    agent = make(rig, receiver).start_piped()
    agent.feed(lines(0, 10000))
    on_disk(agent, 10000)
    agent.kill()
    receiver.always(200)
    agent.start_piped()
    closed = agent.wait_log(msg="books of the killed start closed")
    assert (closed["carried"], closed["lost"], closed["hand_over"]) == ("10000", "0", "10000")
    receiver.wait_events(10000)
    agent.end_input()
    lane = agent.finish().lane()
    assert (lane.received, lane.delivered) == (10000, 10000)
    check_exact(receiver.bodies(), 10000, in_order=False)


def test_killed_while_it_drains_it_sends_the_rest_and_no_more_than_a_few_twice(rig):
    receiver = rig.receiver()
    receiver.always(503)
    agent = make(rig, receiver, concurrency={"min": 1, "max": 2}).start_piped()
    agent.feed(lines(0, 20000))
    on_disk(agent, 20000)
    receiver.replies(*[200] * 5)
    receiver.always(503)
    receiver.wait_events(2500)
    agent.kill()
    receiver.always(200)
    agent.start_piped()
    missing, lost = check_after_kills(agent, receiver, 20000)
    assert missing == 0 and lost <= 1000
    assert len(receiver.events()) <= 20000 + 1000


def test_killed_while_it_spills_what_was_not_on_disk_is_counted_as_lost(rig, seed):
    """Standard input cannot be read again: what the dead start held in memory is gone, and is told."""
    chance = random.Random(seed)
    receiver = rig.receiver()
    agent = make(rig, receiver, compression="none")
    count = 0
    for _ in range(4):
        receiver.always(503)
        agent.start_piped()
        before = agent.metrics().get("spillway_lines_total")
        agent.feed(lines(count, 20000, bytes_=300))
        count += 20000
        agent.wait_metric(before + 20000, "spillway_lines_total")
        time.sleep(chance.uniform(0, 0.05))
        agent.kill()
    receiver.always(200)
    agent.start_piped()
    check_after_kills(agent, receiver, count)


def test_the_age_of_the_oldest_event_on_disk_is_told_also_at_once_after_a_restart(rig):
    receiver = rig.receiver()
    receiver.always(503)
    agent = make(rig, receiver).start_piped()

    def age():
        return agent.metrics().get("spillway_spool_oldest_seconds", output="main")
    assert age() == 0
    agent.feed(lines(0, 1000))
    on_disk(agent, 1000)
    wait_until(lambda: age() >= 2, lambda: f"the spool to grow old; it is {age()} s old")
    agent.end_input()
    agent.finish()
    agent.config["agent"]["report_interval"] = "60s"
    agent.start_piped()
    assert age() >= 2  # before the first report
    receiver.always(200)
    receiver.wait_events(1000)
    wait_until(lambda: segments(agent) == [], "an empty spool")
    agent.end_input()
    agent.finish().agree_with(receiver)


def test_after_a_power_loss_what_is_on_disk_is_sent(rig):
    receiver = rig.receiver()
    receiver.always(503)
    agent = make(rig, receiver).start_piped()
    agent.feed(lines(0, 10000))
    on_disk(agent, 10000)
    agent.kill()
    for path in agent.runtime_dir.iterdir():
        path.unlink()
    receiver.always(200)
    agent.start_piped()
    receiver.wait_events(10000)
    agent.end_input()
    lane = agent.finish().lane()
    assert (lane.received, lane.delivered) == (10000, 10000)
    check_exact(receiver.bodies(), 10000, in_order=False)


@pytest.mark.parametrize("call, error, said", [
    ("openat", errno.EACCES, "segments of the spool cannot be read, the next start tries them again"),
    ("readdir", errno.EIO, "spool cannot be read, batches are held in memory")])
def test_what_cannot_be_read_at_a_start_stays_in_the_books_and_is_sent_by_the_next(rig, call, error, said):
    receiver = rig.receiver()
    receiver.always(503)
    agent = make(rig, receiver)
    disk = FailingIo(rig.folder)
    disk.under(agent, agent.state_dir / "spool")
    agent.start_piped()
    agent.feed(lines(0, 5000))
    agent.wait_metric(5000, "spillway_lines_total")
    agent.end_input()
    assert agent.finish().lane().spool == 5000

    disk.fail(error, call)
    receiver.always(200)
    agent.start_piped()
    told = agent.wait_log(msg=said)
    assert os.strerror(error) in told.get("error", told.get("the_first", ""))
    assert stock(agent, "spool") == 5000
    assert agent.metrics().get("spillway_spool_unread_events", output="main") == 5000
    disk.mend()
    agent.feed(lines(5000, 1000))
    receiver.wait_events(1000)  # from memory, or over new files beside those that nobody could read
    agent.end_input()
    lane = agent.finish().lane()
    assert (lane.received, lane.delivered, lane.dropped, lane.spool) == (6000, 1000, 0, 5000)

    agent.start_piped()
    receiver.wait_events(6000)
    wait_until(lambda: segments(agent) == [], "an empty spool")
    assert agent.metrics().get("spillway_spool_unread_events", output="main") == 0
    assert agent.metrics().get("spillway_lost_events_total", output="main") == 0
    agent.end_input()
    lane = agent.finish().lane()
    assert (lane.received, lane.delivered, lane.spool) == (5000, 5000, 0)
    check_exact(receiver.bodies(), 6000, in_order=False)


# ---- what happens to the files between two starts ----

def spooled(rig, receiver, count):
    receiver.always(503)
    agent = make(rig, receiver).start_piped()
    agent.feed(lines(0, count))
    agent.wait_metric(count, "spillway_lines_total")
    agent.end_input()
    assert agent.finish().lane().spool == count
    receiver.always(200)
    return agent


def finish_damaged(agent, receiver, count):
    """Returns how many were lost by the closing of the books, and dropped as corrupt."""
    agent.start_piped()
    wait_until(lambda: stock(agent, "spool") == 0, "an empty spool", pause=0.05)
    taken = agent.log.find(msg="spool of the start before taken over")
    agent.end_input()
    lane = agent.finish().lane()
    lost = sum(int(r["lost"]) for r in taken)
    assert missing_lines(receiver, count) == lost + lane.spool_corrupt
    assert lane.dropped == lane.spool_corrupt
    return lost, lane.spool_corrupt


def test_flipped_bits_cost_what_they_hit_and_that_is_counted(rig, seed):
    chance = random.Random(seed)
    receiver = rig.receiver()
    agent = spooled(rig, receiver, 20000)
    for path in segments(agent):
        data = bytearray(path.read_bytes())
        for _ in range(4):
            data[chance.randrange(64, len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
    lost, corrupt = finish_damaged(agent, receiver, 20000)
    assert lost + corrupt > 0


def test_a_damaged_body_is_corrupt_by_the_counts_of_its_head(rig):
    receiver = rig.receiver()
    agent = spooled(rig, receiver, 500)
    path = segments(agent)[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert finish_damaged(agent, receiver, 500) == (0, 500)


def test_a_segment_that_is_cut_off_or_gone_is_lost_by_the_books(rig):
    receiver = rig.receiver()
    agent = spooled(rig, receiver, 20000)
    path = segments(agent)[-1]
    os.truncate(path, path.stat().st_size // 2)
    lost, corrupt = finish_damaged(agent, receiver, 20000)
    assert lost > 0 and corrupt == 0


def test_a_folder_that_is_gone_is_lost_by_the_books(rig):
    receiver = rig.receiver()
    agent = spooled(rig, receiver, 1000)
    shutil.rmtree(agent.state_dir / "spool")
    agent.start_piped()
    agent.end_input()
    agent.finish()
    assert agent.log.find(msg="spool of the start before taken over")[0]["crash_spool"] == "1000"


def test_a_folder_that_cannot_be_opened_keeps_what_is_in_it_for_a_start_that_can(rig):
    receiver = rig.receiver()
    agent = spooled(rig, receiver, 2000)
    folder, away = agent.state_dir / "spool" / "main", agent.state_dir / "away"
    folder.rename(away)
    folder.write_text("no folder")
    for killed in (True, False):  # what one start could not read the next one has to know, too
        agent.start_piped()
        told = agent.wait_log(msg="spool cannot be opened, batches are held in memory")
        assert told["error"] == f"'{folder}' is not a folder"
        assert not agent.log.find(msg="spool cannot be read, batches are held in memory")
        assert stock(agent, "spool") == 2000
        metrics = agent.metrics()
        assert metrics.get("spillway_spool_unread_events", output="main") == 2000
        assert metrics.get("spillway_spool_state", output="main") == 1
        if killed:
            agent.kill()
    agent.feed(lines(2000, 1000))
    receiver.wait_events(1000)  # from memory
    agent.end_input()
    lane = agent.finish().lane()
    assert (lane.received, lane.delivered, lane.dropped, lane.spool) == (3000, 1000, 0, 2000)

    folder.unlink()
    away.rename(folder)
    agent.start_piped()
    receiver.wait_events(3000)
    wait_until(lambda: segments(agent) == [], "an empty spool")
    assert agent.metrics().get("spillway_lost_events_total", output="main") == 0
    agent.end_input()
    lane = agent.finish().lane()
    assert (lane.received, lane.delivered, lane.spool) == (2000, 2000, 0)
    check_exact(receiver.bodies(), 3000, in_order=False)


def test_files_of_others_are_left_alone_and_it_is_said(rig):
    receiver = rig.receiver()
    agent = spooled(rig, receiver, 1000)
    folder = agent.state_dir / "spool" / "main"
    newer = bytearray(segments(agent)[0].read_bytes())
    newer[0:4] = b"ELSE"
    strangers = {"README": b"hello", "00000000000000ff.seg": bytes(newer), "core": b"\0" * 100}
    for name, content in strangers.items():
        (folder / name).write_bytes(content)
    assert finish_damaged(agent, receiver, 1000) == (0, 0)
    said = agent.log.find(msg="files in the spool are left alone")
    assert len(said) == 1 and said[0]["files"] == "3"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == strangers


def test_a_second_agent_on_the_same_spool_is_refused(rig):
    receiver = rig.receiver()
    agents = [make(rig, receiver, spool={"path": rig.folder / "shared"}) for _ in "ab"]
    agents[0].start_piped()
    agents[1].launch()
    assert agents[1].wait_exit() == 1
    assert "used by another agent" in agents[1].log.find(level="error")[0]["error"]
    agents[0].end_input()
    agents[0].finish()


def test_a_spool_of_two_hundred_megabytes_is_found_at_once(rig, capsys):
    """The time is for information; what is asked is that no bodies are read."""
    receiver = rig.receiver()
    receiver.always(503)
    append_lines(rig.folder / "app.log", 0, 1000000, bytes_=200)
    agent = make(rig, receiver, {"app": rig.tail("app.log")}, spool={"max_bytes": "1GiB"},
                 compression="none", batch={"max_bytes": "1MiB", "max_events": 100000}).start()
    on_disk(agent, 1000000)
    assert agent.stop().lane().spool == 1000000
    bytes_ = sum(path.stat().st_size for path in segments(agent))
    assert bytes_ >= 200 << 20
    receiver.always(200)
    agent.start()
    found = agent.wait_log(msg="spool found")
    assert found["walked"] == "0", "segments were read record by record"
    with capsys.disabled():
        print(f"\n  {bytes_ >> 20} MiB in {found['segments']} segments found in {found['took_ms']} ms")
    wait_until(lambda: stock(agent, "spool") == 0, "an empty spool", timeout=120, pause=0.2)
    lane = agent.stop().lane()
    assert (lane.received, lane.delivered) == (1000000, 1000000)


# ---- a full spool, and folders of no output ----

@pytest.mark.parametrize("mixed", [False, True])
def test_lines_that_can_wait_in_their_file_are_not_given_up_by_a_full_spool(rig, mixed):
    """With an input beside them that cannot wait, the oldest are given up, and counted."""
    receiver = rig.receiver()
    receiver.always(503)
    inputs = {"app": rig.tail("app.log", lane={"capacity": "1MiB"})}
    if mixed:
        inputs["piped"] = {"type": "stdin"}
    agent = make(rig, receiver, inputs, spool={"max_bytes": "1MiB"}, compression="none",
                 batch={"max_bytes": "64KiB"})
    append_lines(rig.folder / "app.log", 0, 40000, bytes_=200)
    if mixed:
        agent.start_piped()
        agent.wait_metric(1, "spillway_dropped_events_total", reason="spool_evict", input="app")
    else:
        agent.start()
        wait_until(lambda: agent.metrics().get("spillway_spool_bytes", output="main") > 800_000,
                   "a full spool")
        before = agent.metrics().get("spillway_reports_total")
        agent.wait_metric(before + 2, "spillway_reports_total")
        received = agent.metrics().get("spillway_received_events_total", input="app")
        assert received < 40000, "the file was read on"
    receiver.always(200)
    if not mixed:
        receiver.wait_events(40000)
        lane = agent.stop().lane()
        assert (lane.delivered, lane.dropped) == (40000, 0)
        check_exact(receiver.bodies(), 40000, in_order=False)
        return

    def settled():
        metrics = agent.metrics()
        return sum(metrics.get(f"spillway_{how}_events_total", input="app")
                   for how in ("delivered", "dropped"))

    wait_until(lambda: settled() == 40000, lambda: f"40000 at their end; there are {settled()}")
    agent.end_input()
    lane = agent.stop().lane("app", "main")
    assert lane.dropped == lane.spool_evict == missing_lines(receiver, 40000)


def test_a_spool_whose_output_is_gone_is_told_at_the_start(rig):
    receiver = rig.receiver()
    agent = spooled(rig, receiver, 1000)
    (agent.state_dir / "spool" / "main").rename(agent.state_dir / "spool" / "gone")
    (agent.state_dir / "spool" / "empty").mkdir()
    agent.start_piped()
    said = agent.wait_log(msg="spool of no output, its batches are not sent")
    assert said["path"].endswith("/spool/gone") and int(said["bytes"]) > 0
    agent.end_input()
    agent.finish()
    assert len(agent.log.find(msg=said["msg"])) == 1


@pytest.mark.quick
def test_check_says_what_may_be_put_on_disk():
    path = pathlib.Path(__file__).parents[2] / "config" / "examples" / "outages.yaml"
    shown = subprocess.run([BINARY, "check", "-c", str(path)], capture_output=True, text=True,
                           check=True).stdout
    assert "main: batches up to 2GiB, fsync interval" in shown
    assert "main: refused events up to 64MiB, /var/tmp/spillway-refused.ndjson" in shown
