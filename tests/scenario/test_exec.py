# SPDX-License-Identifier: Apache-2.0
"""The output of commands: what well-behaved ones write, and what ill-behaved ones do to the agent."""

import os
import pathlib
import shutil
import subprocess
import time

import pytest
import yaml as pyyaml

from rig import yaml
from rig.agent import BINARY, environment
from rig.waiting import DEADLINE_S, stays, wait_until


def command(*words, **options):
    return {"type": "exec", "command": [str(word) for word in words], **options}


def shell(script, **options):
    return command("sh", "-c", script, **options)


def kept(script, **options):
    return shell(script, mode="keep_running", restart_min="10ms", restart_max="50ms", **options)


def bodies(receiver, **resource):
    return [event["body"] for event in receiver.events()
            if all(event["resource"].get(key) == value for key, value in resource.items())]


def processes():
    """pid -> (parent, state, command line)"""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
            found[int(path.name)] = (int(parent), state, (path / "cmdline").read_bytes())
        except OSError:
            pass
    return found


def below(pid):
    """All that descend from a process."""
    known, family = processes(), {pid}
    for _ in known:
        more = {child for child, (parent, _, _) in known.items() if parent in family} - family
        if not more:
            break
        family |= more
    return {child: known[child] for child in family - {pid}}


def marked(mark):
    return [pid for pid, (_, state, line) in processes().items()
            if str(mark).encode() in line and state not in "ZX"]


def starter_of(agent):
    children = [pid for pid, (parent, _, _) in processes().items() if parent == agent.process.pid]
    assert len(children) == 1, children
    return children[0]


def test_lines_the_standard_error_and_the_exit_status_arrive(rig):
    receiver = rig.receiver()
    agent = rig.agent({
        "lines": shell("echo one; echo two; echo 'it broke' >&2; printf three; exit 3", interval="1h"),
        "whole": shell("echo a; echo b; echo; exit 0", interval="1h", event_per="run",
                       exit_event="always"),
        "words": command("printf", "%s|", "a b", "$$HOME", "*", "'", interval="1h"),
        "around": shell("echo $$PWD $$NAME $${SECRET-unset}; cat", interval="1h",
                        working_directory="/", environment={"NAME": "value"}),
    }, {"main": rig.http(receiver)})
    agent.env["SECRET"] = "of the agent alone"
    agent.start()
    wait_until(lambda: len(receiver.events()) >= 8, lambda: receiver.events())
    by_pid = {}
    for event in receiver.events():
        by_pid.setdefault(event["resource"]["process.pid"], []).append(event)
    runs = {tuple(event["body"] for event in run): run for run in by_pid.values()}
    assert set(runs) == {("one", "two", "three", "exited with status 3"),
                         ("a\nb", "exited with status 0"), ("a b|$HOME|*|'|",), ("/ value unset",)}
    failed = runs["one", "two", "three", "exited with status 3"]
    assert failed[3]["attributes"] == {"process.exit.code": 3, "error.type": "3"}
    assert failed[3]["severity_number"] == 17
    assert failed[0]["resource"]["process.executable.name"] == "sh"
    assert runs["a\nb", "exited with status 0"][0]["attributes"] == {"process.exit.code": 0}
    assert agent.log.find(msg="a command wrote to its standard error", text="it broke")
    assert agent.metrics().get("spillway_runs_failed_total", input="lines") == 1
    agent.stop().agree_with(receiver)


