# SPDX-License-Identifier: Apache-2.0
"""The same lines as in bulk.py, sent to an input as NDJSON over HTTP, by senders that repeat what is
refused. What counts are the bytes of the lines, as for the file: so their ratio is one of work done."""

import json
import os
import socket
import threading
import time

from rig import BUILD, FILE, GIB, Agent, Receiver, await_true

BODIES = BUILD / "bodies.ndjson"
BODY_BYTES, SENDERS = 1 << 20, 2
INPUT = """    type: http
    listen: tcp://127.0.0.1:{port}"""
HEAD = ("POST / HTTP/1.1\r\nHost: bench\r\nContent-Type: application/x-ndjson\r\n"
        "Content-Length: {}\r\n\r\n")


def make_bodies():
    """Writes the lines as NDJSON; where each body begins and how long it is."""
    places, begin = [], 0
    with FILE.open("rb") as lines, BODIES.open("wb") as out:
        for line in lines:
            out.write(b'{"body":' + json.dumps(line[:-1].decode()).encode() + b"}\n")
            if out.tell() - begin >= BODY_BYTES:
                places.append((begin, out.tell() - begin))
                begin = out.tell()
        if out.tell() > begin:
            places.append((begin, out.tell() - begin))
    return places


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Sender(threading.Thread):
    """Takes bodies from a common list until there is none."""

    def __init__(self, port, places):
        super().__init__(daemon=True)
        self.port, self.places, self.refused, self.error = port, places, 0, None
        self.start()

    def run(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port)) as connection, BODIES.open("rb") as file:
                while self.places:
                    try:
                        self.send(connection, file, *self.places.pop())
                    except IndexError:
                        return
        except OSError as error:
            self.error = error

    def send(self, connection, file, begin, length):
        while True:
            connection.sendall(HEAD.format(length).encode())
            at = begin
            while at < begin + length:
                at += os.sendfile(connection.fileno(), file.fileno(), at, begin + length - at)
            status = self.status(connection)
            if status == 200:
                return
            if status != 429:
                raise OSError(f"answered with {status}")
            self.refused += 1
            time.sleep(0.01)

    @staticmethod
    def status(connection):
        answer = b""
        while not answer.endswith(b"}\n"):
            piece = connection.recv(4096)
            if not piece:
                raise OSError("the connection was closed")
            answer += piece
        return int(answer.split(b" ", 2)[1])


def run_intake(args, lines):
    """From the first body to the last acknowledged event."""
    places = make_bodies()
    size, port = FILE.stat().st_size, free_port()
    receiver = Receiver("--count-only")
    agent = Agent(FILE, receiver.url, input_=INPUT.format(port=port))
    try:
        await_true("a listening agent", lambda: agent.check() and is_open(port))
        begin, senders = time.monotonic(), [Sender(port, places) for _ in range(SENDERS)]
        await_true(f"{lines} events", lambda: agent.check() and not any(s.error for s in senders)
                   and receiver.summary()["events_told"] >= lines, seconds=600, step=0.02)
        seconds = time.monotonic() - begin
    finally:
        cpu = agent.stop()
        receiver.stop()
    return {"mb_per_s": size / 1e6 / seconds, "cpu_s_per_gib": cpu * GIB / size,
            "refused_requests": sum(sender.refused for sender in senders)}


def is_open(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
