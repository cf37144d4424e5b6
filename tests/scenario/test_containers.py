# SPDX-License-Identifier: Apache-2.0
"""Containers' logs as Docker and Kubernetes lay them out, and events of several lines over crashes."""

import json
import os
import pathlib
import subprocess

import pytest
import yaml as pyyaml

from rig.agent import BINARY, environment
from rig.lines import append, check_exact, line
from rig.waiting import wait_until

EXAMPLES = pathlib.Path(__file__).parents[2] / "config" / "examples"
ID = "0123456789abcdef" * 4
TIME = "2024-01-31T10:00:00.123456789Z"
TRACE = ["Traceback (most recent call last):", '  File "/app/x.py", line 1, in <module>', "    run()",
         "ValueError: no"]


def docker(text, stream="stdout"):
    return json.dumps({"log": text, "stream": stream, "time": TIME}) + "\n"


def cri(text, stream="stdout", tag="F"):
    return f"{TIME} {stream} {tag} {text}\n"


def make(rig, receiver, *paths, **options):
    return rig.agent({"app": rig.tail(*paths, **{"rescan": "1s", **options})},
                     {"main": rig.http(receiver, batch={"max_wait": "50ms"})})


@pytest.mark.quick
def test_a_docker_host(rig):
    """Docker's own rotation, json-file with max-file: ID-json.log.1 and a new ID-json.log."""
    receiver = rig.receiver()
    folder = rig.folder / "containers" / ID
    folder.mkdir(parents=True)
    log = folder / f"{ID}-json.log"
    (folder / "config.v2.json").write_text(
        json.dumps({"ID": ID, "Config": {"Image": "shop/web:7"}, "Name": "/web"}))
    append(log, docker(line(0) + "\n") + docker(line(1)[:2]) + docker('an "error" é\n', "stderr"))
    agent = make(rig, receiver, "containers/*/*-json.log", format="docker").start()
    append(log, docker(line(1)[2:] + "\n") + docker(line(2) + "\r\n"))
    receiver.wait_events(4)
    os.rename(log, f"{log}.1")
    append(log, docker(line(3) + "\n") + "no JSON\n")
    receiver.wait_events(6)
    lane = agent.stop().agree_with(receiver).lane()
    check_exact(receiver.bodies(), 4)
    events = {event["body"]: event for event in receiver.events()}
    assert events['an "error" é']["attributes"] == {"log.iostream": "stderr"}
    assert events["no JSON"]["attributes"]["log.parse_error"]
    for event in receiver.events():
        assert event["resource"]["container.id"] == ID
        assert event["resource"]["container.name"] == "web"
        assert event["resource"]["container.image.name"] == "shop/web"
    assert lane.dropped == 0


def test_why_says_whose_log_it_is(rig):
    receiver = rig.receiver()
    pod = rig.folder / "pods" / "shop_web-7d4b9_8f3c" / "nginx"
    pod.mkdir(parents=True)
    append(pod / "0.log", cri(line(0)))
    agent = make(rig, receiver, "pods/*/*/*.log", format="cri").start()
    receiver.wait_events(1)
    done = subprocess.run([BINARY, "why", "-c", agent.config_path, pod / "0.log"], capture_output=True, text=True,
                          timeout=60, env=environment())
    assert done.returncode == 0, done.stderr
    assert "    the log of k8s.namespace.name shop, k8s.pod.name web-7d4b9, k8s.pod.uid 8f3c, k8s.container.name " \
        "nginx, k8s.container.restart_count 0\n" in done.stdout, done.stdout
    agent.stop()


@pytest.mark.quick
@pytest.mark.threads
def test_a_node_of_kubernetes(rig):
    """Links to the files of pods; the kubelet renames, and the runtime makes the file anew."""
    receiver = rig.receiver()
    pod = rig.folder / "pods" / "shop_web-7d4b9_8f3c" / "nginx"
    pod.mkdir(parents=True)
    (rig.folder / "links").mkdir()
    (rig.folder / "links" / f"web-7d4b9_shop_nginx-{ID}.log").symlink_to(pod / "0.log")
    append(pod / "0.log", cri(line(0)))
    agent = make(rig, receiver, "links/*.log", format="cri").start()
    receiver.wait_events(1)
    append(pod / "0.log", cri("r.", tag="P") + cri("stderr between", "stderr") + cri("1.") + cri(line(2)))
    os.rename(pod / "0.log", pod / "0.log.20240131-100000")
    append(pod / "0.log", cri(line(3)))
    receiver.wait_events(5)
    agent.kill()  # while it is down two more rotations happen, and one log is compressed
    append(pod / "0.log", cri(line(4)))
    os.rename(pod / "0.log", pod / "0.log.20240131-110000")
    append(pod / "0.log", cri(line(5)))
    os.rename(pod / "0.log.20240131-100000", pod / "0.log.20240131-100000.gz")
    agent.start()
    wait_until(lambda: line(5) in receiver.bodies(), "the line of the newest file")
    agent.stop()
    assert {line(n) for n in range(6)} <= set(receiver.bodies())
    for event in receiver.events():
        resource = event["resource"]
        assert (resource["k8s.pod.name"], resource["k8s.namespace.name"]) == ("web-7d4b9", "shop")
        assert (resource["k8s.container.name"], resource["container.id"]) == ("nginx", ID)
        assert event["attributes"]["log.iostream"] == ("stderr" if "between" in event["body"] else "stdout")


