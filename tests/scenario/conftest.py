# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the scenarios. Processes are ended by their id, folders removed, whatever happens."""

import pathlib
import random
import shutil
import subprocess
import tempfile

import pytest

from rig import npm
from rig.agent import BINARY, Agent, is_sanitized
from rig.receiver import Receiver
from rig.waiting import BrokenPromise


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also the scenarios that take minutes")
    parser.addoption("--late", help="a file for the names of the scenarios that failed, but not by a "
                                    "broken promise of the agent")
    parser.addoption("--seed", type=int, default=None, help="of what is random; default: a new one")


def pytest_collection_modifyitems(config, items):
    if shutil.which(BINARY) is None:
        raise pytest.UsageError(f"SPILLWAY_BIN: there is no program '{BINARY}'")
    if not config.getoption("--long"):
        items[:] = [item for item in items if "long" not in item.keywords]
    if is_sanitized():
        items[:] = [item for item in items if "release" not in item.keywords]
    if not npm.is_there():
        items[:] = [item for item in items if "npm" not in item.keywords]


def pytest_report_header():
    return None if npm.is_there() else f"left out: {npm.LEFT_OUT}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    rig = item.funcargs.get("rig") if hasattr(item, "funcargs") else None
    if rig is not None and not report.passed:
        rig.is_cut_short = True
    if report.failed and rig is not None:
        for agent in rig.agents:
            report.sections.append(("agent", agent.report()))
    if report.failed and not call.excinfo.errisinstance(BrokenPromise):
        report.user_properties.append(("late", True))


def pytest_configure(config):
    late = config.getoption("--late")
    if late and not hasattr(config, "workerinput"):  # not in the processes of pytest-xdist
        config.pluginmanager.register(LateScenarios(late))


class LateScenarios:
    def __init__(self, path):
        self.path = path
        pathlib.Path(path).write_text("")

    def pytest_runtest_logreport(self, report):
        if ("late", True) in report.user_properties:
            with open(self.path, "a") as file:
                file.write(report.nodeid + "\n")


NOBODY = 65534


class Rig:
    """Makes what a scenario needs, and clears it away."""

    def __init__(self, folder):
        self.folder = folder
        self.agents, self.receivers = [], []
        self.is_cut_short = False  # it failed, or was skipped when agents ran already

    def receiver(self):
        receiver = Receiver()
        self.receivers.append(receiver)
        return receiver

    def agent(self, inputs, outputs, **options):
        folder = self.folder / f"agent{len(self.agents)}"
        folder.mkdir()
        agent = Agent(folder, inputs, outputs, **options)
        self.agents.append(agent)
        return agent

    def as_nobody(self, agent):
        """The agent as a plain user, with a program that it can reach: root reads whatever the modes say."""
        self.folder.chmod(0o777)
        agent.folder.chmod(0o777)
        agent.runtime_dir.mkdir()
        agent.runtime_dir.chmod(0o777)
        shutil.copy(BINARY, agent.folder / "spillway")
        agent.command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                         str(agent.folder / "spillway")]
        return agent

    def tail(self, *paths, **options):
        """A tail input of these files of the scenario's folder."""
        return {"type": "tail", "paths": [str(self.folder / path) for path in paths],
                "start_at": "beginning", **options}

    def http(self, receiver, **options):
        """An http output to the receiver, with waits that suit a test: below one request in flight it
        would be paced, with gaps of up to half a minute after a few failures."""
        concurrency = {"min": 1, **options.pop("concurrency", {})}
        return {"type": "http", "url": receiver.url, "timeout": "100s",
                "retry": {"base": "50ms", "cap": "200ms"}, "concurrency": concurrency,
                "breaker": {"rest": "50ms", "rest_max": "200ms"}, **options}

    def finish(self):
        running = [agent for agent in self.agents if agent.process is not None]
        for agent in running:
            agent.put_down()
        for receiver in self.receivers:
            receiver.close()
        return running


@pytest.fixture
def folder():
    """On tmpfs where there is one: the scenarios are about the agent, not about the disk."""
    base = "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None
    path = pathlib.Path(tempfile.mkdtemp(prefix="spillway-", dir=base))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def rig(folder):
    made = Rig(folder)
    yield made
    running = made.finish()
    assert made.is_cut_short or not running, "the scenario left an agent running"


@pytest.fixture(scope="session")
def program_has_systemd():
    shown = subprocess.run([BINARY, "version"], capture_output=True, text=True, check=True).stdout
    if "systemd: not built in" in shown:
        pytest.skip("libsystemd is not built in")


@pytest.fixture
def seed(request):
    """Shown when a scenario fails; --seed repeats it."""
    given = request.config.getoption("--seed")
    value = random.randrange(1 << 32) if given is None else given
    print(f"seed: {value} (repeat with --seed={value})")
    return value
