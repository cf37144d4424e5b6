# SPDX-License-Identifier: Apache-2.0
"""The example configurations of what a host says of itself run, as they stand but for their places."""

import contextlib
import os
import pathlib

import pytest
import yaml

from rig.journal import Journal
from rig.lines import append_lines
from rig.waiting import wait_until

EXAMPLES = pathlib.Path(__file__).parents[2] / "config/examples"


def inputs_of(name):
    return yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())["inputs"]


@contextlib.contextmanager
def running(rig, inputs, has_come, what):
    """The inputs of an example; after what is done meanwhile it waits, and checks the books."""
    receiver = rig.receiver()
    agent = rig.agent(inputs, {"main": rig.http(receiver, batch={"max_wait": "50ms"})}).start()
    yield agent
    wait_until(lambda: has_come(receiver.events()), what)
    agent.stop().agree_with(receiver)


def names(events):
    return {event["name"] for event in events if "name" in event}


def test_the_metrics_of_a_host(rig):
    inputs = inputs_of("host-metrics")
    for input_ in inputs.values():
        input_["interval"] = "200ms"
    wanted = {"system.cpu.time", "system.memory.usage", "system.network.connection.count",
              "process.cpu.time"}
    with running(rig, inputs, lambda events: wanted <= names(events), f"{wanted}"):
        pass


@pytest.mark.skipif(not os.access("/dev/kmsg", os.R_OK | os.W_OK), reason="no /dev/kmsg to write to")
def test_the_kernels_log(rig):
    with running(rig, inputs_of("kernel-log"),
                 lambda events: any(event.get("body") == "spillway-test example"
                                    for event in events), "the message"):
        with open("/dev/kmsg", "wb", buffering=0) as device:
            device.write(b"<6>spillway-test example\n")


def test_the_journal(rig, program_has_systemd):
    journal = Journal()
    inputs = inputs_of("journal")
    inputs["journal"]["directory"] = str(journal.folder)
    try:
        with running(rig, inputs, lambda events: any(event.get("body") == "entry 1"
                                                         for event in events), "the entry"):
            journal.send(MESSAGE="entry 0", PRIORITY=7)
            journal.send(MESSAGE="entry 1", PRIORITY=4)
    finally:
        journal.close()


def test_the_agent_itself(rig):
    inputs = inputs_of("self")
    inputs["syslog"]["paths"] = [str(rig.folder / "app.log")]
    inputs["agent"]["interval"] = "200ms"
    append_lines(rig.folder / "app.log", 0, 1)
    with running(rig, inputs, lambda events: "spillway_delivered_events_total" in names(events),
                 "the books"):
        pass
