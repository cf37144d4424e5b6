# SPDX-License-Identifier: Apache-2.0
"""What the READMEs say works: each ```sh block is run, each ```yaml block is checked.

A block runs in a folder that looks like the tree, with the program under test where a build would
put it. The scripts that build or test only show their help there; the quick start has a test.
"""

import os
import pathlib
import re
import subprocess

import pytest

from rig.agent import BINARY

ROOT = pathlib.Path(__file__).resolve().parents[2]
READMES = sorted(path for path in ROOT.rglob("README.md")
                 if not {"build", ".git"} & set(path.relative_to(ROOT).parts))
SHORTER = {"tests/run": "tests/run --help", "packaging/quickstart": "packaging/quickstart --help"}


def blocks(kind):
    for path in READMES:
        found = re.findall(rf"^```{kind}\n(.*?)^```", path.read_text(encoding="utf-8"),
                           re.MULTILINE | re.DOTALL)
        for number, text in enumerate(found, 1):
            yield pytest.param(text, id=f"{path.parent.relative_to(ROOT)}-{number}")


@pytest.fixture
def tree(folder):
    """The tree by links, and build/release/spillway."""
    for path in ROOT.iterdir():
        if path.name not in ("build", ".git"):
            (folder / path.name).symlink_to(path)
    (folder / "build/release").mkdir(parents=True)
    (folder / "build/release/spillway").symlink_to(pathlib.Path(BINARY).resolve())
    return folder


@pytest.mark.quick
@pytest.mark.parametrize("text", blocks("sh"))
def test_a_command_of_a_readme_does_what_it_says(text, tree):
    commands = []
    for line in text.splitlines():
        script = line.split()[0] if line.strip() else ""
        commands.append(SHORTER.get(script, line))
    done = subprocess.run(["sh", "-eu", "-c", "\n".join(commands)], cwd=tree, capture_output=True,
                          text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


@pytest.mark.quick
@pytest.mark.parametrize("text", blocks("yaml"))
def test_a_configuration_of_a_readme_is_valid(text, folder):
    path = folder / "readme.yaml"
    path.write_text(text)
    done = subprocess.run([BINARY, "check", "-c", path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.release
def test_the_quick_start_ships_this_machine_and_its_books_balance():
    """The real one, with its build. Runs in the tree: what it writes lies in build/."""
    done = subprocess.run([ROOT / "packaging/quickstart", "--for", "12s"], capture_output=True,
                          text=True, timeout=900, stdin=subprocess.DEVNULL,
                          env={**os.environ, "SPILLWAY_SKIP_PACKAGES": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    books = done.stdout.partition("The closing books")[2]
    lanes = {fields["input"]: fields for fields in
             (dict(re.findall(r"(\w+)=(\S+)", line)) for line in books.splitlines()
              if "msg=ledger" in line)}
    assert {"demo", "host"} <= lanes.keys(), done.stdout
    for name, fields in lanes.items():
        assert fields["balance"] == "0", done.stdout
        assert fields["delivered"] == fields["received"], (name, done.stdout)
    # What was read of the generator's lines came, each once; on a slow machine not the last ones.
    written = int(re.search(r"wrote (\d+) lines",
                            (ROOT / "build/quickstart/generate.log").read_text())[1])
    assert written >= int(lanes["demo"]["delivered"]) > 100
    total = [line for line in done.stdout.splitlines() if "in all:" in line][-1]
    assert "0 missing, 0 twice" in total, total
