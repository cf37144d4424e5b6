# SPDX-License-Identifier: Apache-2.0
"""What start after start crashed on is set aside and counted; what was merely killed is not."""

import http.client
import json
import pathlib
import signal

import pytest

from rig.http_sender import address_of, ndjson
from rig.journal import Journal
from rig.lines import append, append_lines, assert_none_missing, check_exact, line, lines, numbers
from rig.preload import build, load
from rig.saved import wait_offset
from rig.waiting import DEADLINE_S, wait_until
from test_reload import reload

DEEP_SEND = pathlib.Path(__file__).parent / "preload/deep_send.c"
BATCH = {"batch": {"max_events": 100}, "concurrency": {"max": 1}}
TOLD = "set aside what was in hand at the crashes"


def start_and_end(agent, receiver, how):
    """Dies of that signal while all lines are in hand and none was acknowledged."""
    waiting = len(receiver.waiting())
    agent.start()
    wait_until(lambda: len(receiver.waiting()) > waiting, "a batch without an answer")
    agent.wait_metric(300, "spillway_received_events_total", input="app", output="main")
    agent.kill(how)


def answer_again(receiver):
    receiver.cut_connections()  # of the starts that died: nothing was acknowledged on them
    receiver.release()


def make(rig):
    receiver = rig.receiver()
    receiver.hold()
    append_lines(rig.folder / "app.log", 0, 300, run="bad")
    return rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver, **BATCH)}), receiver


def start_after_three_crashes(rig):
    agent, receiver = make(rig)
    for _ in range(3):
        start_and_end(agent, receiver, signal.SIGABRT)
    answer_again(receiver)
    agent.start()
    agent.wait_log(msg=TOLD, events="300")
    return agent, receiver


def stop_and_add_up(agent, **expected):
    lane = agent.stop().lane("app", "main")
    assert {name: lane.fields.get(name, 0) for name in expected} == expected


def set_aside(rig, lane="app@main"):
    path = rig.agents[0].state_dir / "quarantine" / lane
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_three_crashes_without_progress_set_aside_what_was_in_hand(rig):
    agent, receiver = start_after_three_crashes(rig)
    append_lines(rig.folder / "app.log", 0, 50, run="good")
    receiver.wait_events(50)
    stop_and_add_up(agent, received=350, delivered=50, dropped=300, quarantine_read=300)
    check_exact([record["body"] for record in set_aside(rig)], 300, run="bad")
    check_exact(receiver.bodies(), 50, run="good")
    agent.start()  # and that was all: the next start has nothing to set aside
    append_lines(rig.folder / "app.log", 50, 50, run="good")
    receiver.wait_events(100)
    stop_and_add_up(agent, received=50, delivered=50, dropped=0)


def test_kills_set_nothing_aside(rig):
    agent, receiver = make(rig)
    for _ in range(4):
        start_and_end(agent, receiver, signal.SIGKILL)
    answer_again(receiver)
    agent.start()
    receiver.wait_events(300)
    stop_and_add_up(agent, received=300, delivered=300, dropped=0)
    check_exact(receiver.bodies(), 300, run="bad")


def test_progress_between_crashes_begins_the_count_anew(rig):
    agent, receiver = make(rig)
    for _ in range(2):
        start_and_end(agent, receiver, signal.SIGABRT)
    answer_again(receiver)
    agent.start()
    receiver.wait_events(300)
    wait_offset(agent, rig.folder / "app.log")
    receiver.hold()
    append_lines(rig.folder / "app.log", 300, 300, run="bad")
    agent.wait_metric(600, "spillway_received_events_total", input="app", output="main")
    agent.kill(signal.SIGABRT)
    start_and_end(agent, receiver, signal.SIGABRT)
    answer_again(receiver)
    agent.start()
    receiver.wait_events(600)
    stop_and_add_up(agent, received=300, delivered=300, dropped=0)
    check_exact(receiver.bodies(), 600, run="bad")