def test_a_program_that_cannot_be_run_is_told_and_tried_again(rig):
    (rig.folder / "plain").write_text("no program")
    receiver = rig.receiver()
    agent = rig.agent({"missing": command("/no/such/program", mode="keep_running", restart_min="10ms"),
                       "plain": command(rig.folder / "plain", interval="100ms"),
                       "nowhere": command("true", working_directory="/no/such/folder", interval="1h")},
                      {"main": rig.http(receiver)})
    agent.start()
    for name, why in (("missing", "cannot run the program: No such file or directory"),
                      ("plain", "cannot run the program: Permission denied"),
                      ("nowhere", "cannot go to working_directory: No such file or directory")):
        agent.wait_log(msg="a run failed", input=name, why=why)
    for name in ("missing", "plain"):
        agent.wait_metric(3, "spillway_runs_failed_total", input=name)
    agent.stop().agree_with(receiver)
    errors = {event["attributes"]["error.type"] for event in receiver.events()}
    assert errors == {"ENOENT", "EACCES"}


def test_the_example_runs(rig):
    receiver = rig.receiver()
    example = pathlib.Path(__file__).parents[2] / "config/examples/commands.yaml"
    inputs = pyyaml.safe_load(example.read_text())["inputs"]
    if shutil.which("vmstat") is None:
        inputs["memory"]["command"] = ["sh", "-c", "echo up; sleep 1000"]
    agent = rig.agent(inputs, {"main": rig.http(receiver)})
    agent.start()
    wait_until(lambda: receiver.events(), "a line")
    agent.stop().agree_with(receiver)
    assert any(event["body"].startswith("exited") or "signal" in event["body"]
               for event in receiver.events()), "exit_event: always"


def test_check_says_what_cannot_be_run(rig):
    path = rig.folder / "agent.yaml"
    config = {"agent": {"state_dir": rig.folder / "state", "runtime_dir": rig.folder},
              "inputs": {"a": command("sh"), "b": command("no-such-program")},
              "outputs": {"main": {"type": "stdout"}}}
    path.write_text(yaml.dump(config))
    done = subprocess.run([BINARY, "check", "-c", path, "--env"], capture_output=True, text=True,
                          timeout=60, env=environment())
    assert done.returncode == 1
    assert "input a: runs /" in done.stdout
    assert "input b: 'no-such-program' cannot be run: No such file or directory" in done.stdout


def test_slow_deaf_and_endless_children_end_and_do_not_hold_others(rig):
    receiver = rig.receiver()
    mark = rig.folder / "mark"
    agent = rig.agent({
        "slow": command("sleep", "1000", interval="100ms", timeout="300ms"),
        # Long enough for a shell to become deaf, also on a slow machine.
        "deaf": shell("trap '' TERM; echo deaf; while :; do sleep 0.05; done", interval="1h",
                      timeout="3s", kill_after="200ms"),
        # A grandchild in the group, and one that has left it, hold the pipe.
        "left": shell(f"echo left; sh -c 'sleep 1000; : in {mark}' & "
                      f"setsid sh -c 'sleep 1001; : out {mark}' &", interval="1h"),
        "endless": command("dd", "if=/dev/zero", "bs=64k", "count=64", "status=none", interval="1h",
                           max_event_bytes="1KiB"),
        "garbage": command("head", "-c", "100000", "/dev/urandom", interval="1h"),
        "steady": shell("echo beat", interval="100ms"),
    }, {"main": rig.http(receiver)})
    agent.start()
    agent.wait_log(msg="a run failed", input="slow",
                   why="took longer than 300 ms, ended by signal 15 (Terminated)")
    agent.wait_log(msg="a run failed", input="deaf",
                   why="took longer than 3000 ms, ended by signal 9 (Killed)")
    agent.wait_log(msg="something that a run left behind holds its output", input="left")
    agent.wait_metric(2, "spillway_runs_skipped_total", input="slow")
    wait_until(lambda: len(marked(f": in {mark}")) == 0, "what is left of the group is killed")
    agent.wait_metric(1, "spillway_lines_truncated_total", input="endless")
    wait_until(lambda: {"left", "deaf"} <= set(bodies(receiver)), "what they said")
    wait_until(lambda: bodies(receiver).count("beat") >= 10, "the steady one to go on")
    agent.stop().agree_with(receiver)
    cut = [event for event in receiver.events()
           if event.get("attributes", {}).get("log.record.original_bytes") == 64 << 16]
    assert len(cut) == 1 and cut[0]["body"] == "\0" * 1024
    wait_until(lambda: not marked(mark), "also the one that had left it")


