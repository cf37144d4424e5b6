# SPDX-License-Identifier: Apache-2.0
"""Real senders of syslog: logger of util-linux, and rsyslog, syslog-ng and loggen, each from a root of its
own below build/peers, for as packages they exclude each other. Each forwards what it is given to one
address."""

import os
import pathlib
import shutil
import socket
import subprocess

import pytest

from .waiting import DEADLINE_S, wait_until

PEERS = pathlib.Path(__file__).resolve().parents[3] / "build/peers"


def root_of(name, program):
    """Its folder; skips where it was not unpacked."""
    root = PEERS / name
    if not (root / program).exists():
        pytest.skip(f"no {name}: tests/get-peers unpacks Debian's below build/")
    return root


def environment(root, *libraries):
    """Its own libraries, for it alone."""
    paths = [root / "usr/lib/x86_64-linux-gnu", *(root / path for path in libraries)]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, paths)),
            "SYSLOGNG_PREFIX": str(root / "usr")}


def logger(*options, message=None, lines=None):
    """logger(1): a message, or one for each line."""
    if shutil.which("logger") is None:
        pytest.skip("no logger")
    text = None if lines is None else "".join(f"{line}\n" for line in lines)
    subprocess.run(["logger", *map(str, options), *([] if message is None else ["--", message])],
                   input=text, text=True, check=True, timeout=DEADLINE_S,
                   stdin=subprocess.DEVNULL if lines is None else None)


def loggen(*options, address, port=None):
    """syslog-ng's load generator, to its end."""
    root = root_of("syslog-ng", "usr/bin/loggen")
    target = [str(address), *([] if port is None else [str(port)])]
    return subprocess.run([root / "usr/bin/loggen", *map(str, options), *target],
                          env=environment(root, "usr/lib/syslog-ng"), capture_output=True,
                          text=True, check=True, timeout=DEADLINE_S)


class Forwarder:
    """A daemon of syslog that forwards."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.process = None

    def launch(self, command, root, libraries=(), **options):
        self.log = (self.folder / "log").open("w")
        self.process = subprocess.Popen(list(map(str, command)), stdout=self.log, stderr=self.log,
                                        env=environment(root, *libraries), cwd=self.folder,
                                        **options)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.terminate()
        try:
            self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


class Rsyslog(Forwarder):
    """What is written to its unix socket it forwards by `action`, the parameters of its omfwd."""

    def __init__(self, folder, action, settings=""):
        super().__init__(folder)
        root = root_of("rsyslog", "usr/sbin/rsyslogd")
        self.socket = folder / "log.socket"
        config = folder / "rsyslog.conf"
        config.write_text(f'global(workDirectory="{folder}" {settings})\n'
                          'module(load="imuxsock" SysSock.Use="off")\n'
                          f'input(type="imuxsock" Socket="{self.socket}" RateLimit.Interval="0")\n'
                          f'action(type="omfwd" {action})\n')
        self.launch([root / "usr/sbin/rsyslogd", "-n", "-f", config, "-i", folder / "pid", "-M",
                     root / "usr/lib/x86_64-linux-gnu/rsyslog"], root)
        wait_until(self.socket.exists, "rsyslog's socket")

    def send(self, lines):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(str(self.socket))
            for line in lines:
                sender.sendall(line.encode())


class SyslogNg(Forwarder):
    """What it reads from its standard input it forwards to `destination`, as its configuration says it."""

    def __init__(self, folder, destination):
        super().__init__(folder)
        root = root_of("syslog-ng", "usr/sbin/syslog-ng")
        config = folder / "syslog-ng.conf"
        config.write_text("@version: 3.38\noptions { keep-hostname(yes); };\n"
                          "source lines { stdin(); };\n"
                          f"destination us {{ {destination}; }};\n"
                          "log { source(lines); destination(us); };\n")
        self.launch([root / "usr/sbin/syslog-ng", "-F", "-f", config, "-R", folder / "persist",
                     "-c", folder / "control", "-p", folder / "pid", "--no-caps",
                     f"--module-path={root / 'usr/lib/syslog-ng/3.38'}"],
                    root, ["usr/lib/syslog-ng"], stdin=subprocess.PIPE)

    def send(self, lines):
        self.process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        self.process.stdin.flush()
