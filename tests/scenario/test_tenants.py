# SPDX-License-Identifier: Apache-2.0
"""A lane split into classes: one tenant writes far more than the endpoint takes, the others do not notice."""

import pathlib
import subprocess
import threading
import time

import pytest

from rig.agent import BINARY, is_sanitized
from rig.lines import append_lines, numbers
from rig.receiver import Reply
from rig.waiting import wait_until

EXAMPLES = pathlib.Path(__file__).parents[2] / "config" / "examples"
QUIET = ["a", "b", "c"]
ROUNDS, EACH = 20, 5  # lines of each quiet tenant
NOISE_A_ROUND = 150


class Noise:
    """Some 4 MB a second into noisy.log, eight times what the endpoint takes."""

    def __init__(self, path):
        self._path, self.written = path, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self):
        while not self._stop.wait(0.05):
            append_lines(self._path, self.written, 1000, run="noisy", bytes_=200)
            self.written += 1000

    def stop(self):
        self._stop.set()
        self._thread.join()
        return self.written


def tenants(rig, lane):
    """A slow endpoint: 16 KiB every 30 ms, one request at a time; four files, one of them noisy."""
    receiver = rig.receiver()
    receiver.always(Reply(delay=0.03))
    for name in [*QUIET, "noisy"]:
        (rig.folder / f"{name}.log").touch()
    agent = rig.agent({"apps": rig.tail("*.log", max_line_bytes="1KiB",
                                        lane={"capacity": "1MiB",
                                              "classes": {"by": "resource.log.file.name", "max": 8},
                                              **lane})},
                      {"main": rig.http(receiver, compression="none", concurrency={"max": 1},
                                        batch={"max_bytes": "16KiB", "max_wait": "50ms"})},
                      memory_limit="8MiB",
                      report_interval="10m").start()  # at the end alone: of many the log holds some back
    return receiver, agent


def crowd(rig, receiver, agent):
    """The quiet files grow beside the noisy one; returns how much noise, and the quiet waits. Quiet is
    little in comparison with what the endpoint takes, and that depends on the machine."""
    noise = Noise(rig.folder / "noisy.log")
    wait_until(lambda: agent.metrics().get("spillway_lane_used_bytes") > 600 << 10,
               "a lane that is nearly full")
    written = {}
    for number in range(ROUNDS):
        for name in QUIET:
            append_lines(rig.folder / f"{name}.log", number * EACH, EACH, run=name, bytes_=200)
            written.update({(name, number * EACH + i): time.monotonic() for i in range(EACH)})
        before = len(numbers(receiver.bodies(), "noisy"))
        wait_until(lambda: len(numbers(receiver.bodies(), "noisy")) >= before + NOISE_A_ROUND,
                   "the endpoint to take more of the noisy one", pause=0.02)
    wait_until(lambda: all(len(numbers(receiver.bodies(), name)) == ROUNDS * EACH for name in QUIET),
               "all lines of the quiet tenants")
    written_noise = noise.stop()
    came = {}
    for request in receiver.acknowledged():
        for event in request.events:
            run, number, _ = event["body"].split(".", 2)
            came.setdefault((run, int(number)), request.at)
    return written_noise, [came[key] - at for key, at in written.items()]


def finish(receiver, agent):
    receiver.always(Reply())
    wait_until(lambda: agent.metrics().get("spillway_lag_bytes") == 0
               and agent.metrics().get("spillway_lane_used_bytes") == 0, "all read, and an empty lane")
    return agent.stop().agree_with(receiver).lane()


def told(agent, name, field):
    return sum(int(line[field]) for line in agent.log.find(msg="class", **{"class": name}))


def longest(agent, name):
    return max(int(line["longest_wait_ms"]) for line in agent.log.find(msg="class", **{"class": name}))


@pytest.mark.threads
@pytest.mark.parametrize("overflow, flow, field", [("drop_oldest", "evict_oldest", "evicted"),
                                                   ("drop_newest", "shed_class", "refused")])