def test_what_is_behind_what_was_set_aside_is_not_blamed_for_the_same_crashes(rig):
    """Once positions were saved behind it, that is over: another crash is the first of its own."""
    agent, receiver = make(rig)
    for _ in range(3):
        start_and_end(agent, receiver, signal.SIGABRT)
    agent.start()
    agent.wait_log(msg=TOLD, events="300")
    wait_offset(agent, rig.folder / "app.log")
    append_lines(rig.folder / "app.log", 0, 50, run="good")
    agent.wait_metric(350, "spillway_received_events_total", input="app", output="main")
    agent.kill(signal.SIGABRT)
    answer_again(receiver)
    agent.start()
    receiver.wait_events(50)
    append_lines(rig.folder / "app.log", 50, 50, run="good")
    receiver.wait_events(100)
    stop_and_add_up(agent, received=100, delivered=100, dropped=0)
    check_exact(receiver.bodies(), 100, run="good")


def test_a_line_on_which_the_stack_overflows_is_set_aside(rig):
    """The fault that leaves its handler no stack to run on counts as any other."""
    receiver = rig.receiver()
    path = rig.folder / "app.log"
    path.write_text("too deep\n")
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver, compression="none", **BATCH)})
    # What a sanitizer would make of the fault is not asked for.
    agent.env = {"ASAN_OPTIONS": "handle_segv=0", "TSAN_OPTIONS": "handle_segv=0"}
    load(agent, build(DEEP_SEND, rig.folder))
    for _ in range(3):
        agent.launch()
        assert agent.wait_exit(expect_crash=signal.SIGSEGV) == -signal.SIGSEGV
        assert agent.log.find(msg="the agent crashed")
    agent.start()
    agent.wait_log(msg=TOLD, events="1")
    append_lines(path, 0, 50, run="good")
    receiver.wait_events(50)
    stop_and_add_up(agent, received=51, delivered=50, dropped=1, quarantine_read=1)
    assert [record["body"] for record in set_aside(rig)] == ["too deep"]
    check_exact(receiver.bodies(), 50, run="good")


def test_an_input_that_comes_back_by_a_reload_sets_nothing_aside_again(rig):
    agent, receiver = start_after_three_crashes(rig)
    wait_offset(agent, rig.folder / "app.log")
    inputs = agent.config["inputs"]
    for these in ({"other": rig.tail("other.log")}, inputs):
        agent.config["inputs"] = these
        reload(agent)
        agent.wait_log(msg="lane taken out")
    append_lines(rig.folder / "app.log", 0, 50, run="good")
    receiver.wait_events(50)
    check_exact(receiver.bodies(), 50, run="good")
    agent.stop()


# ---- what was no event yet ----

CRASHING = pathlib.Path(__file__).parent / "preload/crashing_parse.c"
EACH_LINE = {"multiline": {"start": "^bad", "wait": "100ms"}}


def make_poisoned(rig, before, behind, **options):
    """A line in the middle of a file of which the parser dies."""
    receiver = rig.receiver()
    path = rig.folder / "app.log"
    append_lines(path, 0, before, run="bad")
    append(path, "bad.poison\n")
    append_lines(path, before, behind, run="bad")
    agent = rig.agent({"app": rig.tail("app.log", **options)}, {"main": rig.http(receiver, **BATCH)})
    return load(agent, build(CRASHING, rig.folder)), receiver


def die(agent, times=1):
    for _ in range(times):
        agent.launch()
        assert agent.wait_exit(expect_crash=signal.SIGABRT) == -signal.SIGABRT


def end_without_it(rig, agent, receiver, count):
    agent.start()
    told = agent.wait_log(msg=TOLD)
    assert (told["source"], told["events"], told["not_written"]) == (str(rig.folder / "app.log"), "1", "0")
    receiver.wait_events(count)
    stop_and_add_up(agent, received=count + 1, delivered=count, dropped=1, quarantine_read=1)
    [record] = set_aside(rig)
    assert record["body"] == "bad.poison"
    assert record["resource"]["log.file.path"] == str(rig.folder / "app.log")
    check_exact(receiver.bodies(), count, run="bad")


def test_a_line_that_its_parser_dies_of_is_set_aside_alone(rig):
    agent, receiver = make_poisoned(rig, 150, 150, **EACH_LINE)
    die(agent, 3)
    assert receiver.bodies() == []
    end_without_it(rig, agent, receiver, 300)
    agent.start()  # and that was all: positions are behind it
    append_lines(rig.folder / "app.log", 300, 50, run="bad")
    receiver.wait_events(350)
    stop_and_add_up(agent, received=50, delivered=50, dropped=0)


