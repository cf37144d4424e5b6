# SPDX-License-Identifier: Apache-2.0
"""What the agent ships of itself, and that it never feeds itself with what it says."""

import time

import pytest

from rig.admin import ask
from rig.lines import append_lines, lines
from rig.waiting import wait_until


def own_events(receiver):
    return [event for event in receiver.events() if event["resource"].get("service.name") == "spillway"]


def series(text):
    """Names with their labels, without values."""
    return {line.rsplit(" ", 1)[0] for line in text.splitlines() if line and not line.startswith("#")}


def as_series(event):
    labels = ",".join(f'{key}="{value}"' for key, value in event.get("attributes", {}).items())
    return event["name"] + (f"{{{labels}}}" if labels else "")


@pytest.mark.quick
@pytest.mark.threads
def test_the_metrics_and_the_log_go_out_under_the_names_of_the_endpoint(rig):
    receiver = rig.receiver()
    agent = rig.agent({"app": {"type": "stdin"},
                       "own": {"type": "self", "interval": "200ms",
                               "resource": {"service.name": "spillway"}}},
                      {"main": rig.http(receiver, batch={"max_wait": "50ms"})})
    agent.start_piped()
    agent.feed(lines(0, 50))
    name, labels = "spillway_delivered_events_total", {"input": "app", "output": "main"}

    def delivered():
        return [event["value"] for event in own_events(receiver)
                if event.get("name") == name and event["attributes"] == labels]
    wait_until(lambda: 50 in delivered(), lambda: f"50 delivered, as shipped: {delivered()}")
    shipped = {as_series(event) for event in own_events(receiver) if "name" in event}
    missing = series(ask(agent, "/metrics").text) - shipped
    assert not missing, sorted(missing)[:10]
    logs = [event for event in own_events(receiver) if "name" not in event]
    begun = [event for event in logs if event["body"] == "started"]
    assert len(begun) == 1 and begun[0]["severity_number"] == 9
    assert begun[0]["attributes"]["pid"] == agent.process.pid
    assert "ledger" not in {event["body"] for event in logs}
    agent.process.send_signal(15)
    agent.finish().agree_with(receiver)


def test_an_output_that_fails_is_told_through_itself_without_multiplying(rig):
    receiver = rig.receiver()
    receiver.always(500)
    agent = rig.agent({"own": {"type": "self", "interval": "100ms", "metrics": "no"}},
                      {"main": rig.http(receiver, batch={"max_wait": "10ms"})})
    agent.start()
    receiver.wait_requests(30)
    time.sleep(2)
    receiver.always(200)
    wanted = {"request failed", "circuit breaker closed"}
    wait_until(lambda: wanted <= set(receiver.bodies()), "the failure and the end of the outage")
    bodies = [event["body"] for event in receiver.events()]
    assert len(bodies) < 60, bodies
    assert agent.log.path.stat().st_size < 20000
    agent.stop().agree_with(receiver)


def test_a_tail_leaves_the_agents_own_log_out_unless_it_is_told_not_to(rig):
    receiver = rig.receiver()
    agent = rig.agent({"logs": {"type": "tail", "paths": [str(rig.folder / "agent0/*.log"),
                                                          str(rig.folder / "app.log")],
                                "start_at": "beginning"}},
                      {"main": rig.http(receiver, batch={"max_wait": "10ms"})})
    append_lines(rig.folder / "app.log", 0, 10)
    agent.start()
    receiver.wait_events(10)
    told = agent.wait_log(msg="file is not read, the agent writes it itself")
    assert told["source"] == str(agent.log.path)
    agent.stop().agree_with(receiver)
    assert len(receiver.bodies()) == 10
    assert len(agent.log.find(msg="file is not read, the agent writes it itself")) == 1
    agent.config["inputs"]["logs"]["own_output"] = "yes"
    agent.start()
    wait_until(lambda: [body for body in receiver.bodies() if "msg=started" in body and
                        f"pid={agent.process.pid}" in body], "its own start line")
    agent.stop()
    own = agent.log.path
    # Known from the checkpoint now; and a start that must not read it leaves it out all the same.
    agent.config["inputs"]["logs"]["own_output"] = "no"
    agent.starts -= 1  # the same file again
    before = len(receiver.bodies())
    agent.start()
    assert agent.log.path == own
    append_lines(rig.folder / "app.log", 10, 5)
    receiver.wait_events(before + 5)
    agent.stop()
    assert not [body for body in receiver.bodies()[before:] if "msg=" in body]
