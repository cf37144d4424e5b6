# SPDX-License-Identifier: Apache-2.0
"""`spillway top` reads the books from outside: of an agent that works, hangs, is gone, or is a copy."""

import json
import os
import random
import shutil
import signal
import subprocess

import pytest

from rig import yaml
from rig.agent import BINARY, environment
from rig.lines import lines
from rig.waiting import DEADLINE_S, wait_until

COUNT = 20000


def top(*options, code=0, **env):
    """Exit code as wanted, no crash, and what it said."""
    done = subprocess.run([BINARY, "top", *map(str, options)], capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL, env=environment(**env))
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
    return done


def places(agent):
    return ["--state-dir", agent.state_dir, "--runtime-dir", agent.runtime_dir]


def figures(agent, interval="0s"):
    return json.loads(top("--once", "--json", "--interval", interval, *places(agent)).stdout)


def live_file(agent):
    found = list(agent.runtime_dir.glob("*.books"))
    assert len(found) == 1, found
    return found[0]


def overload(rig):
    """The endpoint answers nothing; the lane is full and drops."""
    receiver = rig.receiver()
    receiver.hold()
    agent = rig.agent({"app": {"type": "stdin", "max_line_bytes": "1KiB",
                               "lane": {"capacity": "256KiB", "overflow": "drop_oldest"}}},
                      {"main": rig.http(receiver, batch={"max_bytes": "16KiB"}, compression="none",
                                        concurrency={"max": 1})}, memory_limit="8MiB").start_piped()
    agent.feed(lines(0, COUNT, bytes_=100))
    agent.wait_metric(COUNT, "spillway_lines_total")
    agent.wait_metric(1, "spillway_dropped_events_total", reason="evict_oldest")
    wait_until(lambda: receiver.waiting(), "a request that is held")
    return receiver, agent


def heal(agent, receiver):
    receiver.release()
    agent.end_input()
    agent.finish().agree_with(receiver)


def settled_line(agent):
    """The books of a standstill: the last ledger line, when nothing has moved since."""
    def look():
        lane, said = figures(agent)["lanes"][0], agent.log.find(msg="ledger")
        return said and int(said[-1]["dropped"]) == lane["dropped"]["events"] and said[-1]
    return wait_until(look, "a ledger line with all drops")


@pytest.mark.quick
def test_the_figures_are_those_of_the_ledger_line_and_of_the_metrics(rig):
    receiver, agent = overload(rig)
    line = settled_line(agent)
    shown = figures(agent, "200ms")
    assert shown["format"] == 1 and shown["books"]["kind"] == "live", shown["books"]
    assert shown["agent"]["pid"] == agent.process.pid and shown["agent"]["state"] == "running"
    assert shown["agent"]["state_dir"] == str(agent.state_dir.resolve())
    lane, = shown["lanes"]
    assert (lane["input"], lane["output"], lane["balance"]) == ("app", "main", 0)
    for name in ("received", "delivered", "dropped"):
        assert lane[name]["events"] == int(line[name]), name
    for name in ("ring", "batch", "ready", "in_flight", "spool"):
        assert lane["stock"][name]["events"] == int(line[name]), name
    assert lane["dropped_by"]["evict_oldest"]["events"] == int(line["evict_oldest"])
    assert lane["held"]["events"] + lane["dropped"]["events"] == COUNT
    assert lane["dropped"]["events_per_second"] == 0  # a standstill, and a rate is known
    metrics = agent.metrics()
    assert lane["numbers"]["lines"] == metrics.get("spillway_lines_total") == COUNT
    assert lane["flows"]["admit"]["bytes"] == lane["received"]["bytes"] > 0
    assert 0 < lane["fill"] <= 1
    output, = shown["outputs"]
    assert output["breaker"] == "closed" and output["requests_in_flight"] == 1
    assert output["held"] == lane["held"]
    heal(agent, receiver)


def test_the_agent_is_found_by_its_configuration_also_one_that_is_just_being_mended(rig):
    receiver = rig.receiver()
    agent = rig.agent({"app": {"type": "stdin"}}, {"main": rig.http(receiver)}).start_piped()
    agent.config["inputs"]["app"]["type"] = "stdim"
    agent.config_path.write_text(yaml.dump(agent.config))
    for option in ("-c", "--config"):
        shown = json.loads(top("--once", "--json", "--interval", "0s", option, agent.config_path).stdout)
        assert shown["agent"]["pid"] == agent.process.pid
    # What is given beside it comes first.
    assert "no books of" in top("--once", "-c", agent.config_path, "--state-dir", rig.folder / "other",
                                       code=1).stderr
    missing = rig.folder / "missing.yaml"
    assert f"cannot read the configuration '{missing}'" in top("--once", "-c", missing, code=1).stderr
    agent.end_input()
    agent.finish().agree_with(receiver)


