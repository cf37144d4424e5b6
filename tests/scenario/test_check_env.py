# SPDX-License-Identifier: Apache-2.0
"""What `check` says beyond the problems of a configuration: the way of the events and the origin of
each value, what it can hold, and whether everything is there that it needs."""

import grp
import os
import re
import shutil
import socket
import ssl
import subprocess

import pytest

from rig import yaml
from rig.agent import BINARY, environment
from rig.receiver import Receiver, Reply
from test_tls import Certificates, TlsReceiver

NOBODY = 65534
SECRET = "hush-hush"


def config_of(folder, outputs, inputs=None, **agent):
    return {"agent": {"state_dir": folder / "state", "runtime_dir": folder / "run", **agent},
            "inputs": inputs or {"app": {"type": "tail", "paths": [str(folder / "logs/*.log")]}},
            "outputs": outputs}


def check(folder, config, *options, as_nobody=False, **env):
    """The program is copied to where a plain user may run it."""
    path = folder / "agent.yaml"
    path.write_text(yaml.dump(config))
    command = [BINARY]
    if as_nobody:
        shutil.copy(BINARY, folder / "spillway")
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                   folder / "spillway"]
    return subprocess.run([*command, "check", "-c", path, *options], capture_output=True, text=True,
                          timeout=60, env=environment(**env))


def checklist(done):
    """The lines with a mark, without the names of what is above them."""
    return [line.strip() for line in done.stdout.splitlines() if re.match("  (✓|✗|ok|FAILED) ", line)]


@pytest.fixture
def place(folder):
    """Open to a plain user, with logs in it."""
    folder.chmod(0o777)
    (folder / "logs").mkdir()
    (folder / "logs/a.log").write_text("a line\n")
    return folder


@pytest.fixture
def receiver():
    made = Receiver()
    made.always(Reply(status=405, body=b""))
    yield made
    made.close()


def main(receiver, **more):
    return {"main": {"type": "http", "url": receiver.url, **more}}


FREE = r"[0-9.]+[KMGT]iB free"


def expect_list(done, folder, *wanted):
    """Each line, with FOLDER for the scenario's own, FREE for what only this host knows, BOOKS for their size."""
    got = [re.sub(r"(runtime_dir: .* bound) [0-9.]+[KM]iB$", r"\1 BOOKS",
                  re.sub(FREE, "FREE", line.replace(str(folder), "FOLDER"))) for line in checklist(done)]
    assert got == list(wanted), done.stdout


# ---- the environment ----

@pytest.mark.quick
def test_where_all_is_there_everything_has_a_tick(place, receiver):
    done = check(place, config_of(place, main(receiver), admin={"listen": "127.0.0.1:0"}), "--env")
    assert done.returncode == 0, done.stdout + done.stderr
    expect_list(done, place,
                "✓ input app: FOLDER/logs/*.log: 1 of 1 files can be read",
                "✓ state_dir: FOLDER/state can be made, FREE, bound 32MiB",
                "✓ runtime_dir: FOLDER/run can be made, FREE, bound BOOKS",
                "✓ 127.0.0.1:0 is free",
                f"✓ output main: 127.0.0.1 resolves, 127.0.0.1:{receiver.port} takes a connection",
                "✓ output main: HEAD is answered with 405")
    assert done.stdout.endswith("\nready\n")
    assert sorted(path.name for path in place.iterdir()) == ["agent.yaml", "logs"]
    request, = receiver.requests
    assert (request.method, request.body) == ("HEAD", b"")


def test_without_utf8_the_marks_are_words(place, receiver):
    done = check(place, config_of(place, main(receiver)), "--env", LANG="C", LC_ALL="C")
    assert done.returncode == 0 and done.stdout.isascii()
    assert checklist(done)[0].startswith("ok input app: ")


