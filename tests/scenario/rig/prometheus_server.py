# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus on loopback, with the scrape configuration and the rules of packaging/, and a
relay between it and an agent that tells which format they agreed on."""

import http.client
import http.server
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

from .promtool import program
from .waiting import DEADLINE_S, wait_until

PACKAGED = pathlib.Path(__file__).resolve().parents[3] / "packaging/prometheus"


class Relay:
    """Passes GET on to an agent. accept: asked for instead of what the scraper would have."""

    def __init__(self, upstream, accept=None):
        seen = self.content_types = set()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                connection = http.client.HTTPConnection(*upstream, timeout=DEADLINE_S)
                connection.request("GET", self.path, headers={"Accept": accept or self.headers["Accept"]})
                answer = connection.getresponse()
                body = answer.read()
                connection.close()
                seen.add(answer.headers["Content-Type"])
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *unused):
                pass
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = "127.0.0.1:%d" % self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def listening_port(pid):
    """Of the one TCP socket that the process listens on; None: not yet."""
    inodes = set()
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.update(re.findall(r"^socket:\[(\d+)\]", os.readlink(entry)))
        except FileNotFoundError:
            pass
    for name in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
            field = line.split()
            if field[3] == "0A" and field[9] in inodes:
                return int(field[1].rsplit(":", 1)[1], 16)
    return None


class PrometheusServer:
    """jobs: name → addresses. interval: also how long a scrape may take, on a busy machine. A context
    manager; ended by its id."""

    def __init__(self, folder, jobs, interval="1500ms"):
        self.folder, self.base = folder / "prometheus", None
        self.folder.mkdir()
        config = {"global": {"scrape_interval": interval, "evaluation_interval": interval},
                  "rule_files": [str(PACKAGED / "alerts.yaml")],
                  "scrape_configs": [{"job_name": name, "static_configs": [{"targets": addresses}]}
                                     for name, addresses in jobs.items()]}
        (self.folder / "prometheus.yaml").write_text(json.dumps(config))  # JSON is YAML

    def __enter__(self):
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [program("prometheus"), f"--config.file={self.folder}/prometheus.yaml",
                 f"--storage.tsdb.path={self.folder}/data", "--web.listen-address=127.0.0.1:0"],
                stdout=log, stderr=log)
        try:
            port = wait_until(self._port, lambda: (self.folder / "log").read_text())
            self.base = f"http://127.0.0.1:{port}"
            wait_until(self._is_ready, lambda: (self.folder / "log").read_text())
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        return self

    def __exit__(self, *error):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def _port(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        return listening_port(self.process.pid)

    def _is_ready(self):
        try:
            return urllib.request.urlopen(f"{self.base}/-/ready", timeout=DEADLINE_S).status == 200
        except OSError:
            return False

    def get(self, path, **parameters):
        url = f"{self.base}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=DEADLINE_S) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def query(self, expr):
        """[(labels, value)]"""
        return [(sample["metric"], float(sample["value"][1]))
                for sample in self.get("query", query=expr)["result"]]

    def rules(self):
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def targets(self):
        return self.get("targets")["activeTargets"]
