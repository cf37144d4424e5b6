# SPDX-License-Identifier: Apache-2.0
"""Is a file read, how far, and if not, why not: by the running agent, and by what it left on disk."""

import os
import re
import shutil
import signal
import subprocess

import pytest

from rig import admin, yaml
from rig.agent import BINARY, environment
from rig.lines import append_lines
from rig.waiting import wait_until

NOBODY = 65534


def why(agent, *files, options=(), as_nobody=False, **how):
    """The answer, with what only this moment knows as words: SPAN, INODE and so on."""
    command = [agent.folder / "spillway" if as_nobody else BINARY]
    if as_nobody:
        shutil.copy(BINARY, command[0])
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command]
    done = subprocess.run([*command, "why", *(options or ["-c", agent.config_path]), *files],
                          capture_output=True, text=True, timeout=60, env=environment(), **how)
    assert done.returncode in (0, 1) and not done.stderr, done
    shown = done.stdout.replace(str(agent.folder.parent), "DIR")
    for pattern, word in ((r"\d+\.\ds\b|\d+m\d\ds", "SPAN"), (r"device \d+:\d+", "device DEVICE"),
                          (r"inode \d+", "inode INODE"), (r"fingerprint [0-9a-f]{16}", "fingerprint SUM")):
        shown = re.sub(pattern, word, shown)
    return done.returncode, shown


def expect(agent, code, shown, *files, **how):
    got = why(agent, *files, **how)
    assert got == (code, shown), f"{got[0]}\n{got[1]}\n-- and not --\n{code}\n{shown}"


def reading(rig, **more):
    """An agent that has delivered 100 lines of app.log, its endpoint, and the size of the file."""
    receiver = rig.receiver()
    append_lines(rig.folder / "app.log", 0, 100)
    agent = rig.agent({"app": {**rig.tail("*.log", exclude=["debug*"]), **more}}, {"main": rig.http(receiver)})
    agent.start()
    receiver.wait_events(100)
    size = (rig.folder / "app.log").stat().st_size
    wait_until(lambda: settled(agent, "app.log") == size, "the last answer to be settled")
    return agent, receiver, size


def settled(agent, name):
    for part in admin.ask(agent, "/sources").json["readings"]:
        for source in part["sources"]:
            if source["name"].endswith(f"/{name}"):
                return source["settled"]
    return None


def followed(size, offset=None, behind="nothing behind"):
    offset = size if offset is None else offset
    return ("  app > main: it is followed\n"
            f"    read to byte {offset} of {size}, {behind}; settled (delivered, or counted) to byte {offset}\n"
            "    last read SPAN ago\n"
            "    known as device DEVICE, inode INODE, fingerprint SUM of its first 256 bytes\n")


def regular(size):
    return f"  a regular file of {size} bytes, device DEVICE, inode INODE, written SPAN ago\n"


# ---- what is read ----

@pytest.mark.quick
@pytest.mark.threads
def test_a_file_that_is_read_is_told_by_the_running_agent(rig):
    agent, _, size = reading(rig)
    expect(agent, 0, "DIR/app.log: yes, it is read\n" + regular(size) + followed(size),
           rig.folder / "app.log")
    expect(agent, 0, f"app > main DIR/app.log: {size} of {size} bytes, 0 behind; it is followed\n", "--all")
    expect(agent, 0, "DIR/app.log: yes, it is read\n" + regular(size) + followed(size),
           "app.log", cwd=rig.folder,
           options=["--state-dir", agent.state_dir, "--runtime-dir", agent.runtime_dir])
    agent.stop()


def test_links_lead_to_the_file_and_an_unfinished_line_is_named(rig):
    agent, _, size = reading(rig)
    (rig.folder / "link").symlink_to("app.log")
    with open(rig.folder / "app.log", "a") as file:
        file.write("no newline")
    wait_until(lambda: '"at_end":true,' in admin.ask(agent, "/sources").text and
               f'"size":{size + 10},' in admin.ask(agent, "/sources").text, "a look at the unfinished line")
    expect(agent, 0, "DIR/link: yes, it is read\n  its name without links is DIR/app.log\n" +
           regular(size + 10) + followed(size + 10, size, "10 bytes behind, a line without its newline") +
           "    under the name DIR/app.log\n", rig.folder / "link")
    agent.stop()