def test_what_a_plain_user_cannot_read_is_named_with_what_would_help(place, receiver):
    (place / "logs/secret.log").write_text("x\n")
    (place / "logs/secret.log").chmod(0o600)
    (place / "closed").mkdir(mode=0o700)
    (place / "state").mkdir(mode=0o755)
    inputs = {"app": {"type": "tail", "paths": [str(place / part) for part in
                                               ("logs/*.log", "closed/*.log", "none/*.log", "logs/*.txt")]}}
    done = check(place, config_of(place, main(receiver), inputs), "--env", as_nobody=True)
    assert done.returncode == 1, done.stdout + done.stderr
    why = ": change the mode, or give it CAP_DAC_READ_SEARCH (drop-in read-all-files.conf)"
    expect_list(done, place,
                "✗ input app: FOLDER/logs/secret.log cannot be read: 'FOLDER/logs/secret.log' (mode 0600, "
                f"owner root:root) is not to be read by user 'nobody'{why}",
                "✓ input app: FOLDER/logs/*.log: 1 of 2 files can be read",
                "✗ input app: FOLDER/closed/*.log: 'FOLDER/closed' (mode 0700, owner root:root) is not to "
                f"be read by user 'nobody'{why}",
                "✗ input app: FOLDER/none/*.log: there is no folder 'FOLDER/none'",
                "✓ input app: FOLDER/logs/*.txt: no file yet",
                "✗ state_dir: FOLDER/state: 'FOLDER/state' cannot be written: Permission denied",
                "✓ runtime_dir: FOLDER/run can be made, FREE, bound BOOKS",
                "✓ only the unix socket in runtime_dir",
                f"✓ output main: 127.0.0.1 resolves, 127.0.0.1:{receiver.port} takes a connection",
                "✓ output main: HEAD is answered with 405")
    assert "as user 'nobody' sees it\n" in done.stdout
    assert done.stdout.endswith("\n4 of these would go wrong\n")


def test_the_journal_and_the_kernels_log_are_tried_and_what_is_missing_is_named(place, receiver):
    """Files stand for both. The system's journal is of a group, the kernel's log of nobody else's."""
    journal, kernel = place / "journal/abc", place / "kmsg"
    journal.mkdir(parents=True)
    for name, mode in (("system.journal", 0o640), ("user-1000.journal", 0o644)):
        (journal / name).write_text("x\n")
        (journal / name).chmod(mode)
    os.chown(journal / "system.journal", 0, grp.getgrnam("adm").gr_gid)
    kernel.write_text("x\n")
    kernel.chmod(0o600)
    inputs = {"units": {"type": "journald", "directory": str(place / "journal")},
              "others": {"type": "journald", "directory": str(place / "none")},
              "kernel": {"type": "kmsg", "path": str(kernel)},
              "gone": {"type": "kmsg", "path": str(place / "gone")}}
    by_capability = "give it CAP_DAC_READ_SEARCH (drop-in read-all-files.conf)"
    done = check(place, config_of(place, main(receiver), inputs), "--env", as_nobody=True)
    assert done.returncode == 1 and "\nLogs of the system\n" in done.stdout, done.stdout + done.stderr
    assert [line.replace(str(place), "FOLDER") for line in checklist(done) if "input" in line] == [
        "✗ input units: FOLDER/journal/abc/system.journal cannot be read: 'FOLDER/journal/abc/system.journal' "
        "(mode 0640, owner root:adm) is not to be read by user 'nobody': add it to the group 'adm', or "
        + by_capability,
        "✓ input units: 1 of 2 files can be read",
        "✗ input others: there is nothing to read: no FOLDER/none/*.journal",
        "✗ input kernel: FOLDER/kmsg cannot be read: 'FOLDER/kmsg' (mode 0600, owner root:root) is not to be "
        "read by user 'nobody': change the mode, or " + by_capability,
        "✗ input gone: FOLDER/gone cannot be read: No such file or directory: a service that sees no devices "
        "needs CAP_SYSLOG (drop-in kernel-log.conf), a container the device"]
    del inputs["others"], inputs["gone"]
    done = check(place, config_of(place, main(receiver), inputs), "--env")
    if os.geteuid() == 0:
        assert done.returncode == 0, done.stdout
        assert f"✓ input kernel: {kernel} can be read" in checklist(done)
        assert "✓ input units: 2 of 2 files can be read" in checklist(done)


