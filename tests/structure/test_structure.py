# SPDX-License-Identifier: Apache-2.0
"""The rules of the tree, as tests: who includes whom, sizes, READMEs, headers that stand alone.

Each test shows all violations at once. Exceptions stand in a table here, with their reasons.
"""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("SPILLWAY_BIN")

# path: why it may be longer than the rule says
LONG_FILES = {}
LONG_FUNCTIONS = {}

C_FILES = sorted(path for folder in ("agent", "plugins", "tests")
                 for pattern in ("*.c", "*.h", "*.def")
                 for path in (ROOT / folder).rglob(pattern))


def name(path):
    return str(path.relative_to(ROOT))


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()


def show(violations):
    assert not violations, "\n" + "\n".join(violations)


def tracked_files():
    """Files of the project: what git knows or would add; without git all but build/."""
    done = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "ls-files", "-co",
                           "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 0:
        return [ROOT / line for line in done.stdout.splitlines() if (ROOT / line).is_file()]
    return [path for path in ROOT.rglob("*") if path.is_file()
            and not {"build", ".git", "__pycache__"} & set(path.relative_to(ROOT).parts)]


# ---- who includes whom ----

def include_rules():
    """The table in agent/README.md: folder -> what it may include."""
    rules = {}
    for line in lines_of(ROOT / "agent/README.md"):
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 3 and re.fullmatch(r"[a-z]+", cells[0]) and cells[0] != "folder":
            rules[cells[0]] = set(cells[2].split())
    return rules


def owner(path):
    """The row of the table that a file belongs to."""
    parts = path.relative_to(ROOT).parts
    if parts[0] == "plugins":
        return "plugin.h" if parts == ("plugins", "plugin.h") else "plugins"
    return "top" if len(parts) == 2 else parts[1]


def target(path, text):
    """The row of what is included; None: there is no such file."""
    own = path.parent / text
    if text == "built_with.h":
        return "built_with.h"
    if text in ("plugin.h", "plugins/plugin.h"):
        return "plugin.h"
    if owner(path) == "plugins":
        # A plugin of several files: NAME.c beside a folder NAME.
        folder = path.parent if path.parent.name not in KINDS else path.with_suffix("")
        for candidate in (own, path.parent / path.stem / text, ROOT / "plugins" / text):
            if candidate.is_file() and folder in candidate.parents:
                return "same plugin"
    for candidate in (ROOT / "agent" / text, ROOT / text):
        if candidate.is_file():
            return owner(candidate)
    return owner(own) if own.is_file() else None


KINDS = ("inputs", "processors", "outputs")


def test_the_table_names_every_folder_of_the_program():
    folders = {path.name for path in (ROOT / "agent").iterdir() if path.is_dir()}
    assert folders | {"top", "plugins"} == set(include_rules())


def test_a_file_includes_only_what_the_table_allows():
    rules = include_rules()
    violations = []
    for path in C_FILES:
        if path.relative_to(ROOT).parts[0] == "tests" or owner(path) == "plugin.h":
            continue
        row = owner(path)
        allowed = rules.get(row, set()) | {row}
        if row == "plugins":
            allowed = {"plugin.h", "same plugin"}
        else:
            allowed.add("built_with.h")
        for number, line in enumerate(lines_of(path), 1):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if match is None:
                continue
            found = target(path, match.group(1))
            if found is None:
                violations.append(f"{name(path)}:{number}: there is no {match.group(1)}")
            elif found not in allowed:
                violations.append(f"{name(path)}:{number}: {row} may not include {match.group(1)}")
    show(violations)


def test_the_table_has_no_circle():
    rules = {row: allowed - {"plugin.h"} for row, allowed in include_rules().items()}
    rules["cli"].discard("top")  # main.c knows the commands, and they know agent.h
    seen = set()
    while rules.keys() - seen:
        free = [row for row in rules.keys() - seen if rules[row] <= seen]
        assert free, f"these include each other: {sorted(rules.keys() - seen)}"
        seen.update(free)


# ---- READMEs ----

