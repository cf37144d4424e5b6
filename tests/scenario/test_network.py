# SPDX-License-Identifier: Apache-2.0
"""Faults of the network itself, in a namespace of the scenario's own: a name server that is silent,
packets that vanish, connections that are reset from outside, an endpoint that moves."""

import contextlib
import random
import time

import pytest

from rig.lines import append_lines, assert_none_missing, check_exact, lines, numbers
from rig.namespace import Namespace, NameServer, why_not
from rig.receiver import Receiver
from rig.waiting import wait_until

WHY_NOT = why_not()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))
COUNT = 500
HASTY = {"timeout": "300ms", "batch": {"max_wait": "50ms"},
         "breaker": {"failures": 3, "rest": "50ms", "rest_max": "200ms"}}


@pytest.fixture
def inside(folder):
    made = Namespace(folder)
    yield made
    made.close()


@pytest.fixture
def names(inside):
    made = NameServer(inside.udp_socket(53))
    yield made
    made.close()


def receive(rig, inside, port=0, address="127.0.0.1"):
    receiver = Receiver(listener=inside.listener(port, address))
    rig.receivers.append(receiver)
    return receiver


def start(rig, inside, receiver, host="127.0.0.1", shutdown_grace="60s", **options):
    output = rig.http(receiver, **{**HASTY, **options}, url=f"http://{host}:{receiver.port}/ingest")
    agent = rig.agent({"app": rig.tail("app.log")}, {"main": output}, shutdown_grace=shutdown_grace)
    return inside.adopt(agent).start()


def write(rig, first, count=COUNT):
    append_lines(rig.folder / "app.log", first, count)


def finish(agent, receiver, count):
    """An answer may be lost, and its batch come again: with the same key."""
    wait_until(lambda: len(set(numbers(receiver.bodies()))) == count, f"{count} lines")
    lane = agent.stop().lane()
    assert (lane.delivered, lane.dropped) == (count, 0)
    assert_none_missing(numbers(receiver.bodies()), count)
    bodies = {request.key: request.text for request in receiver.acknowledged()}
    assert sum(text.count(b"\n") for text in bodies.values()) == count, "sent again with another key"


def test_a_silent_name_server_is_an_outage_like_another(rig, inside, names):
    receiver = receive(rig, inside)
    write(rig, 0)
    agent = start(rig, inside, receiver, host="endpoint.test")
    agent.wait_log(msg="circuit breaker opened")
    assert names.questions > 0
    names.addresses = ["127.0.0.1"]
    finish(agent, receiver, COUNT)


def test_a_start_asks_no_name_server(rig, inside, names):
    receiver = receive(rig, inside)
    write(rig, 0)
    agent = start(rig, inside, receiver)
    receiver.wait_events(COUNT)
    agent.stop().agree_with(receiver)
    assert names.questions == 0


