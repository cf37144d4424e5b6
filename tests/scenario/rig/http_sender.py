# SPDX-License-Identifier: Apache-2.0
"""Senders to an input that listens: curl as a program that people use, and sockets for what it would
never do."""

import http.client
import json
import shutil
import socket
import subprocess

import pytest

from .waiting import DEADLINE_S, wait_until

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def address_of(agent, input_name="web"):
    """Where the input listens, as the agent's log says it."""
    line = agent.wait_log(msg="listening", input=input_name)
    host, port = line["source"].rsplit(":", 1)
    return host, int(port)


def curl(agent, *arguments, body=b"", path="/", url=None):
    """(status, answer) of one request."""
    host, port = address_of(agent)
    done = subprocess.run(["curl", "-sS", "--noproxy", "*", "-m", str(DEADLINE_S), "-w", "\n%{http_code}",
                           *arguments, "--data-binary", "@-", url or f"http://{host}:{port}{path}"],
                          input=body, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    answer, status = done.stdout.rsplit(b"\n", 1)
    return int(status), answer


class Sender:
    """One connection, kept open."""

    def __init__(self, agent, timeout=DEADLINE_S):
        self.connection = http.client.HTTPConnection(*address_of(agent), timeout=timeout)

    def post(self, body, **headers):
        """(status, headers, answer); headers: content_type="…"."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request("POST", "/", body, names)
        answer = self.connection.getresponse()
        text = answer.read()
        return answer.status, answer.headers, json.loads(text) if text else None

    def close(self):
        self.connection.close()


def ndjson(bodies):
    return "".join(json.dumps({"body": body}) + "\n" for body in bodies).encode()


def connect(agent):
    return socket.create_connection(address_of(agent), timeout=DEADLINE_S)


def ends(connection):
    """Is the connection closed by the other side?"""
    try:
        return connection.recv(65536) == b""
    except ConnectionResetError:
        return True


def await_end(connection):
    connection.settimeout(DEADLINE_S)
    wait_until(lambda: ends(connection), "the end of the connection")
