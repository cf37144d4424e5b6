# SPDX-License-Identifier: Apache-2.0
"""Lanes that pass from one reading to another: an input of another type under its name, a link that is
wanted again, an input that goes while its senders wait. What is held goes on, and the books know it."""

import socket
import threading

import pytest

from rig.http_sender import Sender, address_of, ndjson
from rig.lines import Writer, append_lines, check_exact, lines, numbers
from rig.waiting import DEADLINE_S, wait_until
from test_reload import await_all, generation, reload, write


def place(rig):
    """Of a socket: where an agent that gave up its rights may make one."""
    return rig.folder / "agent0" / "run" / "s"


def unix_input(rig, kind="socket", scheme="unixgram"):
    return {"type": kind, "listen": [f"{scheme}://{place(rig)}"]}


def put(path, bodies, kind=socket.SOCK_DGRAM):
    """To a unix socket; it takes what fits into the kernel's buffer and waits for the rest."""
    with socket.socket(socket.AF_UNIX, kind) as sender:
        sender.settimeout(DEADLINE_S)
        sender.connect(str(path))
        for body in bodies:
            sender.sendall(f"{body}\n".encode())


def become(agent, part, options=(), expect=0, name="app"):
    agent.config["inputs"][name] = part
    return reload(agent, expect, options=options)


# ---- another type ----

@pytest.mark.quick
def test_a_file_becomes_a_socket_and_a_file_again_and_goes_on_where_it_was(rig):
    receiver = rig.receiver()
    tail, path = rig.tail("app.log"), rig.folder / "app.log"
    agent = rig.agent({"app": tail}, {"main": rig.http(receiver, batch={"max_wait": "20ms"})}).start()
    append_lines(path, 0, 100)
    receiver.wait_events(100)
    assert "changed  input app: type" in become(agent, unix_input(rig))
    append_lines(path, 200, 100)  # while nobody reads it
    put(place(rig), lines(100, 100))
    receiver.wait_events(200)
    become(agent, tail)
    append_lines(path, 300, 100)
    await_all(receiver, 400)
    lane = agent.stop().agree_with(receiver).lane("app", "main")
    check_exact(receiver.bodies(), 400, in_order=False)
    assert (lane.received, lane.dropped) == (400, 0)


@pytest.mark.threads
def test_types_change_under_load_and_nothing_is_lost_or_sent_twice(rig):
    """To two outputs: the file is read by two readings, the socket by one."""
    receivers = [rig.receiver(), rig.receiver()]
    tail = rig.tail("app.log")
    agent = rig.agent({"app": tail}, {f"out{i}": rig.http(receiver, batch={"max_wait": "20ms"})
                                      for i, receiver in enumerate(receivers)}, shutdown_grace="60s").start()
    writer = Writer(rig.folder / "app.log")
    for turn in range(6):
        sent = turn * 50
        become(agent, unix_input(rig))
        put(place(rig), lines(sent, 50, run="s"))
        become(agent, tail)
        for receiver in receivers:
            wait_until(lambda: len(set(numbers(receiver.bodies(), "s"))) >= sent + 50, "what was sent")
    writer.stop()
    for receiver in receivers:
        await_all(receiver, writer.written)
    books = agent.stop()
    for i, receiver in enumerate(receivers):
        check_exact(receiver.bodies(), writer.written, in_order=False)
        check_exact(receiver.bodies(), 300, run="s", in_order=False)
        lane = books.lane("app", f"out{i}")
        assert (lane.delivered, lane.dropped) == (writer.written + 300, 0)


def test_what_the_type_before_has_in_its_lanes_is_sent(rig):
    """From one that cannot be read again to one that can, and back, before an endpoint that is away."""
    receiver = rig.receiver()
    receiver.always(503)
    agent = rig.agent({"app": {"type": "stdin"}}, {"main": rig.http(receiver, batch={"max_events": 100})},
                      shutdown_grace="30s", sandbox=False).start_piped()
    agent.feed(lines(0, 3000))
    agent.wait_metric(3000, "spillway_received_events_total", input="app")
    tail = rig.tail("app.log")
    become(agent, tail)
    append_lines(rig.folder / "app.log", 3000, 2000)
    agent.wait_metric(5000, "spillway_received_events_total", input="app")
    become(agent, unix_input(rig))
    put(place(rig), lines(5000, 100))
    agent.wait_metric(5100, "spillway_received_events_total", input="app")
    become(agent, tail)  # what it has read is not settled yet, and is not read again
    append_lines(rig.folder / "app.log", 5100, 100)
    agent.wait_metric(5200, "spillway_received_events_total", input="app")
    receiver.always(200)
    await_all(receiver, 5200)
    lane = agent.stop().agree_with(receiver).lane("app", "main")
    check_exact(receiver.bodies(), 5200, in_order=False)
    assert (lane.received, lane.dropped) == (5200, 0)


