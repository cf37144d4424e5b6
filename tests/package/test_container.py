# SPDX-License-Identifier: Apache-2.0
"""The Dockerfile without a container engine: its steps are run in a copy of the clean root, and what its
last stage copies is run as its user, with nothing else around it."""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import time

import pytest

from root import ROOT, Root, call, why_not

DOCKERFILE = ROOT / "packaging/container/Dockerfile"
pytestmark = pytest.mark.long


def stages():
    """[(base, [(instruction, rest)])]"""
    found = []
    for line in DOCKERFILE.read_text().replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            found.append((rest.split()[0], []))
        elif word and not word.startswith("#"):
            found[-1][1].append((word, rest))
    return found


def build_stage(root, steps):
    folder = "/"
    for word, rest in steps:
        if word == "WORKDIR":
            folder = rest
            root.run(f"mkdir -p {folder}")
        elif word == "COPY":
            assert rest == ". /src"
            names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                                   capture_output=True, check=True).stdout
            archive = subprocess.run(["tar", "c", "--null", "-T", "-"], cwd=ROOT, input=names,
                                     capture_output=True, check=True).stdout
            subprocess.run(["tar", "x"], cwd=root.path("/src"), input=archive, check=True)
        elif word == "RUN":
            root.run(f"cd {folder} && {rest}", timeout=900)
        else:
            raise AssertionError(f"{word} is an instruction that this test does not know")


@pytest.fixture(scope="module")
def image(folder):
    reason = why_not()
    if reason:
        pytest.skip(reason)
    (base, first), (last, _) = stages()
    assert (base, last) == ("debian:12-slim", "scratch")
    made = Root(folder / "container")
    try:
        build_stage(made, first)
        yield made.path("/image")
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", made.folder], check=False)


@pytest.fixture(scope="module")
def settings():
    return dict(stages()[1][1])


def as_its_user(image, settings, words, **options):
    """In namespaces of its own, with an empty environment and /proc, and nothing of the host."""
    user, group = settings["USER"].split(":")
    inside = f"mount -t proc proc {shlex.quote(str(image))}/proc && exec chroot --userspec={user}:{group} " \
             f"--groups= {shlex.quote(str(image))} {shlex.join(words)}"
    return ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-c",
            f"mkdir -p {shlex.quote(str(image))}/proc && {inside}"], {"env": {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
                                                                   **options}


def test_it_has_no_shell_and_little_else(image):
    programs = {str(path.relative_to(image)) for path in image.rglob("*") if path.is_file()
                and path.stat().st_mode & 0o111 and ".so" not in path.name}
    assert programs == {"usr/bin/spillway"}
    size = sum(path.lstat().st_size for path in image.rglob("*") if not path.is_symlink())
    print(f"{size / 1e6:.1f} MB")
    assert size < 60e6
    assert not [path for path in image.rglob("*") if path.lstat().st_mode & 0o6000]


def test_it_runs_as_its_user_and_the_health_check_tells(image, settings):
    entry = json.loads(settings["ENTRYPOINT"]) + json.loads(settings["CMD"])
    check = json.loads(re.search(r"CMD (\[.*\])", settings["HEALTHCHECK"])[1])
    words, options = as_its_user(image, settings, check)
    assert subprocess.run(words, capture_output=True, text=True, timeout=120, **options).returncode == 1
    log = open(image.parent / "container.log", "w+")
    words, options = as_its_user(image, settings, entry, stderr=log, stdout=log)
    process = subprocess.Popen(words, **options)
    try:
        deadline = time.monotonic() + 120
        words, options = as_its_user(image, settings, check)
        while subprocess.run(words, capture_output=True, timeout=120, **options).returncode != 0:
            log.seek(0)
            assert time.monotonic() < deadline and process.poll() is None, log.read()
            time.sleep(0.1)
        log.seek(0)
        assert "idle: there is no output" in log.read()
        owner = {path.lstat().st_uid for path in (image / "var/lib/spillway").rglob("*")}
        assert owner == {int(settings["USER"].split(":")[0])}
    finally:
        # Its own first process: a change of user forgets that it shall end with its parent.
        if process.poll() is None:
            inside = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            for pid in [*map(int, inside), process.pid]:
                os.kill(pid, signal.SIGKILL)
        process.wait()


def test_certificates_and_names_are_there(image):
    assert (image / "etc/ssl/certs/ca-certificates.crt").stat().st_size > 100000
    assert "dns" in (image / "etc/nsswitch.conf").read_text()
    assert shutil.which("unshare") and call("true") == ""