def test_while_a_full_lane_holds_the_reading_it_answers_all_the_same(rig):
    """The reading waits inside its plugin then: that is when people ask."""
    receiver = rig.receiver()
    receiver.hold()
    append_lines(rig.folder / "app.log", 0, 400_000)
    size = (rig.folder / "app.log").stat().st_size
    agent = rig.agent({"app": rig.tail("app.log", lane={"capacity": "8MiB"})},
                      {"main": rig.http(receiver, concurrency={"max": 1})}, memory_limit="32MiB",
                      shutdown_grace="0s").start()

    def waits():
        return agent.metrics().get("spillway_stock_events", input="app", output="main", account="ring") > 0 \
            and admin.ask(agent, "/sources").json
    page = wait_until(waits, "a lane with something in it")
    source, = page["readings"][0]["sources"]
    assert page["silent"] == [] and 0 < source["size"] == size and source["settled"] == 0
    code, shown = why(agent, rig.folder / "app.log")
    behind = int(re.search(r"read to byte (\d+) of", shown)[1])
    assert code == 0 and f"of {size}, {size - behind} bytes behind" in shown and behind < size, shown
    receiver.release()
    agent.stop(expect=3)


def test_a_file_that_left_its_path_is_known_by_its_name_until_it_is_forgotten(rig):
    agent, _, size = reading(rig)
    (rig.folder / "app.log").unlink()
    state = "it has left its path, and is followed until rotate_wait is over"
    wait_until(lambda: state in admin.ask(agent, "/sources").text, "the file to be found gone")
    expect(agent, 1, "DIR/app.log: there is no such file\n" +
           followed(size).replace("it is followed", state), rig.folder / "app.log")
    agent.stop()


# ---- what is not ----

def test_why_a_file_is_not_read(rig):
    agent, _, _ = reading(rig, paths=[str(rig.folder / "*.log"), str(rig.folder / "agent0/agent.*.log")])
    folder = rig.folder
    for name in ("debug.log", "app.txt"):
        (folder / name).write_text("x\n")
    os.mkfifo(folder / "fifo.log")
    (folder / "sub.log").mkdir()
    (folder / "sub.log/deep.log").write_text("x\n")

    def no(name, kind, reason):
        found = f"  {kind} of N bytes, device DEVICE, inode INODE, written SPAN ago\n"
        code, shown = why(agent, folder / name)
        assert code == 1
        assert re.sub(r"of \d+ bytes", "of N bytes", shown) == f"DIR/{name}: no, it is not read\n{found}" \
            f"  {reason}\n", shown
    no("debug.log", "a regular file", "input app matches it with DIR/*.log, and leaves it out: exclude debug*")
    no("app.txt", "a regular file",
       "no pattern matches it; the nearest is DIR/*.log of input app, where 'app.txt' is not '*.log'")
    no("fifo.log", "a FIFO", "it is a FIFO: only regular files are read")
    no("sub.log", "a folder", "it is a folder: only regular files are read")
    no("sub.log/deep.log", "a regular file",
       "no pattern matches it; the nearest is DIR/*.log of input app, which ends before 'deep.log'")
    no("agent0/agent.1.log", "a regular file", "input app asks for it, but it is the agent's own output, which "
       "is left out: see `own_output`")
    expect(agent, 1, "DIR/later.log: there is no such file\n  input app would read it\n", folder / "later.log")
    expect(agent, 1, "DIR/later.txt: there is no such file\n  no pattern matches it; the nearest is DIR/*.log "
           "of input app, where 'later.txt' is not '*.log'\n", folder / "later.txt")
    agent.stop()


def test_a_file_of_no_pattern_that_the_configuration_names_is_told_by_its_part(rig):
    """Where an input listens is read; a certificate is not, nor is a spool; the journal is, as a whole."""
    receiver = rig.receiver()
    run = rig.folder / "agent0" / "run"
    (rig.folder / "journal/abc").mkdir(parents=True)
    (rig.folder / "journal/abc/system.journal").write_text("x\n")
    (rig.folder / "token").write_text("secret\n")
    output = rig.http(receiver, auth={"bearer_token_file": str(rig.folder / "token")})
    agent = rig.agent({"app": rig.tail("*.log"),
                       "pipe": {"type": "socket", "listen": [f"fifo://{run}/pipe", f"unix://{run}/sock"]}},
                      {"main": output}).start()
    for name in ("pipe", "sock"):
        code, shown = why(agent, run / name)
        assert code == 0 and shown.startswith(f"DIR/agent0/run/{name}: yes, it is read\n"), shown
        assert shown.endswith("  inputs.pipe.listen names it\n  input pipe takes what comes from it: how much and "
                              "how fast, `spillway top` shows\n"), shown
    code, shown = why(agent, rig.folder / "token")
    assert code == 1 and shown.endswith(
        "  outputs.main.auth.bearer_token_file names it\n  no input reads events from it\n"), shown
    agent.config["inputs"]["units"] = {"type": "journald", "directory": str(rig.folder / "journal")}
    agent.config_path.write_text(yaml.dump(agent.config))
    code, shown = why(agent, rig.folder / "journal/abc/system.journal")
    assert code == 1, shown
    assert "  input units (journald) reads it\n  the agent runs with another configuration" in shown, shown
    agent.stop()
    code, shown = why(agent, rig.folder / "journal/abc/system.journal")
    assert code == 1 and ": not now\n" in shown, shown
    assert shown.endswith("  input units (journald) reads it\n  input units would read what comes from it\n"), shown


