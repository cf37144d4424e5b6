# SPDX-License-Identifier: Apache-2.0
"""The end is there half a second after the grace, whatever state the agent is in. How long it takes is asked
of the release build alone, and of the quickest of a few ends: what waits for anything else is never in time."""

import signal
import socket
import subprocess
from pathlib import Path

import pytest

from rig import yaml
from rig.lines import append_lines, lines
from rig.preload import FailingIo
from rig.receiver import Reply
from rig.waiting import wait_until

pytestmark = pytest.mark.release
GRACE_MS, AFTER_MS, TRIES = 300, 500, 4
STDIN = {"app": {"type": "stdin", "max_line_bytes": "1KiB"}}
SEEN = ("spillway_received_events_total", "app", "main")


def make(rig, receiver, inputs=None, outputs=None, **options):
    slow = {"retry": {"base": "10m", "cap": "10m"}, "breaker": {"rest": "10m", "rest_max": "10m"}}
    outputs = outputs or {"main": rig.http(receiver, **{"batch": {"max_events": 100}, **slow, **options})}
    return rig.agent(inputs or STDIN, outputs, shutdown_grace=f"{rig.grace_ms}ms")


def fed(rig, receiver, reply, wait=True, **options):
    receiver.always(reply)
    agent = make(rig, receiver, **options).start_piped()
    agent.feed(lines(0, 1000))
    if wait:
        receiver.wait_requests(1)
    return agent


def idle(rig, receiver):
    return make(rig, receiver).start_piped()


def refused(rig, receiver):
    receiver.go_away()
    agent = fed(rig, receiver, 200, wait=False)
    agent.wait_log(msg="request failed")
    return agent


def failing(rig, receiver):
    return fed(rig, receiver, 503)


def paused(rig, receiver):
    return fed(rig, receiver, Reply(503, headers={"Retry-After": "600"}))


def held(rig, receiver):
    return fed(rig, receiver, 401)


def silent(rig, receiver):
    return fed(rig, receiver, Reply(how="hang"))


def dripping(rig, receiver):
    return fed(rig, receiver, Reply(how="drip"))


def deaf(rig, receiver):
    receiver.deafen()
    agent = fed(rig, receiver, 200, wait=False)
    agent.wait_metric(1, "spillway_requests_in_flight", output="main")
    return agent


def splitting(rig, receiver):
    return fed(rig, receiver, 413)


def spooled(rig, receiver):
    return fed(rig, receiver, 503, spool={"max_bytes": "64MiB", "min_free": "0"})


def full(rig, receiver):
    """The reading waits for room in its lane, without an end."""
    receiver.hold()
    append_lines(rig.folder / "app.log", 0, 50000, bytes_=100)
    tail = rig.tail("app.log", max_line_bytes="1KiB", lane={"capacity": "256KiB"})
    agent = make(rig, receiver, {"app": tail}, batch={"max_bytes": "16KiB"}).start_piped()
    receiver.wait_requests(1)
    return agent


def three_slow_disks(rig, receiver):
    """Each has more to write than there is time for: they have the same half a second, not one each."""
    receiver.hold()
    disk = FailingIo(rig.folder)
    output = {"batch": {"max_events": 20}, "spool": {"max_bytes": "64MiB", "min_free": "0", "fsync": "always"}}
    agent = make(rig, receiver, outputs={name: rig.http(receiver, **output) for name in ("main", "b", "c")})
    disk.under(agent, agent.state_dir / "spool")
    disk.fail(40, "slow")
    agent.start_piped()
    agent.feed(lines(0, 2000))
    for name in ("main", "b", "c"):
        agent.wait_metric(2000, SEEN[0], input="app", output=name)
    return agent


def deaf_child(rig, receiver):
    """It talks without an end, and does not hear that it is to stop."""
    child = {"type": "exec", "command": ["sh", "-c", "trap '' TERM; exec yes"], "mode": "keep_running",
             "kill_after": "1m"}
    agent = make(rig, receiver, {"app": child}).start_piped()
    agent.wait_metric(10000, SEEN[0], input="app", output="main")
    return agent


def hanging_read(rig, receiver):
    """A file server is gone."""
    (rig.folder / "far").mkdir(exist_ok=True)
    append_lines(rig.folder / "far" / "app.log", 0, 10)
    agent = make(rig, receiver, {"app": rig.tail("far/*.log")})
    server = FailingIo(rig.folder)
    server.under(agent, rig.folder / "far")
    server.fail(1, "hang:pread")
    agent.start_piped()
    wait_until(lambda: any(fd.resolve().parent.name == "far" for fd in
                           Path(f"/proc/{agent.process.pid}/fd").iterdir()), "the file that hangs")
    return agent


