# SPDX-License-Identifier: Apache-2.0
"""The packages as files: what lint says, what they ask for, that they can be built again."""

import hashlib
import os
import re
import shutil
import subprocess

import pytest

from conftest import build, only
from root import ROOT


def run(*words, **options):
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, **options)
    return done.returncode, done.stdout + done.stderr


def need(program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not there: packages_package_test in packaging/debian-packages.sh")


def test_lintian_has_nothing_to_say_that_is_not_explained(packages):
    need("lintian")
    debs = [path for path in packages if path.suffix == ".deb"]
    assert len(debs) == 2
    code, said = run("lintian", "--allow-root", "--fail-on", "error,warning", *debs)
    assert code == 0 and not re.search("^[EW]:", said, re.MULTILINE), said


def test_rpmlint_has_nothing_to_say_that_is_not_explained(rpm):
    need("rpmlint")
    code, said = run("rpmlint", "-c", ROOT / "packaging/rpm/rpmlint.toml", rpm)
    assert code == 0 and "0 errors, 0 warnings" in said, said


def test_both_have_the_same_files_but_for_what_only_one_system_has(deb, rpm, folder):
    listed = run("dpkg-deb", "-c", deb)[1].splitlines()
    in_deb = {line.split(maxsplit=5)[5].lstrip(".") for line in listed if line.startswith("-")}
    in_rpm = {line for line in run("rpm", "-qpl", rpm)[1].splitlines() if line.startswith("/")}
    only_deb = {path.replace("vendor-completions/_s", "site-functions/_s") for path in in_deb} - in_rpm
    assert only_deb == {"/usr/share/doc/spillway/changelog.Debian.gz", "/usr/share/lintian/overrides/spillway"}
    place = folder / "unpacked"
    place.mkdir()
    archive = subprocess.run(["rpm2cpio", rpm], capture_output=True, check=True).stdout
    subprocess.run(["cpio", "-idm", "--quiet"], input=archive, cwd=place, check=True)
    assert "spillway 0." in run(place / "usr/bin/spillway", "version")[1]
    assert (place / "etc/spillway/conf.d").is_dir()


def test_the_rpm_keeps_a_configuration_that_was_changed_and_asks_for_its_libraries(rpm):
    flags = run("rpm", "-qp", "--qf", "[%{FILENAMES} %{FILEFLAGS:fflags}\n]", rpm)[1]
    assert "/etc/spillway/spillway.yaml cn" in flags  # config(noreplace)
    assert "libcurl" in run("rpm", "-qp", "--requires", rpm)[1]
    scripts = run("rpm", "-qp", "--scripts", rpm)[1]
    for part in ("preinstall", "postinstall", "preuninstall", "postuninstall"):
        assert f"{part} scriptlet" in scripts


def test_the_program_is_stripped_and_names_no_folder_of_its_build(deb, folder):
    place = folder / "deb"
    run("dpkg-deb", "-x", deb, place)
    program = place / "usr/bin/spillway"
    assert ".debug_info" not in run("readelf", "-SW", program)[1]
    assert str(ROOT).encode() not in program.read_bytes()


def test_the_symbols_are_those_of_the_program(packages, deb, folder):
    symbols = [path for path in packages if "dbgsym" in path.name]
    place = folder / "symbols"
    run("dpkg-deb", "-x", symbols[0], place)
    run("dpkg-deb", "-x", deb, place)
    build_id = re.search("Build ID: ([0-9a-f]+)", run("readelf", "-n", place / "usr/bin/spillway")[1])[1]
    debug = place / f"usr/lib/debug/.build-id/{build_id[:2]}/{build_id[2:]}.debug"
    assert ".debug_info" in run("readelf", "-SW", debug)[1]
    assert str(ROOT).encode() not in debug.read_bytes()


@pytest.mark.parametrize("page", ["spillway.1", "spillway.yaml.5", "spillway-ledger.7"])
def test_a_man_page_is_without_warnings(page):
    need("man")
    done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", ROOT / "packaging/man" / page],
                          capture_output=True, text=True, timeout=60,
                          env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0 and done.stderr == "" and len(done.stdout) > 1000, done.stderr


# ---- completions ----

def test_bash_completes_commands_options_and_choices():
    script = ROOT / "packaging/completions/spillway.bash"

    def complete(*words):
        line = " ".join(f"'{word}'" for word in words)
        said = run("bash", "-c", f". {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _spillway; "
                                 "printf '%s\\n' \"${COMPREPLY[@]}\"")[1]
        return said.split()

    assert complete("spillway", "re") == ["reload", "receive", "reference"]
    assert complete("spillway", "check", "--e") == ["--explain", "--env", "--event-bytes"]
    assert complete("spillway", "reference", "--format", "man") == ["man", "man-commands", "man-ledger"]


def test_zsh_loads_its_completions():
    need("zsh")
    code, said = run("zsh", "-fc", f"fpath=({ROOT}/packaging/completions $fpath); autoload -Uz compinit && "
                                   "compinit -u -D && autoload +X _spillway && print $_comps[spillway]")
    assert code == 0 and said.strip() == "_spillway", said


def test_fish_completes_commands_and_options():
    need("fish")
    script = ROOT / "packaging/completions/spillway.fish"
    said = run("fish", "--no-config", "-c", f"source {script}; complete -C 'spillway rel'; "
                                            "complete -C 'spillway check --exp'")[1]
    assert said.split("\n")[0].startswith("reload\t") and "--explain\t" in said, said


# ---- again ----

@pytest.mark.long
def test_two_builds_in_two_folders_give_the_same_bytes(packages, folder):
    """As the tree is: with what is not committed, and without what git ignores."""
    source = folder / "again" / "elsewhere"
    source.mkdir(parents=True)
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                           capture_output=True, check=True).stdout
    archive = subprocess.run(["tar", "c", "--null", "-T", "-"], cwd=ROOT, input=names, capture_output=True,
                             check=True).stdout
    subprocess.run(["tar", "x"], cwd=source, input=archive, check=True)
    paths, seconds = build("--to", folder / "again" / "packages", cwd=source)
    assert seconds < 120, f"{seconds:.0f} s"  # of one processor
    sums = [{path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in some}
            for some in (packages, paths)]
    assert len(sums[0]) == 3 and sums[0] == sums[1], sums
    assert only(paths, ".rpm")
