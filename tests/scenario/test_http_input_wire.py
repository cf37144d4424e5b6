# SPDX-License-Identifier: Apache-2.0
"""What a sender may do on a connection to the input `http`, and where it may come from: by unix sockets and
by sockets that were open before, in requests one behind the other, in pieces, compressed in ways that are
rare; and who goes before the answer."""

import gzip
import json
import shutil
import signal
import socket
import stat
import subprocess
import threading

import pytest

from rig import yaml, zstd
from rig.http_sender import Sender, connect, ends, ndjson, needs_curl
from rig.lines import check_exact, lines
from rig.waiting import DEADLINE_S, wait_until


def make(rig, receiver, listen="tcp://127.0.0.1:0", **options):
    return rig.agent({"web": {"type": "http", "listen": listen, **options}},
                     {"main": rig.http(receiver, batch={"max_wait": "20ms"})})


def request(body, *headers):
    head = [b"POST / HTTP/1.1", b"Host: x", *headers]
    if not any(header.lower().startswith(b"transfer-encoding") for header in headers):
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


class Answers:
    """The answers that come on a connection, one after the other."""

    def __init__(self, connection):
        self.connection, self.came = connection, b""

    def more(self):
        part = self.connection.recv(65536)
        assert part, f"the connection ended after {self.came!r}"
        self.came += part

    def next(self):
        """(status, body)"""
        while b"\r\n\r\n" not in self.came:
            self.more()
        head, self.came = self.came.split(b"\r\n\r\n", 1)
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        bytes_ = int(fields.get(b"content-length", 0))
        while len(self.came) < bytes_:
            self.more()
        body, self.came = self.came[:bytes_], self.came[bytes_:]
        return int(head.split()[1]), body


def reload(agent, generation, **options):
    agent.config["inputs"]["web"].update(options)
    agent.config_path.write_text(yaml.dump(agent.config))
    agent.process.send_signal(signal.SIGHUP)
    wait_until(lambda: agent.metrics().get("spillway_config_generation") == generation, "the reload")


# ---- where it comes from ----

def curl_unix(path, body):
    done = subprocess.run(["curl", "-sS", "--noproxy", "*", "-m", "20", "--unix-socket", path, "-w",
                           "\n%{http_code}", "--data-binary", "@-", "http://localhost/"], input=body,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.rsplit(b"\n", 1)[1])


@needs_curl
def test_curl_sends_by_a_unix_socket_which_is_made_kept_by_reloads_and_taken_away(rig):
    receiver = rig.receiver()
    path = rig.folder / "http.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))  # whoever made it is gone
    agent = make(rig, receiver, f"unix://{path}", socket_mode="0600", client_address=True,
                 max_connections_per_address=1).start()
    assert agent.wait_log(msg="listening")["source"] == f"unix://{path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = [socket.socket(socket.AF_UNIX) for _ in range(3)]  # the bound by address is none here
    for at, connection in enumerate(kept):
        connection.settimeout(DEADLINE_S)
        connection.connect(str(path))
        connection.sendall(request(ndjson(lines(at, 1))))
        assert Answers(connection).next()[0] == 200
    assert curl_unix(path, ndjson(lines(3, 1))) == 200
    reload(agent, 2, socket_mode="0666")
    wait_until(lambda: stat.S_IMODE(path.stat().st_mode) == 0o666, "the other mode")
    before = path.stat().st_ino
    reload(agent, 3, max_connections=50)  # another set of connections behind the same socket
    assert curl_unix(path, ndjson(lines(4, 1))) == 200
    assert path.stat().st_ino == before
    moved = rig.folder / "other.sock"
    reload(agent, 4, listen=f"unix://{moved}")
    assert curl_unix(moved, ndjson(lines(5, 1))) == 200
    wait_until(lambda: not path.exists(), "the end of the file of before")
    receiver.wait_events(6)
    check_exact(receiver.bodies(), 6, in_order=False)
    assert not any("client.address" in event.get("attributes", {}) for event in receiver.events())
    agent.stop().agree_with(receiver)
    assert not moved.exists()
    for connection in kept:
        connection.close()


def test_a_socket_that_was_open_before_is_served_and_left_open(rig):
    receiver = rig.receiver()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        agent = make(rig, receiver, f"fd:{server.fileno()}", client_address=True)
        agent.launch(pass_fds=[server.fileno()]).wait_log(msg="started")
        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as connection:
            connection.sendall(request(ndjson(lines(0, 1))))
            assert Answers(connection).next()[0] == 200
        receiver.wait_events(1)
        assert receiver.events()[0]["attributes"]["client.address"] == "127.0.0.1"
        agent.stop().agree_with(receiver)
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S).close()


@needs_curl
def test_systemds_own_tool_starts_the_agent_at_the_first_request(rig):
    activate = shutil.which("systemd-socket-activate")
    if activate is None:
        pytest.skip("no systemd-socket-activate")
    receiver = rig.receiver()
    path = rig.folder / "activated.sock"
    agent = make(rig, receiver, "systemd:web")
    agent.command = [activate, "-l", str(path), "--fdname=web", *agent.command]
    agent.launch()
    wait_until(path.exists, "the socket")
    assert curl_unix(path, ndjson(lines(0, 3))) == 200
    receiver.wait_events(3)
    check_exact(receiver.bodies(), 3)
    agent.stop().agree_with(receiver)


# ---- one connection ----

