# SPDX-License-Identifier: Apache-2.0
"""Another configuration for an agent that runs: what did not change is not touched, what changed is
swapped, what is gone drains; and nothing is lost or sent twice by it."""

import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
from http.client import HTTPConnection

import pytest

from rig import yaml
from rig.admin import ask
from rig.agent import BINARY, environment, is_sanitized
from rig.lines import append_lines, assert_none_missing, check_exact, lines, numbers
from rig.receiver import Reply
from rig.waiting import DEADLINE_S, wait_until


def write(agent, text=None):
    agent.config_path.write_text(yaml.dump(agent.config) if text is None else text)


def reload(agent, expect=0, text=None, options=()):
    """By the command, which waits for the result; returns what it printed."""
    write(agent, text)
    done = subprocess.run([BINARY, "reload", "-c", str(agent.config_path), *options], text=True,
                          capture_output=True, timeout=DEADLINE_S, env=environment(**agent.env))
    assert expect in (None, done.returncode), f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def generation(agent):
    return agent.metrics().get("spillway_config_generation")


def make(rig, receiver, grace="60s", **options):
    return rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver, **options)},
                     shutdown_grace=grace)


class Writer:
    """Appends numbered lines until stop(); `count` says how many."""

    def __init__(self, path, pause=0.005, each=20):
        self.path, self.pause, self.each = path, pause, each
        self.count, self._stopping = 0, False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stopping:
            append_lines(self.path, self.count, self.each)
            self.count += self.each
            time.sleep(self.pause)

    def stop(self):
        self._stopping = True
        self._thread.join()
        return self.count


def await_all(receiver, count):
    wait_until(lambda: len(set(numbers(receiver.bodies()))) >= count,
               what=lambda: f"{count} lines; there are {len(set(numbers(receiver.bodies())))}",
               pause=0.1)


# ---- refused ----

@pytest.mark.quick
def test_a_wrong_configuration_changes_nothing_and_says_where(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver).start()
    good = yaml.dump(agent.config)
    said = reload(agent, expect=78, text=good.replace("batch", "botch") if "batch" in good
                  else good.replace('"url"', '"uri"').replace("url:", "uri:"))
    assert f"{agent.config_path}:" in said and "did you mean 'url'" in said
    record = agent.wait_log(level="error", msg="reload refused, the agent goes on as it was")
    assert record["error"].startswith(f"{agent.config_path}:")
    append_lines(rig.folder / "app.log", 0, 100)
    receiver.wait_events(100)
    metrics = agent.metrics()
    assert metrics.get("spillway_reload_failures_total") == 1
    assert metrics.get("spillway_reloads_total") == 0
    assert generation(agent) == 1
    assert "generation 2" in reload(agent)
    assert generation(agent) == 2
    agent.stop().agree_with(receiver)


def test_a_text_that_is_no_yaml_finds_the_agent_by_its_directory(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver).start()
    said = reload(agent, expect=78, text="agent: [", options=("--state-dir", str(agent.state_dir),
                  "--runtime-dir", str(agent.runtime_dir)))
    assert "goes on with generation 1" in said
    agent.stop()


@pytest.mark.parametrize("name, change", [
    ("agent.state_dir", lambda config: config["agent"].update(state_dir="/nonexistent/other")),
    ("agent.log_to", lambda config: config["agent"].update(log_to="journal")),
])
def test_what_a_running_agent_cannot_change_is_named(rig, name, change):
    receiver = rig.receiver()
    agent = make(rig, receiver).start()
    before = yaml.dump(agent.config)
    change(agent.config)
    said = reload(agent, expect=1, options=("--state-dir", str(agent.state_dir), "--runtime-dir",
                                            str(agent.runtime_dir)))
    assert name in said and "restart" in said
    assert generation(agent) == 1
    write(agent, before)
    agent.stop()


def test_a_part_that_cannot_be_opened_leaves_all_as_it_was(rig):
    """The books have room for 32 outputs in one start: the last one of the new ones does not fit."""
    receiver = rig.receiver()
    agent = make(rig, receiver, grace="3s").start()
    main = agent.config["outputs"]["main"]
    small = {**main, "batch": {"max_bytes": "64KiB"}}
    agent.config["agent"]["memory_limit"] = "256MiB"
    agent.config["outputs"] = {"main": main, **{f"o{i}": small for i in range(16)}}
    reload(agent)
    agent.config["outputs"] = {"main": main, **{f"p{i}": small for i in range(16)}}
    said = reload(agent, expect=1)
    assert "32 outputs" in said and "restart" in said
    agent.config["outputs"] = {"main": main}
    writer = Writer(rig.folder / "app.log")
    assert "generation 3" in reload(agent)
    count = writer.stop()
    await_all(receiver, count)
    assert agent.stop().lane("app", "main").delivered == count


