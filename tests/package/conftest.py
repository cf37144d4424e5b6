# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the packages as packaging/build makes them, and a booted root."""

import os
import pathlib
import resource
import shutil
import subprocess
import tempfile

import pytest

from root import ROOT, Root, why_not

PREVIOUS = "a09b56b"  # until there is a tag of a release


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also what takes minutes")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        items[:] = [item for item in items if "long" not in item.keywords]


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def build(*words, cwd=ROOT):
    """The paths, and the processor time that it took: the clock would tell of what else runs here."""
    begin = processor_seconds()
    done = subprocess.run([cwd / "packaging/build", *words], cwd=cwd, capture_output=True, text=True,
                          timeout=1200, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return [pathlib.Path(line) for line in done.stdout.splitlines() if line.startswith("/")], \
        processor_seconds() - begin


def only(paths, end):
    found = [path for path in paths if path.name.endswith(end) and "dbgsym" not in path.name]
    assert len(found) == 1, paths
    return found[0]


@pytest.fixture(scope="session")
def folder():
    with tempfile.TemporaryDirectory(prefix="spillway-package-", dir="/var/tmp") as name:
        yield pathlib.Path(name)


@pytest.fixture(scope="session")
def packages(folder):
    if "SPILLWAY_PACKAGES" in os.environ:  # a folder with some that are built already
        return sorted(pathlib.Path(os.environ["SPILLWAY_PACKAGES"]).iterdir())
    paths, seconds = build("--to", folder / "packages")
    print(f"built in {seconds:.0f} s of processor time: {[path.name for path in paths]}")
    return paths


@pytest.fixture(scope="session")
def deb(packages):
    return only(packages, ".deb")


@pytest.fixture(scope="session")
def rpm(packages):
    return only(packages, ".rpm")


def previous_commit():
    """The last release, else the last commit before there were packages."""
    found = subprocess.run(["git", "describe", "--tags", "--abbrev=0", "--match=v*", "HEAD^"], cwd=ROOT,
                           capture_output=True, text=True)
    commit = found.stdout.strip() if found.returncode == 0 else PREVIOUS
    there = subprocess.run(["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=ROOT, capture_output=True)
    if there.returncode != 0:
        pytest.skip(f"{commit} is not in this clone: the version before cannot be built")
    return commit


@pytest.fixture(scope="session")
def previous_deb(folder):
    """The program of that commit. One that has no packages of its own gets today's, as they are, but for
    another default configuration, which dpkg then has to ask about."""
    commit, source = previous_commit(), folder / "previous"
    source.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "x"], cwd=source, input=archive.stdout, check=True)
    if not (source / "packaging/build").exists():
        shutil.copytree(ROOT / "packaging", source / "packaging", dirs_exist_ok=True)
        cmake = source / "CMakeLists.txt"
        cmake.write_text(cmake.read_text() + "include(packaging/package.cmake)\n")
        default = source / "packaging/default/spillway.yaml"
        default.write_text("# An older text.\n" + default.read_text())
        log = source / "packaging/deb/changelog"
        log.write_text(log.read_text()[log.read_text().index("spillway (0.1.0"):])
    paths, _ = build("--only", "deb", "--to", folder / "previous-packages", cwd=source)
    return only(paths, ".deb")


@pytest.fixture(scope="module")
def root(folder, request):
    reason = why_not()
    if reason:
        pytest.skip(reason)
    made = Root(folder / request.module.__name__.replace("_", "-"))
    try:
        yield made.boot()
    finally:
        made.shut_down()
        subprocess.run(["rm", "-rf", "--one-file-system", made.folder], check=False)
