# SPDX-License-Identifier: Apache-2.0
"""A wrong configuration: `check` and `run` say the same, with a place, and touch nothing."""

import re
import shutil
import subprocess

import pytest

from rig.agent import BINARY, environment
from rig.receiver import Receiver

EXIT_CONFIG = 78

SAMPLE = """\
agent:
  state_dir: FOLDER/state
  runtime_dir: FOLDER/run
  memory_limit: 64MiB
  report_interval: 10s
  shutdown_grace: 5s
  log_level: info
  admin:
    listen: "localhost:0"
processors:
  quiet:
    type: filter
    pattern: DEBUG
    action: drop
inputs:
  app:
    type: tail
    paths: [FOLDER/*.log]
    exclude: [FOLDER/x.log]
    start_at: end
    max_line_bytes: 64KiB
    rotate_wait: 60s
    processors: [quiet]
    lane:
      capacity: 8MiB
      overflow: block
      weight: 2
      shed:
        high: 80%
        low: 40%
        keep: 10%
outputs:
  main:
    type: http
    url: "http://127.0.0.1:9/"
    method: POST
    timeout: 10s
    connect_timeout: 1s
    inputs: [app]
    workers: 1
    compression: gzip
    compression_level: 1
    batch:
      max_bytes: 1MiB
      max_events: 1000
      max_wait: 1s
    dead_letter:
      path: /tmp/main.dead
      max_bytes: 1MiB
    retry:
      base: 1s
      cap: 60s
      max_age: 1h
"""


def spillway(command, path, **how):
    return subprocess.run([BINARY, command, "-c", str(path)], capture_output=True, text=True,
                          timeout=60, env=environment(), **how)


def write(folder, text, name="agent.yaml"):
    path = folder / name
    path.write_text(text.replace("FOLDER", str(folder)))
    return path


def refuse(folder, text, *expected):
    """Both commands refuse it with the same words; they name a place and what is expected."""
    path = write(folder, text)
    checked, ran = spillway("check", path), spillway("run", path)
    assert checked.returncode == ran.returncode == EXIT_CONFIG, (checked, ran)
    assert checked.stderr == ran.stderr
    assert re.search(rf"^{re.escape(str(path))}:\d+:\d+: ", checked.stderr, re.M), checked.stderr
    for words in expected:
        assert words in checked.stderr, checked.stderr
    assert not (folder / "state").exists()
    return checked.stderr


@pytest.mark.quick
def test_the_sample_itself_is_good(folder):
    path = write(folder, SAMPLE)
    checked = spillway("check", path)
    assert checked.returncode == 0, checked.stderr


def keys():
    """Each key with the number of its line."""
    found = [(number, match[1]) for number, line in enumerate(SAMPLE.splitlines(), 1)
             if (match := re.match(r" *([a-z_]+):", line))]
    return [(n, key) for n, key in found if key not in ("app", "quiet", "main")]


@pytest.mark.parametrize("number,key", keys())
def test_each_key_misspelt_is_found_and_the_right_one_named(folder, number, key):
    lines = SAMPLE.splitlines()
    lines[number - 1] = lines[number - 1].replace(f"{key}:", f"{key[:-1]}zz:", 1)
    said = refuse(folder, "\n".join(lines) + "\n")
    place = rf":{number}:\d+: .*{key[:-1]}zz"
    assert re.search(place, said), said
    assert re.search(rf"\b{key}\b", said.replace(f"{key[:-1]}zz", "")), said


@pytest.mark.quick
@pytest.mark.parametrize("right,wrong,expected", [
    ("memory_limit: 64MiB", "memory_limit: 64Mib", "64Mib"),
    ("memory_limit: 64MiB", "memory_limit: [1]", "memory_limit"),
    ("report_interval: 10s", "report_interval: 10", "10s"),
    ("report_interval: 10s", "report_interval: 2ms", "below the minimum 1s"),
    ("workers: 1", "workers: 99", "above the maximum 8"),
    ("workers: 1", "workers: many", "many"),
    ("overflow: block", "overflow: blokc", "block"),
    ("high: 80%", "high: 180%", "180%"),
    ("low: 40%", "low: 90%", "low"),
    ("inputs: [app]", "inputs: [ap]", "app"),
    ("processors: [quiet]", "processors: [quite]", "quiet"),
    ("type: tail", "type: tial", "tail"),
    ("paths: [FOLDER/*.log]", "# no paths", "paths"),
    ("paths: [FOLDER/*.log]", "paths: [FOLDER/a**.log]", "within a name write '*'"),
    ("cap: 60s", "cap: 10ms", "retry"),
    ('url: "http://127.0.0.1:9/"', 'url: "ftp://x/"', "http"),
    ("workers: 1", "workers: 1\n    workers: 2", "workers"),
    ("pattern: DEBUG", "pattern: '('", "quiet"),
    ("workers: 1", "\tworkers: 1", "tab"),
    ("capacity: 8MiB", "capacity: 64KiB", "capacity"),
    ("listen: \"localhost:0\"", "listen: ${NOWHERE_SET}", "NOWHERE_SET"),
])
def test_a_wrong_value_is_told_with_its_place(folder, right, wrong, expected):
    assert right in SAMPLE
    refuse(folder, SAMPLE.replace(right, wrong, 1), expected)


