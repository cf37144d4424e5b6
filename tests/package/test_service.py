# SPDX-License-Identifier: Apache-2.0
"""The deb in a clean root, from its installation by the words of the README to its purge. The tests go
on where the one before left off."""

import ctypes
import json
import re
import time

import pytest

from root import CAP_SYSLOG, ROOT, may_read_kernel_log

OUTPUT = "/etc/spillway/conf.d/output.yaml"
RECEIVED = "/srv/received"
LANDLOCK_CREATE_RULESET = 444  # on all machines


def commands():
    """Of the README's section on installing: what follows each prompt."""
    section = (ROOT / "README.md").read_text().partition("\n## Install\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```console\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    found = [command.strip() for block in blocks for command in re.split(r"^# ", block, flags=re.MULTILINE)]
    return [command for command in found if command]


def received(root):
    path = root.path(RECEIVED)
    return path.read_text(errors="replace").splitlines() if path.exists() else []


def bodies(root):
    found = []
    for line in received(root):
        try:
            found.append(str(json.loads(line).get("body")))
        except ValueError:
            continue
    return found


def receive(root, more=""):
    """Starts what the README calls the receiver that comes with Spillway."""
    # systemd forgets the one before some time after its end.
    root.wait(lambda: "LoadState=not-found" in root.run("systemctl show -p LoadState receiver.service").out,
              lambda: root.run("systemctl status --no-pager receiver.service", check=False).text)
    root.run(f"systemd-run -q --collect --unit=receiver -p StandardOutput=append:{RECEIVED} "
             f"spillway receive --print {more}")
    root.wait(lambda: ":1F98 " in root.run("cat /proc/net/tcp").out, "the receiver")  # 8088


def say(root, text):
    root.run(f"echo '{text}' | systemd-cat -t test")


def ready(root):
    return root.run("spillway health --ready", check=False).code == 0


def status_of(root, pid):
    return dict(line.split(":", 1) for line in root.run(f"cat /proc/{pid}/status").out.splitlines())


def given_up(root, capabilities):
    """The agent's own confinement, inside of the unit's: whole, with these capabilities kept."""
    said = [line for line in root.journal().splitlines() if "rights given up" in line][-1]
    assert f"capabilities={capabilities} " in said and "system_calls=filtered" in said, said
    is_there = ctypes.CDLL(None).syscall(LANDLOCK_CREATE_RULESET, None, 0, 1) > 0  # asks for the version
    assert 'writing="own folders"' in said or not is_there, said


@pytest.fixture(autouse=True)
def goes_on(request, root):
    """Without an installation the rest says nothing."""
    if "installed_by" not in request.node.name and not root.path("/usr/bin/spillway").exists():
        pytest.skip("it could not be installed")


def test_it_is_installed_by_the_words_of_the_readme(root, deb):
    root.before = root.files()
    root.accounts = root.path("/etc/passwd").read_text()
    (root.folder / "root" / deb.name).write_bytes(deb.read_bytes())
    words = commands()
    assert len(words) >= 6 and words[0].startswith("apt install ./spillway_"), words
    begin = time.monotonic()
    said = root.run(words[0], stdin="y\n", timeout=200)
    installed = time.monotonic() - begin
    assert "Setting up spillway" in said.out
    assert root.unit("ActiveState") == "active"
    assert "Idle: there is no output" in (said := root.run(words[1]).out) and \
        "Fill in 'outputs' in /etc/spillway/spillway.yaml" in said, said
    assert root.unit("User", "StatusText")["User"] == "spillway"
    receive(root)
    for command in words[2:]:
        done = root.run(command)
        assert "rror" not in done.text, f"{command}\n{done.text}"
    root.wait(lambda: received(root), "the first event")
    print(f"installed in {installed:.1f} s, first event {time.monotonic() - begin:.1f} s after apt began")


def test_all_its_files_are_in_the_usual_places_with_the_modes_they_should_have(root):
    added = {path: status for path, status in root.files().items() if path not in root.before}
    listed = root.run("dpkg -L spillway").out.splitlines()
    usual = re.compile(r"/(\.|etc(/spillway.*)?|lib(/systemd.*)?|usr(/(bin|bin/spillway|lib(/systemd.*)?|share))?|"
                       r"usr/share/(doc|man|spillway|bash-completion|zsh|fish|lintian)(/.*)?)$")
    assert all(usual.match(path) for path in listed), listed
    group = int(root.run("id -g spillway").out)
    assert added["etc/spillway"] == ("0o40750", 0, group)
    assert added["etc/spillway/conf.d"] == ("0o40750", 0, group)
    assert added["var/lib/spillway"][0] == "0o40750"
    assert root.run("stat -c %U:%G /var/lib/spillway /run/spillway").out.split() == ["spillway:spillway"] * 2
    writable = [path for path, (mode, _, _) in added.items() if int(mode, 8) & 0o022 and not mode.startswith("0o12")]
    assert not writable, writable
    kib = int(root.run("dpkg-query -W -f='${Installed-Size}' spillway").out)
    assert kib < 3 * 1024


def test_the_real_journal_is_shipped_by_an_unprivileged_process(root):
    say(root, "hello from the journal")
    root.wait(lambda: "hello from the journal" in bodies(root), lambda: bodies(root)[-5:])
    root.wait(lambda: ready(root), "ready")
    status = status_of(root, root.unit("MainPID"))
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2"
    given_up(root, "none")
    said = root.run("runuser -u nobody -- spillway health", check=False)
    assert said.code == 1 and "Permission denied; its own user and root may ask it" in said.text, said.text
    assert set(status["Uid"].split()) == {root.run("id -u spillway").out.strip()}


def test_the_units_score_is_at_most_two(root):
    said = root.run("systemd-analyze security --no-pager spillway.service", check=False).out
    score = float(re.search(r"Overall exposure level for spillway.service: ([0-9.]+)", said)[1])
    assert score <= 2.0, said
    explained = (ROOT / "packaging/systemd/README.md").read_text()
    left = re.findall(r"^✗ (\S+?)=", said, re.MULTILINE)
    missing = [name for name in left if f"`{name}" not in explained]
    assert left and not missing, missing
    said = root.run("systemd-analyze verify --man=no spillway.service", check=False)
    assert said.code == 0 and "spillway" not in said.text, said.text


def test_a_reload_ends_when_it_is_done_and_a_wrong_one_changes_nothing(root):
    pid = root.unit("MainPID")
    root.write("/etc/spillway/conf.d/files.yaml",
               "inputs:\n  files: {type: tail, paths: [/var/log/test/*.log], start_at: beginning}\n")
    root.run("install -d -m 0755 /var/log/test; echo 'from a file' >/var/log/test/a.log")
    root.run("systemctl reload spillway")
    root.wait(lambda: "from a file" in bodies(root), "the line of the file")
    good = root.path(OUTPUT).read_text()
    root.write(OUTPUT, good.replace("url", "urk"))
    failed = root.run("systemctl reload spillway", check=False)
    assert failed.code != 0
    assert f"{OUTPUT}:4:5: " in root.journal()
    say(root, "after the wrong reload")
    root.wait(lambda: "after the wrong reload" in bodies(root), "it ships on")
    root.write(OUTPUT, good)
    root.run("systemctl reload spillway")
    assert root.unit("MainPID") == pid


def test_commands_are_started_outside_of_the_agents_own_filter(root):
    good = root.path(OUTPUT).read_text()
    root.write(OUTPUT, good + "inputs:\n  who: {type: exec, interval: 1s, "
                              "command: [sh, -c, 'echo from a command of $(id -un)']}\n")
    pid = root.unit("MainPID")
    assert root.run("systemctl reload spillway", check=False).code != 0
    assert "restart it" in root.journal("-n 30") and root.unit("MainPID") == pid
    root.run("systemctl restart spillway")
    root.wait(lambda: "from a command of spillway" in bodies(root), lambda: root.journal("-n 30"))
    pid = root.unit("MainPID")
    starter = root.run(f"cat /proc/{pid}/task/*/children").out.split()[0]
    filters = [int(status_of(root, each)["Seccomp_filters"]) for each in (pid, starter)]
    assert filters[0] == filters[1] + 1 > 2, filters
    resident = [int(status_of(root, each)["VmHWM"].split()[0]) for each in (pid, starter)]
    print(f"resident at most: agent {resident[0]} KiB, its starter {resident[1]} KiB")
    assert resident[1] < 8 << 10
    # Resident counts what is shared too; memory_limit beside it.
    assert sum(resident) + (64 << 10) < int(root.unit("MemoryMax")) >> 10
    root.write(OUTPUT, good)
    root.run("systemctl restart spillway")
    root.wait(lambda: ready(root), "ready")


def test_after_kill_9_it_is_started_again_and_closes_the_books(root):
    pid = root.unit("MainPID")
    root.run("systemctl kill --kill-whom=main -s KILL spillway")
    root.wait(lambda: root.unit("ActiveState") == "active" and root.unit("MainPID") not in ("0", pid), "a new one")
    closed = [line for line in root.journal().splitlines() if "predecessor=exact" in line]
    assert closed, root.journal()
    say(root, "after the kill")
    root.wait(lambda: "after the kill" in bodies(root), "it ships on")
    assert len(re.findall("from a file", "\n".join(bodies(root)))) == 1, "its position was kept"


def test_a_wrong_configuration_fails_once_with_its_place(root):
    good = root.path(OUTPUT).read_text()
    root.write(OUTPUT, good.replace("http\n", "httpp\n"))
    assert root.run("systemctl restart spillway", check=False).code != 0
    # Were it to be tried again, it would be "activating" until then.
    state = root.unit("ActiveState", "SubState", "NRestarts", "ExecMainStatus")
    assert state == {"ActiveState": "failed", "SubState": "failed", "NRestarts": "0", "ExecMainStatus": "78"}, state
    assert root.journal("-n 30").count(f"{OUTPUT}:3:11: ") == 1, root.journal("-n 30")
    root.write(OUTPUT, good)
    root.run("systemctl restart spillway")
    root.wait(lambda: ready(root), "ready")


def test_what_it_must_not_read_is_told_with_the_drop_in_that_lets_it(root):
    root.run("install -d -m 0755 /var/log/test; install -m 0600 /dev/null /var/log/test/secret.log; "
             "echo hidden >/var/log/test/secret.log")
    said = root.run("runuser -u spillway -g spillway -G adm -G systemd-journal -- spillway check --env", check=False)
    assert said.code == 1 and "read-all-files.conf" in said.text, said.text
    root.run("install -D -m 0644 -t /etc/systemd/system/spillway.service.d /usr/share/spillway/drop-ins/low-ports.conf")
    drop_in(root, "read-all-files")
    given_up(root, "CAP_DAC_READ_SEARCH")  # not the one of a port that nothing listens at
    assert int(status_of(root, root.unit("MainPID"))["CapPrm"], 16) == 1 << 2
    root.wait(lambda: "hidden" in bodies(root), "the line that only root can read")
    root.run("rm -r /etc/systemd/system/spillway.service.d /var/log/test/secret.log; systemctl daemon-reload; "
             "systemctl restart spillway")


def drop_in(root, name):
    root.run(f"install -D -m 0644 -t /etc/systemd/system/spillway.service.d /usr/share/spillway/drop-ins/{name}.conf"
             " && systemctl daemon-reload && systemctl restart spillway")


def test_the_other_drop_ins_give_what_they_say(root):
    root.run("install -d -m 0700 /etc/spillway/credentials; echo hush >/etc/spillway/credentials/token")
    root.run("echo 'at home' >/home/a.log")
    config = "inputs:\n  files: {type: tail, paths: [/home/*.log], start_at: beginning}\n" \
             "agent:\n  memory_limit: 256MiB\n  admin:\n    listen: 127.0.0.1:99\n"
    root.write("/etc/spillway/conf.d/files.yaml", config)
    said = root.run("spillway check").out
    assert "low-ports.conf), to listen on a port below 1024: agent\n" in said, said
    assert "reads /home/*.log, as a service by drop-in home-and-tmp.conf: inputs.files\n" in said, said
    assert root.run("systemctl reload spillway", check=False).code != 0
    assert "Permission denied: ports below 1024 take CAP_NET_BIND_SERVICE (drop-in low-ports.conf)" in \
        root.journal("-n 10")
    root.write("/etc/spillway/conf.d/files.yaml",
               config + "    token: ${file:/run/credentials/spillway.service/token}\n")
    for name in ("low-ports", "home-and-tmp", "more-memory"):
        root.run(f"install -D -m 0644 -t /etc/systemd/system/spillway.service.d "
                 f"/usr/share/spillway/drop-ins/{name}.conf")
    drop_in(root, "credentials")
    root.wait(lambda: ready(root), "ready")
    root.wait(lambda: "at home" in bodies(root), "the line of /home")
    assert "metrics=127.0.0.1:99" in root.journal("-n 20")
    assert root.unit("MemoryMax") == str(400 << 20)
    root.run("rm -r /etc/systemd/system/spillway.service.d /etc/spillway/conf.d/files.yaml /home/a.log; "
             "systemctl daemon-reload; systemctl restart spillway")


@pytest.mark.skipif(not may_read_kernel_log(), reason="the kernel's log cannot be read here")
def test_the_kernels_log_is_read_with_its_drop_in_and_without_it_the_message_names_it(root):
    config = "/etc/spillway/conf.d/kernel.yaml"
    # As every host has it; nspawn leaves it out.
    root.run("mknod -m 0644 /dev/kmsg c 1 11; echo 'spillway-test from the kernel' >/dev/kmsg")
    root.write(config, "inputs: {kernel: {type: kmsg, start_at: beginning}}\n")
    assert "CAP_SYSLOG (drop-in kernel-log.conf), to read the kernel's log: inputs.kernel" in \
        root.run("spillway check").out
    assert root.run("systemctl reload spillway", check=False).code != 0
    said = root.journal("-n 10")
    assert "cannot open '/dev/kmsg'" in said and "CAP_SYSLOG (drop-in kernel-log.conf)" in said, said
    drop_in(root, "kernel-log")
    root.wait(lambda: ready(root), lambda: root.journal("-n 20"))
    given_up(root, "CAP_SYSLOG")
    assert int(status_of(root, root.unit("MainPID"))["CapPrm"], 16) == 1 << CAP_SYSLOG
    root.wait(lambda: "spillway-test from the kernel" in bodies(root), "the message of the kernel's log")
    root.run(f"rm -r /etc/systemd/system/spillway.service.d {config} /dev/kmsg; systemctl daemon-reload; "
             "systemctl restart spillway")


def test_a_state_directory_of_no_use_is_told_and_tried_again(root):
    root.run("systemctl stop spillway; mv /var/lib/spillway /var/lib/aside; echo x >/var/lib/spillway")
    root.run("systemctl start spillway", check=False)
    root.wait(lambda: int(root.unit("NRestarts")) >= 1, "a second try")
    root.run("systemctl stop spillway; rm /var/lib/spillway; mv /var/lib/aside /var/lib/spillway")
    # Owned by another user: systemd gives it back to the service.
    root.run("chown -R root:root /var/lib/spillway; systemctl start spillway")
    root.wait(lambda: ready(root), "ready")
    assert root.run("stat -c %U /var/lib/spillway").out.strip() == "spillway"


def test_on_a_full_disk_it_ships_on_and_says_so_also_where_it_is_read_only(root):
    root.run("systemctl stop spillway; mount -t tmpfs -o size=16k,mode=0750 tmpfs /var/lib/spillway; "
             "chown spillway: /var/lib/spillway; dd if=/dev/zero of=/var/lib/spillway/x bs=1k count=64", check=False)
    root.run("systemctl start spillway")
    say(root, "on a full disk")
    root.wait(lambda: "on a full disk" in bodies(root), "it ships on")
    root.wait(lambda: "No space left on device" in root.journal("-n 20"), lambda: root.journal("-n 20"))
    root.run("systemctl stop spillway; rm /var/lib/spillway/x; mount -o remount,ro /var/lib/spillway")
    root.run("systemctl start spillway")
    root.wait(lambda: "Read-only file system" in root.journal("-n 20"), lambda: root.journal("-n 20"))
    root.run("systemctl stop spillway; umount /var/lib/spillway; systemctl start spillway")
    root.wait(lambda: ready(root), "ready")


def test_a_repeated_installation_keeps_what_an_administrator_changed(root, deb):
    root.run("systemctl stop spillway; systemctl disable spillway; chown root:adm /etc/spillway/conf.d")
    root.run("echo '# by hand' >>/etc/spillway/spillway.yaml")
    root.run(f"dpkg -i ./{deb.name}")
    assert "# by hand" in root.path("/etc/spillway/spillway.yaml").read_text()
    assert root.run("stat -c %U:%G /etc/spillway/conf.d").out.strip() == "root:adm"
    assert root.run("systemctl is-enabled spillway", check=False).out.strip() == "disabled"
    root.run("for i in 1 2; do sh -e /var/lib/dpkg/info/spillway.postinst configure 0.2.0-1; done")
    root.run("chown root:spillway /etc/spillway/conf.d; systemctl enable --now spillway")


def test_removal_keeps_the_state_and_a_purge_nothing(root):
    root.run("systemctl stop receiver")
    root.run("apt-get -y remove spillway")
    assert not root.path("/usr/bin/spillway").exists() and not root.path("/run/spillway").exists()
    assert root.path("/var/lib/spillway/agent_id").exists() and root.path(OUTPUT).exists()
    assert root.run("systemctl is-active spillway", check=False).out.strip() == "inactive"
    root.run("apt-get -y purge spillway")
    root.run("apt-get -y autoremove --purge")
    assert root.path("/etc/passwd").read_text() == root.accounts
    left = sorted(path for path in root.files() if path not in root.before)
    assert not [path for path in left if "spillway" in path], left
    # What came along belongs to its packages, or is made by them: apt keeps what a package recommends.
    theirs = {line[1:] for path in root.path("/var/lib/dpkg/info").glob("*.list")
              for line in path.read_text().splitlines()}
    made = re.compile(r"etc/(ssl/certs/.*|ca-certificates\.conf|(passwd|group|shadow|gshadow|subuid|subgid)-)$")
    others = [path for path in left if path not in theirs and not made.match(path)
              and not re.match("usr/(local/)?share/ca-certificates", path)]
    assert not others, others
    after = root.files()
    gone = sorted(path for path in root.before if path not in after)
    assert not gone, gone
