# SPDX-License-Identifier: Apache-2.0
"""spillway tap: events as they pass at each stage, over a reload and a restart, never at the flow's cost."""

import json
import signal
import subprocess
import time

import pytest

from rig import admin, yaml
from rig.admin import UnixConnection, ask
from rig.agent import BINARY, environment
from rig.lines import append_lines, line, lines
from rig.waiting import DEADLINE_S, wait_until

STDIN = {"type": "stdin"}


class Tap:
    """The command as it runs."""

    def __init__(self, agent, *options):
        self.out, self.err = agent.folder / f"tap{id(self)}", agent.folder / f"tap{id(self)}.err"
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen([BINARY, "tap", "-c", str(agent.config_path), *options],
                                            stdout=out, stderr=err, env=environment())

    def wait(self):
        """From then on it misses nothing."""
        wait_until(lambda: "looking at" in self.told() or self.process.poll() is not None, self.told)
        return self

    def events(self):
        text = self.out.read_text()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def bodies(self):
        return [event["event"]["body"] for event in self.events()]

    def told(self):
        return self.err.read_text()

    def end(self, code=0):
        assert self.process.wait(DEADLINE_S) == code, self.told()
        return self

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        return self.end()


def open_tap(agent, path):
    connection = UnixConnection(admin.started(agent)["admin_socket"])
    connection.request("GET", path)
    return connection, connection.getresponse()


@pytest.mark.quick
@pytest.mark.threads
def test_each_stage_shows_what_passes_there(rig):
    receiver = rig.receiver()
    agent = rig.agent({"app": {**STDIN, "processors": ["no_threes", "tag"]}}, {"main": rig.http(receiver)},
                      processors={"no_threes": {"type": "filter", "pattern": r"^r\.3\."},
                                  "tag": {"type": "set", "attributes": {"tagged": "yes"}}})
    agent.start_piped()
    taps = {stage: Tap(agent, name, *["--stage", stage, "--rate", "100"][:2 if name == "main" else 4])
            for stage, name in (("read", "app"), ("processed", "app"), ("filtered", "app"),
                                ("encoded", "main"))}
    for tap in taps.values():
        tap.wait()
    agent.feed(lines(0, 5))
    receiver.wait_events(4)
    all_lines, kept = lines(0, 5), [text for text in lines(0, 5) if not text.startswith("r.3.")]
    wanted = {"read": all_lines, "processed": kept, "filtered": [line(3)], "encoded": kept}
    for stage, bodies in wanted.items():
        wait_until(lambda: taps[stage].bodies() == bodies, lambda: f"{stage}: {taps[stage].bodies()}")
        for event in taps[stage].events():
            assert (event["stage"], event["input"], event["output"]) == (stage, "app", "main")
            assert ("attributes" in event["event"]) == (stage in ("processed", "encoded"))
            assert event.get("reason") == ("filter" if stage == "filtered" else None)
            assert event["event"]["resource"]["host.name"]
        assert f"{len(bodies)} events shown" in taps[stage].interrupt().told()
    agent.end_input()
    agent.finish().agree_with(receiver)


def test_what_a_lane_turns_away_is_shown_with_its_reason(rig):
    receiver = rig.receiver()
    receiver.hold()
    agent = rig.agent({"app": {**STDIN, "lane": {"capacity": "2MiB", "overflow": "drop_newest"}}},
                      {"main": rig.http(receiver, batch={"max_bytes": "64KiB"})}, memory_limit="16MiB")
    agent.start_piped()
    tap = Tap(agent, "app", "--stage", "shed", "--count", "3").wait()
    agent.feed(lines(0, 30000, bytes_=1000))
    tap.end()
    assert {event["reason"] for event in tap.events()} == {"shed_newest"}
    agent.end_input()
    receiver.release()
    books = agent.finish().agree_with(receiver)
    assert books.lane().shed_newest > 3


def test_a_filter_a_rate_and_a_count(rig):
    receiver = rig.receiver()
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver)}).start()
    some = Tap(agent, "app", "--filter", "body=r.*7.", "--filter", "log.file.name!=x", "--rate", "5",
               "--for", "1h")
    one = Tap(agent, "app", "--filter", "resource.log.file.name=app.log", "--count", "1").wait()
    some.wait()
    begin = time.monotonic()
    append_lines(rig.folder / "app.log", 0, 5000)
    one.end()
    receiver.wait_events(5000)
    wait_until(lambda: len(some.events()) >= 5, some.told)
    some.interrupt()
    took = time.monotonic() - begin
    assert len(one.events()) == 1
    assert 5 <= len(some.events()) <= 5 * (took + 1) and all("7." in body for body in some.bodies())
    for tap in one, some:  # the agent counts each second: one that is over before says so
        assert ("did not match" in tap.told()) != ("before what passed was counted" in tap.told())
        assert "of 0 that passed" not in tap.told()
    agent.stop().agree_with(receiver)