def test_a_silent_name_server_does_not_hold_up_the_stop(rig, inside, names):
    receiver = receive(rig, inside)
    write(rig, 0)
    (rig.folder / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:5\n")
    agent = start(rig, inside, receiver, host="endpoint.test", timeout="300s", shutdown_grace="1s")
    wait_until(lambda: names.questions > 0, "a question to the name server")
    begin = time.monotonic()
    lane = agent.stop(expect=3).lane()
    assert time.monotonic() - begin < 25, "it waited for the name server"
    assert (lane.delivered, lane.dropped, lane.replay) == (0, 0, COUNT)


def test_a_black_hole_before_the_first_connection(rig, inside):
    receiver = receive(rig, inside)
    inside.filter(f"tcp dport {receiver.port} drop")
    write(rig, 0)
    agent = start(rig, inside, receiver)
    agent.wait_log(msg="circuit breaker opened")
    assert receiver.accepted == 0
    inside.unfilter()
    finish(agent, receiver, COUNT)


@pytest.mark.parametrize("direction", ["dport", "sport"])
def test_a_black_hole_in_the_middle_of_a_connection(rig, inside, direction):
    """dport: requests vanish; sport: answers do, the data is there and comes again with its key."""
    receiver = receive(rig, inside)
    write(rig, 0)
    agent = start(rig, inside, receiver)
    receiver.wait_events(COUNT)
    inside.filter(f"tcp {direction} {receiver.port} drop")
    write(rig, COUNT)
    agent.wait_log(msg="circuit breaker opened")
    inside.unfilter()
    finish(agent, receiver, 2 * COUNT)


def test_the_healthy_output_gets_everything_beside_one_in_a_black_hole(rig, inside):
    healthy, sick = receive(rig, inside), receive(rig, inside)
    inside.filter(f"tcp dport {sick.port} drop")
    outputs = {"healthy": rig.http(healthy, batch=HASTY["batch"]), "sick": rig.http(sick, **HASTY)}
    agent = inside.adopt(rig.agent({"app": {"type": "stdin"}}, outputs)).start_piped()
    agent.feed(lines(0, COUNT))
    healthy.wait_events(COUNT)
    agent.wait_log(msg="circuit breaker opened", output="sick")
    agent.feed(lines(COUNT, COUNT))
    healthy.wait_events(2 * COUNT)
    inside.unfilter()
    agent.end_input()
    agent.finish().agree_with(healthy, "healthy")
    check_exact(healthy.bodies(), 2 * COUNT, in_order=False)
    assert_none_missing(numbers(sick.bodies()), 2 * COUNT)
    assert agent.log.find(msg="circuit breaker opened", output="healthy") == []


def test_a_firewall_that_resets_every_connection(rig, inside):
    receiver = receive(rig, inside)
    write(rig, 0)
    agent = start(rig, inside, receiver)
    receiver.wait_events(COUNT)
    inside.filter(f"tcp dport {receiver.port} reject with tcp reset")
    write(rig, COUNT)
    agent.wait_log(msg="circuit breaker opened")
    inside.unfilter()
    finish(agent, receiver, 2 * COUNT)


def test_a_network_that_is_down_and_comes_back(rig, inside):
    receiver = receive(rig, inside)
    inside.run("ip", "link", "set", "lo", "down")
    write(rig, 0)
    agent = start(rig, inside, receiver)
    agent.wait_log(msg="circuit breaker opened")
    inside.run("ip", "link", "set", "lo", "up")
    finish(agent, receiver, COUNT)


def test_an_endpoint_that_moves_to_another_address_is_found_within_seconds(rig, inside, names):
    names.addresses = ["127.0.0.1"]
    receiver = receive(rig, inside)
    write(rig, 0)
    agent = start(rig, inside, receiver, host="endpoint.test")
    receiver.wait_events(COUNT)
    moved = receive(rig, inside, receiver.port, "127.0.0.2")
    names.addresses = ["127.0.0.2"]
    receiver.go_away()
    write(rig, COUNT)
    moved.wait_events(COUNT)
    agent.stop()
    assert_none_missing(numbers(receiver.bodies() + moved.bodies()), 2 * COUNT)


def test_an_ipv6_address_that_leads_nowhere_is_passed_over(rig, inside, names):
    """It is asked for first, and no answer comes: the IPv4 one is tried long before the timeout."""
    inside.run("ip", "addr", "add", "fd00::1/64", "dev", "lo", "nodad")
    inside.run("ip", "route", "add", "local", "fd00:dead::/64", "dev", "lo")
    inside.filter("ip6 daddr fd00:dead::/64 drop")
    names.addresses = ["fd00:dead::2", "127.0.0.1"]
    receiver = receive(rig, inside)
    write(rig, 0)
    agent = start(rig, inside, receiver, host="endpoint.test", timeout="60s")
    receiver.wait_events(COUNT)
    agent.stop().agree_with(receiver)
    assert agent.log.find(msg="request failed") == []


def filtered(inside, rule):
    @contextlib.contextmanager
    def fault():
        inside.filter(rule)
        yield
        inside.unfilter()
    return fault


@contextlib.contextmanager
def no_link(inside):
    inside.run("ip", "link", "set", "lo", "down")
    yield
    inside.run("ip", "link", "set", "lo", "up")


@contextlib.contextmanager
def no_name(names):
    names.addresses = None
    yield
    names.addresses = ["127.0.0.1"]


def test_faults_of_the_network_in_random_order_lose_nothing(rig, inside, names, seed):
    chance = random.Random(seed)
    names.addresses = ["127.0.0.1"]
    receiver = receive(rig, inside)
    faults = {f"{what} {way}": filtered(inside, f"tcp {way} {receiver.port} {what}") for way in ("dport", "sport")
              for what in ("drop", "reject with tcp reset")}
    faults.update({"link": lambda: no_link(inside), "name": lambda: no_name(names)})
    order = [chance.choice(sorted(faults)) for _ in range(8)]
    print("faults:", ", ".join(order))
    agent = start(rig, inside, receiver, host="endpoint.test")
    write(rig, 0)
    for number, fault in enumerate(order, 1):
        with faults[fault]():
            if chance.random() < 0.3:
                receiver.cut_connections()
            write(rig, number * COUNT)
            time.sleep(chance.uniform(0.05, 0.6))
    finish(agent, receiver, (len(order) + 1) * COUNT)