def test_each_folder_has_a_readme_of_at_most_a_screen():
    top = {path.relative_to(ROOT).parts[0] for path in tracked_files()
           if len(path.relative_to(ROOT).parts) > 1}
    folders = [ROOT / folder for folder in sorted(top) if not folder.startswith(".")]
    folders += sorted(path for path in (ROOT / "agent").iterdir() if path.is_dir())
    violations = []
    for folder in folders:
        readme = folder / "README.md"
        if not readme.is_file():
            violations.append(f"{name(folder)}/README.md is missing")
        elif len(lines_of(readme)) > 60:
            violations.append(f"{name(readme)}: {len(lines_of(readme))} lines, at most 60")
    show(violations)


def test_each_source_is_named_in_the_readme_of_its_folder():
    folders = [ROOT / "agent", *(path for path in (ROOT / "agent").iterdir() if path.is_dir())]
    violations = []
    for folder in folders:
        named = set(re.findall(r"\w+", (folder / "README.md").read_text(encoding="utf-8")))
        violations += [name(path) for path in sorted(folder.glob("*.c")) if path.stem not in named]
    show(violations)


def test_links_in_readmes_lead_somewhere():
    violations = []
    for path in tracked_files():
        if path.suffix != ".md":
            continue
        for link in re.findall(r"\]\(([^)#\s]+)\)", path.read_text(encoding="utf-8")):
            if "://" not in link and not (path.parent / link).exists():
                violations.append(f"{name(path)}: {link}")
    show(violations)


def test_each_example_is_listed_for_those_who_look_for_one():
    listed = set(re.findall(r"`examples/([^`]+)`", (ROOT / "config/README.md").read_text(encoding="utf-8")))
    assert listed == {path.name for path in (ROOT / "config/examples").iterdir()}


# ---- sizes and forms ----

def test_each_source_file_names_its_licence():
    show([name(path) for path in C_FILES
          if "SPDX-License-Identifier: Apache-2.0" not in path.read_text(encoding="utf-8")[:200]])


def test_files_and_headers_are_not_too_long():
    violations = []
    for path in C_FILES:
        # A header of a test may hold code; others are contracts.
        limit = 120 if path.suffix == ".h" and ROOT / "tests" not in path.parents else 500
        count = len(lines_of(path))
        if count > limit and name(path) not in LONG_FILES and name(path) != "plugins/plugin.h":
            violations.append(f"{name(path)}: {count} lines, at most {limit}")
    show(violations)


def functions_of(path):
    """(name, line, length) of each function: from its head to the brace in column 0."""
    head, start, opened = None, 0, None
    for number, line in enumerate(lines_of(path), 1):
        if opened is None and re.match(r"[A-Za-z_].*\(", line) and not line.rstrip().endswith(";"):
            head, start = line, number
        if line == "{" and head is not None:
            opened = number
        elif line.startswith("}") and opened is not None:
            if line.rstrip() == "}":
                yield re.search(r"(\w+)\s*\(", head).group(1), start, number - start + 1
            head, opened = None, None


def test_functions_are_not_too_long():
    violations = []
    for path in C_FILES:
        for function, line, length in functions_of(path):
            if length > 60 and f"{name(path)}:{function}" not in LONG_FUNCTIONS:
                violations.append(f"{name(path)}:{line}: {function}() has {length} lines, not 60")
    show(violations)


def test_who_keeps_what_the_log_does_not_write_asks_whether_it_did():
    show([f"{name(path)}: LOG_AS() forgets what LOG_KEPT does not write" for path in C_FILES
          if re.search(r"LOG_AS\(\s*LOG_KEPT", path.read_text(encoding="utf-8"))])


def test_lines_have_at_most_100_columns():
    """Python: 120, where a list of cases reads better on one line each."""
    violations = []
    table = re.compile(r"^\s*(X\(T,|NUMBER\(|FLOW\(|ACCOUNT\()")  # rows of tables stay on one line
    scripts = [path for path in tracked_files() if path.suffix in (".py", ".sh")]
    for path in C_FILES + scripts:
        for number, line in enumerate(lines_of(path), 1):
            if len(line) > (120 if path.suffix == ".py" else 100) and not table.match(line):
                violations.append(f"{name(path)}:{number}: {len(line)} columns")
    show(violations)