# ---- what did not change ----

@pytest.mark.quick
def test_what_did_not_change_keeps_its_connection_its_counters_and_the_process(rig):
    receiver, other = rig.receiver(), rig.receiver()
    agent = make(rig, receiver, concurrency={"min": 1, "max": 1}).start()
    pid = agent.process.pid
    append_lines(rig.folder / "app.log", 0, 100)
    receiver.wait_events(100)
    agent.config["outputs"]["other"] = rig.http(other, inputs=["more"])
    agent.config["inputs"]["more"] = rig.tail("more.log")
    agent.config["outputs"]["main"]["inputs"] = ["app"]
    append_lines(rig.folder / "more.log", 0, 50, run="m")
    said = reload(agent)
    assert "added    output other" in said and "kept     input app" in said
    append_lines(rig.folder / "app.log", 100, 100)
    receiver.wait_events(200)
    other.wait_events(50)
    assert receiver.accepted == 1, "the connection was opened anew"
    assert agent.process.pid == pid and agent.process.poll() is None
    assert agent.metrics().get("spillway_delivered_events_total", input="app", output="main") == 200
    books = agent.stop()
    books.agree_with(receiver, "main").agree_with(other, "other")
    check_exact(receiver.bodies(), 200)


def test_options_of_the_agent_and_the_shown_configuration_follow(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver).start()
    agent.config["agent"].update(log_level="debug", shutdown_grace="7s", memory_limit="96MiB")
    said = reload(agent)
    assert "agent: memory_limit, shutdown_grace, log_level" in said
    shown = ask(agent, "/config").json
    assert shown["agent"]["shutdown_grace"]["value"] == 7000
    assert agent.metrics().get("spillway_memory_limit_bytes") == 96 << 20
    agent.stop()
    assert agent.log.find(msg="stopping")[0]["grace_ms"] == "7000"


def test_a_reload_is_asked_for_on_the_socket_only(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver).start()
    assert ask(agent, "/reload", "POST", tcp=True).status == 403
    answer = ask(agent, "/reload", "POST")
    assert (answer.status, answer.json["wish"]) == (202, 1)
    wait_until(lambda: ask(agent, "/reload").json["served"] == 1, "the reload")
    assert ask(agent, "/reload").json["last"]["state"] == "done"
    assert generation(agent) == 2
    agent.stop()


def await_rest(agent):
    """Until nothing is read any more: the lane is full, and the read in hand waits."""
    since = [0, time.monotonic()]

    def is_at_rest():
        metrics = agent.metrics()
        lane = {"input": "app", "output": "main"}
        moved = metrics.get("spillway_received_events_total", **lane)
        if moved != since[0] or metrics.get("spillway_lane_used_bytes", **lane) < 980 << 10:
            since[:] = [moved, time.monotonic()]
        return time.monotonic() - since[1] > 0.5
    wait_until(is_at_rest, "a full lane", pause=0.05)


# ---- the admin port ----

def http(address, path, **headers):
    host, port = address.rsplit(":", 1)
    connection = HTTPConnection(host, int(port), timeout=DEADLINE_S)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    except ConnectionRefusedError:
        return None
    finally:
        connection.close()


