# SPDX-License-Identifier: Apache-2.0
"""`spillway top` on a terminal: what is seen, keys, sizes, and that the terminal is left in order."""

import contextlib
import signal
import subprocess

import pytest

from rig.agent import BINARY, environment
from rig.lines import lines
from rig.terminal import Terminal
from rig.waiting import stays


@pytest.fixture(autouse=True)
def ncurses():
    shown = subprocess.run([BINARY, "version"], capture_output=True, text=True, check=True).stdout
    if "terminal: not built in" in shown:
        pytest.skip("ncurses is not built in")


@contextlib.contextmanager
def watching(agent, *options, width=80, height=24, **env):
    terminal = Terminal([BINARY, "top", "--state-dir", str(agent.state_dir), "--runtime-dir",
                         str(agent.runtime_dir), "--interval", "100ms", *options],
                        environment(**{"TERM": "xterm", **env}), width, height)
    try:
        yield terminal
    finally:
        terminal.close()


@pytest.fixture
def overloaded(rig):
    """Two outputs, of which one answers nothing: its lane drops."""
    good, bad = rig.receiver(), rig.receiver()
    bad.hold()
    agent = rig.agent({"app": {"type": "stdin", "max_line_bytes": "1KiB",
                               "lane": {"capacity": "256KiB", "overflow": "drop_oldest"}}},
                      {"good": rig.http(good, batch={"max_bytes": "16KiB", "max_wait": "50ms"}),
                       "stuck": rig.http(bad, batch={"max_bytes": "16KiB"}, compression="none",
                                         concurrency={"max": 1})},
                      memory_limit="16MiB").start_piped()
    for first in range(0, 20000, 1000):
        agent.feed(lines(first, 1000, bytes_=100))
        good.wait_events(first + 1000)  # else its lane may drop as well
    agent.wait_metric(20000, "spillway_lines_total", output="stuck")
    agent.wait_metric(1, "spillway_dropped_events_total", output="stuck", reason="evict_oldest")
    yield agent
    bad.release()
    if agent.process is not None:
        agent.end_input()
        agent.finish()


def is_whole(text):
    """Painted to its last line: a screen may be looked at while it is painted."""
    return text.splitlines()[-1:] != [] and text.splitlines()[-1].startswith("q quit  h help")


def lanes_in_order(text):
    return [line.split()[2] for line in text.splitlines() if line.startswith("app > ")]


@pytest.mark.quick
def test_it_shows_lanes_and_reasons_takes_keys_and_leaves_the_terminal_as_it_was(overloaded):
    with watching(overloaded) as terminal:
        wanted = ["evict_oldest", f"pid {overloaded.process.pid} is running", "OUTPUT", "BREAKER",
                  "FILL", "closed"]
        terminal.wait_for(lambda t: is_whole(t) and all(word in t for word in wanted), str(wanted))
        terminal.wait_for(lambda t: lanes_in_order(t)[:1] == ["good"], "the lanes by name")
        terminal.send("r")
        terminal.wait_for(lambda t: lanes_in_order(t) == ["stuck", "good"], "the other way round")
        terminal.send("rw")  # by what is held
        terminal.wait_for(lambda t: lanes_in_order(t) == ["stuck", "good"] and "sort: held" in t,
                          "the fuller lane first")
        terminal.send("h")
        terminal.wait_text("freeze the figures")
        terminal.send("h")
        terminal.wait_text("OUTPUT")
        assert terminal.screen.modes & {1049}, "not on a screen of its own"
        terminal.send("q")
        assert terminal.wait_end() == 0


def test_a_frozen_view_does_not_move(overloaded):
    with watching(overloaded, "--sort", "name") as terminal:
        terminal.wait_text("evict_oldest")
        terminal.send("f")
        terminal.wait_text("FROZEN")
        text = terminal.wait_settled()
        overloaded.feed(lines(20000, 3000, bytes_=100))
        overloaded.wait_metric(23000, "spillway_lines_total", output="stuck")
        stays(lambda: terminal.read() == text, 0.5, "it moved")
        terminal.send("f")
        terminal.wait_for(lambda t: "FROZEN" not in t and t != text, "it to go on")
        terminal.send("q")
        assert terminal.wait_end() == 0


def test_any_size_will_do_also_while_it_runs(overloaded):
    with watching(overloaded, width=20, height=10) as terminal:
        before = terminal.wait_for(lambda t: "BREAKER" in t and is_whole(t), "a whole screen")
        terminal.send("G")
        terminal.wait_for(lambda t: "evict_" in t and t != before, "the end of the list")
        for width, height in ((132, 40), (1, 1), (3, 2), (80, 4), (500, 60), (80, 24)):
            terminal.resize(width, height)
            terminal.wait_for(lambda t, w=width, h=height: t.startswith("pid"[:w])
                              and (h < 4 or "q quit" in t.splitlines()[-1]), f"{width}x{height}")
        terminal.send("g")
        terminal.wait_text("evict_oldest")
        terminal.send("q")
        assert terminal.wait_end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_and_the_terminal_is_in_order(overloaded, number):
    with watching(overloaded) as terminal:
        terminal.wait_text("OUTPUT")
        terminal.process.send_signal(number)
        assert terminal.wait_end() == -number


def test_colours_only_where_they_are_wanted(overloaded):
    with watching(overloaded) as terminal:
        terminal.wait_text("OUTPUT")
        terminal.send("q")
        terminal.wait_end()
        assert terminal.screen.colours
    with watching(overloaded, NO_COLOR="1") as terminal:
        terminal.wait_text("OUTPUT")
        terminal.send("q")
        terminal.wait_end()
        assert not terminal.screen.colours, terminal.screen.colours


@pytest.mark.parametrize("term", ["dumb", "", "no-such-terminal"])
def test_a_terminal_that_cannot_be_painted_gets_lines(overloaded, term):
    with watching(overloaded, "--sort", "name", TERM=term) as terminal:
        terminal.screen.resize(80, 2000)  # it scrolls: nothing is painted over
        text = terminal.wait_for(lambda t: t.count("OUTPUT") > 1, "two readings as lines")
        assert text.startswith("spillway top: plain lines, since "), text
        terminal.process.terminate()
        assert terminal.wait_end() == -signal.SIGTERM


def test_it_goes_on_while_the_agent_hangs_and_says_when_it_is_gone(overloaded):
    pid = overloaded.process.pid
    with watching(overloaded, width=120) as terminal:
        terminal.wait_text(f"pid {pid} is running")
        overloaded.process.send_signal(signal.SIGSTOP)
        terminal.wait_text(f"pid {pid} is STOPPED by a signal")
        terminal.wait_text("nothing has moved for ")
        overloaded.process.send_signal(signal.SIGCONT)
        terminal.wait_text(f"pid {pid} is running")
        overloaded.kill()
        terminal.wait_text(f"pid {pid} is GONE")
        terminal.send("q")
        assert terminal.wait_end() == 0
