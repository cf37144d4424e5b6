# SPDX-License-Identifier: Apache-2.0
"""The playbook for many hosts, against a clean root that is not booted: the second run changes nothing."""

import os
import re
import shutil
import subprocess

import pytest

from root import ROOT, Root, why_not

pytestmark = pytest.mark.long
PLAYBOOK = ROOT / "packaging/ansible/site.yaml"


@pytest.fixture(scope="module")
def host(folder):
    reason = why_not() or ("" if shutil.which("ansible-playbook") else "ansible-core is not there")
    if reason:
        pytest.skip(reason)
    made = Root(folder / "ansible")
    try:
        # What Ansible runs with, and its apt module; on a managed host both are there.
        made.run("apt-get -q update && apt-get -q -y --no-install-recommends install python3 python3-apt",
                 timeout=300)
        yield made
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", made.folder], check=False)


def play(host, deb, **variables):
    inventory = host.folder.with_suffix(".inventory")
    inventory.write_text(f"[spillway_hosts]\nclean ansible_connection=clean_root ansible_host={host.folder} "
                         "ansible_python_interpreter=/usr/bin/python3\n")
    given = {"spillway_deb": str(deb), "spillway_service": "false", "ansible_become": "false", **variables}
    extra = [word for name, value in given.items() for word in ("-e", f"{name}={value}")]
    done = subprocess.run(["ansible-playbook", "-i", inventory, PLAYBOOK, *extra], capture_output=True, text=True,
                          timeout=400, env={**os.environ, "ANSIBLE_NOCOWS": "1",
                                            "ANSIBLE_CONNECTION_PLUGINS": ROOT / "tests/package/ansible"})
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.search(r"changed=(\d+)", done.stdout)[1]), done.stdout


def test_a_second_run_changes_nothing_and_a_third_only_what_differs(host, deb):
    first, _ = play(host, deb, spillway_token="hush")
    assert first >= 4
    assert host.path("/etc/spillway/conf.d/output.yaml").exists()
    assert host.run("stat -c %a:%G /etc/spillway/token").out.strip() == "640:spillway"
    second, said = play(host, deb, spillway_token="hush")
    assert second == 0, said
    third, said = play(host, deb, spillway_token="hush", spillway_url="https://other.example.com/")
    assert third == 1 and "other.example.com" in host.path("/etc/spillway/conf.d/output.yaml").read_text(), said


def test_a_wrong_configuration_stops_the_run_before_the_reload(host, deb):
    with pytest.raises(AssertionError, match="max_bytes"):
        play(host, deb, spillway_token="hush", spillway_spool="lots")