def test_the_admin_port_moves_and_stays_where_it_is_if_the_new_one_cannot_be_had(rig):
    agent = make(rig, rig.receiver()).start()
    old = agent.log.find(msg="started")[0]["metrics"]
    admin = agent.config["agent"]["admin"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        admin["listen"] = f"127.0.0.1:{taken.getsockname()[1]}"
        assert "Address already in use" in reload(agent, expect=1)
    assert generation(agent) == 1 and http(old, "/readyz") == 200
    admin["listen"] = "localhost:0"
    reload(agent)
    record = agent.wait_log(msg="the admin port is another one")
    new = record["metrics"]
    assert record["before"] == old and new != old
    assert (http(new, "/readyz"), http(old, "/readyz")) == (200, None)
    admin["token"] = "secret"
    reload(agent)
    assert http(new, "/readyz") == 401
    assert http(new, "/readyz", Authorization="Bearer secret") == 200
    admin.update(listen="", token="")
    reload(agent)
    assert agent.wait_log(msg="the admin port is another one", metrics="off")
    assert http(new, "/readyz") is None
    assert ask(agent, "/readyz").status == 200, "the unix socket is always there"
    admin["listen"] = "127.0.0.1:0"
    reload(agent)
    agent.stop()


# ---- what changed ----

@pytest.mark.quick
@pytest.mark.threads
def test_options_of_an_output_change_under_load(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver, batch={"max_events": 200}).start()
    writer = Writer(rig.folder / "app.log")
    main = agent.config["outputs"]["main"]
    for step, change in enumerate([{"headers": {"X-Step": "0"}},
                                   {"workers": 3, "batch": {"max_events": 100}},
                                   {"compression": "none", "format": "json_array"},
                                   {"workers": 1, "compression": "zstd", "format": "ndjson"},
                                   {"batch": {"max_bytes": "64KiB", "max_wait": "20ms"}}]):
        main.update({"headers": {"X-Step": str(step)}, **change})
        assert "changed  output main" in reload(agent)
        wait_until(lambda: receiver.requests and
                   receiver.requests[-1].headers.get("x-step") == str(step), "the header")
    count = writer.stop()
    await_all(receiver, count)
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), count, in_order=False)


@pytest.mark.threads
def test_another_url_takes_along_what_the_dead_endpoint_did_not_take(rig):
    dead, alive = rig.receiver(), rig.receiver()
    dead.always(503)
    agent = make(rig, dead, batch={"max_events": 100}).start()
    append_lines(rig.folder / "app.log", 0, 2000)
    agent.wait_log(msg="circuit breaker opened")
    agent.wait_metric(2000, "spillway_lines_total")
    agent.config["outputs"]["main"]["url"] = alive.url
    assert "url" in reload(agent)
    agent.wait_log(msg="circuit breaker closed", reason="the configuration was changed")
    await_all(alive, 2000)
    agent.stop().agree_with(alive)
    check_exact(alive.bodies(), 2000, in_order=False)
    assert not dead.events()


@pytest.mark.quick
@pytest.mark.threads
def test_an_input_and_its_processor_change_under_load(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver, batch={"max_events": 200}).start()
    append_lines(rig.folder / "new.log", 0, 10, run="n")
    writer = Writer(rig.folder / "app.log")
    app = agent.config["inputs"]["app"]
    for step in range(4):
        agent.config["processors"] = {"mark": {"type": "set", "attributes": {"step": str(step)}}}
        app.update({"processors": ["mark"], "resource": {"team": f"t{step // 2}"},
                    "lane": {"capacity": f"{6 + step}MiB"}})
        if step == 2:
            app["paths"].append(str(rig.folder / "new.log"))
        reload(agent)
        wait_until(lambda: receiver.events() and
                   receiver.events()[-1].get("attributes", {}).get("step") == str(step),
                   "the attribute")
    count = writer.stop()
    await_all(receiver, count)
    wait_until(lambda: len(numbers(receiver.bodies(), "n")) == 10, "the other file")
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), count, in_order=False)


def test_a_lane_that_is_full_is_changed_with_all_it_holds(rig):
    receiver = rig.receiver()
    receiver.always(503)
    agent = make(rig, receiver, batch={"max_events": 1000, "max_bytes": "64KiB"}).start()
    agent.config["inputs"]["app"]["lane"] = {"capacity": "1MiB"}
    reload(agent)
    append_lines(rig.folder / "app.log", 0, 20)
    agent.wait_log(msg="circuit breaker opened")
    append_lines(rig.folder / "app.log", 20, 9980, bytes_=300)
    await_rest(agent)
    agent.config["inputs"]["app"]["lane"] = {"capacity": "4MiB", "classes": {"by": "severity"}}
    reload(agent)
    receiver.always(200)
    await_all(receiver, 10000)
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), 10000, in_order=False)


