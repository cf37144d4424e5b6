# SPDX-License-Identifier: Apache-2.0
"""What an endpoint refuses for good is kept in a bounded file, and nothing else is."""

import json
import re
import signal

import pytest

from rig import yaml
from rig.lines import assert_none_missing, check_exact, lines, numbers
from rig.receiver import Reply
from rig.waiting import wait_until

STDIN = {"app": {"type": "stdin"}}


def refuses(word, status=422):
    answer = Reply(status, body=b'{"error":"bad \xff field"}\n')
    return lambda request: answer if word in request.text else None


def make(rig, receiver, path, inputs=None, max_bytes=None, **options):
    letters = {"path": path, **({"max_bytes": max_bytes} if max_bytes else {})}
    output = rig.http(receiver, **{"batch": {"max_events": 512, "max_wait": "100ms"},
                                   "dead_letter": letters, **options})
    return rig.agent(inputs or STDIN, {"main": output})


def read(path):
    """Every line has to be whole and JSON."""
    if not path.exists():
        return []
    text = path.read_bytes()
    assert text == b"" or text.endswith(b"\n"), "a half line"
    return [json.loads(line) for line in text.splitlines()]


def bodies(letters):
    return [letter["event"]["body"] for letter in letters]


def take_one(receiver, agent):
    """An endpoint that took a batch may judge one."""
    agent.feed(lines(0, 1))
    receiver.wait_events(1)


@pytest.mark.quick
@pytest.mark.threads
@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("format_", ["ndjson", "json_array"])
def test_one_poisoned_line_among_ten_thousand_is_kept_alone(rig, folder, compression, format_):
    receiver, path = rig.receiver(), folder / "main.dead"
    receiver.rule(refuses(b"poison"))
    agent = make(rig, receiver, path, compression=compression, format=format_).start_piped()
    take_one(receiver, agent)
    agent.feed(lines(1, 4999) + ['poison "quoted"\t\\'] + lines(5000, 5000))
    agent.wait_metric(1, "spillway_dead_letter_events_total", output="main")
    agent.end_input()
    lane = agent.finish().agree_with(receiver).lane()
    assert (lane.delivered, lane.refuse, lane.dropped) == (10000, 1, 1)
    check_exact(receiver.bodies(), 10000, in_order=False)
    letter, = read(path)
    assert letter["event"]["body"] == 'poison "quoted"\t\\'
    assert (letter["output"], letter["input"], letter["reason"]) == ("main", "app", "status 422")
    assert letter["answer"].startswith('{"error":"bad �')
    refused = [r for r in receiver.requests if r.key == letter["key"]]
    assert [len(r.events) for r in refused] == [1], "the key is that of the request with it alone"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", letter["time"])
    assert path.stat().st_mode & 0o777 == 0o600
    assert agent.log.find(msg="event refused")[0]["kept_in"] == str(path)


def test_an_event_that_is_too_large_alone_is_kept_too(rig, folder):
    receiver, path = rig.receiver(), folder / "main.dead"
    receiver.rule(lambda r: 413 if len(r.text) > 20000 else None)
    agent = make(rig, receiver, path).start_piped()
    agent.feed(lines(0, 10) + ["big " + "y" * 30000] + lines(10, 10))
    agent.end_input()
    lane = agent.finish().agree_with(receiver).lane()
    assert (lane.delivered, lane.split_too_large, lane.dropped) == (20, 1, 1)
    letter, = read(path)
    assert (letter["reason"], letter["event"]["body"]) == ("status 413", "big " + "y" * 30000)


def test_without_a_path_refused_events_are_counted_alone(rig):
    receiver = rig.receiver()
    receiver.rule(refuses(b"poison", 400))
    agent = rig.agent(STDIN, {"main": rig.http(receiver)}).start_piped()
    take_one(receiver, agent)
    agent.feed(["poison"])
    agent.wait_metric(1, "spillway_dropped_events_total", reason="refuse")
    metrics = agent.metrics()
    assert [metrics.get(f"spillway_dead_letter_{what}_total") for what in ("events", "errors")] == [0, 0]
    agent.end_input()
    lane = agent.finish().agree_with(receiver).lane()
    assert (lane.delivered, lane.refuse) == (1, 1)


