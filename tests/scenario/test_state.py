# SPDX-License-Identifier: Apache-2.0
"""The state directory and the place of the live books: taken, full, not to be had."""

import shutil
import subprocess

import pytest

from rig.lines import append_lines, check_exact, numbers
from rig.waiting import wait_until


@pytest.mark.quick
def test_two_agents_on_one_state_directory_are_refused_with_the_pid(rig):
    receiver = rig.receiver()
    outputs = {"main": rig.http(receiver)}
    first = rig.agent({"app": rig.tail("app.log")}, outputs).start()
    second = rig.agent({"app": rig.tail("app.log")}, outputs)
    second.config["agent"]["state_dir"] = first.state_dir
    second.launch()
    assert second.wait_exit() == 1
    said = second.log.find(level="error")[0]["error"]
    assert f"pid {first.process.pid}" in said and str(first.state_dir) in said
    append_lines(rig.folder / "app.log", 0, 10)
    receiver.wait_events(10)
    first.stop().agree_with(receiver)


@pytest.mark.quick
def test_agents_with_states_of_their_own_share_a_runtime_directory(rig):
    receiver = rig.receiver()
    append_lines(rig.folder / "app.log", 0, 10)
    agents = [rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver)}) for _ in "ab"]
    agents[1].config["agent"]["runtime_dir"] = agents[0].runtime_dir
    for agent in agents:
        agent.start()
    receiver.wait_events(20)
    for agent in agents:
        assert agent.stop().lane().delivered == 10
    assert len(list(agents[0].runtime_dir.glob("*.books"))) == 2


def test_without_a_tmpfs_the_books_lie_in_anonymous_memory_and_it_is_said(rig):
    receiver = rig.receiver()
    append_lines(rig.folder / "app.log", 0, 10)
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver)})
    agent.config["agent"]["runtime_dir"] = "/proc/no-place-for-books"
    agent.start()
    assert agent.log.find(msg="started")[0]["books"].startswith("anonymous memory")
    receiver.wait_events(10)
    agent.stop().agree_with(receiver)


def small_disk(folder, kib):
    """A tmpfs of that size in a mount namespace of the agent's own; None: not allowed here."""
    probe = ["unshare", "--mount", "true"]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True).returncode != 0:
        return None
    folder.mkdir()
    return ["unshare", "--mount", "sh", "-c",
            f'mount -t tmpfs -o size={kib}k,nr_inodes=0 none "{folder}" && '
            f'[ ! -e "{folder}.fill" ] || head -c 100000000 /dev/zero > "{folder}/fill" 2>&-; '
            'exec "$@"', "sh"]


def test_a_full_disk_under_the_state_is_said_once_and_shipping_goes_on(rig):
    disk = rig.folder / "disk"
    prefix = small_disk(disk, 64)
    if prefix is None:
        pytest.skip("mount namespaces are not allowed here")
    (rig.folder / "disk.fill").touch()  # the disk is full before the agent starts
    receiver = rig.receiver()
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver)})
    agent.config["agent"]["state_dir"] = disk
    agent.command = prefix + agent.command
    (rig.folder / "app.log").touch()
    agent.start()
    for n in range(4):  # a failed write each second: it could be said again and again
        append_lines(rig.folder / "app.log", n * 100, 100)
        receiver.wait_events((n + 1) * 100)
        agent.wait_metric(n + 1, "spillway_checkpoint_errors_total", input="app", output="main")
    agent.stop().agree_with(receiver)
    check_exact(receiver.bodies(), 400)
    said = [r for r in agent.log.find(msg="cannot save") if "checkpoints" in r["path"]]
    assert len(said) == 1, said
    assert "No space" in said[0]["error"]


@pytest.mark.quick
def test_positions_survive_a_restart_and_a_new_runtime_directory(rig):
    """As after a reboot: the live books are gone, the saved copy says that all was well."""
    receiver = rig.receiver()
    append_lines(rig.folder / "app.log", 0, 100)
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver)}).start()
    receiver.wait_events(100)
    agent.stop()
    shutil.rmtree(agent.runtime_dir)
    append_lines(rig.folder / "app.log", 100, 100)
    agent.start()
    assert agent.log.find(msg="started")[0]["predecessor"] == "clean"
    receiver.wait_events(200)
    agent.stop()
    assert sorted(numbers(receiver.bodies())) == list(range(200))


def test_after_a_power_loss_the_saved_copy_is_closed_and_called_stale(rig):
    receiver = rig.receiver()
    receiver.hold()
    append_lines(rig.folder / "app.log", 0, 1000)
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": rig.http(receiver)}).start()
    saved = agent.state_dir / "books.saved"
    wait_until(saved.exists, "a saved copy of the books")
    agent.kill()
    shutil.rmtree(agent.runtime_dir)
    receiver.release()
    agent.start()
    assert agent.wait_log(msg="books of the killed start closed")["books"] == "stale"
    wait_until(lambda: len(set(numbers(receiver.bodies()))) == 1000, "all lines")
    agent.stop()
