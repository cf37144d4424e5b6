# SPDX-License-Identifier: Apache-2.0
"""Every allocation fails once: of `spillway check`, and of a start of `spillway run`. Each time there is
a clear error and an exit, or the agent goes on without what it could not have; never a crash or a hang,
and the start after it is none the wiser. Not with sanitizers, whose allocator cannot be told to fail."""

import pathlib
import signal
import subprocess
import threading

import pytest

from rig import yaml
from rig.agent import BINARY, environment, is_sanitized
from rig.preload import build
from rig.waiting import DEADLINE_S

pytestmark = pytest.mark.release
SOURCE = pathlib.Path(__file__).parent / "preload/failing_alloc.c"
EXIT_START, EXIT_CONFIG = 1, 78


class Starts:
    """One configuration with every kind of plugin, and starts of it in which one allocation fails."""

    def __init__(self, folder, receiver):
        self.folder = folder
        self.library = build(SOURCE, folder)
        (folder / "app.log").write_text("one\ntwo\n")
        self.config = folder / "agent.yaml"
        self.config.write_text(yaml.dump({
            "agent": {"state_dir": folder / "state", "runtime_dir": folder / "run",
                      "shutdown_grace": "10s", "admin": {"listen": "localhost:0"}},
            "inputs": {"app": {"type": "tail", "paths": [str(folder / "*.log")], "start_at": "beginning",
                               "processors": ["mark"]},
                       "pipe": {"type": "stdin"}, "host": {"type": "host_metrics"}},
            "processors": {"mark": {"type": "set", "attributes": {"a": "b"}}},
            "outputs": {"main": {"type": "http", "url": receiver.url, "inputs": ["app", "host"]},
                        "out": {"type": "stdout", "inputs": ["pipe"]}}}))

    def run(self, command, failing=0, everywhere=False):
        """Returns exit code, standard error, and how many allocations were counted."""
        count = self.folder / "count"
        more = {"FAILING_ALLOC_ALL": "1"} if everywhere else {}
        process = subprocess.Popen(
            [BINARY, command, "-c", str(self.config)], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env=environment(LD_PRELOAD=str(self.library), FAILING_ALLOC_AT=str(failing),
                            FAILING_ALLOC_COUNT=str(count), **more))
        hang = threading.Timer(DEADLINE_S, process.kill)
        hang.start()
        said = []
        for line in process.stderr:
            said.append(line)
            if "msg=started" in line:
                process.send_signal(signal.SIGTERM)
        code = process.wait()
        hang.cancel()
        process.stdin.close()
        process.stderr.close()
        said = "".join(said)
        assert code >= 0, f"allocation {failing}: ended by signal {-code}\n{said}"
        return code, said, int(count.read_text())


@pytest.fixture
def starts(rig):
    if is_sanitized():
        pytest.skip("the sanitizer's own allocator does not fail")
    return Starts(rig.folder, rig.receiver())


def expect_told(failing, said):
    assert "memory" in said, f"allocation {failing} failed, and nobody said so:\n{said}"


def test_every_allocation_of_a_check_fails_once(starts):
    code, said, count = starts.run("check", everywhere=True)
    assert code == 0 and count > 100, said
    for failing in range(1, count + 1):
        code, said, _ = starts.run("check", failing, everywhere=True)
        assert code in (0, EXIT_CONFIG)
        if code != 0:
            expect_told(failing, said)
    assert not (starts.folder / "state").exists()


def test_every_allocation_of_a_start_fails_once(starts):
    """Until it has started, with some of what comes after."""
    code, said, count = starts.run("run")
    assert code == 0 and count > 100, said
    for failing in range(1, count + 1):
        code, said, _ = starts.run("run", failing)
        if "msg=started" in said:
            assert code == 0, f"allocation {failing}: {said}"
            continue
        assert code in (EXIT_START, EXIT_CONFIG), f"allocation {failing}: exit code {code}\n{said}"
        expect_told(failing, said)
        left = [str(path) for path in starts.folder.rglob("*.tmp")]
        assert left == [], f"allocation {failing}: {left}"
    code, said, _ = starts.run("run")
    assert code == 0 and "level=warn" not in said and "level=error" not in said, said
