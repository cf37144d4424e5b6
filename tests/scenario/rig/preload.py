# SPDX-License-Identifier: Apache-2.0
"""Lets calls of an agent's fail, by a library loaded before all others."""

import pathlib
import subprocess

from .waiting import wait_until

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "preload/failing_io.c"


def build(source, folder):
    library = folder / f"{source.stem}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(library),
                    str(source)], check=True)
    return library


def load(agent, library, **env):
    """The sanitizer wants to be first; behind the library it works as well."""
    options = agent.env.get("ASAN_OPTIONS", "")
    agent.env = {**agent.env, "LD_PRELOAD": str(library),
                 "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0", **env}
    return agent


class FailingIo:
    """Compiled into the scenario's folder; under() makes an agent load it."""

    def __init__(self, folder):
        self._library, self._plan = build(SOURCE, folder), folder / "failing_io.plan"
        self._hung = folder / "failing_io.plan.hung"

    def under(self, agent, folder):
        return load(agent, self._library, FAILING_IO_UNDER=str(folder),
                    FAILING_IO_PLAN=str(self._plan))

    def fail(self, error, *calls):
        tmp = self._plan.with_suffix(".tmp")
        tmp.write_text(f"{error} {' '.join(calls)}")
        tmp.rename(self._plan)

    def mend(self):
        self._plan.unlink(missing_ok=True)

    def wait_hung(self):
        """A call is in there, and does not come back."""
        wait_until(lambda: self._hung.exists() and self._hung.stat().st_size > 0, "a call that hangs")
