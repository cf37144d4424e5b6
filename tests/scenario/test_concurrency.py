# SPDX-License-Identifier: Apache-2.0
"""How many requests are in flight: from the floor up with what the endpoint takes, down with what it
refuses, and never beyond either bound; the metrics say where it is."""

from rig.lines import check_exact, lines
from rig.receiver import Reply
from rig.waiting import wait_until

STDIN = {"app": {"type": "stdin"}}
CLOSE = {"Connection": "close"}


def test_the_limit_is_a_metric_and_keeps_between_its_floor_and_its_ceiling(rig):
    receiver = rig.receiver()
    receiver.always(Reply(headers=CLOSE))  # of a new connection no latency is learnt
    receiver.hold()
    output = rig.http(receiver, batch={"max_events": 100, "max_wait": "10ms"}, concurrency={"min": 2, "max": 3})
    agent = rig.agent(STDIN, {"main": output}).start_piped()

    def limit():
        return agent.metrics().get("spillway_concurrency_limit", output="main")

    def wait_until_as_many_wait(requests):
        wait_until(lambda: len(receiver.waiting()) == requests, f"{requests} requests")
        # Others are ready, and do not go.
        agent.wait_metric(100, "spillway_stock_events", account="ready", output="main")
        assert (len(receiver.waiting()), limit()) == (requests, requests)
    agent.feed(lines(0, 1000))
    wait_until_as_many_wait(2)
    assert agent.metrics().get("spillway_concurrency_max", output="main") == 3
    receiver.release()
    receiver.wait_events(1000)
    receiver.hold()
    agent.feed(lines(1000, 1000))
    wait_until_as_many_wait(3)
    receiver.always(500)
    receiver.release()
    agent.wait_log(msg="circuit breaker opened")
    assert limit() == 2
    receiver.always(200)
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), 2000, in_order=False)


def test_the_time_that_a_connection_takes_to_open_is_no_congestion(rig):
    receiver = rig.receiver()
    # Would it be taken for that, the limit would be halved: there is no floor.
    output = rig.http(receiver, batch={"max_wait": "1ms"}, concurrency={"min": 0, "max": 1})
    agent = rig.agent(STDIN, {"main": output}).start_piped()
    receiver.always(Reply(headers=CLOSE))
    for n in range(8):
        if n == 4:
            receiver.always(Reply(headers=CLOSE, delay=0.2))
        agent.feed(lines(n, 1))
        receiver.wait_events(n + 1)
    agent.wait_metric(8, "spillway_delivered_events_total", output="main")
    assert agent.metrics().get("spillway_concurrency_limit", output="main") == 1
    assert receiver.accepted == 8
    agent.end_input()
    agent.finish().agree_with(receiver)
    check_exact(receiver.bodies(), 8)
