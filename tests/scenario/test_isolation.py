# SPDX-License-Identifier: Apache-2.0
"""Two outputs, one of them sick in every way there is: the healthy one gets everything, the breaker of
the sick one opens, and what only it loses is dropped by its own policy, and counted."""

import base64
import contextlib
import json
import random
import signal
import subprocess
import threading

import pytest

from rig.agent import BINARY
from rig.lines import Writer, check_exact, lines, numbers
from rig.receiver import Reply
from rig.waiting import wait_until

COUNT = 4000


def refuses(receiver):
    receiver.go_away()
    return receiver.come_back


def is_deaf(receiver):
    receiver.deafen()
    return receiver.hear


def replies(reply):
    def start(receiver):
        receiver.always(reply)
        return lambda: receiver.always(200)
    return start


SICKNESS = {
    "refuses": refuses,
    "deaf": is_deaf,
    "hangs": replies(Reply(how="hang")),
    "reads slowly": replies(Reply(read_rate=2000)),
    "500": replies(500),
    "401": replies(401),
    "resets midway": replies(Reply(how="reset_midway")),
    "drips": replies(Reply(how="drip")),
}


@pytest.mark.threads
@pytest.mark.parametrize("sickness", SICKNESS)
def test_the_healthy_output_gets_everything_beside_a_sick_one(rig, sickness):
    healthy, sick = rig.receiver(), rig.receiver()
    heal = SICKNESS[sickness](sick)
    small = {"batch": {"max_bytes": "16KiB", "max_wait": "10ms"}, "compression": "none"}
    agent = rig.agent({"app": {"type": "stdin", "max_line_bytes": "1KiB",
                               "lane": {"capacity": "256KiB", "overflow": "drop_oldest"}}},
                      {"healthy": rig.http(healthy, **small),
                       "sick": rig.http(sick, timeout="300ms", **small)},
                      memory_limit="8MiB").start_piped()
    for n in range(COUNT // 200):
        agent.feed(lines(n * 200, 200, bytes_=400))
        # Fed at the pace of the healthy one: what is missing there was lost to the sick one.
        healthy.wait_events((n + 1) * 200)
    agent.wait_log(msg="circuit breaker opened", output="sick")
    agent.wait_metric(1, "spillway_dropped_events_total", output="sick", reason="evict_oldest")
    assert agent.log.find(msg="circuit breaker opened", output="healthy") == []
    heal()
    agent.wait_log(msg="circuit breaker closed", output="sick")
    agent.end_input()
    books = agent.finish()
    check_exact(healthy.bodies(), COUNT, in_order=False)
    assert (books.lane(output="healthy").delivered, books.lane(output="healthy").dropped) == (COUNT, 0)
    lane = books.lane(output="sick")
    came = set(numbers([event["body"] for event in sick.seen_events()]))
    assert lane.received == COUNT and lane.dropped == lane.evict_oldest == COUNT - len(came)
    newest = 100
    assert set(range(COUNT - newest, COUNT)) <= came, "drop_oldest keeps the newest"


def test_files_are_read_for_each_output_on_its_own_and_nothing_is_dropped(rig):
    """A reading for each output: one waits for its sick output, without end, the other goes on."""
    healthy, sick = rig.receiver(), rig.receiver()
    sick.always(Reply(503, how="hang"))
    agent = rig.agent({"app": rig.tail("app.log")},
                      {"healthy": rig.http(healthy), "sick": rig.http(sick, timeout="300ms")}).start()
    writer = Writer(rig.folder / "app.log", burst=100, pause=0.01)
    agent.wait_log(msg="circuit breaker opened", output="sick")
    written = writer.stop()
    healthy.wait_events(written)
    sick.always(200)
    wait_until(lambda: len(set(numbers(sick.bodies()))) == written, "all lines at the one that was sick")
    books = agent.stop()
    check_exact(healthy.bodies(), written, in_order=False)
    assert [lane.dropped for lane in books.lanes.values()] == [0, 0]


def test_the_breaker_opens_after_so_many_failures_and_lets_one_probe_out_for_each_rest(rig):
    receiver = rig.receiver()
    fifth = threading.Event()
    receiver.rule(lambda request: fifth.wait() and 500 if request.number >= 4 else 500)
    rest_s = 0.3
    output = rig.http(receiver, batch={"max_events": 100}, concurrency={"max": 1},
                      retry={"base": "10ms", "cap": "20ms"},
                      breaker={"failures": 5, "rest": "300ms", "rest_max": "300ms"})
    agent = rig.agent({"app": {"type": "stdin"}}, {"main": output}).start_piped()
    agent.feed(lines(0, 1000))
    receiver.wait_requests(5)
    assert agent.log.find(msg="circuit breaker opened") == [], "after four"
    fifth.set()
    agent.wait_log(msg="circuit breaker opened")
    receiver.wait_requests(10)
    # A rest is between a half and the whole of what is configured.
    gaps = [later.at - sooner.at for sooner, later in zip(receiver.requests[4:], receiver.requests[5:])]
    assert all(gap >= rest_s / 2 - 0.01 for gap in gaps), gaps
    receiver.rule(None)
    agent.wait_log(msg="circuit breaker closed")
    agent.end_input()
    agent.finish().agree_with(receiver)
    assert len(agent.log.find(msg="circuit breaker opened")) == 1, "a line for each failed probe"
    check_exact(receiver.bodies(), 1000, in_order=False)


@contextlib.contextmanager
def far_endpoint(folder, name):
    """One that answers after 200 ms. Its summary is there once the block was left."""
    port_file = folder / f"{name}.port"
    process = subprocess.Popen([BINARY, "receive", "--listen", "127.0.0.1:0", "--port-file", port_file,
                                "--count-only", "--json", "--fault", "delay=200ms"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found = {}
    try:
        wait_until(port_file.exists, "an endpoint")
        found["url"] = f"http://127.0.0.1:{port_file.read_text().strip()}/"
        yield found
        process.send_signal(signal.SIGTERM)
        found["summary"] = json.loads(process.communicate(timeout=20)[0])
    finally:
        process.kill()
        process.communicate()


@pytest.mark.release
def test_three_far_endpoints_at_once_fit_into_the_default_memory_limit(rig, capsys):
    """What comes hardly compresses, so as much memory is in flight as there is; the rig compares the
    peak of own memory with the limit and the 8 MiB beside it."""
    count, seed = 80000, random.Random(1)
    with open(rig.folder / "app.log", "wb") as file:
        for number in range(count):
            file.write(b"seq=%d %s\n" % (number, base64.b64encode(seed.randbytes(750))))
    with contextlib.ExitStack() as stack:
        far = [stack.enter_context(far_endpoint(rig.folder, f"far{n}")) for n in range(3)]
        agent = rig.agent({"app": rig.tail("app.log")},
                          {f"far{n}": {"type": "http", "url": far[n]["url"]} for n in range(3)}).start()
        for n in range(3):
            agent.wait_metric(count, "spillway_delivered_events_total", output=f"far{n}")
        books = agent.stop()
    for n in range(3):
        lane = books.lane(output=f"far{n}")
        assert (lane.received, lane.delivered, lane.dropped) == (count, count, 0)
        assert far[n]["summary"]["events_told"] == count, far[n]["summary"]
    with capsys.disabled():
        print(f" {agent.peak_bytes / (1 << 20):.1f} MiB of its own at most", end="")
