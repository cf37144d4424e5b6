# SPDX-License-Identifier: Apache-2.0
"""The input `statsd`: samples of a real client, and the sums that must come out of them whatever is sent."""

import collections
import pathlib
import signal

import pytest

from rig import yaml
from rig.listening import bound, connect
from rig.waiting import wait_until

EXAMPLE = pathlib.Path(__file__).parents[2] / "config/examples/statsd.yaml"


def listen(*addresses, **options):
    return {"statsd": {"type": "statsd", "listen": list(addresses), "flush_interval": "100ms", **options}}


def metric(agent, name, **labels):
    return agent.metrics().get(f"spillway_{name}", input="statsd", **labels)


def samples(receiver, name, **tags):
    """The values of one series in the order in which they came; a tag may be quantile, too."""
    return [event["value"] for event in receiver.events() if event.get("name") == name
            and all(event.get("attributes", {}).get(key) == value for key, value in tags.items())]


def last_sums(receiver, name):
    """Cumulative: of each series of this name the last value."""
    sums = {}
    for event in receiver.events():
        if event.get("name") == name:
            sums[str(sorted(event.get("attributes", {}).items()))] = event["value"]
    return sums


@pytest.mark.quick
def test_a_real_client_and_the_example(rig):
    client = pytest.importorskip("statsd")
    receiver = rig.receiver()
    example = pytest.importorskip("yaml").safe_load(EXAMPLE.read_text())
    agent = rig.agent(example["inputs"], {"main": rig.http(receiver)})
    agent.env = {"RUN_DIR": str(agent.folder), "HOST": "127.0.0.1", "PORT": "0", "INTERVAL": "100ms"}
    agent.start()
    host, port = bound(agent, "udp")
    sender = client.StatsClient(host, port, prefix="shop")
    for _ in range(10):
        sender.incr("orders", 3)
        sender.timing("answer", 250)
    sender.gauge("stock", 10)
    sender.gauge("stock", -4, delta=True)
    sender.set("users", "ann")
    sender.set("users", "bob")
    with connect(agent, "unixgram") as gram:
        gram.send(b"shop.orders:1|c\nshop.size:5:7|d|#unit:kg\n_e{4,5}:Open|it is|t:warning|#who:me\n"
                  b"_sc|shop.db|2|m:no answer")
    wait_until(lambda: sum(last_sums(receiver, "shop.orders").values()) == 31, "all orders")
    wait_until(lambda: samples(receiver, "shop.size.count"), "sizes")
    wait_until(lambda: sum(1 for event in receiver.events() if "body" in event) == 2, "the event, the check")
    wait_until(lambda: metric(agent, "samples_total") == 10 + 10 + 2 + 2 + 1 + 2, "all samples")
    wait_until(lambda: last_sums(receiver, "shop.answer.count") == {"[]": 10}, "all answers")
    wait_until(lambda: last_sums(receiver, "shop.answer.sum") == {"[]": 2500}, "their sum")
    wait_until(lambda: sum(samples(receiver, "shop.users")) == 2, "both users")
    wait_until(lambda: samples(receiver, "shop.stock")[-1] == 6, "the stock")
    for value in samples(receiver, "shop.answer", quantile=0.99):
        assert abs(value - 250) <= 2.5
    assert samples(receiver, "shop.size.max", unit="kg") == [7]
    logs = {event["body"]: event for event in receiver.events() if "body" in event}
    assert logs["it is"]["severity_number"] == 13 and logs["it is"]["attributes"]["who"] == "me"
    assert logs["no answer"]["attributes"]["statsd.check.name"] == "shop.db"
    agent.stop().agree_with(receiver)


def test_what_is_not_understood_is_shipped_and_what_is_aggregated_is_sent_at_the_end(rig):
    receiver = rig.receiver()
    agent = rig.agent(listen("tcp://127.0.0.1:0", flush_interval="1h", temporality="delta"),
                      {"main": rig.http(receiver)})
    agent.start()
    bad = ["a:x|c", "nothing", "a:1|q", "_e{9,9}:a|b"]
    with connect(agent, "tcp") as sender:
        for number in range(1000):
            sender.sendall(f"a:{number}|c\n".encode() + bad[number % 4].encode() + b"\n")
        sender.sendall(b"last:1|c")  # its newline never comes
    wait_until(lambda: metric(agent, "lines_unparsed_total") == 1000, "the bad lines")
    wait_until(lambda: metric(agent, "samples_total") == 1001, "the samples")
    assert not samples(receiver, "a")
    lane = agent.stop().agree_with(receiver).lane()
    assert lane.received == 1000 + 2
    assert samples(receiver, "a") == [sum(range(1000))] and samples(receiver, "last") == [1]
    event = [event for event in receiver.events() if event.get("name") == "a"][0]
    assert event["temporality"] == "delta" and event["start_time"] < event["time"]
    bodies = collections.Counter(event["body"] for event in receiver.events() if "body" in event)
    assert bodies == {line: 250 for line in bad}


