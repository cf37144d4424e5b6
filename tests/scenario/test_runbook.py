# SPDX-License-Identifier: Apache-2.0
"""The commands of the runbook work on an agent in trouble, and show what it says they show."""

import pathlib
import re
import subprocess

import pytest

from rig import admin
from rig.agent import BINARY, environment
from rig.lines import append_lines
from rig.receiver import Reply
from rig.waiting import wait_until

RUNBOOK = pathlib.Path(__file__).resolve().parents[2] / "packaging/runbook.md"
SAYS = [r"closed: its circuit breaker is OPEN, \d+ events are held",
        r'"check":"not saturated","subject":"closed","ok":(true|false)',
        r"outage survived", r'"differing_events":0', r"app\.log"]


@pytest.fixture
def agent(rig):
    receiver = rig.receiver()
    receiver.always(Reply(401))
    append_lines(rig.folder / "app.log", 0, 100)
    output = rig.http(receiver, breaker={"rest": "10m", "rest_max": "10m"})  # or it is half open at times
    made = rig.agent({"app": rig.tail("app.log")}, {"closed": output}, shutdown_grace="1s").start()
    made.wait_metric(1, "spillway_output_held", output="closed")
    wait_until(lambda: admin.ask(made, "/stats").json["agent"]["numbers"]["reports"] > 1, "a report")
    yield made
    made.stop(expect=3)


def test_the_commands_of_the_runbook_say_what_it_shows(agent, folder):
    (folder / "bin").mkdir()
    (folder / "bin/spillway").symlink_to(pathlib.Path(BINARY).resolve())
    env = environment()
    env["PATH"] = f"{folder}/bin:{env['PATH']}"
    blocks = re.findall(r"^```sh\n(.*?)^```", RUNBOOK.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == len(SAYS)
    for block, says in zip(blocks, SAYS):
        for default, own in (("/run/spillway", agent.runtime_dir),
                             ("/etc/spillway/spillway.yaml", agent.config_path),
                             ("top --once", f"top --once --state-dir {agent.state_dir} "
                                            f"--runtime-dir {agent.runtime_dir}")):
            block = block.replace(default, str(own))
        done = subprocess.run(["sh", "-eu", "-c", block], env=env, capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 0 and re.search(says, done.stdout), block + done.stdout + done.stderr