@pytest.mark.threads
def test_an_input_that_waits_for_its_full_lane_changes_when_the_read_in_hand_is_over(rig):
    receiver = rig.receiver()
    receiver.always(503)
    agent = make(rig, receiver, batch={"max_bytes": "64KiB"})
    app = agent.config["inputs"]["app"]
    app["lane"] = {"capacity": "1MiB"}
    agent.start()
    append_lines(rig.folder / "app.log", 0, 20)
    agent.wait_log(msg="circuit breaker opened")
    append_lines(rig.folder / "app.log", 20, 9980, bytes_=300)
    await_rest(agent)
    append_lines(rig.folder / "more.log", 0, 10, run="m")
    agent.config["processors"] = {"mark": {"type": "set", "attributes": {"a": "b"}}}
    app["processors"] = ["mark"]
    reload(agent)  # the lane is full until the end: who waited for it would wait in vain
    app["paths"].append(str(rig.folder / "more.log"))  # a second change goes past the first
    reload(agent)
    assert generation(agent) == 3
    receiver.always(200)
    wait_until(lambda: len(numbers(receiver.bodies(), "m")) == 10, "the file that was added")
    await_all(receiver, 10000)
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), 10000, in_order=False)
    assert receiver.events()[-1]["attributes"]["a"] == "b"


def test_what_waits_for_a_lane_that_is_taken_out_gives_way_and_is_counted(rig):
    dead, alive = rig.receiver(), rig.receiver()
    dead.always(503)
    agent = rig.agent({"app": {"type": "stdin", "lane": {"overflow": "block", "capacity": "1MiB"}}},
                      {"main": rig.http(dead, batch={"max_bytes": "64KiB"})},
                      shutdown_grace="3s").start_piped()
    agent.feed(lines(0, 20))
    agent.wait_log(msg="circuit breaker opened")
    feeder = threading.Thread(target=lambda: agent.feed(lines(20, 9980, bytes_=300)))
    feeder.start()
    await_rest(agent)
    agent.config["outputs"] = {"other": rig.http(alive, batch={"max_bytes": "64KiB"})}
    reload(agent)
    feeder.join()
    agent.wait_log(msg="output taken out")
    agent.end_input()
    books = agent.finish()
    books.agree_with(alive, "other")
    old, new = books.lane("app", "main"), books.lane("app", "other")
    assert old.block_timeout > 0 and old.dropped == old.received
    assert old.received + new.delivered == 10000 and new.delivered > 0


@pytest.mark.threads
def test_an_output_of_another_type_goes_on_with_its_lanes_and_what_it_holds(rig):
    """What was compressed for the endpoint is plain on standard output."""
    dead, alive = rig.receiver(), rig.receiver()
    dead.always(503)
    agent = make(rig, dead, batch={"max_events": 100}, compression="gzip").start()
    append_lines(rig.folder / "app.log", 0, 1000)
    dead.wait_requests(3)
    agent.wait_metric(1000, "spillway_lines_total")
    main = agent.config["outputs"]["main"]
    agent.config["outputs"]["main"] = {"type": "stdout"}
    assert "type" in reload(agent)
    out = agent.folder / "stdout"
    wait_until(lambda: out.read_bytes().count(b"\n") == 1000, "the lines on standard output")
    append_lines(rig.folder / "app.log", 1000, 500)
    wait_until(lambda: out.read_bytes().count(b"\n") == 1500, "more of them")
    agent.config["outputs"]["main"] = {**main, "url": alive.url}
    assert "type" in reload(agent)
    append_lines(rig.folder / "app.log", 1500, 500)
    await_all(alive, 500)
    lane = agent.stop().lane("app", "main")
    assert (lane.received, lane.delivered, lane.dropped) == (2000, 2000, 0)
    bodies = [json.loads(line)["body"] for line in out.read_text().splitlines()]
    assert sorted(numbers(bodies)) == list(range(1500))
    assert sorted(numbers(alive.bodies())) == list(range(1500, 2000))


# ---- what came and went ----

@pytest.mark.threads
def test_an_output_comes_and_goes_under_load_and_the_books_know_all(rig):
    receiver, other = rig.receiver(), rig.receiver()
    agent = make(rig, receiver, batch={"max_events": 200}).start()
    writer = Writer(rig.folder / "app.log")
    for _ in range(2):
        agent.config["outputs"]["other"] = rig.http(other)
        assert "added    output other" in reload(agent)
        seen = len(other.requests)
        wait_until(lambda: len(other.requests) > seen, "events at the new output")
        del agent.config["outputs"]["other"]
        assert "removed  output other" in reload(agent)
        wait_until(lambda: agent.log.find(msg="output taken out")[_:], "the end of the output")
    count = writer.stop()
    await_all(receiver, count)
    books = agent.stop()
    books.agree_with(receiver, "main").agree_with(other, "other")
    check_exact(receiver.bodies(), count, in_order=False)
    other_lane = books.lane("app", "other")
    assert other_lane.dropped == 0 and other_lane.held == 0
    twice = len(numbers(other.bodies())) - len(set(numbers(other.bodies())))
    assert twice == 0, f"{twice} lines came twice to the output that came and went"


