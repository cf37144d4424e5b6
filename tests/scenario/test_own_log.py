# SPDX-License-Identifier: Apache-2.0
"""The agent's own log: when everything fails at once it stays small, and says what it held back."""

import errno
import json
import os
import subprocess
import time

import pytest

from rig.journal import Journal, show
from rig.lines import append_lines, lines
from rig.preload import FailingIo
from rig.waiting import DEADLINE_S, wait_until

PURSES = 4800 + 4608  # what may be written at once
RATE = 480 + 224  # bytes a second, in the long run
WITHOUT_RIGHTS = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--"]


def held_back(records):
    return sum(int(record.get("held_back", 0)) for record in records)


@pytest.mark.parametrize("seconds", [8, pytest.param(40, marks=pytest.mark.long)])
def test_when_everything_fails_at_once_the_log_stays_small_and_what_it_held_back_adds_up(rig, seconds):
    failing = FailingIo(rig.folder)
    receiver = rig.receiver()
    receiver.go_away()
    outputs = {f"out{n}": rig.http(receiver, batch={"max_bytes": "64KiB"},
                                   spool={"max_bytes": "16MiB"}) for n in range(14)}
    agent = rig.agent({"app": rig.tail("app.*.log"), "closed": rig.tail("closed.*.log")}, outputs,
                      shutdown_grace="0s", memory_limit="256MiB")
    if os.geteuid() == 0:
        agent.command = [*WITHOUT_RIGHTS, *agent.command]
    failing.under(agent, agent.state_dir)
    began = time.monotonic()
    agent.start()
    failing.fail(errno.ENOSPC, "write", "fsync", "rename")
    wave = 0
    while time.monotonic() - began < seconds:
        for n in range(10):
            path = rig.folder / f"closed.{wave}.{n}.log"
            path.touch(mode=0)
        append_lines(rig.folder / f"app.{wave % 5}.log", wave * 50, 50)
        wave += 1
        time.sleep(0.1)
    # With saves that fail and a ledger line, however slow the machine.
    wait_until(lambda: {"request failed", "cannot save", "ledger"} <= {record["msg"] for record in agent.log.read()},
               lambda: {record["msg"] for record in agent.log.read()})
    took = time.monotonic() - began
    size = agent.log.path.stat().st_size
    assert size <= PURSES + RATE * (took + 1)
    if took >= 30:
        assert size < 1024 * took
    wait_until(lambda: agent.metrics().get("spillway_log_lines_held_back_total") > 20, "lines held back")
    agent.process.send_signal(15)
    agent.finish(expect=3)
    stopped = agent.log.find(msg="stopped")[0]
    assert held_back(agent.log.read()) == int(stopped["log_lines_held_back"]) > 20


def test_lines_of_json_and_what_a_journals_stream_is_told(rig):
    receiver = rig.receiver()
    agent = rig.agent({"app": {"type": "stdin"}}, {"main": rig.http(receiver)}, log_format="json")
    agent.launch(stdin=-1)
    agent.feed(lines(0, 10))
    receiver.wait_events(10)
    agent.end_input()
    agent.process.wait(DEADLINE_S)
    records = [json.loads(line) for line in agent.log.text().splitlines()]
    books = [record for record in records if record["msg"] == "ledger"][-1]
    assert books["delivered"] == 10 and books["balance"] == 0 and books["level"] == "info"
    assert records[-1]["msg"] == "stopped" and records[-1]["exit_code"] == 0
    agent.process = None
    # The log's file in the place of the journal's stream: it is known by device and inode.
    agent.config["agent"]["log_format"] = "logfmt"
    path = rig.folder / "agent0" / "agent.2.log"
    path.touch()
    info = path.stat()
    agent.env = {"JOURNAL_STREAM": f"{info.st_dev}:{info.st_ino}"}
    agent.launch(stdin=-1)
    agent.end_input()
    assert agent.process.wait(DEADLINE_S) == 0
    agent.process = None
    assert all(line.startswith("<6>time=") for line in path.read_text().splitlines())


NO_JOURNAL = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$0" "$@"']


@pytest.mark.skipif(subprocess.run([*NO_JOURNAL, "true"], capture_output=True).returncode != 0,
                    reason="no mount namespace is allowed here")
def test_without_a_journal_the_log_says_so_and_goes_to_standard_error(rig):
    receiver = rig.receiver()
    agent = rig.agent({"app": {"type": "stdin"}}, {"main": rig.http(receiver)}, log_to="journal")
    agent.command = [*NO_JOURNAL, *agent.command]
    agent.start_piped()
    told = agent.log.find(msg="the log goes to standard error, the journal cannot be had")
    assert len(told) == 1 and "no socket" in told[0]["why"]
    agent.end_input()
    agent.finish().agree_with(receiver)


def test_lines_in_the_journal_have_their_priority_and_each_field(rig, program_has_systemd):
    journal = Journal()
    try:
        receiver = rig.receiver()
        agent = rig.agent({"app": {"type": "stdin"}}, {"main": rig.http(receiver)}, log_to="journal")
        agent.command = ["nsenter", "-t", str(journal.process.pid), "-m", *agent.command]
        agent.launch(stdin=subprocess.PIPE)
        agent.end_input()
        agent.process.wait(DEADLINE_S)
        agent.process = None

        def stopped():
            shown = [json.loads(line) for line in show("-o", "json", "-D", journal.folder).splitlines()]
            return [entry for entry in shown if entry.get("SPILLWAY_EXIT_CODE") == "0"]
        entry = wait_until(stopped, "the last line in the journal")[0]
        assert entry["MESSAGE"].startswith("level=info msg=stopped left_events=0 exit_code=0")
        assert (entry["PRIORITY"], entry["SPILLWAY_LEFT_EVENTS"]) == ("6", "0")
        assert agent.log.text() == "", "a line goes to one place"
    finally:
        journal.close()