@pytest.mark.quick
def test_all_mistakes_are_told_at_once(folder):
    wrong = SAMPLE.replace("report_interval", "report_intervall").replace("workers: 1", "workers: 0")
    said = refuse(folder, wrong.replace("type: filter", "type: fliter"))
    assert len(re.findall(r":\d+:\d+: ", said)) >= 3, said


def test_hostile_files_are_refused_quickly(folder):
    bomb = "a: &a [x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 8)}]\n" for n in range(9))
    refuse(folder, bomb)
    refuse(folder, "agent: " + "[" * 20000)
    path = write(folder, SAMPLE + "# " + "x" * 10_000_000 + "\n")
    assert spillway("check", path).returncode == EXIT_CONFIG
    path.write_bytes(b"agent: {state_dir: \xff\xfe}\n")
    assert spillway("check", path).returncode == EXIT_CONFIG
    assert spillway("check", folder / "nowhere.yaml").returncode == EXIT_CONFIG


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_check_opens_no_socket_and_creates_no_file(folder):
    path = write(folder, SAMPLE)
    trace = folder / "trace"
    done = subprocess.run(["strace", "-f", "-o", str(trace), "-e",
                           "trace=socket,bind,connect,openat,mkdir,creat,rename,unlink", BINARY, "check",
                           "-c", str(path)], capture_output=True, text=True, timeout=60,
                          env=environment(ASAN_OPTIONS="detect_leaks=0"))
    assert done.returncode == 0, done.stderr
    for call in trace.read_text().splitlines():
        assert not re.search(r"\b(socket|bind|connect|mkdir|creat|rename|unlink)\(", call), call
        assert "O_CREAT" not in call and "O_WRONLY" not in call, call
    assert sorted(p.name for p in folder.iterdir()) == ["agent.yaml", "trace"]


@pytest.mark.quick
@pytest.mark.parametrize("words,told", [
    (["chek"], "there is no command 'chek', did you mean 'check'?"),
    (["versoin"], "did you mean 'version'?"),
    (["frobnicate"], "there is no command 'frobnicate'\n"),
    (["check", "agent.yaml"], "'agent.yaml' is not an option: a configuration is given by -c"),
    (["run", "agent.yaml"], "'agent.yaml' is not an option: a configuration is given by -c"),
])
def test_a_wrong_command_line_says_what_was_meant(words, told):
    done = subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=60, env=environment())
    assert done.returncode == 2 and told in done.stderr, done.stderr


@pytest.mark.quick
def test_a_secret_is_not_shown(folder):
    text = SAMPLE.replace("method: POST", "method: POST\n    auth: {bearer_token: hunter22, usr: x}")
    assert "hunter22" not in refuse(folder, text, "usr")


def test_what_check_passes_starts(rig):
    """Also with values from the environment and from a file."""
    receiver: Receiver = rig.receiver()
    (rig.folder / "token").write_text("secret-token\n")
    agent = rig.agent({"app": rig.tail("app.log")},
                      {"main": rig.http(receiver, auth={"bearer_token": f"${{file:{rig.folder}/token}}"},
                                        method="${METHOD:-PUT}")})
    agent.env = {"ASAN_OPTIONS": "detect_leaks=1"}
    (rig.folder / "app.log").write_text("a line\n")
    agent.start()
    receiver.wait_events(1)
    request = receiver.acknowledged()[0]
    assert (request.method, request.headers["authorization"]) == ("PUT", "Bearer secret-token")
    agent.stop()
