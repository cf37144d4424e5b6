# SPDX-License-Identifier: Apache-2.0
"""A real systemd-journald of a scenario's own: in a mount namespace with a /run of its own, so that the
machine's journal is not touched. Its folder is one of the outside too: what an agent has given up keeps
it out of another process's /proc/PID/root."""

import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

import pytest

from .waiting import wait_until

PEERS = pathlib.Path(__file__).resolve().parents[3] / "build/peers"
PATH = f"{os.environ['PATH']}:{PEERS}/bin:{PEERS}/usr/bin"
ENVIRONMENT = {**os.environ, "PATH": PATH,
               "LD_LIBRARY_PATH": f"{PEERS}/usr/lib/x86_64-linux-gnu/systemd"}


def find_journald():
    """Skips where there is none, or no namespace to run it in."""
    found = shutil.which("systemd-journald", path=f"/lib/systemd:{PEERS}/lib/systemd")
    if found is None or shutil.which("journalctl", path=PATH) is None:
        pytest.skip("no systemd-journald: tests/get-peers unpacks Debian's below build/")
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        pytest.skip("no mount namespace is allowed here")
    if not pathlib.Path("/etc/machine-id").exists():
        pytest.skip("this machine has no /etc/machine-id")
    return found


def show(*options):
    """What journalctl says, as bytes."""
    return subprocess.run(["journalctl", "--no-pager", "-q", *map(str, options)], env=ENVIRONMENT,
                          capture_output=True, check=True).stdout


class Journal:
    def __init__(self):
        script = ('mount -t tmpfs tmpfs /run && '
                  'mkdir -p /run/systemd/journal /run/systemd/journald.conf.d && '
                  'printf "[Journal]\\nStorage=volatile\\nReadKMsg=no\\nAudit=no\\n'
                  'RateLimitBurst=0\\nForwardToSyslog=no\\n" '
                  '>/run/systemd/journald.conf.d/test.conf && '
                  'mkdir -p /run/log/journal && mount --bind "$1" /run/log/journal && exec "$0"')
        journald = find_journald()
        machine = pathlib.Path("/etc/machine-id").read_text().strip()
        base = "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None
        self.outside = pathlib.Path(tempfile.mkdtemp(prefix="spillway-journal-", dir=base))
        self.folder = self.outside / machine
        self.folder.mkdir()
        self.process = subprocess.Popen(["unshare", "-m", "sh", "-c", script, journald, self.outside],
                                        env=ENVIRONMENT, stderr=subprocess.DEVNULL)
        self.root = pathlib.Path(f"/proc/{self.process.pid}/root")
        self.socket = self.root / "run/systemd/journal/socket"
        wait_until(lambda: self.socket.exists() and self.files(), "journald")

    def files(self, pattern="*.journal"):
        """Archived ones are named by the number of their first entry."""
        return sorted(self.folder.glob(pattern))

    def send(self, **fields):
        """By journald's own protocol: values with a newline have their length before them."""
        data = b""
        for name, value in fields.items():
            value = value if isinstance(value, bytes) else str(value).encode()
            data += name.encode()
            data += b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(str(self.socket))
            sender.sendall(data)

    def send_lines(self, first, count, **fields):
        for number in range(first, first + count):
            self.send(MESSAGE=f"entry {number}", **fields)

    def wait_entries(self, count):
        """Until the journal's own tool shows so many entries with 'entry N'."""
        wait_until(lambda: len(self.numbers(self.files())) >= count, f"{count} entries", pause=0.05)

    @staticmethod
    def numbers(files):
        shown = show("-o", "cat", *(f"--file={path}" for path in files)).decode()
        return [int(line.split()[1]) for line in shown.splitlines() if line.startswith("entry ")]

    @staticmethod
    def count(path):
        """All entries of a file, journald's own too."""
        return show("-o", "export", f"--file={path}").count(b"__CURSOR=")

    def rotate(self):
        before = len(self.files("system@*.journal"))
        self.process.send_signal(signal.SIGUSR2)
        wait_until(lambda: len(self.files("system@*.journal")) > before, "a rotation")
        return self.files("system@*.journal")[-1]

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.outside, ignore_errors=True)


def export_entry(realtime_us, boot, fields):
    """In the Journal Export Format: a value that is not plain text has its length before it."""
    data = b"__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%032x\n" % (
        realtime_us, realtime_us % 10**9, boot)
    for name, value in fields.items():
        if isinstance(value, bytes):
            data += name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
        else:
            data += f"{name}={value}\n".encode()
    return data + b"\n"


def receive_export(path, entries):
    """A journal file as systemd-journal-remote makes it of what other hosts send."""
    remote = shutil.which("systemd-journal-remote", path=f"/lib/systemd:{PEERS}/lib/systemd")
    if remote is None:
        pytest.skip("no systemd-journal-remote: tests/get-peers unpacks Debian's below build/")
    subprocess.run([remote, f"--output={path}", "-"], input=b"".join(entries), env=ENVIRONMENT,
                   capture_output=True, check=True)
