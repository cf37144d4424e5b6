# SPDX-License-Identifier: Apache-2.0
"""Entries of a real journald: once each over restarts, kills and rotations, and what is gone is counted."""

import json
import shutil
import signal

import pytest

from rig.journal import Journal, Unit, export_entry, receive_export, show
from rig.saved import checkpoint
from rig.waiting import wait_until


@pytest.fixture
def journal(program_has_systemd):
    made = Journal()
    yield made
    made.close()


def numbers(receiver):
    return [int(event["body"].split()[1]) for event in receiver.events()
            if event.get("body", "").startswith("entry ")]


def await_all(receiver, count):
    wait_until(lambda: len(set(numbers(receiver))) >= count,
               lambda: f"{count} entries, {len(set(numbers(receiver)))} came")


def await_saved(agent, journal, number):
    """Until the entry is the one that a start after a kill would go on from."""
    def first_shown():
        cursor = checkpoint(agent, "journal@main").partition("\n")[2].strip()
        return cursor and show("-o", "cat", f"--cursor={cursor}", *(f"--file={path}" for path in journal.files()))
    wait_until(lambda: first_shown().startswith(f"entry {number}\n".encode()), first_shown, pause=0.1)


def make(rig, journal, receiver, **options):
    options = {"start_at": "beginning", "directory": str(journal.folder), **options}
    return rig.agent({"journal": {"type": "journald", **options}}, {"main": rig.http(receiver)})


@pytest.mark.quick
def test_an_entry_has_its_severity_time_and_origin(rig, journal):
    receiver = rig.receiver()
    agent = make(rig, journal, receiver).start()
    journal.send(MESSAGE="entry 0 with\nfour\0bytes", PRIORITY=3, SYSLOG_IDENTIFIER="checkout",
                 CODE_FILE="a.c", CODE_LINE=7, ORDER_ID=4711)
    await_all(receiver, 1)
    event = next(event for event in receiver.events() if event["body"].startswith("entry"))
    assert event["body"] == "entry 0 with\nfour\0bytes"
    assert (event["severity_text"], event["severity_number"]) == ("err", 17)
    attributes = event["attributes"]
    assert attributes["log.syslog.appname"] == "checkout"
    assert (attributes["code.file.path"], attributes["code.line.number"]) == ("a.c", 7)
    assert attributes["process.pid"] > 0 and attributes["process.user.id"] == 0
    assert "journald.order_id" not in attributes
    assert event["time"] <= event["observed_time"]
    agent.stop().agree_with(receiver)


def test_entries_come_once_over_rotations_restarts_and_kills(rig, journal):
    receiver = rig.receiver()
    agent = make(rig, journal, receiver).start()
    journal.send_lines(0, 300)
    await_all(receiver, 300)
    journal.rotate()
    journal.send_lines(300, 300)
    await_all(receiver, 600)
    agent.stop()
    journal.send_lines(600, 100)  # while it is down, over a rotation
    journal.rotate()
    journal.send_lines(700, 100)
    agent.start()
    await_all(receiver, 800)
    assert sorted(numbers(receiver)) == list(range(800))
    await_saved(agent, journal, 799)
    receiver.hold()
    journal.send_lines(800, 100)
    wait_until(lambda: receiver.waiting(), "a batch without an answer")
    agent.kill()
    receiver.release()
    agent.start()
    await_all(receiver, 900)
    assert agent.stop().lane().upstream_loss == 0
    came = numbers(receiver)
    assert set(came) == set(range(900))
    assert all(came.count(number) == 1 for number in range(800)), "settled before the kill"


def test_what_a_vacuum_took_before_it_was_read_is_counted_exactly(rig, journal):
    receiver = rig.receiver()
    agent = make(rig, journal, receiver).start()
    journal.send_lines(0, 50)
    await_all(receiver, 50)
    agent.stop()
    journal.send_lines(50, 20)
    journal.wait_entries(70)
    journal.rotate()
    journal.send_lines(70, 300)
    journal.wait_entries(370)
    taken = journal.rotate()
    journal.send_lines(370, 30)
    journal.wait_entries(400)
    gone, lost = journal.numbers([taken]), journal.count(taken)
    assert gone == list(range(70, 370))
    taken.unlink()
    agent.start()
    expected = set(range(400)) - set(gone)
    await_all(receiver, len(expected))
    lane = agent.stop().lane()
    assert set(numbers(receiver)) == expected
    assert lane.upstream_loss == lost


