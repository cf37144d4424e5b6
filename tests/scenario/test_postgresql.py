# SPDX-License-Identifier: Apache-2.0
"""The example for PostgreSQL, on a log as it writes it."""

import pathlib
import signal
import subprocess

from rig.agent import BINARY, environment
from rig.waiting import DEADLINE_S, wait_until

EXAMPLE = pathlib.Path(__file__).parents[2] / "config/examples/postgresql.yaml"
LOG = """2026-11-28 08:00:00.123 UTC [812] LOG:  database system is ready to accept connections
2026-11-28 08:00:01.000 UTC [840] app@shop ERROR:  relation "order" does not exist at character 15
2026-11-28 08:00:01.000 UTC [840] app@shop STATEMENT:  SELECT *
\tFROM "order"
\tWHERE id = 7;
2026-11-28 08:00:02.000 UTC [812] LOG:  checkpoint starting: time
"""


def test_a_statement_over_several_lines_is_one_event(rig):
    receiver = rig.receiver()
    (rig.folder / "logs").mkdir()
    (rig.folder / "logs/postgresql-15-main.log").write_text("")
    env = environment(STATE_DIR=str(rig.folder / "state"), POSTGRESQL_LOGS=str(rig.folder / "logs"),
                      ENDPOINT=f"http://127.0.0.1:{receiver.port}/ingest", XDG_RUNTIME_DIR=str(rig.folder))
    agent = subprocess.Popen([BINARY, "run", "-c", EXAMPLE], env=env, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: "msg=started" in agent.stderr.readline(), "it has started")
        (rig.folder / "logs/postgresql-15-main.log").open("a").write(LOG)

        def logged():
            return [body for body in receiver.bodies() if body]

        wait_until(lambda: len(logged()) >= 4, lambda: logged())
        assert sorted(logged())[2].endswith('STATEMENT:  SELECT *\n\tFROM "order"\n\tWHERE id = 7;')
    finally:
        agent.send_signal(signal.SIGTERM)
        said = agent.communicate(timeout=DEADLINE_S)[1]
    assert agent.returncode == 0 and "balance=0" in said, said