def test_over_a_restart_the_command_connects_again_and_says_so(rig):
    receiver = rig.receiver()
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver)}).start()
    tap = Tap(agent, "main").wait()
    agent.kill()
    wait_until(lambda: "the agent is gone, waiting for it" in tap.told(), tap.told)
    agent.start()
    wait_until(lambda: "connected again" in tap.told(), tap.told)
    append_lines(rig.folder / "app.log", 0, 3)
    wait_until(lambda: len(tap.events()) == 3, tap.told)
    agent.stop()  # with the tap still open: it holds nothing up
    wait_until(lambda: tap.told().count("the agent is gone") == 2, tap.told)
    assert "3 events shown" in tap.interrupt().told()


def test_a_tap_lives_on_over_a_reload_and_sees_what_came_new(rig):
    receiver = rig.receiver()
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver)}).start()
    tap = Tap(agent, "app").wait()
    append_lines(rig.folder / "app.log", 0, 2)
    wait_until(lambda: len(tap.events()) == 2, tap.told)
    agent.config["inputs"]["app"] = rig.tail("app.log", max_line_bytes="1KiB")
    agent.config_path.write_text(yaml.dump(agent.config))
    done = subprocess.run([BINARY, "reload", "-c", str(agent.config_path)], capture_output=True,
                          text=True, timeout=60, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    append_lines(rig.folder / "app.log", 2, 3)
    wait_until(lambda: len(tap.events()) == 5, tap.told)
    assert "gone" not in tap.interrupt().told()
    agent.stop().agree_with(receiver)


def test_a_reader_that_does_not_read_costs_samples_and_no_event(rig):
    receiver = rig.receiver()
    agent = rig.agent({"app": STDIN}, {"main": rig.http(receiver)}).start_piped()
    connection, answer = open_tap(agent, "/tap?name=app&rate=1000&for_ms=8000")
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/x-ndjson"
    agent.feed(lines(0, 1000, bytes_=3000))
    receiver.wait_events(1000)
    text = answer.read().decode()  # only now
    connection.close()
    last = json.loads(text.splitlines()[-1])["tap"]
    assert last["end"] == "its time is over" and last["dropped"] > 0, last
    assert last["seen"] == 1000 == sum(last[key] for key in ("shown", "not_matching", "over_rate", "dropped"))
    assert text.count('"event":') == last["shown"]
    agent.end_input()
    agent.finish().agree_with(receiver)


def test_events_are_shown_on_the_socket_or_with_the_token_alone(rig):
    receiver = rig.receiver()
    agent = rig.agent({"app": STDIN}, {"main": rig.http(receiver)}).start_piped()
    refused = ask(agent, "/tap?name=app", tcp=True)
    assert refused.status == 403 and "agent.admin.token" in refused.text
    agent.end_input()
    agent.finish()
    agent.config["agent"]["admin"]["token"] = "secret"
    agent.start_piped()
    assert ask(agent, "/tap?name=app", tcp=True).status == 401
    right = ask(agent, "/tap?name=app&for_ms=1", tcp=True, Authorization="Bearer secret")
    assert right.status == 200 and '"end":"its time is over"' in right.text
    assert ask(agent, "/tap?name=app", "HEAD").status == 200
    agent.end_input()
    agent.finish()


def test_what_cannot_be_tapped_is_said(rig):
    receiver = rig.receiver()
    agent = rig.agent({"app": STDIN}, {"main": rig.http(receiver)}).start_piped()
    for options, code, why in ((["nothing"], 1, "there is no 'nothing'; inputs: app outputs: main"),
                               (["app", "--stage", "encoded"], 1, "stage encoded is of an output"),
                               (["app", "--stage", "sent"], 1, "none of read, processed"),
                               (["app", "--filter", "body"], 1, "'body' is not FIELD=TEXT"),
                               (["app", "--rate", "0"], 2, "--rate: from 1 to 1000"),
                               (["app", "--for", "2h"], 2, "--for: at most 1h"),
                               (["app", "-c", "/nonexistent"], 1, "cannot read the configuration '/nonexistent'"),
                               (["app", "more"], 2, "'more' is not expected"),
                               ([], 2, "give the name")):
        assert why in Tap(agent, *options).end(code).told(), options
    taken = [open_tap(agent, "/tap?name=app") for _ in range(4)]
    assert "there are 4 taps already" in Tap(agent, "app").end(1).told()
    for connection, answer in taken:
        answer.close()
        connection.close()
    agent.end_input()
    agent.finish()
    assert "no agent with the state directory" in Tap(agent, "app").end(1).told()
    shown = subprocess.run([BINARY, "tap", "--help"], capture_output=True, text=True, timeout=DEADLINE_S)
    assert shown.returncode == 0 and "--stage STAGE" in shown.stdout
