# SPDX-License-Identifier: Apache-2.0
"""From the version before to this one and back, with a configuration that was changed, positions, and
batches on disk that wait for their endpoint."""

import pathlib
import re

import pytest

from test_service import RECEIVED, bodies, ready, receive

CONFIG = "/etc/spillway/spillway.yaml"
TEXT = """# changed by hand
inputs:
  journal: {type: journald, start_at: beginning}
  files: {type: tail, paths: [/var/log/test/*.log], start_at: beginning}
outputs:
  main:
    type: http
    url: http://127.0.0.1:8088/
    retry: {base: 200ms, cap: 1s}
    breaker: {rest: 1s, rest_max: 2s}
    spool: {max_bytes: 64MiB}
"""

pytestmark = pytest.mark.long


def put(root, *debs):
    for deb in debs:
        (root.folder / "root" / deb.name).write_bytes(pathlib.Path(deb).read_bytes())


def install(root, deb):
    return root.run(f"DEBIAN_FRONTEND=noninteractive apt-get -y --allow-downgrades "
                    f"-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install ./{deb.name}",
                    timeout=200)


def write_lines(root, first, count):
    root.run(f"install -d -m 0755 /var/log/test; seq -f 'line %g of the file' {first} {first + count - 1} "
             ">>/var/log/test/a.log")


def lines(root):
    return [int(number) for number in re.findall(r"line (\d+) of the file", "\n".join(bodies(root)))]


def spooled(root):
    return sum(path.stat().st_size for path in root.path("/var/lib/spillway").rglob("*") if path.is_file()
               and "spool" in str(path))


def version(root):
    return root.run("dpkg-query -W -f='${Version}' spillway").out


def test_the_version_before_runs_with_a_configuration_changed_by_hand(root, deb, previous_deb):
    put(root, deb, previous_deb)
    root.run(f"DEBIAN_FRONTEND=noninteractive apt-get -y install ./{previous_deb.name}", timeout=200, check=False)
    root.before = version(root)
    root.write(CONFIG, TEXT)
    write_lines(root, 1, 500)
    root.run("systemctl restart spillway")
    receive(root)
    root.wait(lambda: len(set(lines(root))) == 500, lambda: len(lines(root)))
    root.run("systemctl stop receiver")


def test_an_upgrade_keeps_the_configuration_positions_and_the_spool(root, deb):
    write_lines(root, 501, 500)
    root.wait(lambda: spooled(root) > 0, "something on disk")
    install(root, deb)
    assert version(root) != root.before and "spillway 0.2" in root.run("spillway version").out
    assert root.path(CONFIG).read_text() == TEXT
    assert root.path(CONFIG + ".dpkg-dist").exists(), "the new default lies beside it"
    assert root.unit("ActiveState") == "active"
    write_lines(root, 1001, 500)
    receive(root)
    root.wait(lambda: len(set(lines(root))) == 1500, lambda: len(set(lines(root))))
    root.wait(lambda: ready(root), "ready")
    assert sorted(lines(root)) == list(range(1, 1501)), "each line once"


def test_a_downgrade_ships_on_from_where_it_was(root, previous_deb):
    install(root, previous_deb)
    assert version(root) == root.before and root.unit("ActiveState") == "active"
    assert root.path(CONFIG).read_text() == TEXT
    write_lines(root, 1501, 100)
    root.wait(lambda: 1600 in lines(root), lambda: len(set(lines(root))))
    assert sorted(lines(root)) == list(range(1, 1601)), "each line once"
    assert root.path(RECEIVED).exists()