def test_a_lane_that_returns_while_it_drains_goes_on(rig):
    receiver, other = rig.receiver(), rig.receiver()
    other.always(503)
    agent = make(rig, receiver, grace="60s").start()
    output = rig.http(other, batch={"max_events": 100})
    agent.config["outputs"]["other"] = output
    reload(agent)
    append_lines(rig.folder / "app.log", 0, 1000)
    other.wait_requests(2)
    del agent.config["outputs"]["other"]
    reload(agent)
    agent.config["outputs"]["other"] = output
    assert "added    output other" in reload(agent)
    append_lines(rig.folder / "app.log", 1000, 1000)
    other.always(200)
    await_all(other, 2000)
    agent.stop().agree_with(other, "other")
    check_exact(other.bodies(), 2000, in_order=False)
    assert not agent.log.find(msg="output taken out")


@pytest.mark.threads
def test_what_is_left_of_a_lane_goes_back_to_its_files_and_comes_when_it_returns(rig):
    receiver, other = rig.receiver(), rig.receiver()
    other.always(503)
    agent = make(rig, receiver, grace="3s").start()
    output = rig.http(other, batch={"max_events": 100})
    agent.config["outputs"]["other"] = output
    reload(agent)
    append_lines(rig.folder / "app.log", 0, 3000)
    other.wait_requests(2)
    del agent.config["outputs"]["other"]
    reload(agent)
    agent.wait_log(msg="output taken out")
    agent.config["outputs"]["other"] = output
    other.always(200)
    reload(agent)
    await_all(other, 3000)
    books = agent.stop()
    lane = books.agree_with(other, "other").lane("app", "other")
    assert lane.dropped == 0
    check_exact(other.bodies(), 3000, in_order=False)


def test_no_gauge_of_an_output_that_was_taken_out_stays_as_it_was(rig):
    """Else an alert about it fires until the next start."""
    receiver, other = rig.receiver(), rig.receiver()
    other.always(401)
    agent = make(rig, receiver, grace="3s").start()
    agent.config["outputs"]["other"] = rig.http(other, batch={"max_events": 100},
                                                spool={"max_bytes": "8MiB", "min_free": "0"})
    reload(agent)
    append_lines(rig.folder / "app.log", 0, 3000)
    agent.wait_metric(1, "spillway_output_held", output="other")
    del agent.config["outputs"]["other"]
    reload(agent)
    agent.wait_log(msg="output taken out")
    on_disk = {"spillway_stock_events", "spillway_stock_bytes", "spillway_spool_in_hand"}  # as it is

    def left():
        metrics = agent.metrics()
        return {name: value for (name, labels), value in metrics.samples.items()
                if dict(labels).get("output") == "other" and value and name not in on_disk
                and metrics.families.get(name, [""])[0] == "gauge"}
    wait_until(lambda: not left(), left)
    agent.stop()


def test_what_cannot_be_read_again_is_counted_as_reload_drop(rig):
    receiver, other = rig.receiver(), rig.receiver()
    other.hold()
    agent = rig.agent({"app": {"type": "stdin"}},
                      {"main": rig.http(receiver, concurrency={"max": 1}),  # so that order is kept
                       "other": rig.http(other, batch={"max_events": 100}, concurrency={"max": 1})},
                      shutdown_grace="3s").start_piped()
    agent.feed(lines(0, 5000, bytes_=300))
    await_all(receiver, 5000)
    del agent.config["outputs"]["other"]
    reload(agent)
    agent.wait_log(msg="output taken out")
    other.release()
    agent.feed(lines(5000, 100))
    await_all(receiver, 5100)
    agent.end_input()
    books = agent.finish()
    lane = books.lane("app", "other")
    assert lane.reload_drop > 0 and lane.reload_drop_ready > 0 and lane.reload_drop_in_flight == 100
    assert lane.drain_timeout_batch + lane.drain_timeout_ready + lane.drain_timeout_in_flight == 0
    assert lane.received == 5000 and lane.dropped == 5000
    check_exact(receiver.bodies(), 5100)