@pytest.mark.quick
@pytest.mark.parametrize("wrap", [lambda text: text + "\n", cri], ids=["lines", "cri"])
def test_killed_between_the_lines_of_a_trace_the_whole_trace_comes(rig, wrap):
    receiver = rig.receiver()
    log = rig.folder / "app.log"
    append(log, wrap(line(0)) + "".join(map(wrap, TRACE[:2])))
    agent = make(rig, receiver, "app.log", format="lines" if wrap is not cri else "cri",
                 multiline={"traces": ["python"], "wait": "30s"}).start()
    receiver.wait_events(1)  # so the begin of the trace was read
    agent.kill()
    agent.start()
    append(log, wrap(TRACE[2]))
    agent.kill()
    append(log, wrap(TRACE[3]) + wrap(line(1)) + wrap(line(2)))
    agent.start()
    wait_until(lambda: line(1) in receiver.bodies(), "the line behind the trace")
    agent.stop()
    bodies = receiver.bodies()
    assert "\n".join(TRACE) in bodies
    assert {body for body in bodies if body != line(0)} == {"\n".join(TRACE), line(1)}


def test_a_trace_is_whole_over_any_pace_of_its_writer_and_the_last_one_comes_by_time(rig):
    """Lines of two streams, each written alone, while the agent reads as fast as it can."""
    receiver = rig.receiver()
    log = rig.folder / "app.log"
    agent = make(rig, receiver, "app.log", format="docker",
                 multiline={"start": r"^\d+ ", "wait": "5s"}).start()
    for number in range(40):
        for stream in ("stdout", "stderr"):
            append(log, docker(f"{number} begin {stream}\n", stream))
        for part in range(3):
            for stream in ("stdout", "stderr"):
                append(log, docker(f"  part {part} {stream}\n", stream))
    receiver.wait_events(80)
    agent.stop().agree_with(receiver)
    wanted = [f"{n} begin {stream}" + "".join(f"\n  part {part} {stream}" for part in range(3))
              for n in range(40) for stream in ("stdout", "stderr")]
    assert sorted(receiver.bodies()) == sorted(wanted)


@pytest.mark.quick
def test_the_generator_makes_its_lines_and_ends_the_agent(rig):
    receiver = rig.receiver()
    agent = rig.agent({"demo": {"type": "generator", "rate": 5000, "count": 1000, "run": "demo"}},
                      {"main": rig.http(receiver)}).start()
    agent.finish().agree_with(receiver)
    came = [body.split(" seq=demo.")[1].split(" ")[0] for body in receiver.bodies()]
    assert came == [str(number) for number in range(1, 1001)]


def from_example(rig, receiver, name, **env):
    example = pyyaml.safe_load((EXAMPLES / name).read_text())
    agent = rig.agent(example["inputs"], example["outputs"])
    agent.env = {"ENDPOINT": receiver.url, **{key: str(rig.folder / path) for key, path in env.items()}}
    return agent


def test_the_example_of_a_docker_host_runs(rig):
    receiver = rig.receiver()
    folder = rig.folder / "docker" / "containers" / ID
    folder.mkdir(parents=True)
    log = folder / f"{ID}-json.log"
    append(log, docker("of before\n"))
    agent = from_example(rig, receiver, "docker-host.yaml", DOCKER_ROOT="docker").start()
    agent.wait_metric(1, "spillway_sources_open")  # at its end, where the example begins
    append(log, "".join(docker(text + "\n") for text in [*TRACE, line(0), line(1)]))
    receiver.wait_events(3)
    agent.stop().agree_with(receiver)
    assert receiver.bodies() == ["\n".join(TRACE), line(0), line(1)]


def test_the_example_of_a_kubernetes_node_runs_and_leaves_its_system_out(rig):
    receiver = rig.receiver()
    for pod in ("shop_web_1", "kube-system_dns_2"):
        (rig.folder / "pods" / pod / "app").mkdir(parents=True)
        append(rig.folder / "pods" / pod / "app" / "3.log", cri(line(0)))
    agent = from_example(rig, receiver, "kubernetes-node.yaml", POD_LOGS="pods").start()
    receiver.wait_events(1)
    agent.stop().agree_with(receiver)
    event, = receiver.events()
    assert event["resource"]["k8s.namespace.name"] == "shop"
    assert event["resource"]["k8s.container.restart_count"] == 3


def test_the_example_of_stack_traces_runs(rig):
    receiver = rig.receiver()
    (rig.folder / "logs").mkdir()
    agent = from_example(rig, receiver, "stack-traces.yaml", APP_LOGS="logs").start()
    append(rig.folder / "logs" / "app.log", "2024-01-31 error\n  at a\nnothing\n2024-01-31 next\n")
    wait_until(lambda: "2024-01-31 error\n  at a\nnothing" in receiver.bodies(), "the joined event")
    wait_until(lambda: any(" seq=" in body for body in receiver.bodies()), "a line that was made up")
    agent.stop().agree_with(receiver)
