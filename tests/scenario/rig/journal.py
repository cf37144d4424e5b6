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
import sys
import tempfile

import pytest

from .waiting import wait_until

PEERS = pathlib.Path(__file__).resolve().parents[3] / "build/peers"
PATH = f"{os.environ['PATH']}:{PEERS}/bin:{PEERS}/usr/bin"
ENVIRONMENT = {**os.environ, "PATH": PATH,
               "LD_LIBRARY_PATH": f"{PEERS}/usr/lib/x86_64-linux-gnu/systemd"}


# As on a host where cgroups v2 is all there is, whatever this one has.
OWN_CGROUPS = "mount -t cgroup2 none /sys/fs/cgroup && "


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
    def __init__(self, rate_limit="RateLimitBurst=0"):
        """With another rate limit: units of the control groups are what it limits, see Unit."""
        limits = rate_limit != "RateLimitBurst=0"
        if limits and subprocess.run(["unshare", "-m", "sh", "-c", OWN_CGROUPS + "true"],
                                     capture_output=True).returncode != 0:
            pytest.skip("no cgroups v2 are allowed here")
        script = ('mount -t tmpfs tmpfs /run && '
                  'mkdir -p /run/systemd/journal /run/systemd/journald.conf.d && '
                  'printf "[Journal]\\nStorage=volatile\\nReadKMsg=no\\nAudit=no\\n'
                  f'{rate_limit}\\nForwardToSyslog=no\\n" '
                  '>/run/systemd/journald.conf.d/test.conf && '
                  f'{OWN_CGROUPS if limits else ""}'
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


class Unit:
    """A process in a control group that is named as a service's, so that journald takes it for one. It
    sends what it is given, a line each, and lives on: journald looks into /proc for who it was."""

    SENDER = ("import socket, sys\n"
              "open(sys.argv[1], 'w').write('0')\n"
              "out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
              "out.connect(sys.argv[2])\n"
              "for line in sys.stdin: out.send(b'PRIORITY=6\\nMESSAGE=' + line.encode())\n")

    def __init__(self, journal):
        self.name = f"spillway-test-{os.getpid()}.service"
        self.group = journal.root / "sys/fs/cgroup" / self.name
        self.group.mkdir()
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.SENDER, self.group / "cgroup.procs", journal.socket],
            stdin=subprocess.PIPE, text=True)

    def send_lines(self, first, count):
        self.process.stdin.write("".join(f"entry {first + number}\n" for number in range(count)))
        self.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.communicate()
        self.group.rmdir()


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