def test_a_pattern_that_leads_through_a_link_matches_the_very_file(rig):
    (rig.folder / "real").mkdir()
    (rig.folder / "real/debug.log").write_text("x\n")
    (rig.folder / "link").symlink_to("real")
    agent = rig.agent({"app": rig.tail("link/*.log", exclude=["debug*"])},
                      {"main": {"type": "http", "url": "http://127.0.0.1:9/"}})
    agent.config_path.write_text(yaml.dump(agent.config))
    expect(agent, 1, "no agent with the state directory DIR/agent0/state runs: positions are those of its "
           "checkpoints\nDIR/real/debug.log: no, it is not read\n" + regular(2) +
           "  input app matches it with DIR/link/*.log, and leaves it out: exclude debug*\n",
           rig.folder / "real/debug.log")


def test_a_file_that_the_agent_may_not_read_is_explained_by_its_user(rig):
    """The agent is a plain user here, and root asks: it is the agent's user that counts."""
    receiver = rig.receiver()
    (rig.folder / "app.log").write_text("x\n")
    (rig.folder / "app.log").chmod(0o600)
    agent = rig.agent({"app": rig.tail("*.log")}, {"main": rig.http(receiver)})
    rig.as_nobody(agent).start()
    agent.wait_log(msg="file cannot be opened")
    expect(agent, 1, "DIR/app.log: no, it is not read\n" + regular(2) +
           "  app > main: it cannot be read now, and is tried again at each look at all files\n"
           "    read to byte 0 of 2, 2 bytes behind; settled (delivered, or counted) to byte 0\n"
           "    nothing was read of it since the agent started; not watched by the kernel, looked at now and "
           "then\n    known as device DEVICE, inode INODE\n"
           "    last error: file cannot be opened: Permission denied, SPAN ago\n"
           "  'DIR/app.log' (mode 0600, owner root:root) is not to be read by user 'nobody': change the mode, "
           "or give it CAP_DAC_READ_SEARCH (drop-in read-all-files.conf)\n", rig.folder / "app.log")
    agent.stop()


def test_another_user_than_the_agents_gets_no_answer_and_is_told(rig):
    agent, _, size = reading(rig)
    rig.folder.chmod(0o755)
    agent.folder.chmod(0o755)
    agent.config_path.chmod(0o644)
    code, shown = why(agent, rig.folder / "app.log", as_nobody=True)
    assert code == 1 and shown.startswith("the agent runs and cannot be asked: cannot ask the agent at '"), shown
    assert "sock': Permission denied. Positions are those of its checkpoints\nDIR/app.log: not known\n" in shown
    for books in agent.runtime_dir.glob("*.books"):  # the socket alone tells that it runs
        books.chmod(0o600)
    assert why(agent, rig.folder / "app.log", as_nobody=True) == (code, shown)
    (rig.folder / "private.log").mkdir(mode=0o700)
    (rig.folder / "private.log/app.log").write_text("x\n")
    code, shown = why(agent, rig.folder / "private.log/app.log", as_nobody=True)
    assert code == 1 and "  it cannot be looked at: Permission denied\n" in shown, shown
    agent.stop()


def test_a_file_of_another_configuration_wants_a_reload(rig):
    agent, _, _ = reading(rig)
    (rig.folder / "new.txt").write_text("x\n")
    agent.config["inputs"]["more"] = rig.tail("*.txt")
    agent.config_path.write_text(yaml.dump(agent.config))
    code, shown = why(agent, rig.folder / "new.txt")
    assert code == 1
    assert "  input more asks for it, but the agent runs with another configuration than " in shown, shown
    agent.stop()


