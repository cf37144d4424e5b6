# SPDX-License-Identifier: Apache-2.0
"""A configuration of several files, and one that has no output yet."""

import signal
import subprocess

import pytest

from rig import yaml
from rig.admin import ask
from rig.agent import BINARY, environment
from rig.lines import append_lines
from rig.waiting import DEADLINE_S, wait_until


def run(*words):
    done = subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=DEADLINE_S,
                          env=environment())
    return done.returncode, done.stdout + done.stderr


def conf_d_of(agent):
    folder = agent.config_path.parent / "conf.d"
    folder.mkdir()
    return folder


@pytest.mark.quick
def test_an_agent_without_an_output_waits_for_one_and_says_so(rig):
    receiver = rig.receiver()
    append_lines(rig.folder / "app.log", 0, 10)
    agent = rig.agent({"app": rig.tail("app.log"), "host": {"type": "host_metrics"}}, {})
    conf_d = conf_d_of(agent)
    agent.start()
    told = agent.wait_log(msg="idle: there is no output, nothing is read or shipped")
    assert told["level"] == "warn" and told["in"] == str(agent.config_path)
    answer = ask(agent, "/readyz")
    assert answer.status == 503 and "there is no output" in answer.text
    assert run("check", "-c", str(agent.config_path))[0] == 0
    code, said = run("health", "-c", str(agent.config_path))
    assert code == 0 and '"alive":true' in said, said
    code, said = run("health", "--ready", "-c", str(agent.config_path))
    assert code == 1 and "there is no output" in said, said

    (conf_d / "output.yaml").write_text(yaml.dump({"outputs": {"main": rig.http(receiver)}}))
    code, said = run("reload", "-c", str(agent.config_path))
    assert code == 0 and "added    output main" in said, said
    receiver.wait_events(10)
    wait_until(lambda: ask(agent, "/readyz").status == 200, "it is ready")
    assert run("health", "--ready", "-c", str(agent.config_path))[0] == 0

    (conf_d / "output.yaml").unlink()
    assert run("reload", "-c", str(agent.config_path))[0] == 0
    wait_until(lambda: len(agent.log.find(msg="idle: there is no output, nothing is read or "
                                              "shipped")) == 2, "idle again")
    agent.stop()
    code, said = run("health", "-c", str(agent.config_path))
    assert code == 1 and "no agent with the state directory" in said, said


@pytest.mark.quick
def test_a_problem_in_conf_d_is_told_with_its_own_place(rig):
    receiver = rig.receiver()
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver)})
    conf_d = conf_d_of(agent)
    agent.start()
    (conf_d / "50-more.yaml").write_text("inputs:\n  app: {type: stdin}\nagent:\n  log_level: loud\n")
    code, said = run("check", "-c", str(agent.config_path))
    lines = agent.config_path.read_text().splitlines()
    place = next(i for i, line in enumerate(lines, 1) if line.lstrip().startswith(("app:", '"app":')))
    assert code == 78
    assert f"{conf_d}/50-more.yaml:2:3: inputs.app: is given twice, first in " \
           f"{agent.config_path}:{place}:" in said, said
    assert f"{conf_d}/50-more.yaml:4:14: agent.log_level: " in said, said
    agent.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(agent.log.find(state="bad configuration")) == 2, "both are in the log")
    assert {line["error"].split(":")[0] for line in agent.log.find(state="bad configuration")} == \
        {f"{conf_d}/50-more.yaml"}
    agent.stop()
