# SPDX-License-Identifier: Apache-2.0
"""`spillway receive` misbehaves as it is told to."""

import contextlib
import http.client
import socket
import time

import pytest

from rig.tools import Receive, lines_of
from rig.waiting import DEADLINE_S, wait_until

pytestmark = pytest.mark.quick


def raw_answer(receive, most=1 << 16):
    """All that comes back until the other side ends; (bytes, was it a reset)."""
    with socket.create_connection(("127.0.0.1", receive.port), timeout=DEADLINE_S) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na\n")
        data = b""
        try:
            while len(data) < most:
                piece = connection.recv(most)
                if not piece:
                    break
                data += piece
        except ConnectionResetError:
            return data, True
        return data, False


def test_a_status_and_retry_after_for_the_first_requests(folder):
    with Receive(folder, "--fault", "status=429,retry-after=7,first=2") as receive:
        answers = [receive.post(b"a\n") for _ in range(3)]
        assert [answer.status for answer in answers] == [429, 429, 200]
        assert answers[0].getheader("Retry-After") == "7"
    summary = receive.closing
    assert summary["answers"] == {"200": 1, "429": 2}
    assert (summary["events_received"], summary["events_acknowledged"]) == (3, 1)


def test_numbers_of_refused_bodies_count_only_with_check_all(folder):
    text = lines_of("--lines", 10, "--run", "A")
    found = []
    for options in ([], ["--check-all"]):
        with Receive(folder, "--fault", "status=500", *options) as receive:
            receive.post(text)
        found.append(receive.closing["lines"]["unique"])
    assert found == [0, 10]


def test_a_share_of_requests(folder):
    with Receive(folder, "--fault", "status=503,share=25%", "--seed", "3") as receive:
        bad = [receive.post(b"a\n").status for _ in range(400)].count(503)
    assert 60 <= bad <= 140


def test_larger_bodies_are_refused(folder):
    with Receive(folder, "--fault", "max-bytes=10B") as receive:
        assert receive.post(b"x" * 10).status == 200
        assert receive.post(b"x" * 11).status == 413


def test_a_delay_holds_only_its_own_request(folder):
    with Receive(folder, "--fault", "delay=3s,first=1") as receive:
        started = time.monotonic()
        with contextlib.closing(receive.connect()) as slow:
            slow.request("POST", "/", b"a\n")
            wait_until(lambda: receive.summary()["requests"] == 1, "the request has not come")
            assert receive.post(b"b\n").status == 200
            assert receive.summary()["requests_acknowledged"] == 1
            assert slow.getresponse().status == 200
        assert time.monotonic() - started >= 3
    assert receive.closing["requests_acknowledged"] == 2


def test_a_delay_may_go_with_a_status(folder):
    with Receive(folder, "--fault", "status=500,delay=100ms", "--fault", "delay=100ms") as receive:
        started = time.monotonic()
        assert receive.post(b"a\n").status == 500
        assert time.monotonic() - started >= 0.2


def test_reset_breaks_the_connection_without_an_answer(folder):
    with Receive(folder, "--fault", "reset,first=1") as receive:
        assert raw_answer(receive) == (b"", True)
        assert receive.post(b"a\n").status == 200
    assert receive.closing["faults"] == {"reset": 1}
    assert receive.closing["events_acknowledged"] == 1


def test_half_breaks_off_in_the_body(folder):
    with Receive(folder, "--fault", "half") as receive:
        with pytest.raises(http.client.IncompleteRead):
            receive.post(b"a\n")
    assert receive.closing["requests_acknowledged"] == 0


def test_garbage_is_no_http(folder):
    with Receive(folder, "--fault", "garbage") as receive:
        with pytest.raises(http.client.BadStatusLine):
            receive.post(b"a\n")


def test_an_endless_body_goes_on_and_ends_with_the_receiver(folder):
    with Receive(folder, "--fault", "endless") as receive:
        data, _ = raw_answer(receive, most=5 << 20)
        assert data.startswith(b"HTTP/1.1 200") and len(data) >= 5 << 20
    # Its status is all that a sender can go by.
    assert receive.closing["requests_acknowledged"] == receive.closing["events_acknowledged"] == 1


def test_hang_never_answers_and_does_not_hold_the_end(folder):
    with Receive(folder, "--fault", "hang,first=2") as receive:
        gone = receive.connect()
        gone.request("POST", "/", b"a\n")
        wait_until(lambda: receive.summary()["requests"] == 1, "the request has not come")
        gone.close()
        waiting = receive.connect(timeout=0.3)
        waiting.request("POST", "/", b"b\n")
        wait_until(lambda: receive.summary()["requests"] == 2, "the request has not come")
        with pytest.raises(TimeoutError):
            waiting.getresponse()
        assert receive.post(b"c\n").status == 200
        started = time.monotonic()
    waiting.close()
    assert time.monotonic() - started < 60
    assert receive.code == 0
    assert receive.closing["faults"] == {"hang": 2}


def test_faults_can_be_replaced_while_it_runs(folder):
    with Receive(folder, "--fault", "status=500") as receive:
        assert receive.post(b"a\n").status == 500
        wrong = receive.request("PUT", "/_faults", b"status=503\nexplode\n")
        assert (wrong.status, b"explode" in wrong.text) == (400, True)
        assert receive.post(b"a\n").status == 500
        assert receive.request("PUT", "/_faults", b"# two\nstatus=418,first=1\r\n\nstatus=503,first=1\n"
                               ).text == b"2 faults\n"
        assert [receive.post(b"a\n").status for _ in range(2)] == [418, 200]
        assert receive.request("PUT", "/_faults", b"").status == 200
        assert receive.post(b"a\n").status == 200


def test_a_fault_can_be_for_a_time(folder):
    with Receive(folder) as receive:
        def is_set():
            """The time begins here: a slow machine may miss it once."""
            assert receive.request("PUT", "/_faults", b"status=503,for=300ms").status == 200
            return receive.post(b"a\n").status == 503
        wait_until(is_set, "it never began")
        wait_until(lambda: receive.post(b"a\n").status == 200, "it never ended")
