# SPDX-License-Identifier: Apache-2.0
"""The alert rules, by promtool: valid, each fires and does not, and its test would notice."""

import pathlib

import pytest

from rig.promtool import promtool

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "packaging/prometheus"
TESTS = "alerts_test.yaml"


def test_rules_and_scrape_configuration_are_valid():
    code, said = promtool("check", "config", FOLDER / "prometheus.yaml")  # and the rules it names
    assert code == 0 and "1 rule files found" in said, said


def test_each_alert_fires_and_does_not_as_its_test_says():
    code, said = promtool("test", "rules", TESTS, cwd=FOLDER)
    assert code == 0, said


def broken(rule):
    """The alert as one that never fires, and as one that does not wait."""
    yield "never fires", {**rule, "expr": f"({rule['expr']}) unless ({rule['expr']})"}
    if "for" in rule:
        yield "does not wait", {key: value for key, value in rule.items() if key != "for"}


def those_of(tests, alert):
    """What of them is about this alert: each group costs promtool a tenth of a second."""
    for group in tests["tests"]:
        own = [test for test in group["alert_rule_test"] if test["alertname"] == alert]
        if own:
            yield {**group, "alert_rule_test": own}


def test_the_tests_of_the_alerts_notice_each_that_is_broken(folder):
    yaml = pytest.importorskip("yaml")
    rules, tests = (yaml.safe_load((FOLDER / name).read_text()) for name in ("alerts.yaml", TESTS))
    unnoticed = []
    for rule in rules["groups"][0]["rules"]:
        own = {**tests, "tests": list(those_of(tests, rule["alert"]))}
        (folder / TESTS).write_text(yaml.dump(own))
        for how, wrong in broken(rule):
            only = {"groups": [{"name": "spillway", "rules": [wrong]}]}
            (folder / "alerts.yaml").write_text(yaml.dump(only))
            if promtool("test", "rules", TESTS, cwd=folder)[0] == 0:
                unnoticed.append(f"{rule['alert']} that {how}")
    assert not unnoticed, unnoticed