def test_a_removed_input_drains_and_the_others_go_on(rig):
    receiver = rig.receiver()
    agent = rig.agent({"app": rig.tail("app.log"), "gone": rig.tail("gone.log")},
                      {"main": rig.http(receiver)}).start()
    append_lines(rig.folder / "gone.log", 0, 500, run="g")
    agent.wait_metric(500, "spillway_lines_total", input="gone", output="main")
    gone = agent.config["inputs"].pop("gone")
    assert "removed  input gone" in reload(agent)
    agent.wait_log(msg="lane taken out", input="gone", left_events="0")
    append_lines(rig.folder / "gone.log", 500, 100, run="g")
    append_lines(rig.folder / "app.log", 0, 100)
    await_all(receiver, 100)
    agent.config["inputs"]["gone"] = gone
    reload(agent)
    wait_until(lambda: len(numbers(receiver.bodies(), "g")) >= 600, "the input that returned")
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), 600, run="g")


def test_a_spool_stays_with_its_output_over_a_change_and_over_an_absence(rig):
    receiver, other = rig.receiver(), rig.receiver()
    other.go_away()
    agent = make(rig, receiver, grace="3s").start()
    output = rig.http(other, batch={"max_events": 100},
                      spool={"max_bytes": "64MiB", "min_free": "0"})
    agent.config["outputs"]["other"] = output
    reload(agent)
    append_lines(rig.folder / "app.log", 0, 1000)
    agent.wait_metric(1, "spillway_spool_bytes", output="other")
    output["headers"] = {"X-A": "b"}
    reload(agent)
    append_lines(rig.folder / "app.log", 1000, 1000)
    agent.wait_metric(2000, "spillway_lines_total", input="app", output="other")
    del agent.config["outputs"]["other"]
    reload(agent)
    agent.wait_log(msg="output taken out")
    other.come_back()
    agent.config["outputs"]["other"] = output
    reload(agent)
    await_all(other, 2000)
    agent.stop().agree_with(other, "other")
    check_exact(other.bodies(), 2000, in_order=False)


# ---- spools ----

SPOOL = {"max_bytes": "64MiB", "min_free": "0"}


def segments(folder):
    return [path for path in folder.glob("*.seg")] if folder.exists() else []


def spill(agent, receiver, first, count, folder):
    """Lines that go to disk, in that folder."""
    before = sum(path.stat().st_size for path in segments(folder))
    append_lines(agent.folder.parent / "app.log", first, count)
    wait_until(lambda: agent.metrics().get("spillway_lines_total", input="app", output="main") ==
               first + count and sum(path.stat().st_size for path in segments(folder)) > before and
               agent.metrics().get("spillway_stock_events", input="app", output="main",
                                   account="spool") == first + count, "the lines on disk")


def make_spooled(rig, **spool):
    receiver = rig.receiver()
    receiver.go_away()
    agent = make(rig, receiver, batch={"max_events": 100}, **({"spool": spool} if spool else {}))
    agent.state_dir.mkdir(exist_ok=True)  # below it the agent may write wherever it is told to
    return receiver, agent


@pytest.mark.threads
def test_a_spool_is_switched_on_moved_and_switched_off_and_loses_nothing(rig):
    receiver, agent = make_spooled(rig)
    agent.start()
    main = agent.config["outputs"]["main"]
    first, second = agent.state_dir / "one", agent.state_dir / "two"
    append_lines(rig.folder / "app.log", 0, 100)
    agent.wait_log(msg="circuit breaker opened")
    main["spool"] = {**SPOOL, "path": first}
    assert "spool" in reload(agent)
    spill(agent, receiver, 100, 900, first)
    main["spool"]["path"] = second
    assert "spool.path" in reload(agent)
    spill(agent, receiver, 1000, 1000, second)
    assert segments(first) and segments(second)
    del main["spool"]
    reload(agent)
    sizes = sum(path.stat().st_size for path in segments(second))
    append_lines(rig.folder / "app.log", 2000, 500)
    receiver.come_back()
    await_all(receiver, 2500)
    wait_until(lambda: not segments(first) and not segments(second), "empty folders")
    assert sizes > 0
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), 2500, in_order=False)


