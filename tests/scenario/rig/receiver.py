# SPDX-License-Identifier: Apache-2.0
"""A scripted HTTP endpoint. It takes HTTP apart by hand, so that it can also break it.

It remembers every request and which of them it acknowledged: a 2xx answer that was sent whole. It
judges nothing: the scenario compares."""

import gzip
import json
import socket
import threading
import time
from dataclasses import dataclass, field

from . import zstd, wire
from .waiting import DEADLINE_S, wait_until

HEAD_MAX = 64 * 1024


@dataclass
class Reply:
    """What happens to one request. `how`: whole, garbage, or one of rig/wire.py."""
    status: int = 200
    headers: dict = field(default_factory=dict)
    body: bytes = b"ok\n"
    delay: float = 0
    how: str = "whole"
    read_rate: int = 0  # bytes a second, 0: as they come


@dataclass
class Request:
    number: int
    at: float
    method: str
    path: str
    headers: dict  # names in lower case
    body: bytes = b""
    whole: bool = False  # all of it came
    acknowledged: bool = False
    status: int = 0  # answered, 0: not
    _events: list = None

    @property
    def key(self):
        return self.headers.get("idempotency-key")

    @property
    def text(self):
        coding = self.headers.get("content-encoding", "identity")
        expand = {"identity": bytes, "gzip": gzip.decompress, "zstd": zstd.expand}[coding]
        return expand(self.body)

    @property
    def events(self):
        if self._events is None:
            if self.headers.get("content-type") == "application/json":
                self._events = json.loads(self.text)
            else:
                self._events = [json.loads(line) for line in self.text.split(b"\n") if line]
        return self._events


def hold_port():
    """A port that is ours, and refuses connections: while nobody listens there no other gets it."""
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place.bind(("127.0.0.1", 0))
    return place


def serve_at(place):
    return socket.create_server(place.getsockname(), backlog=128)


def as_reply(reply):
    return reply if isinstance(reply, Reply) else Reply(status=reply)