@pytest.mark.parametrize("workers", [1, 4])
def test_many_poisoned_lines_stay_within_the_bound_and_are_counted(rig, folder, workers):
    receiver, path = rig.receiver(), folder / "main.dead"
    receiver.rule(refuses(b"poison"))
    agent = make(rig, receiver, path, max_bytes="8KiB", workers=workers).start_piped()
    take_one(receiver, agent)
    agent.feed([f"poison.{n}.{'x' * 100}" for n in range(300)] + lines(1, 99))
    receiver.wait_events(100)
    agent.wait_metric(300, "spillway_dead_letter_events_total")
    metrics = agent.metrics()
    assert metrics.get("spillway_dead_letter_errors_total") == 0
    removed = metrics.get("spillway_dead_letter_removed_total")
    agent.end_input()
    lane = agent.finish().agree_with(receiver).lane()
    assert (lane.delivered, lane.refuse, lane.dropped) == (100, 300, 300)
    older = folder / "main.dead.1"
    kept = bodies(read(older) + read(path))
    assert len(set(kept)) == len(kept) == 300 - removed, "written = kept + removed"
    assert removed > 0 and len(kept) >= 10
    assert path.stat().st_size <= 4096 and older.stat().st_size <= 4096
    assert len(agent.log.find(msg="oldest dead letters removed")) == 1, "said once"


def test_a_bound_that_a_reload_lowers_holds_from_the_next_letter_on(rig, folder):
    receiver, path, older = rig.receiver(), folder / "main.dead", folder / "main.dead.1"
    receiver.rule(refuses(b"poison"))
    agent = make(rig, receiver, path, max_bytes="64KiB").start_piped()
    take_one(receiver, agent)
    agent.feed([f"poison.{n}" for n in range(150)])
    agent.wait_metric(150, "spillway_dead_letter_events_total")
    assert path.stat().st_size + older.stat().st_size > 32768
    agent.config["outputs"]["main"]["dead_letter"]["max_bytes"] = "8KiB"
    agent.config_path.write_text(yaml.dump(agent.config))
    agent.process.send_signal(signal.SIGHUP)
    agent.wait_log(msg="reloaded")
    agent.feed(lines(1, 1))  # it may be another endpoint now
    receiver.wait_events(2)
    agent.feed(["poison.150"])
    agent.wait_metric(151, "spillway_dead_letter_events_total")
    assert sum(file.stat().st_size for file in folder.glob("main.dead*")) <= 8192
    removed = agent.metrics().get("spillway_dead_letter_removed_total")
    assert len(read(older) + read(path)) == 151 - removed
    assert read(path)[-1]["event"]["body"] == "poison.150"
    agent.end_input()
    lane = agent.finish().agree_with(receiver).lane()
    assert (lane.delivered, lane.refuse) == (2, 151)


@pytest.mark.parametrize("room, told_as", [(0, "File too large"), (1, "there is room for 1 of")])
def test_a_full_disk_is_said_once_and_stops_nothing(rig, folder, room, told_as):
    receiver, path = rig.receiver(), folder / "main.dead"
    receiver.rule(refuses(b"poison"))
    agent = make(rig, receiver, path)
    # Writing to /dev/full through a bind mount needs root; a limit on the size of files does not.
    agent.command = ["/usr/bin/prlimit", "--fsize=1000000:1000000", "--", *agent.command]
    path.write_text("{}" + " " * (999_997 - room) + "\n")
    agent.start_piped()
    take_one(receiver, agent)
    agent.feed(["poison 1", "poison 2"] + lines(1, 99))
    receiver.wait_events(100)
    agent.wait_metric(2, "spillway_dead_letter_errors_total")
    told = agent.log.find(msg="cannot write dead letters")
    assert len(told) == 1 and told_as in told[0]["error"], told
    assert path.stat().st_size == 1_000_000 - room, "no half line stays"
    path.write_text("")
    agent.feed(["poison 3"])
    agent.wait_metric(1, "spillway_dead_letter_events_total")
    agent.wait_log(msg="dead letters are written again")
    agent.end_input()
    lane = agent.finish().agree_with(receiver).lane()
    assert (lane.delivered, lane.refuse, lane.dropped) == (100, 3, 3)
    check_exact(receiver.bodies(), 100, in_order=False)
    assert bodies(read(path)) == ["poison 3"]