@pytest.mark.parametrize("change", ["moved", "off", "back"])
def test_a_crash_after_a_spool_was_moved_finds_both_places(rig, folder, change):
    first = folder / "one"
    receiver, agent = make_spooled(rig, **SPOOL, path=first)
    agent.start()
    main, second = agent.config["outputs"]["main"], agent.state_dir / "two"
    spill(agent, receiver, 0, 1000, first)
    main["spool"]["path"] = second
    if change == "off":
        del main["spool"]
    reload(agent)
    if change != "off":
        spill(agent, receiver, 1000, 500, second)
    if change == "back":
        main["spool"]["path"] = first
        said = reload(agent, expect=1)
        left = sum(path.stat().st_size for path in segments(first))
        assert f"in '{first}' is still being sent: {len(segments(first))} files, {left} bytes" in said, said
        main["spool"]["path"] = agent.state_dir / "three"
        assert "is still being sent" in reload(agent, expect=1)
        main["spool"]["path"] = second
    agent.kill()
    receiver.come_back()
    agent.start()
    count = 1000 if change == "off" else 1500
    await_all(receiver, count)
    wait_until(lambda: not segments(first) and not segments(second), "empty folders")
    if change == "back":
        main["spool"]["path"] = first
        reload(agent)
        receiver.go_away()
        append_lines(rig.folder / "app.log", 1500, 100)
        wait_until(lambda: segments(first), "the spool in its first place again")
        receiver.come_back()
        count += 100
        await_all(receiver, count)
    books = agent.stop()
    lane = books.lane("app", "main")
    assert lane.held == 0 and lane.dropped == 0
    check_exact(sorted(set(receiver.bodies())), count, in_order=False)


def test_an_empty_spool_goes_to_another_place_and_back(rig, folder):
    """What has nothing of it is let go of at once, so that it may be taken again."""
    receiver = rig.receiver()
    agent = make(rig, receiver, spool={**SPOOL, "path": folder / "one"})
    agent.state_dir.mkdir(exist_ok=True)
    agent.config["outputs"]["main"]["spool"]["path"] = agent.state_dir / "one"
    agent.start()
    held = descriptors(agent)
    for place in ("two", "one", "two", "one"):
        agent.config["outputs"]["main"]["spool"]["path"] = agent.state_dir / place
        assert "spool.path" in reload(agent)
    assert descriptors(agent) <= held + 1
    append_lines(rig.folder / "app.log", 0, 10)
    await_all(receiver, 10)
    agent.stop().agree_with(receiver)


def test_a_place_of_before_that_cannot_be_opened_is_not_forgotten(rig, folder):
    """Not a folder for a while, as where a mount is not there yet."""
    first, away = folder / "one", folder / "away"
    receiver, agent = make_spooled(rig, **SPOOL, path=first)
    agent.start()
    second = agent.state_dir / "two"
    spill(agent, receiver, 0, 1000, first)
    agent.config["outputs"]["main"]["spool"]["path"] = second
    reload(agent)
    agent.kill()
    first.rename(away)
    first.write_text("no folder")
    agent.start()
    agent.wait_log(msg="spool of before cannot be opened, what lies there is not sent")
    agent.wait_metric(1000, "spillway_spool_unread_events", output="main")
    lane = agent.stop().lane("app", "main")
    assert (lane.spool, lane.dropped) == (1000, 0)
    first.unlink()
    away.rename(first)
    receiver.come_back()
    agent.start()
    await_all(receiver, 1000)
    wait_until(lambda: not segments(first), "an empty folder")
    assert agent.stop().lane("app", "main").dropped == 0
    check_exact(sorted(set(receiver.bodies())), 1000, in_order=False)


def test_a_folder_that_cannot_be_had_leaves_the_spool_where_it_is(rig, folder):
    first = folder / "one"
    receiver, agent = make_spooled(rig, **SPOOL, path=first)
    agent.start()
    second = agent.state_dir / "two"
    spill(agent, receiver, 0, 500, first)
    second.write_text("no folder")
    main = agent.config["outputs"]["main"]
    main["spool"]["path"] = second
    assert str(second) in reload(agent, expect=1)
    spill(agent, receiver, 500, 500, first)
    second.unlink(), second.mkdir()
    (second / "0000000000000001.seg").write_text("of another time")
    assert "has batches of another time" in reload(agent, expect=1)
    main["spool"] = {**SPOOL, "path": agent.state_dir / "three", "min_free": "16TiB"}
    assert "make room there, or set less" in reload(agent, expect=1)  # else it would evict what lies elsewhere
    main["spool"] = {**SPOOL}
    main["spool"]["path"] = first
    receiver.come_back()
    await_all(receiver, 1000)
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), 1000, in_order=False)


# ---- storms ----

def descriptors(agent):
    return len(os.listdir(f"/proc/{agent.process.pid}/fd"))