def test_what_the_kernel_keeps_for_itself_is_said_though_the_modes_would_allow_it(place, receiver):
    with open("/proc/sys/kernel/dmesg_restrict") as file:
        is_restricted = file.read().strip() == "1"
    wanted = "✓ input kernel: /dev/kmsg can be read"
    if not os.path.exists("/dev/kmsg"):
        wanted = "✗ input kernel: /dev/kmsg cannot be read: No such file or directory: a service that sees no " \
            "devices needs CAP_SYSLOG (drop-in kernel-log.conf), a container the device"
    elif is_restricted:
        wanted = "✗ input kernel: /dev/kmsg cannot be read: Operation not permitted: where " \
            "kernel.dmesg_restrict is 1 it takes CAP_SYSLOG (drop-in kernel-log.conf)"
    done = check(place, config_of(place, main(receiver), {"kernel": {"type": "kmsg"}}), "--env", as_nobody=True)
    assert wanted in checklist(done), done.stdout


def test_a_disk_without_room_for_the_spool_and_a_port_in_use_are_found(place, receiver):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outputs = main(receiver, spool={"max_bytes": "16TiB"})
        done = check(place, config_of(place, outputs, admin={"listen": f"127.0.0.1:{port}"}), "--env")
    assert done.returncode == 1
    lines = checklist(done)
    assert any(line.startswith(f"✗ output main: spool: {place}/state/spool/main can be made, ")
               and line.endswith(" bound 16TiB and 256MiB to be left free") for line in lines), lines
    assert f"✗ cannot listen on '127.0.0.1:{port}': Address already in use" in lines


def test_the_port_of_the_agent_that_runs_is_no_failure(rig):
    receiver = rig.receiver()
    receiver.always(Reply(status=200, body=b""))
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver)}).start()
    address = agent.log.find(msg="started")[0]["metrics"]
    agent.config["agent"]["admin"] = {"listen": address}
    done = check(rig.folder, agent.config, "--env")
    assert done.returncode == 0, done.stdout
    assert f"✓ {address} is in use while the agent runs, pid {agent.process.pid}" in checklist(done)
    agent.stop()


def endpoint_lines(folder, outputs, **env):
    done = check(folder, config_of(folder, outputs), "--env", **env)
    lines = [line.replace("output main: ", "") for line in checklist(done) if " output main: " in line]
    assert done.returncode == int(any(line[0] == "✗" for line in lines)), done.stdout
    assert SECRET not in done.stdout + done.stderr
    return lines


@pytest.mark.parametrize("status,without,said", [
    (405, 401, "✓ HEAD is answered with 405, without the credentials with 401: they are taken"),
    (200, 200, "✓ HEAD is answered with 200, with and without the credentials: only a batch would tell "
               "whether they are right"),
    (401, 401, "✗ HEAD is answered with 401: the credentials are refused"),
    (403, 401, "✗ HEAD is answered with 403: the credentials are refused"),
])
def test_credentials_are_asked_about(place, receiver, status, without, said):
    def judge(request):
        right = request.headers.get("authorization") == f"Bearer {SECRET}"
        return Reply(status=status if right else without, body=b"")
    receiver.rule(judge)
    outputs = main(receiver, auth={"bearer_token": "${TOKEN}"})
    assert endpoint_lines(place, outputs, TOKEN=SECRET)[-1] == said
    assert all(request.method == "HEAD" and not request.body for request in receiver.requests)


def test_an_endpoint_that_wants_credentials_and_gets_none(place, receiver):
    receiver.always(Reply(status=401, body=b""))
    assert endpoint_lines(place, main(receiver))[-1] == \
        "✗ HEAD is answered with 401: it wants credentials, and there are none"


