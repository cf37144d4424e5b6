# SPDX-License-Identifier: Apache-2.0
"""A real nginx that writes an access log, and a real logrotate: installed, or what tests/get-peers unpacked."""

import os
import pathlib
import shutil
import socket
import subprocess
import threading

import pytest

from .waiting import wait_until

PEERS = pathlib.Path(__file__).resolve().parents[3] / "build/peers"
PATH = f"{os.environ['PATH']}:/usr/sbin:{PEERS}/usr/sbin"
ENVIRONMENT = {**os.environ, "PATH": PATH, "LD_LIBRARY_PATH": f"{PEERS}/usr/lib/x86_64-linux-gnu"}
PIPELINED = 25  # requests sent at once


def find(name):
    found = shutil.which(name, path=PATH)
    if found is None:
        pytest.skip(f"no {name}: tests/get-peers unpacks Debian's below build/")
    return found


class Nginx:
    """In one folder, on a Unix socket. `requested` counts requests that were answered."""

    def __init__(self, folder):
        self.folder, self.log, self.socket = folder, folder / "access.log", folder / "nginx.socket"
        self.pid_file, self.requested = folder / "nginx.pid", 0
        user = "user root;" if os.geteuid() == 0 else ""
        paths = " ".join(f"{name}_temp_path {folder}/temp;" for name in
                         ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "nginx.conf").write_text(
            f"daemon off; {user} worker_processes 1; pid {self.pid_file}; error_log {folder}/error.log;\n"
            "events {}\n"
            f"http {{ {paths} access_log {self.log} combined; keepalive_requests 1000000;\n"
            f"server {{ listen unix:{self.socket}; location / {{ return 204; }} }} }}\n")
        self.process = subprocess.Popen(
            [find("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e",
             str(folder / "error.log")], env=ENVIRONMENT, stderr=subprocess.DEVNULL)
        wait_until(lambda: self.pid_file.exists() and self.socket.exists(), "nginx")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._load, daemon=True)
        self._thread.start()

    def _load(self):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.socket))
            while not self._stop.is_set():
                connection.sendall(b"".join(
                    b"GET /r.%d. HTTP/1.1\r\nHost: x\r\nUser-Agent: load\r\n\r\n" % n
                    for n in range(self.requested, self.requested + PIPELINED)))
                answers = b""
                while answers.count(b"HTTP/1.1 204") < PIPELINED or not answers.endswith(b"\r\n\r\n"):
                    answers += connection.recv(65536)
                self.requested += PIPELINED

    def stop_load(self):
        self._stop.set()
        self._thread.join()
        return self.requested

    def stop(self):
        self._stop.set()
        self.process.terminate()
        self.process.wait()


class Logrotate:
    def __init__(self, folder, log, how):
        self.program, self.folder = find("logrotate"), folder
        self.config = folder / "logrotate.conf"
        self.config.write_text(f"{log} {{\n  rotate 50\n  {how}\n}}\n")
        self.config.chmod(0o644)

    def run(self):
        """--force rotates each time; its state is its own."""
        subprocess.run([self.program, "-f", "-s", str(self.folder / "logrotate.state"), str(self.config)],
                       env=ENVIRONMENT, check=True, capture_output=True)
