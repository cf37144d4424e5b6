# SPDX-License-Identifier: Apache-2.0
"""The tools themselves, as the scenarios about them use them."""

import contextlib
import http.client
import json
import signal
import subprocess
import time

from .agent import BINARY
from .waiting import DEADLINE_S, wait_until


def generate(*options, **more):
    return subprocess.run([BINARY, "generate", *map(str, options)], capture_output=True, timeout=DEADLINE_S,
                          **more)


def lines_of(*options):
    done = generate("--rate", 0, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Receive:
    """The receiver under test: a context manager that ends it and keeps its closing summary."""

    def __init__(self, folder, *options):
        self.port_file = folder / f"port{time.monotonic_ns()}"
        self.process = subprocess.Popen(
            [BINARY, "receive", "--listen", "127.0.0.1:0", "--port-file", str(self.port_file), "--json",
             *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            wait_until(lambda: self.port_file.exists() or self.process.poll() is not None, "no port")
            assert self.process.poll() is None, self.process.stderr.read()
            self.port = int(self.port_file.read_text())
        except BaseException:
            self.process.kill()
            self.process.communicate()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.out, self.err = self.process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        self.code = self.process.returncode
        self.closing = json.loads(self.out.splitlines()[-1]) if self.out else None

    def connect(self, timeout=DEADLINE_S):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method, path, body=None, headers=None, timeout=DEADLINE_S):
        with contextlib.closing(self.connect(timeout)) as connection:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            answer.text = answer.read()
            return answer

    def post(self, body, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", "/ingest", body, named)

    def summary(self):
        return json.loads(self.request("GET", "/summary").text)