def test_rates_are_of_the_interval(rig):
    receiver = rig.receiver()
    agent = rig.agent({"app": {"type": "stdin"}}, {"main": rig.http(receiver)}).start_piped()
    view = subprocess.Popen([BINARY, "top", "--json", "--interval", "100ms", *map(str, places(agent))],
                            stdout=subprocess.PIPE, env=environment())
    came = 0
    for first in range(0, 10000, 500):
        agent.feed(lines(first, 500))
    while came < 10000:  # the rates, each over its interval, add up to what came
        shown = json.loads(view.stdout.readline())
        lane = shown["lanes"][0]
        rate, seconds = lane["received"]["events_per_second"], shown["interval_seconds"]
        assert 0.05 < seconds < DEADLINE_S, seconds
        before, came = came, lane["received"]["events"]
        if before:
            assert abs(rate * seconds - (came - before)) < 1, shown
    view.terminate()
    assert view.wait(DEADLINE_S) == -signal.SIGTERM
    view.stdout.close()
    agent.end_input()
    agent.finish().agree_with(receiver)


@pytest.mark.quick
def test_it_works_while_the_agent_hangs(rig):
    receiver, agent = overload(rig)
    agent.process.send_signal(signal.SIGSTOP)
    try:
        before = agent.log.text()
        shown = figures(agent, "100ms")
        assert shown["agent"]["state"] == "stopped" and shown["books"]["kind"] == "live"
        assert shown["lanes"][0]["dropped"]["events"] > 0
        text = top("--once", "--interval", "100ms", *places(agent)).stdout
        assert f"pid {agent.process.pid} is STOPPED" in text, text
        assert "evict_oldest" in text
        assert agent.log.text() == before
    finally:
        agent.process.send_signal(signal.SIGCONT)
    heal(agent, receiver)


def test_it_says_that_the_agent_is_gone_and_what_it_left(rig):
    receiver, agent = overload(rig)
    pid = agent.process.pid
    settled_line(agent)
    held = figures(agent)["lanes"][0]["held"]
    agent.kill()
    shown = figures(agent)
    assert (shown["agent"]["state"], shown["agent"]["pid"]) == ("gone", pid)
    assert shown["books"]["kind"] == "live" and shown["lanes"][0]["held"] == held
    text = top("--once", *places(agent)).stdout
    assert f"pid {pid} is GONE" in text and "last figures" in text, text
    # The next start: what was lost is closed in its books, and it is another pid.
    receiver.release()
    agent.start_piped()
    shown = figures(agent)
    assert shown["agent"]["pid"] == agent.process.pid and shown["agent"]["state"] == "running"
    assert shown["lanes"][0]["lost"]["events"] >= held["events"] > 0
    agent.end_input()
    agent.finish()
    shown = figures(agent)
    assert shown["agent"]["state"] == "ended"
    assert "its books are closed" in top("--once", *places(agent)).stdout


def test_without_live_books_it_reads_the_saved_copy_and_says_how_old_it_is(rig):
    receiver, agent = overload(rig)
    line = settled_line(agent)
    wait_until(lambda: (agent.state_dir / "books.saved").exists(), "a saved copy")
    elsewhere = ["--state-dir", agent.state_dir, "--runtime-dir", rig.folder / "nowhere"]
    def look():
        shown = json.loads(top("--once", "--json", *elsewhere).stdout)
        return shown if shown["lanes"][0]["dropped"]["events"] == int(line["dropped"]) else None
    shown = wait_until(look, "a saved copy with all drops")
    assert shown["books"]["kind"] == "saved" and 0 <= shown["books"]["age_seconds"] < DEADLINE_S
    assert shown["agent"]["state"] == "running" and shown["agent"]["pid"] == agent.process.pid
    assert shown["lanes"][0]["received"]["events_per_second"] is None
    text = top("--once", *elsewhere).stdout
    assert "a saved copy, " in text and " old: the live books were not found" in text, text
    heal(agent, receiver)


