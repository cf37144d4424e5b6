# SPDX-License-Identifier: Apache-2.0
"""Alerts, dashboard and runbook as files: what one names is there in the other. That the queries
return data is a scenario's: test_prometheus.py."""

import itertools
import json
import pathlib
import re
import subprocess
import sys

import pytest

PACKAGING = pathlib.Path(__file__).resolve().parents[2] / "packaging"


@pytest.fixture(scope="module")
def alerts():
    yaml = pytest.importorskip("yaml")
    groups = yaml.safe_load((PACKAGING / "prometheus/alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def dashboard():
    return json.loads((PACKAGING / "grafana/spillway.json").read_text())


# ---- alerts and runbook ----

def test_each_alert_says_how_bad_it_is_and_what_to_do_first(alerts):
    names = [rule["alert"] for rule in alerts]
    assert len(set(names)) == len(names)
    for rule in alerts:
        said = rule["annotations"]
        assert rule["labels"]["severity"] in ("critical", "warning"), rule
        assert set(said) == {"summary", "description", "runbook_url"}, rule
        assert "$labels.instance" in said["summary"] and "First: " in said["description"], rule


def test_each_alert_has_its_paragraph_and_each_paragraph_its_alert(alerts):
    text = (PACKAGING / "runbook.md").read_text()
    headings = re.findall(r"^### (.*)$", text, re.MULTILINE)
    assert sorted(headings) == sorted(rule["alert"] for rule in alerts)
    for rule in alerts:
        assert rule["annotations"]["runbook_url"] == f"runbook.md#{rule['alert'].lower()}"
        paragraph = text.partition(f"### {rule['alert']}\n")[2].partition("\n#")[0]
        assert len(paragraph.split()) > 15, rule["alert"]


# ---- the dashboard ----

def panels_of(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def test_the_dashboard_is_what_its_table_makes(dashboard):
    made = subprocess.run([sys.executable, PACKAGING / "grafana/make-dashboard"], capture_output=True,
                          text=True, timeout=60, check=True).stdout
    assert made == (PACKAGING / "grafana/spillway.json").read_text(), \
        "packaging/grafana/make-dashboard > packaging/grafana/spillway.json"


def test_each_panel_says_what_it_shows(dashboard):
    assert dashboard["uid"] == "spillway" and dashboard["schemaVersion"] >= 36
    assert len(panels_of(dashboard)) > 30
    titles = [panel["title"] for panel in panels_of(dashboard)]
    assert len(set(titles)) == len(titles)
    for panel in panels_of(dashboard):
        assert len(panel["description"].split()) >= 3, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters), panel["title"]
        for target in panel["targets"]:
            assert target["expr"] and "{{" in target["legendFormat"], panel["title"]
            assert target["datasource"] == panel["datasource"] == \
                {"type": "prometheus", "uid": "${datasource}"}, panel["title"]


# Marks that a start asks for after a crash, and numbers whose figure in events has a panel or that
# explain another: top and /stats show them.
WITHOUT_PANEL = {
    "spillway_batch_max_bytes", "spillway_config_generation", "spillway_crashes_without_progress",
    "spillway_dead_letter_bytes_total", "spillway_died_of_record", "spillway_encoded_bytes_total",
    "spillway_fatal_record_crashes", "spillway_fatal_record_from", "spillway_fatal_record_source",
    "spillway_fatal_record_to", "spillway_positions_moved",
    "spillway_receipts", "spillway_run_events", "spillway_sealed_bytes_total",
    "spillway_spool_crashes_without_progress", "spillway_spool_in_hand", "spillway_spool_left_at",
    "spillway_spool_left_segment", "spillway_spool_unmarked_bytes", "spillway_spool_unread_bytes",
    "spillway_suspect_events", "spillway_wait_p99_seconds"}


def test_each_number_has_a_panel_or_a_reason_to_have_none(dashboard):
    shown = {name for panel in panels_of(dashboard) for target in panel["targets"]
             for name in re.findall(r"spillway_[a-z_0-9]+", target["expr"])}
    text = (PACKAGING.parent / "agent/ledger/numbers.def").read_text()
    known = set(re.findall(r'^NUMBER\(.*"(spillway_[a-z_0-9]+)"', text, re.MULTILINE))
    assert known - shown == WITHOUT_PANEL


def test_panels_have_an_id_each_and_do_not_overlap(dashboard):
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    places = [(panel["title"], panel["gridPos"]) for panel in dashboard["panels"]]
    for title, place in places:
        assert 0 <= place["x"] and place["x"] + place["w"] <= 24 and place["h"] > 0, title
    for (one, a), (other, b) in itertools.combinations(places, 2):
        apart = (a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"] or
                 a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"])
        assert apart, f"{one} and {other} overlap"


def test_variables_that_are_used_exist_and_all_are_used(dashboard):
    own = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]+)\b", json.dumps(dashboard["panels"])))
    assert used == own


def queries(alerts, dashboard):
    yield from (rule["expr"] for rule in alerts)
    yield from (target["expr"] for panel in panels_of(dashboard) for target in panel["targets"])


def test_figures_of_different_outputs_are_never_added(alerts, dashboard):
    """They are copies of the same events."""
    for expr in queries(alerts, dashboard):
        assert not re.search(r"\b(avg|count|sum)\b(?! by)", expr), expr
        for labels in re.findall(r"\b(?:avg|count|sum) by \(([^)]*)\)", expr):
            assert "output" in labels.split(", ") and "instance" in labels.split(", "), expr


# ---- the unit's drop-ins ----

def test_each_drop_in_that_gives_a_right_is_what_messages_name_and_each_that_they_name_is_there():
    root = PACKAGING.parent
    table = (root / "agent/base/capability.c").read_text()
    named = {(name, drop_in) for name, drop_in in re.findall(r'GIVEN_BY\((CAP_\w+), "([^"]+)"', table)}
    given = {(name, path.name) for path in (PACKAGING / "systemd/drop-ins").iterdir()
             for name in re.findall(r"^AmbientCapabilities=(\w+)$", path.read_text(), re.MULTILINE)}
    assert named == given and len(named) == 3
    # Not in more than one place, and no name of a file that is not there.
    for path in [*root.glob("agent/**/*.c"), *root.glob("plugins/**/*.c")]:
        for name in re.findall(r"([\w-]+\.conf)\b", path.read_text()):
            assert (PACKAGING / "systemd/drop-ins" / name).exists(), f"{path}: {name}"
            assert (name in {drop_in for _, drop_in in named}) <= (path.name == "capability.c"), path


# ---- one version ----

def test_the_version_is_the_same_wherever_it_is_written():
    root = PACKAGING.parent
    version = re.search(r"^project\(spillway VERSION (\S+)", (root / "CMakeLists.txt").read_text(), re.MULTILINE)[1]
    places = {"deb/changelog": rf"^spillway \({version}-", "rpm/changelog": rf"^\* .* - {version}-",
              "kubernetes/base/kustomization.yaml": rf"newTag: {version}$",
              "ansible/group_vars/spillway_hosts.yaml": rf"/spillway_{version}-", "runbook.md": rf"spillway {version}$",
              "man/spillway.1": rf"Spillway {version}"}
    for place, pattern in places.items():
        first = next((line for line in (PACKAGING / place).read_text().splitlines()
                      if re.search(re.sub(re.escape(version), r"\\d+\\.\\d+\\.\\d+", pattern), line)), "")
        assert re.search(pattern, first), f"{place}: {first!r} is not of {version}"