def test_what_a_damaged_file_does_not_give_is_counted(rig, journal):
    receiver = rig.receiver()
    agent = make(rig, journal, receiver).start()
    journal.send_lines(0, 50)
    await_all(receiver, 50)
    agent.stop()
    journal.wait_entries(50)
    journal.rotate()
    journal.send_lines(50, 300)
    journal.wait_entries(350)
    hurt = journal.rotate()
    journal.send_lines(350, 30)
    journal.wait_entries(380)
    whole, content = journal.count(hurt), hurt.read_bytes()
    at = content.find(b"entry 200")
    hurt.write_bytes(content[:at] + b"\xff" * 20000 + content[at + 20000:])
    given, lost = journal.numbers([hurt]), whole - journal.count(hurt)
    assert 0 < len(given) < 300 and lost > 0, "as the journal's own tool sees it"
    agent.start()
    expected = {*range(50), *given, *range(350, 380)}
    await_all(receiver, len(expected))
    lane = agent.stop().lane()
    assert set(numbers(receiver)) == expected
    assert lane.upstream_loss == lost


def test_the_place_itself_may_be_gone(rig, journal):
    receiver = rig.receiver()
    agent = make(rig, journal, receiver).start()
    journal.send_lines(0, 50)
    await_all(receiver, 50)
    agent.stop()
    journal.send_lines(50, 20)
    journal.wait_entries(70)
    first = journal.rotate()
    journal.send_lines(70, 30)
    journal.wait_entries(100)
    first.unlink()  # the place, and twenty entries after it
    agent.start()
    await_all(receiver, 80)
    lane = agent.stop().lane()
    assert sorted(numbers(receiver)) == [*range(50), *range(70, 100)]
    assert lane.upstream_loss == 20


def test_a_folder_that_goes_and_comes_again_is_read_on(rig, journal):
    receiver = rig.receiver()
    agent = make(rig, journal, receiver).start()
    journal.send_lines(0, 10)
    await_all(receiver, 10)
    shutil.rmtree(journal.folder)
    agent.wait_log(msg="the journal is opened again")
    journal.folder.mkdir()
    journal.process.send_signal(signal.SIGUSR2)  # it makes files anew when it rotates
    wait_until(journal.files, "a new file")
    journal.send_lines(10, 10)
    await_all(receiver, 20)
    assert numbers(receiver) == list(range(20))
    assert agent.stop().agree_with(receiver).lane().upstream_loss == 0


def test_a_filter_of_the_journal_passes_what_it_names(rig, journal):
    receiver = rig.receiver()
    agent = make(rig, journal, receiver, priority="warning", identifiers=["shop", "till"]).start()
    journal.send_lines(0, 1, SYSLOG_IDENTIFIER="shop", PRIORITY=6)
    journal.send_lines(1, 1, SYSLOG_IDENTIFIER="other", PRIORITY=3)
    journal.send_lines(2, 1, SYSLOG_IDENTIFIER="shop", PRIORITY=4)
    journal.send_lines(3, 1, SYSLOG_IDENTIFIER="till", PRIORITY=0)
    await_all(receiver, 2)
    assert numbers(receiver) == [2, 3]
    agent.stop().agree_with(receiver)


def test_from_the_end_only_what_comes_is_read_also_after_a_restart(rig, journal):
    receiver = rig.receiver()
    journal.send_lines(0, 10)
    journal.wait_entries(10)
    agent = make(rig, journal, receiver, start_at="end").start()
    agent.stop()
    journal.send_lines(10, 5)  # it knows where it was, though it read nothing
    agent.start()
    await_all(receiver, 5)
    assert numbers(receiver) == list(range(10, 15))
    agent.stop()


def suppressed(journal):
    """What journald says it did not write, by its entries about that."""
    shown = show("-o", "json", "MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e",
                 *(f"--file={path}" for path in journal.files()))
    return sum(int(json.loads(line)["N_DROPPED"]) for line in shown.splitlines())