def test_each_header_compiles_alone():
    generated = [path.parent for path in (ROOT / "build").glob("*/generated/built_with.h")]
    violations = []
    for path in C_FILES:
        if path.suffix != ".h" or path.relative_to(ROOT).parts[0] == "tests":
            continue
        include = [ROOT / "agent", ROOT, ROOT / "plugins", path.parent] + generated[:1]
        flags = [f"-I{folder}" for folder in include]
        done = subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra",
                               "-fsyntax-only", "-x", "c", *flags, "-include", str(path),
                               "/dev/null"], capture_output=True, text=True)
        if done.returncode != 0 or done.stderr:
            first = [line for line in done.stderr.splitlines() if "error:" in line
                     or "warning:" in line][:1]
            violations.append(f"{name(path)}: {''.join(first) or done.stderr}")
        if "#pragma once" not in path.read_text(encoding="utf-8"):
            violations.append(f"{name(path)}: no '#pragma once'")
    show(violations)


def test_no_path_of_one_machine_is_in_the_tree():
    # Written so that this file does not contain what it looks for.
    pattern = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users)/\w")
    violations = []
    for path in tracked_files():
        if path.parts[len(ROOT.parts)] == "tests" and "corpus" in path.parts:
            continue
        try:
            text = lines_of(path)
        except UnicodeDecodeError:
            continue
        violations += [f"{name(path)}:{number}: {line.strip()[:80]}"
                       for number, line in enumerate(text, 1) if pattern.search(line)]
    show(violations)


# ---- against the program ----

needs_binary = pytest.mark.skipif(BINARY is None, reason="SPILLWAY_BIN is not set")


def spillway(*arguments, **environment):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **environment})


@needs_binary
def test_version_lists_each_plugin_of_the_tree():
    shown = spillway("version").stdout
    violations = []
    for kind in KINDS:
        listed = re.search(rf"^{kind}:(.*)$", shown, re.MULTILINE).group(1).split()
        files = {path.stem for path in (ROOT / "plugins" / kind).glob("*.c")}
        folders = {path.name for path in (ROOT / "plugins" / kind).iterdir() if path.is_dir()}
        violations += [f"{kind}: {plugin}" for plugin in sorted(set(listed) ^ (files | folders))]
    show(violations)


@needs_binary
@pytest.mark.parametrize("path", sorted((ROOT / "config").rglob("*.yaml")),
                         ids=lambda path: path.stem)
def test_a_configuration_that_comes_with_it_is_valid(path, tmp_path):
    done = spillway("check", "-c", str(path), QUICKSTART_DIR=str(tmp_path),
                    QUICKSTART_URL="http://127.0.0.1:1/")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_list_of_system_calls_is_that_of_arm64_too():
    """No such machine builds it here. Its table is the generic one; a call that it does not have would not
    compile there."""
    text = (ROOT / "agent/rights/system_calls.c").read_text()
    text = re.sub(r"#if defined\(__x86_64__\) /.*?#endif", "", text, flags=re.DOTALL)
    used = set(re.findall(r"\bSYS_(\w+)", text))
    wanted = [f"-D__ARCH_WANT_{name}=1" for name in ("RENAMEAT", "NEW_STAT", "SET_GET_RLIMIT", "SYS_CLONE3")]
    table = subprocess.run(["cc", "-E", "-dM", *wanted, "-include", "asm-generic/unistd.h", "-x", "c", "/dev/null"],
                           capture_output=True, text=True, timeout=60, check=True).stdout
    there = set(re.findall(r"#define __NR(?:3264)?_(\w+) ", table))
    assert len(used) > 70 and len(there) > 300, (len(used), len(there))
    assert used <= there, sorted(used - there)


# ---- the planted bugs of the simulator ----

def test_each_planted_bug_can_be_planted():
    done = subprocess.run([ROOT / "tests/sim/plant", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