def test_what_is_left_at_the_end_goes_back_to_the_type_that_reads_and_else_is_counted(rig):
    receiver = rig.receiver()
    receiver.hold()
    agent = rig.agent({"app": {"type": "stdin"}},
                      {"main": rig.http(receiver, batch={"max_events": 100}, concurrency={"max": 1})},
                      shutdown_grace="3s", sandbox=False).start_piped()
    agent.feed(lines(0, 3000))
    agent.wait_metric(3000, "spillway_received_events_total", input="app")
    become(agent, rig.tail("app.log"))
    append_lines(rig.folder / "app.log", 0, 2000, run="f")
    agent.wait_metric(5000, "spillway_received_events_total", input="app")
    lane = agent.stop(expect=3).lane("app", "main")
    assert (lane.delivered, lane.dropped, lane.replay) == (0, 3000, 2000), lane
    receiver.release()
    agent.start()
    wait_until(lambda: len(set(numbers(receiver.bodies(), "f"))) >= 2000, "the lines of the file")
    agent.stop()


@pytest.mark.parametrize("after", ["file", "socket"])
def test_a_crash_after_it_counts_what_the_type_before_had_read(rig, after):
    receiver = rig.receiver()
    receiver.hold()
    first = {"file": {"type": "stdin"}, "socket": rig.tail("old.log")}[after]
    output = rig.http(receiver, batch={"max_events": 100})
    next_ = {"file": rig.tail("app.log"), "socket": unix_input(rig)}[after]
    agent = rig.agent({"app": first}, {"main": output}, sandbox=False)
    agent.start_piped()
    if after == "file":
        agent.feed(lines(0, 1000))
    else:
        append_lines(rig.folder / "old.log", 0, 1000)
    agent.wait_metric(1000, "spillway_received_events_total", input="app")
    become(agent, next_)
    agent.kill()
    receiver.release()
    agent.start(stdin=-1)
    closed = agent.wait_log(msg="books of the killed start closed")
    assert (closed["lost"], closed["replay"]) == ("1000", "0"), closed
    agent.stop()


def test_books_say_what_is_read_again_once_the_type_before_has_left(rig):
    receiver = rig.receiver()
    agent = rig.agent({"app": {"type": "stdin"}},
                      {"main": rig.http(receiver, batch={"max_events": 100})}, sandbox=False)
    agent.start_piped().feed(lines(0, 1000))
    agent.wait_metric(1000, "spillway_received_events_total", input="app")
    become(agent, rig.tail("app.log"))
    await_all(receiver, 1000)
    agent.wait_log(msg="what the input of another type had read has left the lane", input="app")
    receiver.hold()
    append_lines(rig.folder / "app.log", 1000, 500)
    agent.wait_metric(1500, "spillway_received_events_total", input="app")
    agent.kill()
    receiver.release()
    agent.start(stdin=-1)
    closed = agent.wait_log(msg="books of the killed start closed")
    assert (closed["lost"], closed["replay"]) == ("0", "500"), closed
    await_all(receiver, 1500)
    agent.stop()


# ---- one address, and what cannot be opened ----

def test_one_that_listens_takes_over_the_address_of_another_type(rig):
    receiver = rig.receiver()
    where = {"listen": [f"unix://{place(rig)}"]}
    agent = rig.agent({"app": {"type": "socket", **where}}, {"main": rig.http(receiver)}).start()
    put(place(rig), lines(0, 100), socket.SOCK_STREAM)
    receiver.wait_events(100)
    become(agent, {"type": "syslog", **where})
    put(place(rig), [f"<13>{text}" for text in lines(100, 100)], socket.SOCK_STREAM)
    await_all(receiver, 200)
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), 200, in_order=False)


def test_a_type_that_cannot_open_leaves_the_one_before_as_it_was(rig):
    receiver = rig.receiver()
    where = f"unix://{place(rig)}"
    agent = rig.agent({"app": {"type": "socket", "listen": [where]}}, {"main": rig.http(receiver)}).start()
    put(place(rig), lines(0, 100), socket.SOCK_STREAM)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = become(agent, {"type": "syslog", "listen": [where, f"tcp://127.0.0.1:{port}"]}, expect=1)
        assert "input 'app':" in said and f"127.0.0.1:{port}" in said, said
        agent.config["inputs"]["app"] = {"type": "socket", "listen": [where]}
        write(agent)
        wait_until(lambda: is_taken(place(rig), lines(100, 100)), "its socket again")
    await_all(receiver, 200)
    assert generation(agent) == 1
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), 200, in_order=False)