def test_what_comes_is_read_also_where_nothing_of_its_kind_was_there_before(rig, journal):
    receiver = rig.receiver()
    agent = make(rig, journal, receiver, start_at="end", matches=["ORDER=1"]).start()
    journal.send(MESSAGE="entry 0", ORDER=1)
    await_all(receiver, 1)
    journal.send(MESSAGE="entry 1", ORDER=1)
    await_all(receiver, 2)
    assert agent.stop().agree_with(receiver).lane().upstream_loss == 0
    assert numbers(receiver) == [0, 1]


def test_the_first_burst_of_its_kind_is_read_whole(rig, journal):
    receiver = rig.receiver()
    agent = make(rig, journal, receiver, start_at="end", matches=["ORDER=1"]).start()
    agent.process.send_signal(signal.SIGSTOP)
    journal.send_lines(0, 5, ORDER=1)
    journal.wait_entries(5)
    agent.process.send_signal(signal.SIGCONT)
    await_all(receiver, 5)
    assert agent.stop().agree_with(receiver).lane().upstream_loss == 0
    assert numbers(receiver) == [0, 1, 2, 3, 4]


def test_what_journald_suppresses_by_its_rate_limit_is_counted_as_it_says(rig, program_has_systemd):
    journal = Journal(rate_limit="RateLimitIntervalSec=500ms\\nRateLimitBurst=4")
    receiver, sent = rig.receiver(), 2000
    agent = make(rig, journal, receiver).start()

    def is_told():
        """It says so when the unit writes again after the interval."""
        nonlocal sent
        unit.send_lines(sent, 1)
        sent += 1
        said = suppressed(journal)
        return said if len(journal.numbers(journal.files())) + said == sent > said > 0 else 0
    try:
        with Unit(journal) as unit:
            unit.send_lines(0, sent)
            said = wait_until(is_told, "what it has suppressed", pause=0.1)
            agent.wait_metric(said, "spillway_dropped_events_total", reason="upstream_loss")
            await_all(receiver, sent - said)
        lane = agent.stop().agree_with(receiver).lane()
    finally:
        journal.close()
    assert lane.upstream_loss == said == sent - len(numbers(receiver))
    assert agent.log.find(msg="lost before it was read", source=unit.name)


def test_an_entry_that_says_it_is_a_loss_is_believed_of_journald_alone(rig, journal):
    receiver = rig.receiver()
    agent = make(rig, journal, receiver).start()
    journal.send(MESSAGE="entry 0", MESSAGE_ID="a596d6fe7bfa4994828e72309e95d61e", N_DROPPED=5)
    await_all(receiver, 1)
    assert agent.stop().lane().upstream_loss == 0


@pytest.mark.quick
def test_a_match_that_is_none_is_told_by_check_and_a_missing_folder_at_the_start(rig, journal):
    agent = make(rig, journal, rig.receiver(), matches=["transport=kernel"])
    agent.launch()
    assert agent.wait_exit() == 78
    assert "'transport=kernel' is not FIELD=value" in agent.log.text()
    agent = make(rig, journal, rig.receiver(), directory="/nonexistent")
    agent.launch()
    assert agent.wait_exit() == 1
    assert "cannot open the journal in /nonexistent: No such file" in agent.log.text()


def test_the_journal_of_a_host_is_found_below_its_root_on_disk_or_in_memory_and_may_be_missing(rig, journal):
    """As a container sees it; a host without a journal is none that cannot be read."""
    for number, place in enumerate(("var/log", "run/log")):
        root = rig.folder / f"host{number}"
        (root / place).mkdir(parents=True)
        (root / place / "journal").symlink_to(journal.outside)
        journal.send_lines(number, 1)
        receiver = rig.receiver()
        agent = make(rig, journal, receiver, directory="", root_path=str(root)).start()
        await_all(receiver, number + 1)
        agent.stop().agree_with(receiver)
    (rig.folder / "bare").mkdir()
    agent = make(rig, journal, rig.receiver(), directory="", root_path=str(rig.folder / "bare")).start()
    agent.stop()
    agent = make(rig, journal, rig.receiver(), root_path="/host")
    agent.launch()
    assert agent.wait_exit() == 78
    assert "directory and root_path exclude each other" in agent.log.text()