class Receiver:
    def __init__(self, listener=None):
        """listener: a listening socket, for one in a network namespace."""
        self.requests = []
        self._lock = threading.Lock()
        self._script = []
        self._default = Reply()
        self._rule = None
        self._open = threading.Event()
        self._open.set()
        self._hears = threading.Event()
        self._hears.set()
        self._stopping = False
        self._connections = set()
        self.accepted = 0
        self.keep_alive_s = None  # closes a connection that is idle for so long; None: never
        self.requests_per_connection = None  # closes it, unannounced, after so many; None: never
        self.closes_late = False  # then: only when the next request has begun to come
        self._place = hold_port() if listener is None else None
        self._listen(listener or serve_at(self._place))
        self.url = f"http://127.0.0.1:{self.port}/ingest"

    def _listen(self, listener):
        self._listener = listener
        self.port = listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    # ---- the script ----

    def replies(self, *replies):
        """The next requests get these, in turn; then it goes on as before."""
        with self._lock:
            self._script += [as_reply(reply) for reply in replies]

    def always(self, reply):
        """Once the script of replies() is over."""
        with self._lock:
            self._default = as_reply(reply)

    def rule(self, function):
        """function(request) → Reply, status or None (go on with the script); None: no rule."""
        with self._lock:
            self._rule = function

    def hold(self):
        """Requests are read, answers wait until release()."""
        self._open.clear()

    def release(self):
        self._open.set()

    def deafen(self):
        """Connections are accepted, and nothing is read from them until hear()."""
        self._hears.clear()

    def hear(self):
        self._hears.set()

    def go_away(self):
        """Connections are refused and those that stand are cut, until come_back()."""
        self._close_listener()
        self.cut_connections()

    def come_back(self):
        self._listen(serve_at(self._place))

    def cut_connections(self):
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    # ---- what came ----

    def _select(self, acknowledged):
        with self._lock:
            return [r for r in self.requests if r.whole and (r.acknowledged or not acknowledged)]

    def acknowledged(self):
        return self._select(True)

    def events(self):
        """Of the acknowledged requests, in the order in which they came."""
        return [event for request in self._select(True) for event in request.events]

    def seen_events(self):
        """Of all requests that came whole, also those that were refused or never answered."""
        return [event for request in self._select(False) for event in request.events]

    def bodies(self):
        return [event.get("body", "") for event in self.events()]

    def waiting(self):
        """Requests that came whole and have no answer yet."""
        with self._lock:
            return [r for r in self.requests if r.whole and r.status == 0]

    def wait_events(self, count, timeout=DEADLINE_S):
        wait_until(lambda: len(self.events()) >= count, timeout=timeout,
                   what=lambda: f"{count} events at the receiver; there are {len(self.events())}")
        return self.events()

    def wait_requests(self, count, timeout=DEADLINE_S):
        wait_until(lambda: len(self._select(False)) >= count, timeout=timeout,
                   what=lambda: f"{count} requests; there are {len(self._select(False))}")

    # ---- the wire ----

    def _accept(self, listener):
        while not self._stopping:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                if self._listener is not listener:  # it went away meanwhile
                    connection.close()
                    return
                self._connections.add(connection)
                self.accepted += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            left, served = b"", 0
            while not self._stopping and served != self.requests_per_connection:
                connection.settimeout(self.keep_alive_s)
                left = self._serve_one(connection, left)
                if left is None:
                    break
                served += 1
            if left is not None and self.closes_late:
                connection.recv(1)
        except OSError:
            pass
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _receive(self, connection, most):
        self._hears.wait()
        return connection.recv(most)

    def _read_head(self, connection, data):
        while b"\r\n\r\n" not in data:
            if len(data) > HEAD_MAX:
                return None, b""
            more = self._receive(connection, 65536)
            if not more:
                return None, b""
            data += more
        head, rest = data.split(b"\r\n\r\n", 1)
        return head.decode("latin-1").split("\r\n"), rest

    def _serve_one(self, connection, data):
        """Returns what was read of the next request; None: the connection is over."""
        head, data = self._read_head(connection, data)
        if head is None:
            return None
        connection.settimeout(None)
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value.strip()
                   for name, value in (line.split(":", 1) for line in head[1:])}
        with self._lock:
            request = Request(len(self.requests), time.monotonic(), method, path, headers)
            self.requests.append(request)
            scripted = self._script.pop(0) if self._script else None
        length = int(headers.get("content-length", 0))
        rate = (scripted or self._default).read_rate
        pieces, have = [data[:length]], min(len(data), length)
        if rate:
            time.sleep(have / rate)  # what came with the head
        while have < length:
            more = self._receive(connection, min(65536, length - have) if not rate
                                 else max(1, rate // 20))
            if not more:
                return None
            pieces.append(more)
            have += len(more)
            if rate:
                time.sleep(0.05)
        request.body = b"".join(pieces)
        request.whole = True
        return data[length:] if self._answer(connection, request, scripted) else None

    def _decide(self, request, scripted):
        with self._lock:
            rule, default = self._rule, self._default
        ruled = rule(request) if rule is not None and scripted is None else None
        return as_reply(ruled) if ruled is not None else scripted or default

    def _answer(self, connection, request, scripted):
        self._open.wait()
        reply = self._decide(request, scripted)
        if reply.delay:
            time.sleep(reply.delay)
        if self._stopping:
            return False
        if reply.how != "whole":
            return wire.FAULTS[reply.how](connection, reply, lambda: self._stopping)
        self._send(connection, request, reply)
        return "close" not in reply.headers.get("Connection", "")

    def _send(self, connection, request, reply):
        """An acknowledgement is sent and noted as one: else who hears of it from the agent, or sees that
        the agent has ended, would not find it here yet."""
        answer = wire.head(reply, len(reply.body)) + reply.body
        if 200 <= reply.status < 300:
            with self._lock:
                connection.sendall(answer)
                request.acknowledged, request.status = True, reply.status
        else:
            connection.sendall(answer)
            request.status = reply.status

    def _close_listener(self):
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is None:
            return
        # A listener in accept() is only woken by shutdown, not by close.
        try:
            listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        listener.close()

    def close(self):
        self._stopping = True
        self._open.set()
        self._hears.set()
        self._close_listener()
        self.cut_connections()
        if self._place is not None:
            self._place.close()