def is_taken(path, bodies):
    try:
        put(path, bodies, socket.SOCK_STREAM)
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    return True


def test_a_file_goes_on_when_the_socket_that_should_follow_it_cannot_open(rig):
    receiver = rig.receiver()
    tail = rig.tail("app.log")
    agent = rig.agent({"app": tail}, {"main": rig.http(receiver)}).start()
    append_lines(rig.folder / "app.log", 0, 100)
    receiver.wait_events(100)
    said = become(agent, {"type": "socket", "listen": [f"unix://{place(rig)}/no/such/s"]}, expect=1)
    assert "input 'app':" in said and "no/such" in said, said
    append_lines(rig.folder / "app.log", 100, 100)
    await_all(receiver, 200)
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), 200)


def test_a_type_that_needs_what_was_given_up_is_refused_by_name(rig):
    receiver = rig.receiver()
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver)}).start()
    said = become(agent, {"type": "exec", "command": ["true"], "interval": "1s"}, expect=1)
    assert "inputs.app" in said and "restart" in said, said
    append_lines(rig.folder / "app.log", 0, 100)
    receiver.wait_events(100)
    agent.stop().agree_with(receiver)


def test_one_that_does_not_come_to_its_end_is_left_as_it_is(rig):
    """A command that does not mind being told to end, and is killed only long after the reload has given up."""
    receiver = rig.receiver()
    go_on = rig.folder / "go-on"
    go_on.touch()
    script = f'trap "" TERM; i=0; while [ -e {go_on} ]; do echo r.$i.; i=$((i+1)); sleep 0.05; done'
    agent = rig.agent({"app": {"type": "exec", "command": ["sh", "-c", script], "mode": "keep_running",
                               "kill_after": "60s"}},
                      {"main": rig.http(receiver, batch={"max_wait": "20ms"})}, sandbox=False).start()
    await_all(receiver, 1)
    said = become(agent, rig.tail("app.log"), expect=1)
    assert "of the type 'exec' and does not come to its end in time: its lane may be full, or a command" in said, said
    await_all(receiver, max(numbers(receiver.bodies())) + 10)
    assert generation(agent) == 1
    go_on.unlink()
    agent.stop().agree_with(receiver)


# ---- lanes and readings that part ----

def test_a_link_that_is_wanted_again_while_its_lane_drains_goes_on(rig):
    receiver, other = rig.receiver(), rig.receiver()
    other.always(503)
    agent = rig.agent({"app": {"type": "stdin"}, "files": rig.tail("app.log")},
                      {"main": rig.http(receiver), "other": rig.http(other, batch={"max_events": 100})},
                      shutdown_grace="60s").start_piped()
    agent.feed(lines(0, 3000, bytes_=300))
    await_all(receiver, 3000)
    agent.config["outputs"]["other"]["inputs"] = ["files"]
    reload(agent)
    agent.feed(lines(3000, 100))  # not for it
    await_all(receiver, 3100)
    del agent.config["outputs"]["other"]["inputs"]
    reload(agent)
    agent.feed(lines(3100, 100))
    other.always(200)
    await_all(receiver, 3200)
    wait_until(lambda: len(set(numbers(other.bodies()))) >= 3100, "what is for the other")
    agent.end_input()
    agent.stop().agree_with(other, "other")
    assert set(numbers(other.bodies())) == {*range(3000), *range(3100, 3200)}


def test_a_link_that_is_wanted_again_after_its_lane_was_taken_out_has_a_new_one(rig):
    """While the worker still has the last piece of the old one in hand."""
    receiver, other = rig.receiver(), rig.receiver()
    other.hold()
    agent = rig.agent({"app": {"type": "stdin"}, "files": rig.tail("app.log")},
                      {"main": rig.http(receiver), "other": rig.http(other, batch={"max_events": 50},
                                                                     concurrency={"max": 1})},
                      shutdown_grace="60s").start_piped()
    agent.feed(lines(0, 500))  # one write of a pipe, one read, one piece
    await_all(receiver, 500)
    wait_until(other.waiting, "a request at the endpoint")
    agent.config["outputs"]["other"]["inputs"] = ["files"]
    reload(agent)
    agent.wait_log(msg="lane taken out", input="app", output="other")
    del agent.config["outputs"]["other"]["inputs"]
    reload(agent)
    agent.feed(lines(500, 100))
    other.release()
    await_all(receiver, 600)
    await_all(other, 600)
    agent.end_input()
    agent.stop().agree_with(other, "other")
    check_exact(other.bodies(), 600, in_order=False)