def test_an_attack_by_tags_costs_a_bounded_number_of_series_and_no_count(rig):
    receiver = rig.receiver()
    agent = rig.agent(listen("tcp://127.0.0.1:0", max_series="64"), {"main": rig.http(receiver)})
    agent.start()
    count = 30000
    with connect(agent, "tcp") as sender:
        sender.sendall(b"".join(b"hits:2|c|#user:%d\n" % number for number in range(count)))
        sender.sendall(b"".join(b"name%d:1|c\n" % number for number in range(1000)))
        wait_until(lambda: metric(agent, "samples_total") == count + 1000, "the samples")
        assert metric(agent, "series") == 64
        wait_until(lambda: sum(last_sums(receiver, "hits").values()) == 2 * count,
                   lambda: f"the sum; it is {sum(last_sums(receiver, 'hits').values())}")
    hits = last_sums(receiver, "hits")
    assert len(hits) == 57 and hits["[('otel.metric.overflow', 'true')]"] == 2 * (count - 56)
    assert metric(agent, "samples_overflowed_total") == count - 56 + 1000
    agent.stop().agree_with(receiver)


def test_a_reload_keeps_the_series_and_the_sockets(rig):
    receiver = rig.receiver()
    agent = rig.agent(listen("udp://127.0.0.1:0"), {"main": rig.http(receiver)})
    agent.start()
    with connect(agent, "udp") as sender:
        sender.send(b"a:5|c")
        wait_until(lambda: samples(receiver, "a") == [5], "five")
        agent.config["inputs"]["statsd"].update(max_series="20000", quantiles=["0.9"])
        agent.config_path.write_text(yaml.dump(agent.config))
        agent.process.send_signal(1)
        agent.wait_log(msg="reloaded")
        sender.send(b"a:1|c\nt:3|ms")
        wait_until(lambda: samples(receiver, "a")[-1] == 6 and samples(receiver, "t"), "one more")
    assert len(samples(receiver, "t", quantile=0.9)) == len(samples(receiver, "t")) == 1
    agent.stop().agree_with(receiver)


def test_what_udp_sent_is_summed_shipped_or_counted_while_the_agent_stands_still(rig):
    """For a while nobody reads: the kernel drops, and says how much; of the rest nothing is missing."""
    receiver = rig.receiver()
    agent = rig.agent(listen("udp://127.0.0.1:0", receive_buffer="64KiB", max_record_bytes="256"),
                      {"main": rig.http(receiver)})
    agent.start()
    sent = 5000
    with connect(agent, "udp") as sender:
        agent.process.send_signal(signal.SIGSTOP)
        for at in range(sent):
            sender.send({0: b"what is this", 1: b"", 2: b"one:1|c|#pad:" + b"x" * 400}.get(at % 100, b"one:1|c"))
        agent.process.send_signal(signal.SIGCONT)
        wait_until(lambda: metric(agent, "samples_total") > 0, "it reads again")
        sender.send(b"last:1|c")
        wait_until(lambda: samples(receiver, "last"), "it goes on")
    lane = agent.stop().agree_with(receiver).lane()
    assert lane.upstream_loss > sent // 2
    shipped = [event["body"] for event in receiver.events() if "body" in event]
    assert "what is this" in shipped and lane.malformed > 0
    assert sum(last_sums(receiver, "one").values()) + len(shipped) + lane.malformed + lane.upstream_loss == sent


@pytest.mark.parametrize("scheme", ["udp", "unixgram"])
def test_reloads_under_fire_keep_the_socket_and_no_sample_is_missing(rig, request, scheme):
    receiver = rig.receiver()
    address = f"unixgram://{rig.folder}/s.sock" if scheme == "unixgram" else "udp://127.0.0.1:0"
    agent = rig.agent(listen(address), {"main": rig.http(receiver)})
    agent.start()
    where = bound(agent, scheme)
    sent, generation = 0, 1
    with connect(agent, scheme) as sender:
        for at in range(1000 if request.config.getoption("--long") else 20):
            agent.config["inputs"]["statsd"]["max_series"] = str(1000 + at)
            if at % 2:
                agent.config["outputs"]["main"]["timeout"] = f"{10 + at % 50}s"
            agent.config_path.write_text(yaml.dump(agent.config))
            agent.process.send_signal(signal.SIGHUP)
            generation += 1
            while agent.metrics().get("spillway_config_generation") < generation:
                for _ in range(20):
                    sender.send(b"one:1|c")
                    sent += 1
                wait_until(lambda: metric(agent, "samples_total") == sent, "all that was sent")  # noqa: B023
    assert bound(agent, scheme) == where and len(agent.log.find(msg="listens")) == 1
    wait_until(lambda: last_sums(receiver, "one") == {"[]": sent}, lambda: f"{sent}: {last_sums(receiver, 'one')}")
    assert agent.stop().agree_with(receiver).lane().upstream_loss == 0