def test_what_is_in_hand_beside_it_is_not_set_aside(rig):
    """Runs before it were offered, and nothing left the agent: these are no suspects."""
    agent, receiver = make_poisoned(rig, 2000, 10, **EACH_LINE)
    receiver.hold()
    die(agent, 3)
    receiver.cut_connections()
    receiver.release()
    end_without_it(rig, agent, receiver, 2010)


def test_each_output_reads_for_itself_and_sets_it_aside_for_itself(rig):
    """Which of the two dies of it is chance: six starts at most. What was delivered just before comes twice."""
    agent, receiver = make_poisoned(rig, 100, 100, **EACH_LINE)
    other = rig.receiver()
    agent.config["outputs"]["other"] = rig.http(other, **BATCH)
    crashes = 0

    def has_all():
        return all(len(set(endpoint.bodies())) == 200 for endpoint in (receiver, other))
    while not has_all():
        agent.launch()
        wait_until(lambda: agent.process.poll() is not None or has_all(), "an end, good or bad")
        if not has_all():
            crashes += 1
            assert agent.wait_exit(expect_crash=signal.SIGABRT) == -signal.SIGABRT
    assert 3 <= crashes <= 6, crashes
    agent.stop()
    for lane in ("app@main", "app@other"):
        assert {record["body"] for record in set_aside(rig, lane)} == {"bad.poison"}
    for endpoint in (receiver, other):
        assert_none_missing(numbers(endpoint.bodies(), run="bad"), 200)


def test_a_clean_end_between_the_crashes_begins_the_count_anew(rig):
    """It may have been another build that died, and the one that starts next has the mend."""
    agent, receiver = make_poisoned(rig, 10, 10, **EACH_LINE)
    die(agent, 2)
    paths = agent.config["inputs"]["app"]["paths"]
    agent.config["inputs"]["app"]["paths"] = [str(rig.folder / "other.log")]
    agent.start()
    agent.stop()
    agent.config["inputs"]["app"]["paths"] = paths
    die(agent, 3)
    end_without_it(rig, agent, receiver, 20)


def test_kills_between_the_crashes_change_nothing(rig):
    agent, receiver = make_poisoned(rig, 10, 10, **EACH_LINE)
    paths = agent.config["inputs"]["app"]["paths"]
    for _ in range(3):
        agent.config["inputs"]["app"]["paths"] = paths
        die(agent)
        agent.config["inputs"]["app"]["paths"] = [str(rig.folder / "other.log")]
        agent.start()
        agent.kill()
    agent.config["inputs"]["app"]["paths"] = paths
    end_without_it(rig, agent, receiver, 20)


def test_a_file_that_was_written_anew_meanwhile_loses_nothing(rig):
    agent, receiver = make_poisoned(rig, 100, 0, **EACH_LINE)
    die(agent, 3)
    longer = line(100, run="bad", bytes_=100)
    (rig.folder / "app.log").write_text("\n".join([*lines(0, 100, run="bad"), longer, ""]))
    agent.start()
    receiver.wait_events(101)
    assert agent.wait_log(msg=TOLD)["events"] == "0"
    stop_and_add_up(agent, received=101, delivered=101, dropped=0)
    check_exact(receiver.bodies(), 101, run="bad")
    assert longer in receiver.bodies()


def test_once_a_position_behind_it_is_saved_it_is_forgotten(rig):
    """Else a file that is cut off, and grows to the same place, would lose a line at the next start."""
    agent, receiver = make_poisoned(rig, 10, 10, **EACH_LINE)
    die(agent, 3)
    agent.start()
    receiver.wait_events(20)
    wait_offset(agent, rig.folder / "app.log")
    wait_until(lambda: agent.metrics().get("spillway_fatal_record_crashes", input="app", output="main") == 0,
               "the record to be forgotten")
    agent.kill()
    agent.start()
    assert agent.metrics().get("spillway_fatal_record_crashes", input="app", output="main") == 0
    append_lines(rig.folder / "app.log", 20, 5, run="bad")
    receiver.wait_events(25)
    stop_and_add_up(agent, received=5, delivered=5, dropped=0)


# ---- one event ----

ODD = {"odd": {"type": "filter", "pattern": "nothing$"}}


