# SPDX-License-Identifier: Apache-2.0
"""The rig of the benchmarks: the release build in build/bench, an agent, a receiver, the numbers that the
kernel keeps of a process."""

import json
import math
import os
import pathlib
import re
import resource
import select
import shutil
import signal
import statistics
import subprocess
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/bench"
SPILLWAY = BUILD / "spillway"
FILE = BUILD / "lines.log"
GIB = 1 << 30
TICK = os.sysconf("SC_CLK_TCK")
children = []  # what must not outlive this program


# ---- processes ----

def start(command, **options):
    process = subprocess.Popen([str(word) for word in command], **options)
    children.append(process)
    return process


def stop(process, how=signal.SIGTERM):
    if process.poll() is None:
        process.send_signal(how)
    try:
        return process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def stop_counting(process):
    """CPU seconds of its whole life, from the kernel's books of ended children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    stop(process)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def await_true(what, condition, seconds=60, step=0.002):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"no {what} after {seconds} s")
        time.sleep(step)


def cpu_s(pid):
    """Of its living threads, in nanoseconds where the kernel keeps them so, else in ticks."""
    try:
        return sum(int(path.read_text().split()[0])
                   for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
    except FileNotFoundError:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK


def machine_busy_s():
    """Of all processors, whoever used them; what the host took away counts as used."""
    fields = [int(word) for word in
              pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICK


def memory_bytes(pid):
    """Own memory and RSS."""
    rows = dict(re.findall(r"^(Rss\w+|VmRSS):\s+(\d+) kB", pathlib.Path(
        f"/proc/{pid}/status").read_text(), re.MULTILINE))
    return (int(rows["RssAnon"]) + int(rows["RssShmem"])) * 1024, int(rows["VmRSS"]) * 1024


def switches(pid):
    """Times that a thread of it went to sleep by itself: as many times it was woken."""
    row = re.compile(r"^voluntary_ctxt_switches:\s+(\d+)", re.MULTILINE)
    return sum(int(row.search(path.read_text())[1])
               for path in pathlib.Path(f"/proc/{pid}/task").glob("*/status"))


class Sampler(threading.Thread):
    """The peak of a process's memory."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.own, self.rss, self.over = pid, 0, 0, threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(0.05):
            try:
                own, rss = memory_bytes(self.pid)
            except (OSError, KeyError):  # it has ended
                return
            self.own, self.rss = max(self.own, own), max(self.rss, rss)

    def stop(self):
        self.over.set()
        self.join()


def count_lines():
    with FILE.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def generate(file, rate, seconds, *options):
    """Lines at an even pace; returns when the last is written."""
    subprocess.run([str(SPILLWAY), "generate", "--to", str(file), "--rate", f"{rate}/s",
                    "--for", f"{seconds}s", *options], check=True, stderr=subprocess.DEVNULL)


def mean_ratio(pairs):
    """Of the second of each pair to the first: the geometric mean, and its standard error."""
    logs = [math.log(second / first) for first, second in pairs]
    error = statistics.stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else math.nan
    return math.exp(statistics.fmean(logs)), error


class Receiver:
    def __init__(self, *options):
        port_file = BUILD / "port"
        port_file.unlink(missing_ok=True)
        self.process = start([SPILLWAY, "receive", "--listen", "127.0.0.1:0", "--port-file",
                              port_file, "--json", *options],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        await_true("receiver", lambda: port_file.exists() or self.process.poll() is not None)
        self.url = f"http://127.0.0.1:{port_file.read_text().strip()}/"

    def await_event(self, agent, seconds=20):
        """With --print: the first event."""
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            agent.check()
            raise RuntimeError(f"no event after {seconds} s")

    def summary(self):
        with urllib.request.urlopen(self.url + "summary", timeout=10) as answer:
            return json.load(answer)

    def stop(self):
        self.cpu_s = stop_counting(self.process)
        return json.loads(self.process.stdout.read().splitlines()[-1])


class Agent:
    """The agent, or the one of --agent: it gets a file and a URL."""

    def __init__(self, file, url, command=None, inputs="", batch="", agent="", input_=None):
        """input_: instead of tailing the file."""
        self.folder = BUILD / "agent"
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "state").mkdir(parents=True)
        self.log = (self.folder / "log").open("w")
        environment = {**os.environ, "BENCH_FILE": str(file), "BENCH_URL": url,
                       "BENCH_STATE": str(self.folder / "state")}
        if command is None:
            config = self.folder / "agent.yaml"
            config.write_text(CONFIG.format(state=self.folder / "state", run=self.folder / "run",
                                            input=input_ or TAIL.format(file=file), url=url,
                                            inputs=inputs, batch=batch, agent=agent))
            command = [SPILLWAY, "run", "-c", config]
        self.process = start(command, stdout=self.log, stderr=self.log, env=environment)
        self.pid = self.process.pid

    def check(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the agent ended:\n{(self.folder / 'log').read_text()[-2000:]}")
        return True

    def stop(self):
        """CPU seconds of its whole life."""
        cpu = stop_counting(self.process)
        self.log.close()
        return cpu


TAIL = """    type: tail
    paths: ["{file}"]
    start_at: beginning"""
CONFIG = """agent:
  state_dir: {state}
  runtime_dir: {run}
{agent}
inputs:
  file:
{input}
{inputs}
outputs:
  main:
    type: http
    url: {url}
{batch}
"""