def test_requests_one_behind_the_other_without_waiting_are_answered_in_order(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver).start()
    with connect(agent) as connection:
        answers = Answers(connection)
        connection.sendall(b"".join(request(ndjson(lines(at, 1))) if at % 10 != 9 else
                                    request(b"[", b"Content-Type: application/json") for at in range(100)))
        assert [answers.next()[0] for _ in range(100)] == [400 if at % 10 == 9 else 200 for at in range(100)]
    receiver.wait_events(90)
    assert agent.stop().agree_with(receiver).lane().received == 90


def test_a_body_that_waits_for_100_continue_and_one_in_chunks(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver, max_body_bytes="64KiB", max_event_bytes="16KiB",
                 auth={"bearer_token": "tok"}).start()
    with connect(agent) as connection:
        answers = Answers(connection)
        body = ndjson(lines(0, 5))
        head, rest = request(body, b"Expect: 100-continue", b"Authorization: Bearer tok").split(b"\r\n\r\n", 1)
        connection.sendall(head + b"\r\n\r\n")
        assert answers.next() == (100, b"")
        connection.sendall(rest)
        assert answers.next()[0] == 200
        chunks = b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in
                          (b'{"bo', b'dy":"%s"}\n' % next(iter(lines(5, 1))).encode(), ndjson(lines(6, 1))))
        connection.sendall(request(chunks + b"0\r\nX-Trailer: 1\r\n\r\n", b"Transfer-Encoding: chunked",
                                   b"Authorization: Bearer tok"))
        assert answers.next()[0] == 200
    for headers, status in (((b"Authorization: Bearer no",), 401),
                            ((b"Authorization: Bearer tok", b"Content-Length: 70000"), 413)):
        with connect(agent) as connection:  # refused before a byte of the body was sent
            connection.sendall(b"\r\n".join((b"POST / HTTP/1.1", b"Host: x", b"Expect: 100-continue",
                                             *headers, *(() if len(headers) > 1 else (b"Content-Length: 5",)),
                                             b"", b"")))
            assert Answers(connection).next()[0] == status
    receiver.wait_events(7)
    check_exact(receiver.bodies(), 7, in_order=False)
    assert agent.stop().agree_with(receiver).lane().received == 7


def test_bodies_of_several_members_are_read_whole_and_those_with_something_behind_are_refused(rig):
    receiver = rig.receiver()
    agent = make(rig, receiver).start()
    sender = Sender(agent)
    first, second = ndjson(lines(0, 2)), ndjson(lines(2, 2))
    assert sender.post(gzip.compress(first) + gzip.compress(second), content_encoding="gzip")[0] == 200
    assert sender.post(gzip.compress(ndjson(["no"])) + b"garbage", content_encoding="gzip")[0] == 400
    assert Sender(agent).post(gzip.compress(ndjson(["no"]))[:-1], content_encoding="gzip")[0] == 400
    sender = Sender(agent)
    assert sender.post(zstd.compress(ndjson(lines(4, 2)), tells_size=False), content_encoding="zstd")[0] == 200
    both = zstd.compress(ndjson(lines(6, 2))) + zstd.compress(ndjson(lines(8, 2)), tells_size=False)
    assert sender.post(both, content_encoding="zstd")[0] == 200
    assert sender.post(zstd.compress(ndjson(["no"])) + b"x", content_encoding="zstd")[0] == 400
    receiver.wait_events(10)
    check_exact(receiver.bodies(), 10, in_order=False)
    assert agent.stop().agree_with(receiver).lane().received == 10


# ---- the agent goes on, or stops ----

def test_a_kept_connection_outlives_a_reload_and_is_answered_before_it_is_closed_by_a_stop(rig):
    receiver = rig.receiver()
    receiver.hold()
    agent = make(rig, receiver, acknowledge="delivered").start()
    with connect(agent) as kept, connect(agent) as waiting:
        waiting.sendall(request(ndjson(lines(0, 1))))
        wait_until(receiver.waiting, "a request at the endpoint")
        reload(agent, 2, retry_after="7s")
        kept.sendall(request(b"[", b"Content-Type: application/json"))
        assert Answers(kept).next()[0] == 400
        agent.process.send_signal(signal.SIGTERM)
        agent.wait_log(msg="stopping")
        kept.sendall(request(ndjson(["late"])))
        assert Answers(kept).next()[0] == 503
        receiver.release()
        assert Answers(waiting).next() == (200, b'{"delivered":1}\n')
        wait_until(lambda: ends(waiting), "the end of the connection")
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), 1)


def test_who_goes_before_the_answer_takes_nothing_with_it(rig):
    receiver = rig.receiver()
    receiver.hold()
    agent = make(rig, receiver, acknowledge="delivered", max_connections=4).start()
    for at in range(4):
        with connect(agent) as connection:
            connection.sendall(request(ndjson(lines(at, 1))))
            wait_until(lambda: agent.metrics().get("spillway_received_events_total", input="web",
                                                   output="main") == at + 1, "the event")  # noqa: B023
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    answers = []
    thread = threading.Thread(target=lambda: answers.append(wait_until(lambda: try_post(agent), "a free place")))
    thread.start()
    receiver.release()
    thread.join(DEADLINE_S)
    assert answers == [200]
    receiver.wait_events(5)
    check_exact(receiver.bodies(), 5, in_order=False)
    agent.stop().agree_with(receiver)


def try_post(agent):
    try:
        return Sender(agent).post(ndjson(lines(4, 1)))[0]
    except (OSError, json.JSONDecodeError):
        return None