def make_with_filter(rig, source):
    receiver = rig.receiver()
    agent = rig.agent({"app": {**source, "processors": ["odd"]}}, {"main": rig.http(receiver, **BATCH)}, processors=ODD)
    return load(agent, build(CRASHING, rig.folder)), receiver


def wait_different(receiver, count):
    """What was delivered just before a crash comes twice."""
    wait_until(lambda: len(set(receiver.bodies())) == count, f"{count} different events")


def test_an_event_that_a_processor_dies_of_is_set_aside_alone_and_whenever_it_comes(rig):
    """Also where other lines get through in each start, and though another line is read meanwhile."""
    path = rig.folder / "app.log"
    append_lines(path, 0, 600, run="bad", bytes_=20)
    append(path, "bad.poison\n")
    append_lines(path, 600, 600, run="bad", bytes_=20)
    agent, receiver = make_with_filter(rig, rig.tail("app.log"))
    die(agent, 3)
    agent.start()
    assert agent.wait_log(msg=TOLD)["events"] == "1"
    wait_different(receiver, 1200)
    append(path, "bad.poison\n")
    append_lines(path, 1200, 10, run="bad")
    wait_different(receiver, 1210)
    lane = agent.stop().lane("app", "main")
    assert (lane.quarantine_read, lane.dropped) == (2, 2), lane
    assert [record["body"] for record in set_aside(rig)] == ["bad.poison"] * 2
    assert_none_missing(numbers(receiver.bodies(), run="bad"), 1210)


def test_also_of_what_cannot_be_read_again_and_is_sent_again(rig):
    agent, receiver = make_with_filter(rig, {"type": "stdin"})
    for _ in range(3):
        agent.start_piped()
        agent.feed("bad.poison\n")
        assert agent.wait_exit(expect_crash=signal.SIGABRT) == -signal.SIGABRT
    agent.start_piped()
    agent.feed([*lines(0, 10, run="bad"), "bad.poison", *lines(10, 10, run="bad")])
    receiver.wait_events(20)
    stop_and_add_up(agent, received=21, delivered=20, dropped=1, quarantine_read=1)
    assert [record["body"] for record in set_aside(rig)] == ["bad.poison"]
    check_exact(receiver.bodies(), 20, run="bad")


def post(agent, body):
    connection = http.client.HTTPConnection(*address_of(agent, "app"), timeout=DEADLINE_S)
    connection.request("POST", "/", body)
    return connection.getresponse().status


def test_a_request_that_is_sent_again_and_again_is_taken_without_it(rig):
    agent, receiver = make_with_filter(rig, {"type": "http", "listen": "tcp://127.0.0.1:0"})
    body = ndjson([*lines(0, 5, run="bad"), "bad.poison", *lines(5, 5, run="bad")])
    for _ in range(3):
        agent.start()
        with pytest.raises(OSError):
            post(agent, body)
        assert agent.wait_exit(expect_crash=signal.SIGABRT) == -signal.SIGABRT
    agent.start()
    assert post(agent, body) == 207, "all but one of them"
    receiver.wait_events(10)
    stop_and_add_up(agent, received=11, delivered=10, dropped=1, quarantine_read=1)
    assert [record["body"] for record in set_aside(rig)] == ["bad.poison"]


@pytest.fixture
def journal(program_has_systemd):
    made = Journal()
    yield made
    made.close()


def test_an_entry_of_the_journal_that_its_parser_dies_of_is_set_aside_alone(rig, journal):
    for number in range(20):
        journal.send(MESSAGE="bad.poison" if number == 10 else line(number - (number > 10), run="bad"))
    receiver = rig.receiver()
    source = {"type": "journald", "start_at": "beginning", "directory": str(journal.folder)}
    agent = rig.agent({"app": source}, {"main": rig.http(receiver, **BATCH)})
    load(agent, build(CRASHING, rig.folder))
    die(agent, 3)
    agent.start()
    assert agent.wait_log(msg=TOLD)["events"] == "1"
    receiver.wait_events(19)
    lane = agent.stop().agree_with(receiver).lane("app", "main")
    assert lane.fields["quarantine_read"] == lane.dropped == 1
    [record] = set_aside(rig)
    assert record["body"].startswith("s="), "its cursor: journalctl shows the entry itself"
    check_exact(receiver.bodies(), 19, run="bad")
