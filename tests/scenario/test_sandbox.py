# SPDX-License-Identifier: Apache-2.0
"""The rights that the agent gives up after its start: seen from outside. What each of them refuses is
tried in tests/unit/rights; that everything else goes on, by all scenarios, for it is the default."""

import os
import pathlib
import shutil
import subprocess

import pytest

from rig import yaml
from rig.agent import BINARY, environment
from rig.waiting import DEADLINE_S, wait_until

DAC_READ_SEARCH, SYSLOG = 1 << 2, 1 << 34


def status_of(task):
    lines = (task / "status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def tasks(agent):
    return [status_of(path) for path in pathlib.Path(f"/proc/{agent.process.pid}/task").iterdir()]


def threads(agent):
    """The agent's own: ThreadSanitizer has one that it started before main()."""
    return [task for task in tasks(agent) if task["NoNewPrivs"] == "1"]


def reload(agent):
    agent.config_path.write_text(yaml.dump(agent.config))
    done = subprocess.run([BINARY, "reload", "-c", agent.config_path], capture_output=True, text=True,
                          timeout=DEADLINE_S, env=environment())
    return done.returncode, done.stdout + done.stderr


@pytest.mark.quick
def test_every_thread_has_given_up_what_is_not_needed(rig):
    receiver = rig.receiver()
    (rig.folder / "a.log").write_text("a line\n")
    agent = rig.agent({"tail": rig.tail("*.log")}, {"main": rig.http(receiver)})
    agent.start()
    wait_until(lambda: receiver.events(), "the line")
    seen = threads(agent)
    assert len(seen) >= 5 and len(tasks(agent)) - len(seen) <= 1
    held = int(pathlib.Path("/proc/self/status").read_text().partition("CapPrm:\t")[2].split()[0], 16)
    for task in seen:
        assert task["Seccomp"] == "2", task["Name"]
        assert int(task["CapEff"], 16) == int(task["CapPrm"], 16) == held & DAC_READ_SEARCH
        assert int(task["CapAmb"], 16) == 0
    said = agent.log.find(msg="rights given up")[0]
    assert said["system_calls"] == "filtered" and said["commands"] == "0"
    agent.stop().agree_with(receiver)


def test_with_the_sandbox_off_nothing_is_given_up(rig):
    agent = rig.agent({"tail": rig.tail("*.log")}, {"main": rig.http(rig.receiver())}, sandbox=False)
    agent.start()
    own = status_of(pathlib.Path("/proc/self"))
    for task in tasks(agent):
        assert (task["CapEff"], task["NoNewPrivs"], task["Seccomp"]) == \
            (own["CapEff"], own["NoNewPrivs"], own["Seccomp"])
    assert not agent.log.find(msg="rights given up")
    agent.stop()


def test_children_have_the_rights_that_the_agent_had_at_its_start(rig):
    receiver = rig.receiver()
    agent = rig.agent({"child": {"type": "exec", "interval": "1h", "command": [
        "grep", "-E", "^(CapEff|NoNewPrivs|Seccomp):", "/proc/self/status"]}},
        {"main": rig.http(receiver)})
    agent.start()
    wait_until(lambda: len(receiver.events()) >= 3, "three lines")
    own = status_of(pathlib.Path("/proc/self"))
    lines = dict(event["body"].split(":\t") for event in receiver.events())
    assert lines == {name: own[name] for name in ("CapEff", "NoNewPrivs", "Seccomp")}
    agent.stop()


def has_landlock(agent):
    return agent.log.find(msg="rights given up")[0]["landlock"] != "0"


def test_a_reload_that_needs_more_is_refused_by_name_and_one_that_does_not_is_done(rig):
    receiver = rig.receiver()
    own, other = rig.folder / "own", rig.folder / "other"
    own.mkdir()
    other.mkdir()
    agent = rig.agent({"tail": rig.tail("*.log")}, {"main": rig.http(
        receiver, dead_letter={"path": str(own / "letters")})})
    agent.start()
    agent.config["outputs"]["main"]["dead_letter"]["path"] = str(own / "others")
    assert reload(agent)[0] == 0
    if has_landlock(agent):
        agent.config["outputs"]["main"]["dead_letter"]["path"] = str(other / "letters")
        code, said = reload(agent)
        assert code == 1
        assert f"outputs.main: it writes to {other}, which the agent gave up the right to at its start: " \
            "restart it" in said, said
        agent.config["outputs"]["main"]["dead_letter"]["path"] = str(own / "letters")
    held = int(status_of(pathlib.Path("/proc/self"))["CapPrm"], 16)
    if held & SYSLOG:
        agent.config["inputs"]["kernel"] = {"type": "kmsg"}
        code, said = reload(agent)
        assert code == 1
        assert "inputs.kernel: it takes CAP_SYSLOG, which the agent gave up" in said, said
        del agent.config["inputs"]["kernel"]
    (rig.folder / "a.log").write_text("after all of it\n")
    wait_until(lambda: receiver.events(), "the line")
    agent.stop().agree_with(receiver)


def test_dead_letters_spool_and_state_are_written_inside_of_it(rig):
    """In folders of three places, one of another user where we are root."""
    receiver = rig.receiver()
    folders = [rig.folder / name for name in ("spool", "letters")]
    for folder in folders:
        folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folders[0], 65534, 65534)
        folders[0].chmod(0o700)
    agent = rig.agent({"tail": rig.tail("*.log")}, {"main": rig.http(
        receiver, spool={"max_bytes": "8MiB", "path": str(folders[0]), "min_free": "0"},
        dead_letter={"path": str(folders[1] / "file")})})
    agent.start()
    receiver.always(503)
    (rig.folder / "a.log").write_text("held\n" * 10)
    wait_until(lambda: any(path.stat().st_size > 100 for path in folders[0].iterdir()
                           if path.suffix == ".seg"), "a batch on disk")
    receiver.always(200)
    wait_until(lambda: len(receiver.events()) >= 10, "what was held")
    receiver.always(400)
    with open(rig.folder / "a.log", "a") as log:
        log.write("refused\n")
    wait_until((folders[1] / "file").exists, "a dead letter")
    receiver.always(200)
    agent.stop()