SPOOL = {"max_bytes": "64MiB", "min_free": "0"}


def on_hung_disk(rig, receiver, *calls, under="spool", reply=503, **options):
    """Its disk is gone once it has started, whenever it comes to such a call."""
    disk = FailingIo(rig.folder)
    receiver.always(reply)
    quick = {"retry": {"base": "10ms", "cap": "20ms"}, "breaker": {"rest": "50ms", "rest_max": "100ms"}}
    agent = make(rig, receiver, **{**quick, **options})
    disk.under(agent, agent.state_dir / under)
    agent.start_piped()
    disk.fail(1, *calls)
    agent.feed(lines(0, 1000))
    return agent, disk


def spool_hangs(*calls):
    def state(rig, receiver):
        agent, disk = on_hung_disk(rig, receiver, *calls, spool={**SPOOL, "fsync": "always"})
        disk.wait_hung()
        return agent
    state.__name__ = "spool_hangs_at_" + calls[0].partition(":")[2]
    return state


def spool_hangs_at_the_stop(rig, receiver):
    """The first write is that of the stop."""
    receiver.always(503)
    disk = FailingIo(rig.folder)
    agent = make(rig, receiver, spool=SPOOL)
    disk.under(agent, agent.state_dir / "spool")
    disk.fail(1, "hang:pwritev")
    agent.start_piped()
    agent.feed(lines(0, 100))
    receiver.wait_requests(1)
    return agent


def spool_hangs_as_it_is_emptied(call):
    """Of a segment that was sent: its name, or its space."""
    def state(rig, receiver):
        agent, disk = on_hung_disk(rig, receiver, call, spool=SPOOL)
        agent.wait_metric(1, "spillway_spool_bytes", output="main")
        receiver.always(200)
        disk.wait_hung()
        return agent
    state.__name__ = "spool_hangs_at_" + call.partition(":")[2]
    return state


def state_hangs(rig, receiver):
    append_lines(rig.folder / "app.log", 0, 100)
    disk = FailingIo(rig.folder)
    agent = make(rig, receiver, {"app": rig.tail("app.log")})
    disk.under(agent, agent.state_dir)
    agent.start_piped()
    disk.fail(1, "hang:fsync", "hang:rename")
    receiver.wait_events(100)
    disk.wait_hung()
    return agent


def state_and_spool_hang(rig, receiver):
    """The same disk has both."""
    agent, disk = on_hung_disk(rig, receiver, "hang:fsync", "hang:pwritev", "hang:write", under="", spool=SPOOL)
    disk.wait_hung()
    return agent


def dead_letters_hang(rig, receiver):
    letters = rig.folder / "letters"
    agent, disk = on_hung_disk(rig, receiver, "hang:open", under=letters, reply=200,
                               batch={"max_events": 1000}, dead_letter={"path": letters})
    receiver.wait_events(1000)
    receiver.always(422)
    agent.feed(lines(1000, 1))
    disk.wait_hung()
    return agent


def file_of_stdout_hangs(rig, receiver):
    """It is the sender's thread that does not come back, and another output has much to write then."""
    disk = FailingIo(rig.folder)
    out = rig.folder / "out"
    receiver.hold()
    agent = make(rig, receiver, outputs={"main": {"type": "stdout"}, "b": rig.http(receiver, spool=SPOOL)})
    disk.under(agent, out)
    disk.fail(1, "hang:write")
    with open(out, "wb") as file:
        agent.start(stdin=subprocess.PIPE, stdout=file)
    agent.feed(lines(0, 1000))
    agent.wait_metric(1000, SEEN[0], input="app", output="b")
    disk.wait_hung()
    return agent


def token_hangs(rig, receiver):
    """It is on a file server that is gone by the time it changes."""
    disk = FailingIo(rig.folder)
    token = rig.folder / "token"
    token.write_text("a")
    agent = make(rig, receiver, auth={"bearer_token_file": str(token)})
    disk.under(agent, token)
    agent.start_piped()
    agent.feed(lines(0, 10))
    receiver.wait_events(10)
    disk.fail(1, "hang:open", "hang:openat", "hang:read")
    token.write_text("another")
    agent.feed(lines(10, 10))
    disk.wait_hung()
    return agent