def test_a_flood_on_the_standard_error_is_told_by_a_few_lines_and_a_count(rig):
    receiver = rig.receiver()
    agent = rig.agent({"noisy": shell("seq 1 50000 >&2; echo done", interval="1h")},
                      {"main": rig.http(receiver)})
    agent.start()
    wait_until(lambda: "done" in bodies(receiver), "its end")
    agent.stop().agree_with(receiver)
    told = agent.log.find(msg="a command wrote to its standard error")
    [stopped] = agent.log.find(msg="stopped")
    assert told[0]["text"] == "1" and len(told) < 100
    assert len(told) + int(stopped["log_lines_held_back"]) >= 50000
    assert agent.log.path.stat().st_size < 40000


@pytest.mark.quick
def test_after_a_kill_no_process_is_left(rig):
    mark = rig.folder / "mark"
    agent = rig.agent({
        "family": kept(f"trap '' TERM HUP; sh -c 'sleep 1000; : {mark}' & "
                       f"setsid sh -c 'sleep 1001; : {mark}' & sleep 1002; : {mark}"),
    }, {"main": rig.http(rig.receiver())})
    agent.start()
    wait_until(lambda: len(marked(mark)) >= 3, lambda: marked(mark))
    family = below(agent.process.pid)
    assert len(family) >= 5, family
    agent.kill()
    wait_until(lambda: not set(family) & {pid for pid, (_, state, _) in processes().items()
                                          if state not in "ZX"}, "nobody")


def test_without_its_starter_the_agent_says_so_and_children_end(rig):
    mark = rig.folder / "mark"
    agent = rig.agent({"child": kept(f"sleep 1000 & wait; : {mark}")},
                      {"main": rig.http(rig.receiver())})
    agent.start()
    wait_until(lambda: marked(mark), "the child")
    os.kill(starter_of(agent), 9)
    wait_until(lambda: not marked(mark), "the child ends with it")
    agent.wait_log(msg="a run failed", input="child")
    agent.wait_log(msg="a run failed",
                   why="the process that starts children has ended: restart the agent")
    agent.stop()


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.long)])
def test_many_runs_leave_no_zombie_and_no_descriptor(rig, count):
    receiver = rig.receiver()
    agent = rig.agent({f"run{number}": kept("echo x; : &" if number == 0 else "echo x")
                       for number in range(8)}, {"main": rig.http(receiver)})
    agent.start()

    def runs():
        return sum(agent.metrics().get("spillway_runs_total", input=f"run{number}")
                   for number in range(8))
    wait_until(lambda: runs() >= 50, "the first runs", pause=0.1)
    starter = starter_of(agent)
    most = {}

    def look():
        for pid in (agent.process.pid, starter):
            most[pid] = max(most.get(pid, 0), len(os.listdir(f"/proc/{pid}/fd")))
        zombies = [pid for pid, (_, state, _) in below(starter).items() if state == "Z"]
        assert len(zombies) <= 16, zombies  # those that end just now
        return runs() >= count
    wait_until(look, "so many runs", pause=0.2, timeout=600)
    assert most[starter] <= 5 + 8 * 5 and most[agent.process.pid] <= 120, most
    agent.stop().agree_with(receiver)
    assert len(receiver.events()) >= count