def threads(agent):
    return len(os.listdir(f"/proc/{agent.process.pid}/task"))


def storm(rig, count, pause, seed):
    """SIGHUPs over configurations A, B and a wrong one, an endpoint that refuses half of the time. One input
    is of another type in each."""
    chance = random.Random(seed)
    receiver, other = rig.receiver(), rig.receiver()
    receiver.rule(lambda request: Reply(503) if int(time.monotonic() * 5) % 2 else None)
    agent = make(rig, receiver, batch={"max_events": 500}, grace="2s")
    agent.config["inputs"]["either"] = {"type": "generator", "rate": 50}
    agent.start()
    a = yaml.dump(agent.config)
    agent.config["inputs"]["either"] = rig.tail("either.log")
    agent.config["outputs"]["main"]["headers"] = {"X-Which": "b"}
    agent.config["outputs"]["other"] = rig.http(other)
    agent.config["processors"] = {"mark": {"type": "set", "attributes": {"which": "b"}}}
    agent.config["inputs"]["app"]["processors"] = ["mark"]
    b = yaml.dump(agent.config)
    texts = [a, b, b.replace("X-Which", "X Which"), "inputs: ["]
    writer = Writer(rig.folder / "app.log", pause=0.02)
    before = None
    for i in range(count):
        agent.config_path.write_text(chance.choice(texts))
        agent.process.send_signal(signal.SIGHUP)
        time.sleep(pause)
        if i == count // 5:
            before = (descriptors(agent), threads(agent), agent.own_memory())
    agent.config_path.write_text(texts[3])  # of those before, a slow machine may have met none
    agent.process.send_signal(signal.SIGHUP)
    agent.wait_metric(1, "spillway_reload_failures_total")
    final = chance.choice([a, b])
    failures = agent.metrics().get("spillway_reload_failures_total")
    reload(agent, text=final)
    lines_written = writer.stop()
    shown = ask(agent, "/config").json
    assert ("other" in shown["outputs"]) == (final == b)
    assert agent.metrics().get("spillway_reload_failures_total") >= failures > 0
    receiver.rule(None)
    await_all(receiver, lines_written)
    return agent, receiver, other, before, lines_written


def check_flat(agent, before):
    def excess():
        return (descriptors(agent) - before[0], threads(agent) - before[1])
    # A second output has descriptors and threads of its own, and lives for its grace.
    wait_until(lambda: excess()[0] <= 16 and excess()[1] <= 6, lambda: f"{excess()} more")
    if not is_sanitized():
        assert agent.own_memory() - before[2] < 12 << 20


@pytest.mark.threads
def test_a_storm_of_hangups_loses_nothing(rig, seed):
    agent, receiver, other, before, count = storm(rig, 60, 0.1, seed)
    check_flat(agent, before)
    agent.config["outputs"].pop("other", None)
    books = agent.stop(expect=0)
    books.agree_with(receiver, "main")
    assert books.lane("app", "main").dropped == 0
    check_exact(receiver.bodies(), count, in_order=False)


@pytest.mark.long
def test_a_thousand_reloads_lose_nothing_and_leak_nothing(rig, seed):
    agent, receiver, other, before, count = storm(rig, 1000, 0.06, seed)
    check_flat(agent, before)
    books = agent.stop(expect=0)
    books.agree_with(receiver, "main")
    check_exact(receiver.bodies(), count, in_order=False)


@pytest.mark.quick
@pytest.mark.threads
def test_a_stop_in_the_middle_of_a_reload_is_heard(rig):
    """The reload waits for the answer to a request; the stop does not wait for the reload."""
    receiver = rig.receiver()
    agent = make(rig, receiver, grace="1s").start()
    receiver.hold()
    append_lines(rig.folder / "app.log", 0, 100)
    wait_until(lambda: receiver.waiting(), "a request")
    agent.config["outputs"]["main"]["headers"] = {"X-A": "b"}
    write(agent)
    agent.process.send_signal(signal.SIGHUP)
    agent.process.send_signal(signal.SIGTERM)
    agent.wait_log(msg="stopping")  # the answer is held until then
    receiver.release()
    assert agent.wait_exit() in (0, 3)
    agent.config["outputs"]["main"]["headers"] = {}
    receiver2 = rig.receiver()
    agent.config["outputs"]["main"]["url"] = receiver2.url
    agent.start()
    agent.stop()
    assert_none_missing(sorted(set(numbers(receiver.bodies()) + numbers(receiver2.bodies()))), 100)