def test_a_noisy_tenant_costs_the_others_nothing(rig, overflow, flow, field):
    receiver, agent = tenants(rig, {"overflow": overflow})
    noise, waits = crowd(rig, receiver, agent)
    lane = finish(receiver, agent)
    total = noise + len(QUIET) * ROUNDS * EACH
    assert lane.received == total and lane.delivered + lane.dropped == total
    came = {name: numbers(receiver.bodies(), name) for name in [*QUIET, "noisy"]}
    for name in QUIET:
        assert came[name] == list(range(ROUNDS * EACH)), f"{name} lost lines, or their order"
        assert told(agent, f"{name}.log", "admitted") == ROUNDS * EACH
        assert told(agent, f"{name}.log", field) == 0
    assert len(came["noisy"]) == noise - lane.dropped and lane.dropped > 1000
    assert getattr(lane, flow) == told(agent, "noisy.log", field) > 0
    if overflow == "drop_newest":
        # A full lane, about 800 KiB, drains in a second and a half; nobody but noisy waits for it.
        quiet = max(longest(agent, f"{name}.log") for name in QUIET)
        assert quiet < longest(agent, "noisy.log")
    print(f"quiet lines waited {min(waits):.3f} to {max(waits):.3f} s")
    assert is_sanitized() or sorted(waits)[len(waits) // 2] < 0.7, f"quiet lines waited {sorted(waits)[-5:]} s"


def test_the_noisiest_is_shed_and_counts_stay_right(rig):
    receiver, agent = tenants(rig, {"overflow": "drop_newest",
                                    "shed": {"mode": "noisiest", "keep": "adaptive"}})
    noise, _ = crowd(rig, receiver, agent)
    lane = finish(receiver, agent)
    assert lane.received == noise + len(QUIET) * ROUNDS * EACH
    assert lane.shed_sample > 1000 and lane.shed_sample == told(agent, "noisy.log", "shed")
    sampled = [event for event in receiver.events() if "sampling.weight" in event.get("attributes", {})]
    assert all(event["body"].startswith("noisy.") for event in sampled)
    for name in QUIET:
        assert numbers(receiver.bodies(), name) == list(range(ROUNDS * EACH))


def test_a_backlog_is_read_by_weight_and_each_class_says_how_long_it_waited(rig):
    """Both tenants want all of the lane: what it holds, and what is read of it, is three to one."""
    receiver = rig.receiver()
    receiver.hold()
    agent = rig.agent({"apps": rig.tail("*.log", max_line_bytes="4KiB",
                                        lane={"capacity": "8MiB", "overflow": "drop_oldest",
                                              "classes": {"by": "resource.log.file.name", "max": 255,
                                                          "weights": {"gold.log": 3}}})},
                      {"main": rig.http(receiver, compression="none", concurrency={"max": 1},
                                        batch={"max_bytes": "64KiB", "max_wait": "50ms"})},
                      memory_limit="16MiB", report_interval="10m").start()
    for first in range(0, 10000, 500):
        for name in ("gold", "base"):
            append_lines(rig.folder / f"{name}.log", first, 500, run=name, bytes_=1000)
    agent.wait_metric(20000, "spillway_lines_total")
    since = time.monotonic()
    in_ring = int(agent.metrics().get("spillway_stock_events", account="ring"))
    time.sleep(1)  # this is what is measured: nothing comes and nothing is read
    waited = time.monotonic() - since
    receiver.release()
    lane = finish(receiver, agent)
    assert lane.received == 20000 and lane.dropped == lane.evict_oldest > 0
    read = ["gold" in body[:4] for body in receiver.bodies()][-in_ring:]
    begins = [at for at in range(1, len(read)) if read[at - 1] and not read[at]]  # a round, by base
    assert len(begins) > 50
    rounds = read[begins[0]:begins[-1]]
    share = sum(rounds) / len(rounds)
    longest_s = {name: longest(agent, f"{name}.log") / 1000 for name in ("gold", "base")}
    print(f"gold has {share:.4f} of {len(rounds)} events; longest waits {longest_s}")
    assert 0.98 * 0.75 < share < 1.02 * 0.75
    assert 0.98 * 0.25 < 1 - share < 1.02 * 0.25
    assert min(longest_s.values()) > waited, "a wait that was not told"


def test_check_says_who_shares_and_who_sheds(rig):
    shown = subprocess.run([BINARY, "check", "-c", str(EXAMPLES / "tenants.yaml")],
                           capture_output=True, text=True, check=True).stdout
    assert ("apps -> main: 16MiB, drop_oldest, classes by resource.log.file.name, sheds from 80%\n"
            in shown)
    assert "requests -> main: 8MiB, drop_oldest, sheds from 80%\n" in shown