def test_check_names_the_rights_and_the_drop_ins_that_give_them(rig):
    path = rig.folder / "agent.yaml"
    path.write_text(yaml.dump({
        "agent": {"state_dir": "/var/lib/spillway", "admin": {"listen": "127.0.0.1:99"}},
        "inputs": {"files": {"type": "tail", "paths": ["/var/log/*.log", "/home/*/x.log"]},
                   "kernel": {"type": "kmsg"},
                   "load": {"type": "exec", "command": ["uptime"]}},
        "outputs": {"main": {"type": "http", "url": "http://127.0.0.1:9/",
                             "dead_letter": {"path": str(rig.folder / "file")}}}}))
    done = subprocess.run([shutil.which(BINARY), "check", "-c", path], capture_output=True, text=True,
                          timeout=60, env=environment(), check=True)
    block = done.stdout.partition("  rights ")[2]
    assert [line.strip() for line in block.splitlines()] == [
        "writes below /var/lib/spillway", "writes below /run/spillway",
        "CAP_NET_BIND_SERVICE (drop-in low-ports.conf), to listen on a port below 1024: agent",
        "CAP_DAC_READ_SEARCH (drop-in read-all-files.conf), to read files whose modes keep it out: inputs.files",
        "CAP_SYSLOG (drop-in kernel-log.conf), to read the kernel's log: inputs.kernel",
        f"writes below {rig.folder}",
        "reads /home/*/x.log, as a service by drop-in home-and-tmp.conf: inputs.files",
        "runs uptime: inputs.load"]