def test_a_file_that_an_operator_moved_or_a_crash_tore_is_mended(rig, folder):
    receiver, path = rig.receiver(), folder / "main.dead"
    receiver.rule(refuses(b"poison"))
    path.write_text('{"event":{"body":"before"}}\n{"event":{"bo')
    agent = make(rig, receiver, path).start_piped()
    take_one(receiver, agent)
    agent.feed(["poison 1"])
    agent.wait_metric(1, "spillway_dead_letter_events_total")
    assert bodies(read(path)) == ["before", "poison 1"]
    path.rename(folder / "taken")
    agent.feed(["poison 2"])
    agent.wait_metric(2, "spillway_dead_letter_events_total")
    agent.end_input()
    assert agent.finish().agree_with(receiver).lane().refuse == 2
    assert bodies(read(path)) == ["poison 2"]


@pytest.mark.quick
@pytest.mark.parametrize("path, told", [
    ("relative.dead", "must be an absolute path"),
    ("/nonexistent/main.dead", "the folder '/nonexistent' cannot be used"),
    ("/etc/hostname/main.dead", "is not a folder"),
    ("/dev/null", "is not a regular file"),
    ("{folder}/", "names a folder"),
])
def test_a_path_that_cannot_be_meant_is_refused_by_check_and_at_start(rig, folder, path, told):
    receiver = rig.receiver()
    agent = make(rig, receiver, path.format(folder=folder))
    agent.launch()
    agent.finish(expect=78)
    assert told in agent.log.text() and "outputs.main.dead_letter.path" in agent.log.text()


def test_the_stop_buries_what_is_refused_until_its_grace_is_over(rig, folder):
    receiver, path = rig.receiver(), folder / "main.dead"
    agent = make(rig, receiver, path).start_piped()
    take_one(receiver, agent)
    receiver.rule(refuses(b"poison"))
    receiver.hold()
    agent.feed(["poison 1"] + lines(1, 99) + ["poison 2"])
    receiver.wait_requests(2)
    agent.process.terminate()
    agent.wait_log(msg="stopping")
    receiver.release()
    lane = agent.finish().agree_with(receiver).lane()
    assert (lane.delivered, lane.refuse, lane.dropped) == (100, 2, 2)
    assert sorted(bodies(read(path))) == ["poison 1", "poison 2"]


def test_killed_in_the_middle_it_keeps_every_refused_event_and_loses_none(rig, folder, seed):
    receiver, path, log = rig.receiver(), folder / "main.dead", folder / "app.log"
    receiver.rule(refuses(b"poison"))
    poison = [f"poison {n}" for n in range(6)]
    log.write_text("".join(f"{line}\n" for line in lines(0, 50)))
    agent = make(rig, receiver, path, inputs={"app": rig.tail("app.log")}).start()
    receiver.wait_events(50)
    with log.open("a") as file:
        for n, line in enumerate(poison):
            file.write("".join(f"{text}\n" for text in lines(50 + 10 * n, 10)) + line + "\n")
    wait_until(lambda: len(path.read_bytes() if path.exists() else b"") > 100 * (1 + seed % 8),
               "some letters")
    agent.kill()
    agent.start()
    with log.open("a") as file:
        file.write("".join(f"{line}\n" for line in lines(110, 50)))
    receiver.wait_events(160)  # paced: for the agent it is an outage that ends
    wait_until(lambda: set(bodies(read(path))) == set(poison),
               lambda: f"all poison; {len(set(bodies(read(path))))} of {len(poison)} are there")
    agent.stop()
    assert_none_missing(numbers(receiver.bodies()), 160)
