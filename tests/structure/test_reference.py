# SPDX-License-Identifier: Apache-2.0
"""The reference in all its forms: as committed, and as true as the parser that it is made with."""

import copy
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("SPILLWAY_BIN")
pytestmark = pytest.mark.skipif(BINARY is None, reason="SPILLWAY_BIN is not set")
EXAMPLES = sorted((ROOT / "config").rglob("*.yaml"))


def reference(form, code=0):
    done = subprocess.run([BINARY, "reference", "--format", form], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == code, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def validator():
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(reference("json-schema"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def load(text):
    return pytest.importorskip("yaml").safe_load(text)


@pytest.mark.parametrize("form, path", [("markdown", "reference.md"),
                                        ("json-schema", "spillway.schema.json")])
def test_what_is_committed_is_what_the_program_prints(form, path):
    committed = (ROOT / "config" / path).read_text(encoding="utf-8")
    assert committed == reference(form), f"spillway reference --format {form} > config/{path}"


@pytest.mark.parametrize("form, path", [
    ("man-commands", "man/spillway.1"), ("man", "man/spillway.yaml.5"), ("man-ledger", "man/spillway-ledger.7"),
    ("bash", "completions/spillway.bash"), ("zsh", "completions/_spillway"), ("fish", "completions/spillway.fish")])
def test_the_man_pages_and_completions_that_are_committed_are_what_the_program_prints(form, path):
    committed = (ROOT / "packaging" / path).read_text(encoding="utf-8")
    assert committed == reference(form), f"spillway reference --format {form} > packaging/{path}"


def test_an_unknown_form_is_told():
    reference("html", code=2)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_schema_takes_every_configuration_that_comes_with_it(validator, path):
    errors = [f"{list(e.absolute_path)}: {e.message}"
              for e in validator.iter_errors(load(path.read_text()))]
    assert not errors, errors


def maps():
    """Options whose keys are the user's own."""
    rows = [line.split("|") for line in reference("markdown").splitlines() if "| map |" in line]
    return {row[1].strip(" `").rsplit(".", 1)[-1] for row in rows if len(row) == 7}


def misspelt(config, own):
    """The configuration again and again, each time with one key of an option misspelt."""
    def walk(node, path, is_named):
        for key, value in node.items():
            if not is_named:
                wrong = copy.deepcopy(config)
                at = wrong
                for step in path:
                    at = at[step]
                at[key + "x"] = at.pop(key)
                yield ".".join([*path, key]), wrong
            if isinstance(value, dict) and key not in own:
                yield from walk(value, [*path, key], not path and key != "agent")
    yield from walk(config, [], False)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_schema_refuses_every_misspelt_key(validator, path):
    cases = list(misspelt(load(path.read_text()), maps()))
    assert len(cases) > 5
    accepted = [name for name, wrong in cases if validator.is_valid(wrong)]
    assert not accepted, accepted


def test_the_schema_takes_the_forms_that_the_parser_takes(validator, tmp_path):
    """Bounds in units are the parser's alone; a form it does not take is refused by both."""
    places = {"agent.log_level": ["info", "inof", "INFO", "'${LEVEL:-info}'"],
              "agent.memory_limit": ["64MiB", "64 MiB", "67108864", "64mib", "-1", "64M", "1.5GiB",
                                     "''", "80%", "[64MiB]", "{a: b}", "'${LIMIT:-64MiB}'"],
              "agent.report_interval": ["10s", "10 s", "10", "0x10s", "1h", "10sec", "1.5s", "10000ms",
                                        "'${I:-10s}'", "+5s"],
              "agent.shutdown_grace": ["0", "0s", "1m", "5"],
              "inputs.in.lane.shed.low": ["0.4", "40%", "0", "4.5%", "-0.1", "40 %", "forty"],
              "inputs.in.lane.weight": ["3", "03", "'3'", "3.5", "three", "0", "1001", "-3"],
              "inputs.in.lane.overflow": ["block", "drop", "drop_oldest"],
              "inputs.in.resource": ["{a: b, c: 1}", "[a]", "a"],
              "outputs.out.inputs": ["in", "[in]", "{in: 1}"],
              "outputs.out.type": ["stdout", "stdoutt"],
              "outputs.out.batch": ["{max_events: 5}", "5"]}
    path, wrong = tmp_path / "a.yaml", []
    for place, values in places.items():
        for value in values:
            tree = {"agent": {}, "inputs": {"in": {"type": "stdin"}}, "outputs": {"out": {"type": "stdout"}}}
            *steps, key = place.split(".")
            at = tree
            for step in steps:
                at = at.setdefault(step, {})
            at[key] = "@"
            text = json.dumps(tree).replace('"@"', value)  # JSON is YAML
            path.write_text(text)
            done = subprocess.run([BINARY, "check", "-c", path], capture_output=True, text=True, timeout=60)
            taken = done.returncode == 0
            if validator.is_valid(load(text)) != taken:
                wrong.append(f"{place}: {value}: check {'takes' if taken else 'refuses'} it")
    assert not wrong, "\n".join(wrong)


def show(page):
    if shutil.which("groff") is None:
        pytest.skip("groff is not there")
    done = subprocess.run(["groff", "-ww", "-man", "-Tutf8", "-P-cbou"], input=page,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


def test_the_man_page_is_without_warnings():
    shown = show(reference("man"))
    for wanted in ("SPILLWAY.YAML(5)", "memory_limit", "lane.shed.high", "type: tail", "${VAR:-default}"):
        assert wanted in shown, wanted


def test_the_man_page_of_the_books_has_every_flow():
    shown = show(reference("man-ledger"))
    flows = re.findall(r"^FLOW\((\w+),", (ROOT / "agent/ledger/flows.def").read_text(), re.MULTILINE)
    assert len(flows) > 30
    missing = [flow for flow in flows if f"       {flow} (" not in shown]
    assert not missing, missing


def helps():
    """command → what it says to --help"""
    listed = subprocess.run([BINARY, "--help"], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"^  ([a-z]+) ", listed, re.MULTILINE)
    assert len(names) >= 7
    return {name: subprocess.run([BINARY, name, "--help"], capture_output=True, text=True, timeout=60,
                                 check=True).stdout for name in names}


def words(text):
    """Without where lines end: a long word may be cut there."""
    return re.sub(r"[‐-]?\n *| +", "", text)


def test_the_man_page_of_the_commands_says_all_that_their_help_says():
    shown = show(reference("man-commands"))
    assert "SPILLWAY(1)" in shown and "spillway.yaml(5)" in shown
    for name, said in helps().items():
        assert said.lower().startswith("usage: spillway " + name), said
        part = words(shown[shown.index(f"\nSPILLWAY {name}\n"):])
        for line in said.splitlines():
            assert words(line.partition("sage: ")[2] or line) in part, f"{name}: {line}"


def test_the_text_has_every_option_of_the_markdown():
    text = reference("text")
    options = {line.split("`")[1] for line in reference("markdown").splitlines()
               if line.startswith("| `")}
    assert len(options) > 50
    missing = [option for option in options if f"\n  {option}  (" not in text]
    assert not missing, missing
    assert all(len(line) <= 120 for line in text.splitlines())
