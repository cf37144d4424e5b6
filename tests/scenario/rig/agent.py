# SPDX-License-Identifier: Apache-2.0
"""The real agent as a process: its configuration, its log, its metrics, its memory, its end."""

import os
import signal
import subprocess
import threading
import time
import urllib.request

from . import yaml
from .books import Books
from .logfmt import LogFile
from .prometheus import Metrics
from .waiting import DEADLINE_S, promised, wait_until

BINARY = os.environ.get("SPILLWAY_BIN", "spillway")
MIB = 1 << 20
MEMORY_SLACK = 8 * MIB


def is_sanitized():
    """Sanitizers have memory and slowness of their own: figures are not asked for then."""
    if "SPILLWAY_SANITIZED" in os.environ:
        return os.environ["SPILLWAY_SANITIZED"] == "1"
    with open(BINARY, "rb") as file:
        content = file.read()
    return b"__asan_init" in content or b"__tsan_init" in content


def environment(**more):
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"}
    for name in ("ASAN", "UBSAN", "TSAN", "LSAN"):
        if f"{name}_OPTIONS" in os.environ:
            env[f"{name}_OPTIONS"] = os.environ[f"{name}_OPTIONS"]
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    return {**env, **more}


def parse_size(text):
    units = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
    return int(text[:-3]) * units[text[-3:]]


class Agent:
    """One configuration and one state directory; may be started many times."""

    def __init__(self, folder, inputs, outputs, processors=None, **options):
        self.folder = folder
        self.state_dir = folder / "state"
        self.runtime_dir = folder / "run"
        self.config_path = folder / "agent.yaml"
        self.starts = 0
        self.process = None
        self.log = None
        self.peak_bytes = 0
        self.command = [BINARY]  # a scenario may put a tracer or a namespace before it
        self.env = {}
        self.config_text = None  # instead of the configuration as a map
        self.config = {"agent": {"state_dir": self.state_dir, "runtime_dir": self.runtime_dir,
                                 "report_interval": "1s", "shutdown_grace": "60s",
                                 "admin": {"listen": "127.0.0.1:0"}, **options},
                       "inputs": inputs, "outputs": outputs}
        if processors:
            self.config["processors"] = processors
        self.logs = []

    # ---- life ----

    def launch(self, stdin=subprocess.DEVNULL, stdout=None, pass_fds=()):
        """Starts the process, without waiting until it has started up."""
        assert self.process is None, "it runs already"
        self.starts += 1
        self.runtime_dir.mkdir(exist_ok=True)
        self.config_path.write_text(self.config_text or yaml.dump(self.config))
        self.log = LogFile(self.folder / f"agent.{self.starts}.log")
        self.logs.append(self.log)
        with open(self.log.path, "wb") as log, open(self.folder / "stdout", "ab") as out:
            self.process = subprocess.Popen(
                [*self.command, "run", "-c", str(self.config_path)], stdin=stdin,
                stdout=stdout or out, stderr=log, env=environment(**self.env), pass_fds=pass_fds)
        return self

    def start(self, **how):
        self.launch(**how)
        self.wait_log(msg="started")
        threading.Thread(target=self._watch_memory, args=(self.process,), daemon=True).start()
        return self

    def start_piped(self):
        """With a pipe as its standard input, for feed() and end_input()."""
        return self.start(stdin=subprocess.PIPE)

    def feed(self, data):
        """Text, bytes or an iterable of lines without newlines."""
        if isinstance(data, str):
            data = data.encode()
        if not isinstance(data, bytes):
            data = "".join(f"{line}\n" for line in data).encode()
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def end_input(self):
        self.process.stdin.close()

    def wait_exit(self, timeout=DEADLINE_S, expect_crash=0):
        """Waits for the end and looks at what it left behind; returns the exit code."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the agent did not end within {timeout} s") from None
        finished, self.process = self.process, None
        if finished.stdin is not None and not finished.stdin.closed:
            try:
                finished.stdin.close()
            except BrokenPipeError:
                pass
        self._check_remains(code, expect_crash)
        return code

    def stop(self, expect=0, timeout=DEADLINE_S):
        if self.config["agent"]["admin"]["listen"]:
            differences = self.metrics().get("spillway_audit_differences_total")
            promised(differences == 0, f"{differences} audits found a difference")
        self.process.send_signal(signal.SIGTERM)
        return self.finish(expect, timeout)

    def finish(self, expect=0, timeout=DEADLINE_S):
        """For an agent that ends by itself, or was told to already."""
        code = self.wait_exit(timeout)
        assert code == expect, f"exit code {code} instead of {expect}\n{self.log.text()}"
        return Books(self.log)

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        assert self.wait_exit(expect_crash=how) == -how

    def put_down(self):
        """At the end of a failed scenario."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    # ---- what it says ----

    def wait_log(self, timeout=DEADLINE_S, **fields):
        def look():
            found = self.log.find(**fields)
            if not found and self.process is not None and self.process.poll() is not None:
                found = self.log.find(**fields)  # written just before its end
                assert found, f"ended with {self.process.returncode} before {fields}\n{self.log.text()}"
            return found
        return wait_until(look, lambda: f"a log line with {fields}\n{self.log.text()}", timeout)[0]

    def metrics(self):
        moved = self.log.find(msg="the admin port is another one")
        address = (moved or self.log.find(msg="started"))[-1]["metrics"]
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=DEADLINE_S) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            return Metrics(answer.read().decode())

    def wait_metric(self, minimum, name, **labels):
        wait_until(lambda: self.metrics().get(name, **labels) >= minimum,
                   lambda: f"{name}{labels} to be {minimum}; it is {self.metrics().get(name, **labels)}",
                   pause=0.03)

    def own_memory(self):
        """RssAnon + RssShmem; 0 when it is gone."""
        try:
            with open(f"/proc/{self.process.pid}/status") as file:
                lines = dict(line.split(":", 1) for line in file if ":" in line)
            return sum(int(lines[name].split()[0]) for name in ("RssAnon", "RssShmem")) * 1024
        except (OSError, AttributeError, KeyError):
            return 0

    # ---- what holds at every end ----

    def _watch_memory(self, process):
        while process.returncode is None:
            self.peak_bytes = max(self.peak_bytes, self.own_memory())
            time.sleep(0.1)

    def _check_remains(self, code, expect_crash):
        records = self.log.read()
        text = self.log.text()
        crashes = {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS} - {expect_crash}
        promised(-code not in crashes, f"crashed\n{text}")
        for word in ("Sanitizer", "runtime error:", "CHECK("):
            promised(word not in text, f"{word}\n{text}")
        for record in records:
            if record.get("msg") == "ledger":
                promised(record["balance"] == "0", f"the books do not balance: {record}")
            promised("bug" not in record.get("msg", "") or record["level"] != "error", record)
        if not is_sanitized():
            limit = parse_size(self.config["agent"].get("memory_limit", "64MiB")) + MEMORY_SLACK
            promised(self.peak_bytes <= limit, f"own memory was {self.peak_bytes >> 10} KiB")

    def report(self):
        """For a failed scenario."""
        parts = [f"---- {self.config_path} ----", yaml.dump(self.config)]
        for log in self.logs[-3:]:
            parts += [f"---- {log.path} ----", log.text()[-12000:]]
        return "\n".join(parts)
