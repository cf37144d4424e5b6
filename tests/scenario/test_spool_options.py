# SPDX-License-Identifier: Apache-2.0
"""What the options of a spool do on a real disk: when it is synced, what is left free there, and that
batches leave it as they were sealed."""

import errno
import os
import shutil
import subprocess

import pytest

from rig.lines import append_lines, check_exact, lines, numbers
from rig.preload import FailingIo
from rig.waiting import wait_until

MIB = 1 << 20


def make(rig, receiver, inputs, spool, **options):
    output = rig.http(receiver, **{
        "batch": {"max_events": 100, "max_wait": "100ms"},
        "breaker": {"failures": 1, "rest": "100ms", "rest_max": "300ms"},
        "spool": {"max_bytes": "64MiB", "min_free": "0", **spool}, **options})
    return rig.agent(inputs, {"main": output})


def gauge(agent, name):
    return agent.metrics().get(f"spillway_spool_{name}", output="main")


def on_disk(agent, count):
    def stock():
        return agent.metrics().get("spillway_stock_events", account="spool", output="main")
    wait_until(lambda: stock() == count, lambda: f"{count} events in the spool; there are {stock()}")


# ---- fsync ----

def start_without_sync(rig, **spool):
    """The disk takes all that is written, and syncs nothing."""
    place = rig.folder / "spool"
    place.mkdir()
    receiver = rig.receiver()
    receiver.always(503)
    agent = make(rig, receiver, {"app": rig.tail("app.log")}, {"path": place, **spool})
    disk = FailingIo(rig.folder)
    disk.under(agent, place)
    disk.fail(errno.EIO, "fdatasync")
    append_lines(rig.folder / "app.log", 0, 500)
    return agent.start(), receiver, disk


def finish(agent, receiver):
    receiver.always(200)
    receiver.wait_events(500)
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), 500, in_order=False)


@pytest.mark.parametrize("policy", [{"fsync": "never"}, {"fsync": "interval", "fsync_interval": "1h"}],
                         ids=["never", "in an hour"])
def test_what_is_not_synced_yet_is_told_to_be_at_risk(rig, policy):
    agent, receiver, disk = start_without_sync(rig, **policy)
    on_disk(agent, 500)
    before = agent.metrics().get("spillway_reports_total")
    agent.wait_metric(before + 2, "spillway_reports_total")
    assert (gauge(agent, "errors_total"), gauge(agent, "state")) == (0, 0), "it was synced"
    at_risk, bytes_ = gauge(agent, "unsynced_bytes"), gauge(agent, "bytes")
    assert 0 < at_risk <= bytes_
    assert bytes_ - at_risk <= 64 * len(list((rig.folder / "spool").glob("*.seg"))), "all but heads"
    disk.mend()
    finish(agent, receiver)


def test_with_fsync_always_nothing_is_at_risk_and_what_cannot_be_synced_stays_in_memory(rig):
    agent, receiver, disk = start_without_sync(rig, fsync="always")
    said = agent.wait_log(msg="spool cannot be used, batches are held in memory")
    assert (said["at"], said["error"]) == ("write", "Input/output error")
    assert said["path"] == str(rig.folder / "spool")
    agent.wait_metric(2, "spillway_spool_errors_total", output="main")  # it is tried again
    assert gauge(agent, "unsynced_bytes") == gauge(agent, "bytes") == 0
    disk.mend()
    agent.wait_log(msg="spool works again")
    on_disk(agent, 500)
    assert (gauge(agent, "unsynced_bytes"), gauge(agent, "state")) == (0, 0)
    finish(agent, receiver)
    assert len(agent.log.find(msg=said["msg"])) == 1


# ---- min_free ----

def test_what_is_to_stay_free_stays_free_and_the_oldest_make_room(rig):
    disk = rig.folder / "disk"
    if shutil.which("unshare") is None or subprocess.run(["unshare", "--mount", "true"],
                                                         capture_output=True).returncode != 0:
        pytest.skip("mount namespaces are not allowed here")
    disk.mkdir()
    receiver = rig.receiver()
    receiver.always(503)
    agent = make(rig, receiver, {"app": {"type": "stdin"}}, {"path": disk, "min_free": "2MiB"},
                 compression="none", batch={"max_events": 500, "max_wait": "100ms"})
    agent.command = ["unshare", "--mount", "sh", "-c",
                     f'mount -t tmpfs -o size=4m,nr_inodes=0 none "{disk}" && exec "$@"', "sh",
                     *agent.command]
    agent.start_piped()
    for n in range(10):
        agent.feed(lines(n * 4000, 4000, bytes_=200))
        agent.wait_metric((n + 1) * 4000, "spillway_lines_total")
        seen = os.statvfs(f"/proc/{agent.process.pid}/root/{disk}")
        assert seen.f_bavail * seen.f_frsize >= 2 * MIB - 65536
    agent.wait_metric(1, "spillway_dropped_events_total", reason="spool_evict", output="main")
    assert gauge(agent, "bytes") > MIB and gauge(agent, "state") == 0
    receiver.always(200)

    def at_their_end():
        metrics = agent.metrics()
        return sum(metrics.get(f"spillway_{how}_events_total", output="main") for how in ("delivered", "dropped"))
    wait_until(lambda: at_their_end() == 40000, lambda: f"40000 at their end; there are {at_their_end()}")
    agent.end_input()
    lane = agent.finish().agree_with(receiver).lane()
    assert lane.dropped == lane.spool_evict == 40000 - len(set(numbers(receiver.bodies())))
    assert 39999 in numbers(receiver.bodies()), "the newest made room"


# ---- sent as they were sealed ----

def wire(request):
    kept = ("content-type", "content-encoding", "spillway-sequence", "spillway-events")
    return request.body, [request.headers.get(name) for name in kept]


def test_batches_leave_the_disk_as_they_were_sealed_whatever_the_options_are_now(rig):
    receiver = rig.receiver()
    receiver.always(503)
    agent = make(rig, receiver, {"app": {"type": "stdin"}}, {}, format="json_array", compression="gzip")
    agent.start_piped()
    agent.feed(lines(0, 1000))
    agent.wait_metric(1000, "spillway_lines_total")
    agent.end_input()
    assert agent.finish().lane().spool == 1000
    tried = {request.key: wire(request) for request in receiver.requests}
    receiver.always(200)
    agent.config["outputs"]["main"].update(format="ndjson", compression="none")
    agent.start_piped()
    receiver.wait_events(1000)
    agent.feed(lines(1000, 100))
    receiver.wait_events(1100)
    agent.end_input()
    agent.finish()
    check_exact(receiver.bodies(), 1100, in_order=False)
    came = {request.key: wire(request) for request in receiver.acknowledged()}
    assert tried and {key: came[key] for key in tried} == tried

    def first_line(request):
        return numbers([request.events[0]["body"]])[0]
    of_disk = [request for request in receiver.acknowledged() if first_line(request) < 1000]
    in_sequence = sorted(of_disk, key=lambda request: int(request.headers["spillway-sequence"]))
    assert in_sequence == sorted(of_disk, key=first_line), "the sequence number does not tell the order"
    assert len({request.headers["spillway-sequence"] for request in of_disk}) == len(of_disk) >= 10
    assert {wire(request)[1][0] for request in of_disk} == {"application/json"}
    assert {wire(request)[1][1] for request in of_disk} == {"gzip"}