def test_a_child_waits_while_its_lane_is_full(rig):
    count = 14000
    receiver = rig.receiver()
    receiver.hold()
    agent = rig.agent({"writer": command("seq", "-f", "%0500.0f", str(count), interval="1h", timeout="4s",
                                         lane={"overflow": "block", "capacity": "4MiB"})},
                      {"main": rig.http(receiver, batch={"max_bytes": "256KiB"},
                                       compression="none")},
                      memory_limit="8MiB")
    agent.start()
    wait_until(lambda: agent.metrics().get("spillway_lane_used_bytes", input="writer") > 3 << 20,
               "a full lane")
    time.sleep(4.2)  # longer than its timeout, which is not for those that wait for us
    receiver.release()
    wait_until(lambda: len(receiver.events()) >= count, "all lines")
    assert sorted(int(event["body"]) for event in receiver.events()) == list(range(1, count + 1))
    assert agent.stop().lane().dropped == 0


def test_at_the_stop_children_are_asked_and_their_last_words_arrive(rig):
    receiver = rig.receiver()
    agent = rig.agent({
        "polite": kept("trap 'sleep 0.2; echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"),
        "deaf": kept("trap '' TERM; echo up; while :; do sleep 0.05; done", kill_after="300ms"),
    }, {"main": rig.http(receiver)})
    agent.start()
    wait_until(lambda: bodies(receiver).count("up") == 2, "both")
    starter = starter_of(agent)
    began = time.monotonic()
    agent.stop().agree_with(receiver)
    assert time.monotonic() - began < 30, "it took all of its grace"
    assert "bye" in bodies(receiver)
    assert not [body for body in bodies(receiver) if "signal" in body], "to be ended is no failure"
    assert starter not in processes()


def reload(agent, expect):
    agent.config_path.write_text(yaml.dump(agent.config))
    done = subprocess.run([BINARY, "reload", "-c", agent.config_path], capture_output=True, text=True,
                          timeout=DEADLINE_S, env=environment())
    assert done.returncode == expect, done
    return done.stdout + done.stderr


def ticks(receiver):
    return [event["resource"]["process.pid"] for event in receiver.events() if event["body"] == "tick"]


def test_a_reload_keeps_a_child_that_did_not_change(rig):
    receiver = rig.receiver()
    inputs = {"ticks": kept("while :; do echo tick; sleep 0.05; done"),
              "tail": rig.tail("*.log")}
    agent = rig.agent(inputs, {"main": rig.http(receiver)})
    agent.start()
    wait_until(lambda: ticks(receiver), "a tick")
    inputs["ticks"]["max_event_bytes"] = "1KiB"
    inputs["tail"]["paths"] = [str(rig.folder / "*.txt")]
    reload(agent, 0)
    seen = len(ticks(receiver))
    wait_until(lambda: len(ticks(receiver)) > seen + 5, "more")
    assert len(set(ticks(receiver))) == 1
    inputs["ticks"]["command"][2] += "; echo other"
    said = reload(agent, 1)
    assert "inputs.ticks: the agent may not run this command" in said, said
    agent.stop().agree_with(receiver)


def test_without_the_sandbox_a_reload_may_change_a_command(rig):
    receiver = rig.receiver()
    inputs = {"ticks": kept("trap 'echo last; exit' TERM; while :; do echo tick; sleep 0.05; done")}
    agent = rig.agent(inputs, {"main": rig.http(receiver)}, sandbox=False)
    agent.start()
    wait_until(lambda: ticks(receiver), "a tick")
    inputs["ticks"]["command"][2] = "while :; do echo tock; sleep 0.05; done"
    reload(agent, 0)
    wait_until(lambda: "tock" in bodies(receiver), "the other command")
    assert "last" in bodies(receiver)
    assert bodies(receiver).index("last") < bodies(receiver).index("tock")
    agent.stop().agree_with(receiver)


def test_an_agent_without_commands_cannot_be_given_one(rig):
    receiver = rig.receiver()
    agent = rig.agent({"tail": rig.tail("*.log")}, {"main": rig.http(receiver)})
    agent.start()
    assert not below(agent.process.pid)
    agent.config["inputs"]["new"] = shell("echo new")
    assert "restart it" in reload(agent, 1)
    stays(lambda: not receiver.requests, 0.2, "nothing")
    agent.stop()