def reloaded_on_a_hung_disk(rig, receiver):
    """An output is taken out whose disk does not answer: the main thread does not wait for it."""
    outputs = {name: rig.http(receiver, spool=SPOOL) for name in ("main", "other")}
    disk = FailingIo(rig.folder)
    receiver.always(503)
    agent = make(rig, receiver, outputs=outputs)
    disk.under(agent, agent.state_dir / "spool/other")
    disk.fail(1, "hang:pwritev")
    agent.start_piped()
    agent.feed(lines(0, 1000))
    disk.wait_hung()
    del agent.config["outputs"]["other"]
    agent.config_path.write_text(yaml.dump(agent.config))
    agent.process.send_signal(signal.SIGHUP)
    agent.wait_log(msg="an output that was taken out cannot end, its disk does not answer")
    return agent


def reloading(rig, receiver):
    """The reload waits for the answer to a request."""
    agent = fed(rig, receiver, Reply(how="hang"))
    agent.config["outputs"]["main"]["headers"] = {"X-A": "b"}
    agent.config_path.write_text(yaml.dump(agent.config))
    agent.process.send_signal(signal.SIGHUP)
    return agent


def asked(rig, receiver):
    agent = make(rig, receiver).start_piped()
    agent.asker = ask_in_part(agent)
    return agent


def ask_in_part(agent):
    host, port = agent.log.find(msg="started")[0]["metrics"].rsplit(":", 1)
    connection = socket.create_connection((host, int(port)), timeout=60)
    connection.sendall(f"GET /metrics HTTP/1.1\r\nHost: {host}:{port}\r\n\r\nGET /met".encode())  # and stops
    assert connection.recv(100).startswith(b"HTTP/1.1 200")
    return connection


STATES = [idle, refused, failing, paused, held, silent, dripping, deaf, splitting, spooled, full,
          three_slow_disks, deaf_child, hanging_read, reloading, asked,
          spool_hangs("hang:pwritev"), spool_hangs("hang:openat"), spool_hangs("hang:fdatasync"),
          spool_hangs("hang:fstatvfs"), spool_hangs("hang:pread"), spool_hangs_at_the_stop,
          spool_hangs_as_it_is_emptied("hang:unlinkat"), spool_hangs_as_it_is_emptied("hang:close"),
          state_hangs, state_and_spool_hang, dead_letters_hang, file_of_stdout_hangs, token_hangs,
          reloaded_on_a_hung_disk]


def moment_ms(record):
    hours, minutes, seconds = record["time"].rstrip("Z").partition("T")[2].split(":")
    return (int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * 1000


def took_ms(agent, first):
    took = moment_ms(agent.log.find(msg="stopped")[0]) - moment_ms(agent.log.find(msg=first)[0])
    return took % (24 * 3600 * 1000)


def quickest(rig, state, end, grace_ms, limit_ms):
    """Of ends from that state, until one is in time."""
    rig.grace_ms, times = grace_ms, []
    while len(times) < TRIES and (not times or times[-1] > limit_ms):
        agent = state(rig, rig.receiver())
        times.append(end(agent))
        for name in ("failing_io.plan", "failing_io.plan.hung", "app.log"):
            (rig.folder / name).unlink(missing_ok=True)
    return times


@pytest.mark.parametrize("state", STATES)
def test_it_has_ended_half_a_second_after_the_grace(rig, state):
    def end(agent):
        agent.process.send_signal(signal.SIGTERM)
        assert agent.wait_exit() in (0, 3)
        return took_ms(agent, "stopping")
    times = quickest(rig, state, end, GRACE_MS, GRACE_MS + AFTER_MS)
    assert times[-1] <= GRACE_MS + AFTER_MS, f"{times} ms from the signal to the end"


@pytest.mark.parametrize("state", [silent, full, deaf_child])
def test_after_a_second_signal_it_has_ended_in_half_a_second(rig, state):
    def end(agent):
        agent.process.send_signal(signal.SIGTERM)
        agent.wait_log(msg="stopping")

        def repeat():
            agent.process.send_signal(signal.SIGTERM)
            return agent.log.find(msg="second signal, not waiting any longer")
        wait_until(repeat, "the second signal to be taken", pause=0.02)
        assert agent.wait_exit() in (0, 3)
        assert agent.log.find(msg="the grace is over") == []
        return took_ms(agent, "stopping")
    times = quickest(rig, state, end, 60000, AFTER_MS)
    assert times[-1] <= AFTER_MS, f"{times} ms from the second signal to the end"