def test_endpoints_that_are_not_there_fail_at_the_step_that_failed(place, receiver):
    receiver.go_away()
    refused, = endpoint_lines(place, main(receiver))
    assert refused.startswith("✗ 127.0.0.1 takes no connection: "), refused
    unknown, = endpoint_lines(place, {"main": {"type": "http", "url": "http://no-such-host.invalid/"}})
    assert unknown.startswith("✗ no-such-host.invalid does not resolve: "), unknown


def test_an_endpoint_that_never_answers_ends_with_the_timeout(place, receiver):
    receiver.deafen()
    lines = endpoint_lines(place, main(receiver, timeout="1s"))
    assert len(lines) == 2 and lines[1].startswith("✗ 127.0.0.1 does not answer: "), lines
    receiver.hear()


def tls_lines(folder, host, days=2, **tls):
    certificates = Certificates(folder)
    certificate, key = certificates.issue("server", host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    receiver = TlsReceiver(context)
    receiver.always(Reply(status=405, body=b""))
    try:
        options = {"ca_file": certificates.ca, **tls}
        return endpoint_lines(folder, main(receiver, tls=options)), receiver
    finally:
        receiver.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_certificate_is_checked_and_its_end_is_told(place):
    lines, receiver = tls_lines(place, "localhost")
    assert len(receiver.requests) == 1
    assert lines[0].startswith("✓ localhost resolves, ") and lines[2] == "✓ HEAD is answered with 405"
    assert re.fullmatch(r"✓ TLS handshake, name and authority are right, the certificate ends on "
                        r"\d{4}-\d\d-\d\d, in [12] days", lines[1]), lines


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("host,tls", [("elsewhere.example", {}), ("localhost", {"ca_file": ""})])
def test_a_certificate_of_another_name_or_authority_fails(place, host, tls):
    lines, receiver = tls_lines(place, host, **tls)
    assert not receiver.requests
    assert len(lines) == 2 and lines[1].startswith("✗ localhost fails in the TLS handshake: "), lines
    unchecked, _ = tls_lines(place, host, verify=False, **tls)
    assert unchecked[1].startswith("✓ TLS handshake, not verified (tls.verify: no), the certificate"), unchecked


def test_a_wrong_configuration_is_told_before_anything_is_asked(place, receiver):
    done = check(place, config_of(place, main(receiver, workers=99)), "--env")
    assert done.returncode == 78 and not done.stdout and not receiver.requests
    assert subprocess.run([BINARY, "check", "--event-bytes", "5"], capture_output=True).returncode == 2
    assert subprocess.run([BINARY, "check", "--rate", "0"], capture_output=True).returncode == 2
    assert subprocess.run([BINARY, "check", "--ratio", "x"], capture_output=True).returncode == 2


# ---- explained ----

@pytest.mark.quick
def test_explain_tells_where_each_value_comes_from_and_no_secret(place):
    (place / "token").write_text(SECRET)
    config = config_of(place, {"main": {"type": "http", "url": "https://logs.example/in?key=hush",
                                        "auth": {"bearer_token": f"${{file:{place}/token}}"},
                                        "timeout": "${TIMEOUT:-20s}"}})
    done = check(place, config, "--explain", METHOD="PUT")
    assert done.returncode == 0, done.stderr
    assert "hush" not in done.stdout
    said = done.stdout.replace(str(place), "FOLDER")
    for words in (
            "\n  app (tail: Lines of files, over rotation, truncation and restarts), paths [FOLDER/logs/*.log]\n"
            "    -> lane to main: 8MiB, when it is full the input waits\n",
            "\n  state_dir                      FOLDER/state ",
            "\n  memory_limit                   64MiB                    default\n",
            "  lane.overflow                  block                    default\n",
            "  url                            https://logs.example/in?(hidden) FOLDER/agent.yaml:11\n",
            "  auth.bearer_token              (hidden)                 FOLDER/agent.yaml:13 "
            "(file FOLDER/token)\n",
            "  timeout                        20s                      FOLDER/agent.yaml:14 "
            "(environment variable TIMEOUT is not set: the default written there)\n"):
        assert words in said, said


# ---- what it can hold ----

def test_what_it_holds_is_worked_out_from_the_real_sizes(place):
    outputs = {"main": {"type": "http", "url": "http://127.0.0.1:9/", "compression": "none",
                        "spool": {"max_bytes": "1GiB"}}}
    done = check(place, config_of(place, outputs), "--rate", "1000/s", "--event-bytes", "1000")
    assert done.returncode == 0, done.stderr
    held = done.stdout[done.stdout.index("What it holds"):]
    in_lane, in_batch = map(int, re.search(r"\((\d+) in a lane, (\d+) in a\s+batch", held).groups())
    assert in_lane == 1040 and in_batch > 1000 + len('{"observed_time":"","body":""}')
    events = (8 << 20) // in_lane
    assert f"  lane from app     8MiB, {events} events, {events / 1000:.1f}s\n" in held
    spooled = (1 << 30) // in_batch
    span = divmod(int(spooled / 1000), 60)
    assert f"  spool             1GiB, {spooled} events, {span[0]}m{span[1]:02}s\n" in held
    survived = divmod(int(spooled / 1000 + events / 1000), 60)
    assert f"  outage survived   {survived[0]}m{survived[1]:02}s, then the inputs wait, and nothing is " \
           "dropped\n" in held


def test_a_limit_of_the_control_group_that_is_too_small_is_warned_of(place):
    """Behind a mount of its own, the limit is read where version 2 has it, and version 1."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        pytest.skip("namespaces are not allowed here")
    groups = place / "groups"
    (groups / "memory").mkdir(parents=True)
    path = place / "agent.yaml"
    path.write_text(yaml.dump(config_of(place, {"main": {"type": "http", "url": "http://127.0.0.1:9/"}})))

    def warning(limit, command="check"):
        for name in ("memory.max", "memory/memory.limit_in_bytes"):
            (groups / name).write_text(f"{limit}\n")
        script = 'mount --bind "$0" /sys/fs/cgroup && exec "$1" "$3" -c "$2"'
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, groups, BINARY, path, command],
                              capture_output=True, text=True, timeout=60, env=environment())
        assert done.returncode == (0 if command == "check" else 1), done.stderr
        return done.stderr
    assert warning(72 << 20) == ""
    said = warning((72 << 20) - 1)
    assert re.fullmatch(r"warning: agent.memory_limit 64MiB and 8MiB for the agent itself do not fit the "
                        r"control group, which has 71.9MiB \(/sys/fs/cgroup/memory\S*\): the kernel would "
                        r"kill the agent. Set memory_limit to at most 63MiB, or raise the limit \(drop-in "
                        r"more-memory.conf\)\n", said), said
    assert said.startswith("warning: ") and "Raise the limit" in warning(5 << 20)
    # Who reloads says it before he finds that no agent is there, the agent before it finds no folder.
    assert warning((72 << 20) - 1, "reload").startswith(said)
    (place / "state").write_text("not a folder")
    assert warning((72 << 20) - 1, "run").startswith(said)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_neither_explain_nor_rate_opens_a_socket_or_creates_a_file(place):
    path = place / "agent.yaml"
    path.write_text(yaml.dump(config_of(place, {"main": {"type": "http", "url": "http://127.0.0.1:9/"}})))
    trace = place / "trace"
    done = subprocess.run(["strace", "-f", "-o", trace, "-e", "trace=socket,connect,bind,openat,mkdir,creat",
                           BINARY, "check", "-c", path, "--explain", "--rate", "5/s"],
                          capture_output=True, text=True, timeout=60,
                          env=environment(ASAN_OPTIONS="detect_leaks=0"))
    assert done.returncode == 0, done.stderr
    for call in trace.read_text().splitlines():
        assert not re.search(r"\b(socket|bind|connect|mkdir|creat)\(|O_CREAT|O_WRONLY", call), call