def test_a_journal_that_is_begun_later_is_read_from_its_begin(rig, program_has_systemd):
    """Also with start_at: end, its default: all of it is new."""
    host, made = rig.folder / "host", rig.folder / "made"
    host.mkdir()
    made.mkdir()
    receive_export(made / "remote.journal", [
        export_entry(1764320000000000 + number, 1, {"MESSAGE": f"entry {number}"}) for number in range(20)])
    receiver = rig.receiver()
    agent = rig.agent({"journal": {"type": "journald", "root_path": str(host)}},
                      {"main": rig.http(receiver)}).start()
    (host / "var/log").mkdir(parents=True)
    made.rename(host / "var/log/journal")
    await_all(receiver, 20)
    assert numbers(receiver) == list(range(20))
    agent.stop().agree_with(receiver)


def test_a_file_that_cannot_be_read_is_told_once_and_shown_until_it_can(rig, program_has_systemd):
    """It is of another numbering than the rest, so that no gap shows what is missing."""
    folder, first_us = rig.folder / "remote", 1764320000000000
    folder.mkdir()
    good, damaged = folder / "good.journal", folder / "damaged.journal"
    for path, first, boot in ((good, 0, 1), (damaged, 20, 2)):
        receive_export(path, [export_entry(first_us + number, boot, {"MESSAGE": f"entry {number}"})
                              for number in range(first, first + 20)])
    content = damaged.read_bytes()
    damaged.write_bytes(b"damaged!" + content[8:])
    assert show("-o", "cat", "--directory", folder).count(b"entry ") == 20, "by the journal's own tool"
    receiver = rig.receiver()
    agent = rig.agent({"journal": {"type": "journald", "start_at": "beginning", "directory": str(folder)}},
                      {"main": rig.http(receiver)}).start()
    await_all(receiver, 20)
    told = {"msg": "a file of the journal cannot be read, how many entries are missing is not known"}
    line = agent.wait_log(level="warn", source=str(damaged), **told)
    assert line["why"] == "it is damaged"
    agent.wait_metric(1, "spillway_journal_files_unreadable")
    damaged.write_bytes(content)
    agent.wait_log(msg="a file of the journal can be read", source=str(damaged))
    await_all(receiver, 40)
    assert agent.metrics().get("spillway_journal_files_unreadable") == 0
    assert len(agent.log.find(**told)) == 1
    assert agent.stop().agree_with(receiver).lane().upstream_loss == 0


def test_entries_of_other_hosts_and_boots_come_once_as_they_were_received(rig, program_has_systemd):
    folder = rig.folder / "remote"
    folder.mkdir()
    blob, first_us = bytes(range(256)), 1764320000000000
    receive_export(folder / "remote.journal", [
        export_entry(first_us + number, 1 + number // 3 % 2, {
            "MESSAGE": b"entry %d\nwith \0 and \xff" % number if number % 2 else f"entry {number}",
            "_HOSTNAME": f"host{number % 3}", "PRIORITY": number % 8, "BLOB": blob, "SHARE": number})
        for number in range(600)])
    shown = show("-o", "export", f"--file={folder / 'remote.journal'}")
    assert shown.count(b"__CURSOR=") == 600, "by the journal's own tool"
    receiver = rig.receiver()
    agent = rig.agent({"journal": {"type": "journald", "start_at": "beginning",
                                   "directory": str(folder), "all_fields": True}},
                      {"main": rig.http(receiver)}).start()
    await_all(receiver, 600)
    agent.stop()
    receive_export(folder / "later.journal", [  # while it is down, a third boot
        export_entry(first_us + number, 3, {"MESSAGE": f"entry {number}", "_HOSTNAME": "host9"})
        for number in range(600, 700)])
    agent.start()
    await_all(receiver, 700)
    assert agent.stop().lane().upstream_loss == 0
    assert sorted(numbers(receiver)) == list(range(700))
    events = {int(event["body"].split()[1]): event for event in receiver.events()}
    assert events[7]["body"].startswith("entry 7\nwith \0 and ")
    for number, event in events.items():
        attributes = event["attributes"]
        assert attributes["journald.hostname"] == (f"host{number % 3}" if number < 600 else "host9")
        assert ("journald.blob" in attributes) == (number < 600)
        assert attributes.get("journald.share") == (str(number) if number < 600 else None)
        assert int(attributes["journald.boot_id"], 16) == (1 + number // 3 % 2 if number < 600 else 3)