def test_an_agent_that_stands_still_is_not_waited_for(rig):
    agent, _, size = reading(rig)
    wait_until(lambda: (agent.state_dir / "checkpoints/app@main").exists(), "a checkpoint")
    agent.process.send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: "stopped by a signal" in why(agent, "--all")[1], "the stop to be seen")
        code, shown = why(agent, rig.folder / "app.log")
    finally:
        agent.process.send_signal(signal.SIGCONT)
    assert code == 1 and shown.startswith(
        "the agent runs and cannot be asked: it is stopped by a signal. Positions are those of its checkpoints\n"
        "DIR/app.log: not known\n" + regular(size) + "  app > main: it is read from here on"), shown
    agent.stop()


# ---- where no agent runs ----

def test_without_an_agent_the_checkpoints_tell_where_it_goes_on(rig):
    agent, _, size = reading(rig)
    agent.stop()
    append_lines(rig.folder / "app.log", 100, 1)
    more = (rig.folder / "app.log").stat().st_size - size
    (rig.folder / "new.log").write_text("x\n")
    none = "no agent with the state directory DIR/agent0/state runs: positions are those of its checkpoints\n"
    expect(agent, 1, none + "DIR/app.log: not now\n" + regular(size + more) +
           "  app > main: it is read from here on at the next start\n"
           f"    read to byte {size} of {size + more}, {more} bytes behind\n"
           "    known as device DEVICE, inode INODE, fingerprint SUM of its first 256 bytes\n",
           rig.folder / "app.log")
    expect(agent, 1, none + "DIR/new.log: not now\n" + regular(2) + "  input app asks for it, and no checkpoint "
           "has a position of it: it would begin where start_at says\n", rig.folder / "new.log")
    expect(agent, 0, none + f"app > main DIR/app.log: {size} of {size} bytes, 0 behind; it is read from here on "
           "at the next start\n", "--all")


@pytest.mark.quick
def test_the_command_line_and_the_configuration_are_checked(folder):
    def run(*words):
        done = subprocess.run([BINARY, "why", *words], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stderr
    assert run()[0] == run("--all", "x")[0] == run("-c", "x", "--state-dir", "y", "z")[0] == 2
    assert run("-c", folder / "none.yaml", "x")[0] == 78
    assert run("--help") == (0, "")
    (folder / "bad.yaml").write_text("inputs: 1\n")
    code, said = run("-c", folder / "bad.yaml", "x")
    assert code == 78 and ":1:9: inputs: " in said


def test_a_name_that_commands_a_terminal_is_shown_as_plain_text(rig):
    agent, _, _ = reading(rig)
    name = "a\x1b[2Jb\x7f\n.log"
    (rig.folder / name).write_text("x\n" * 300)
    wait_until(lambda: settled(agent, name) == 600, "the file to be read")
    for words in (["--all"], [rig.folder / name]):
        done = subprocess.run([BINARY, "why", "-c", agent.config_path, *words], capture_output=True, timeout=60)
        assert done.returncode == 0 and b"a?[2Jb?" in done.stdout and b"\x1b" not in done.stdout, done.stdout
    agent.stop()


# ---- who may ask ----

def test_sources_are_private_and_without_content(rig):
    agent, receiver, _ = reading(rig)
    append_lines(rig.folder / "app.log", 100, 1)
    receiver.wait_events(101)
    assert admin.ask(agent, "/sources", tcp=True).status == 403
    assert admin.ask(agent, "/sources?file=x").status == 400
    page = admin.ask(agent, "/sources?name=00000000").json
    assert page["format"] == 1 and page["readings"][0]["sources"] == []
    assert receiver.bodies()[0] not in admin.ask(agent, "/sources").text
    agent.stop()


def test_thousands_of_files_are_cut_to_the_bound_and_one_of_them_is_still_found(rig):
    receiver = rig.receiver()
    many = rig.folder / ("many" * 50)
    many.mkdir()
    for n in range(2400):
        (many / f"{n}.log").write_text(f"line {n}\n")
    agent = rig.agent({"app": rig.tail("many*/*.log")}, {"main": rig.http(receiver)}).start()
    receiver.wait_events(2400)
    page = admin.ask(agent, "/sources")
    told, = page.json["readings"]
    assert len(page.text) <= (1 << 20) + 4096 and len(told["sources"]) + told["left_out"] == 2400
    assert told["left_out"] > 0
    code, shown = why(agent, many / "2399.log")
    assert code == 0 and shown.startswith(f"DIR/{many.name}/2399.log: yes, it is read\n"), shown
    assert why(agent, "--all")[1].endswith(
        f"app > main: and {told['left_out']} more, for which an answer has no room\n")
    agent.stop()