def test_a_copied_file_is_shown_as_a_copy(rig):
    receiver, agent = overload(rig)
    copy = rig.folder / "copied"
    shutil.copy(live_file(agent), copy)
    shown = json.loads(top("--once", "--json", "--file", copy).stdout)
    assert shown["books"]["kind"] == "copy" and shown["lanes"][0]["dropped"]["events"] > 0
    waited = shown["lanes"][0]["histograms"]["ring_wait"]  # also without an agent
    assert 0 < waited["count"] == sum(waited["counts"]) and waited["sum_seconds"] >= 0
    assert len(waited["counts"]) == len(shown["histogram_bounds_seconds"])
    assert "request_time" in shown["outputs"][0]["histograms"]
    assert "a copy, written " in top("--once", "--file", copy).stdout
    # The live file itself, named: it is told by its lock.
    shown = json.loads(top("--once", "--json", "--file", live_file(agent)).stdout)
    assert shown["books"]["kind"] == "live" and shown["agent"]["state"] == "running"
    heal(agent, receiver)


def test_a_file_that_is_not_whole_is_told_and_is_no_crash(rig, seed):
    receiver, agent = overload(rig)
    whole = live_file(agent).read_bytes()
    heal(agent, receiver)
    chance = random.Random(seed)
    path = rig.folder / "broken"

    def told(content):
        path.write_bytes(content)
        return top("--once", "--file", path, code=1).stderr

    assert "it has only 0 bytes" in told(b"")
    assert "instead of" in told(whole[:-8])
    assert "it is not a file of books" in told(os.urandom(len(whole)))
    other = bytearray(whole)
    other[8] = 77  # the version stands behind the magic number
    assert "its version is 77, this build reads 1" in told(bytes(other))
    for _ in range(30):  # whatever it says: shown or refused, in words
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 20)):
            damaged[chance.randrange(2000)] = chance.randrange(256)
        path.write_bytes(damaged)
        done = subprocess.run([BINARY, "top", "--once", "--file", path], capture_output=True,
                              timeout=60, env=environment())
        assert done.returncode in (0, 1), done
        assert (done.returncode == 1) == bool(done.stderr), done.stderr
    path.unlink()
    os.mkfifo(path)
    assert "it is not a file" in top("--once", "--file", path, code=1).stderr


def test_a_file_that_is_replaced_while_it_is_watched_is_opened_anew(rig):
    receiver, agent = overload(rig)
    first, path = live_file(agent).read_bytes(), rig.folder / "watched"
    settled = figures(agent)["agent"]["start_id"]
    path.write_bytes(first)
    view = subprocess.Popen([BINARY, "top", "--json", "--interval", "100ms", "--file", str(path)],
                            stdout=subprocess.PIPE, env=environment())
    assert json.loads(view.stdout.readline())["agent"]["start_id"] == settled
    heal(agent, receiver)
    agent.start_piped()
    second = figures(agent)["agent"]["start_id"]
    assert second != settled
    new = rig.folder / "watched.new"
    new.write_bytes(live_file(agent).read_bytes())
    new.rename(path)
    def look():
        shown = json.loads(view.stdout.readline())
        if shown["agent"]["start_id"] != second:
            return None
        return shown
    assert wait_until(look, "the new file")["books"]["caution"].startswith("a copy")
    path.unlink()
    def gone():
        return "cannot" in (text := json.loads(view.stdout.readline())["books"]["caution"]) \
            or "no such file" in text
    wait_until(gone, "that it is gone")
    view.terminate()
    view.wait(DEADLINE_S)
    view.stdout.close()
    agent.end_input()
    agent.finish()


@pytest.mark.quick
def test_without_books_it_says_where_it_looked(folder):
    said = top("--once", "--state-dir", folder, "--runtime-dir", folder, code=1).stderr
    assert str(folder) in said and "state_dir" in said
    assert "is none of dropped" in top("--sort", "drops", code=2).stderr
    assert "--interval" in top("--interval", "1ms", code=2).stderr
    assert "not expected" in top("extra", code=2).stderr


@pytest.mark.quick
def test_text_fits_any_width(rig):
    receiver, agent = overload(rig)
    for width in (1, 7, 20, 40, 80, 200):
        shown = top("--once", "--interval", "0s", *places(agent), COLUMNS=str(width)).stdout
        assert all(len(line) <= width for line in shown.splitlines()), shown
        if width >= 20:
            assert "DROP/s" in shown and "evict_" in shown, shown
    heal(agent, receiver)