def test_senders_that_wait_for_delivery_are_answered_after_their_input_is_gone(rig):
    receiver = rig.receiver()
    receiver.always(503)
    web = {"type": "http", "listen": "tcp://127.0.0.1:0", "acknowledge": "delivered"}
    agent = rig.agent({"app": rig.tail("app.log"), "web": web}, {"main": rig.http(receiver)},
                      shutdown_grace="60s").start()
    answers = []
    sender = threading.Thread(
        target=lambda: answers.append(Sender(agent).post(ndjson(lines(0, 100)))[::2]))
    sender.start()
    agent.wait_metric(100, "spillway_received_events_total", input="web")
    del agent.config["inputs"]["web"]
    reload(agent)
    receiver.always(200)
    await_all(receiver, 100)
    sender.join(DEADLINE_S)
    assert answers == [(200, {"delivered": 100})]
    agent.wait_log(msg="lane taken out", input="web")
    agent.config["inputs"]["web"] = web
    reload(agent)
    agent.stop().agree_with(receiver)
    assert address_of(agent)


def test_what_senders_wait_for_is_refused_when_its_time_is_over(rig):
    receiver = rig.receiver()
    receiver.hold()
    web = {"type": "http", "listen": "tcp://127.0.0.1:0", "acknowledge": "delivered"}
    agent = rig.agent({"app": rig.tail("app.log"), "web": web},
                      {"main": rig.http(receiver, batch={"max_events": 50}, concurrency={"max": 1})},
                      shutdown_grace="3s").start()
    answers = []
    senders = [threading.Thread(target=lambda i=i: answers.append(
        Sender(agent).post(ndjson(lines(i * 100, 100)))[0])) for i in range(3)]
    for sender in senders:
        sender.start()
    agent.wait_metric(300, "spillway_received_events_total", input="web")
    wait_until(receiver.waiting, "a request at the endpoint")
    del agent.config["inputs"]["web"]
    reload(agent)
    agent.wait_log(msg="lane taken out", input="web")
    receiver.release()
    for sender in senders:
        sender.join(DEADLINE_S)
    lane = agent.stop().agree_with(receiver).lane("web", "main")
    assert lane.received == 300 and len(answers) == 3, (lane, answers)


# ---- in an outage ----

def test_a_reload_while_a_lane_is_full_and_batches_lie_on_disk_loses_only_what_it_counts(rig):
    """Everything about the output changes, then its name: what the old one holds drains when the endpoint is
    back, and the new one has a lane and positions of its own."""
    receiver = rig.receiver()
    receiver.always(503)
    spool = {"max_bytes": "64MiB"}
    main = rig.http(receiver, batch={"max_bytes": "64KiB"}, compression="none", spool=spool)
    source = rig.tail("app.log", start_at="end", lane={"capacity": "1MiB", "overflow": "drop_oldest"})
    agent = rig.agent({"app": source}, {"main": main}, memory_limit="24MiB", shutdown_grace="60s").start()
    append_lines(rig.folder / "app.log", 0, 40000, bytes_=300)
    agent.wait_metric(40000, "spillway_received_events_total", input="app", output="main")
    # How much the lane dropped before it could be spooled is a matter of pace; its last MiB was not.
    wait_until(lambda: agent.metrics().get("spillway_spool_bytes", output="main") > 1 << 19, "a spool with batches")
    main.update(batch={"max_bytes": "128KiB"}, spool={"max_bytes": "32MiB"}, compression="gzip",
                headers={"X-More": "1"})
    assert "changed  output main:" in reload(agent)
    agent.config["outputs"] = {"renamed": {**main, "spool": {"max_bytes": "16MiB"}}}
    said = reload(agent)
    assert "added    output renamed" in said and "removed  output main" in said, said
    append_lines(rig.folder / "app.log", 40000, 100, bytes_=300)
    agent.wait_metric(100, "spillway_received_events_total", input="app", output="renamed")
    receiver.always(200)
    agent.wait_log(msg="output taken out", output="main")
    books = agent.stop()
    old, new = books.lane("app", "main"), books.lane("app", "renamed")
    assert old.received == 40000 and old.delivered + old.dropped == 40000 and old.delivered > 0, old
    assert (new.delivered, new.dropped) == (100, 0), new
    came = numbers(receiver.bodies())
    assert len(came) == len(set(came)) == old.delivered + 100
