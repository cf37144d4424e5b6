# SPDX-License-Identifier: Apache-2.0
"""Writes, syncs and renames of the state fail: that is said once for each file and counted, shipping
goes on, and once the disk works again positions are saved as if nothing had been."""

import errno

from rig.lines import append_lines, check_exact, numbers
from rig.preload import FailingIo
from rig.waiting import wait_until

COUNT = 100


class Disk:
    """An agent whose state folder has a disk that fails when told to."""

    def __init__(self, rig):
        self.receiver, self._rig, self.written = rig.receiver(), rig, 0
        self.failing = FailingIo(rig.folder)
        output = rig.http(self.receiver, batch={"max_wait": "20ms"})
        self.agent = rig.agent({"app": rig.tail("app.log")}, {"main": output})
        self.failing.under(self.agent, self.agent.state_dir)
        (rig.folder / "app.log").touch()

    def ship(self):
        append_lines(self._rig.folder / "app.log", self.written, COUNT)
        self.written += COUNT
        self.receiver.wait_events(self.written)

    def ship_through_a_failure(self):
        """Until one more save failed of the checkpoint and of the books."""
        before = self.counts()
        self.ship()
        wait_until(lambda: all(now > then for now, then in zip(self.counts(), before)), pause=0.05,
                   what=lambda: f"one more than {before} failed saves; there are {self.counts()}")

    def counts(self):
        metrics = self.agent.metrics()
        return (metrics.get("spillway_checkpoint_errors_total", input="app", output="main"),
                metrics.get("spillway_books_save_errors_total"))

    def said(self, msg):
        return {record["path"].rsplit("/", 1)[1]: record for record in self.agent.log.find(msg=msg)}

    def check_said_once(self, error):
        told = self.agent.log.find(msg="cannot save")
        assert sorted(record["path"].rsplit("/", 1)[1] for record in told) == ["app@main", "books.saved"]
        assert all(error in record["error"] for record in told)

    def end(self):
        """Stops, starts again and stops: positions were saved, nothing comes twice."""
        self.agent.stop().agree_with(self.receiver)
        check_exact(self.receiver.bodies(), self.written)
        self.agent.start()
        self.ship()
        self.agent.stop()
        check_exact(self.receiver.bodies(), self.written)


def test_a_disk_that_fails_in_each_way_and_heals_is_said_once_and_shipping_goes_on(rig):
    disk = Disk(rig)
    disk.agent.start()
    disk.ship()
    # What was written and could not be synced is synced later: a rename alone would let it heal first.
    for calls in (["write"], ["fsync"], ["rename", "fsync"]):
        disk.failing.fail(errno.EIO, *calls)
        disk.ship_through_a_failure()
    disk.check_said_once("Input/output error")
    disk.failing.mend()
    disk.ship()
    wait_until(lambda: len(disk.said("saved again")) == 2, "both files to be saved again")
    told = [int(disk.said("saved again")[name]["failed_writes"]) for name in ("app@main", "books.saved")]
    assert min(told) >= 3
    wait_until(lambda: list(disk.counts()) == told, lambda: f"{told} in the metrics: {disk.counts()}")
    disk.end()


def test_a_disk_that_fails_before_the_start_does_not_prevent_it(rig):
    disk = Disk(rig)
    disk.agent.state_dir.mkdir()
    disk.failing.fail(errno.ENOSPC, "write", "fsync", "rename")
    disk.agent.start()
    disk.ship_through_a_failure()
    disk.check_said_once("No space left")
    disk.failing.mend()
    disk.end()


def test_a_disk_that_fails_at_the_stop_costs_a_second_reading_and_no_line(rig):
    disk = Disk(rig)
    disk.agent.start()
    disk.ship()
    wait_until((disk.agent.state_dir / "checkpoints" / "app@main").exists, "a checkpoint")
    disk.failing.fail(errno.EIO, "write")
    disk.ship()
    disk.agent.stop()
    disk.check_said_once("Input/output error")
    disk.failing.mend()
    disk.agent.start()
    append_lines(rig.folder / "app.log", disk.written, COUNT)
    wait_until(lambda: set(numbers(disk.receiver.bodies())) == set(range(3 * COUNT)), "all lines")
    disk.agent.stop()
    assert numbers(disk.receiver.bodies())[:2 * COUNT] == list(range(2 * COUNT))


def test_a_spool_whose_sync_failed_is_written_once_more_before_it_is_believed(rig):
    receiver = rig.receiver()
    receiver.go_away()
    place = rig.folder / "spool"
    place.mkdir()
    output = rig.http(receiver, batch={"max_events": 100}, spool={
        "max_bytes": "64MiB", "min_free": "0", "path": place, "fsync": "interval", "fsync_interval": "50ms"})
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": output})
    failing = FailingIo(rig.folder)
    failing.under(agent, place)
    failing.fail(errno.EIO, "fdatasync")
    agent.start()
    append_lines(rig.folder / "app.log", 0, 500)

    def metric(name):
        return agent.metrics().get(f"spillway_spool_{name}", output="main")
    wait_until(lambda: metric("errors_total") > 0 and metric("unsynced_bytes") > 0, "a sync that fails")
    assert len(list(place.glob("*.seg"))) == 1
    failing.mend()
    wait_until(lambda: metric("unsynced_bytes") == 0, "all of it written once more, and synced")
    append_lines(rig.folder / "app.log", 500, 500)
    wait_until(lambda: len(list(place.glob("*.seg"))) == 2, "a new segment")
    receiver.come_back()
    receiver.wait_events(1000)
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), 1000, in_order=False)
    assert len(agent.log.find(msg="spool cannot be used, batches are held in memory")) == 1


def test_a_segment_that_cannot_be_read_is_said_once_and_sent_when_it_can_be(rig):
    receiver = rig.receiver()
    receiver.go_away()
    place = rig.folder / "spool"
    place.mkdir()
    output = rig.http(receiver, batch={"max_events": 100, "max_wait": "50ms"},
                      breaker={"rest": "50ms", "rest_max": "100ms"},
                      spool={"max_bytes": "64MiB", "min_free": "0", "path": place})
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": output})
    failing = FailingIo(rig.folder)
    failing.under(agent, place / "0000000000000001.seg")
    failing.fail(errno.EIO, "pread")
    agent.start()
    append_lines(rig.folder / "app.log", 0, 500)
    told = agent.wait_log(msg="spool cannot read a segment, it is tried again")
    assert (told["path"], told["error"]) == (str(place), "Input/output error")
    append_lines(rig.folder / "app.log", 500, 100)
    receiver.come_back()
    receiver.wait_events(100)  # what is newer does not wait for it, and closes the breaker
    failing.mend()
    agent.wait_log(msg="spool reads a segment again")
    receiver.wait_events(600)
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), 600, in_order=False)
    assert len(agent.log.find(msg=told["msg"])) == 1
