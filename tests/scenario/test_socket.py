# SPDX-License-Identifier: Apache-2.0
"""The input `socket`: every kind of address, real senders, and where each record went."""

import os
import pathlib
import resource
import shutil
import signal
import socket
import ssl
import struct
import time

import pytest

from rig.lines import check_exact, numbers
from rig.listening import bound, connect
from rig.senders import LineSender, program, run
from rig.waiting import wait_until
from test_reload import reload
from test_tls import Certificates

EXAMPLE = pathlib.Path(__file__).parents[2] / "config" / "examples" / "sockets.yaml"
SOON = {"max_wait": "30ms"}
REFUSED = "spillway_connections_refused_total"


def listen(*addresses, **options):
    return {"app": {"type": "socket", "listen": list(addresses), **options}}


def make(rig, *addresses, grace="10s", **options):
    receiver = rig.receiver()
    agent = rig.agent(listen(*addresses, **options), {"main": rig.http(receiver, batch=SOON)},
                      shutdown_grace=grace)
    return receiver, agent


@pytest.mark.quick
def test_each_kind_of_address_takes_records_and_tells_who_sent_them(rig):
    receiver, agent = make(rig, "tcp://127.0.0.1:0", "udp://[::1]:0", f"unix://{rig.folder}/s",
                           f"unixgram://{rig.folder}/d", f"fifo://{rig.folder}/f")
    agent.start()
    with connect(agent, "tcp") as tcp, connect(agent, "udp") as udp, connect(agent, "unix") as stream, \
            connect(agent, "unixgram") as gram:
        ports = {tcp.getsockname()[1]: "127.0.0.1", udp.getsockname()[1]: "::1"}
        tcp.sendall(b"over tcp\nand \xc3\xa4\r\n\nnot whole")
        udp.send(b"over udp\n")
        stream.sendall(b"over unix\n")
        gram.send(b"over unixgram")
        with open(rig.folder / "f", "w") as fifo:
            fifo.write("over a fifo\n")
        receiver.wait_events(6)
    receiver.wait_events(7)
    by_body = {event["body"]: event.get("attributes", {}) for event in receiver.events()}
    assert set(by_body) == {"over tcp", "and \u00e4", "not whole", "over udp", "over unix",
                            "over unixgram", "over a fifo"}
    for body in ("over tcp", "not whole", "over udp"):
        attributes = by_body[body]
        assert ports[attributes["network.peer.port"]] == attributes["network.peer.address"], body
    assert "network.peer.address" not in by_body["over unix"]
    assert agent.stop().agree_with(receiver).lane().received == 7
    assert not os.path.exists(rig.folder / "s"), "its socket goes with it"


def test_the_example_runs(rig):
    config = pytest.importorskip("yaml").safe_load(EXAMPLE.read_text())
    receiver = rig.receiver()
    agent = rig.agent(config["inputs"], config["outputs"])
    agent.env = {"PORT": "0", "RUN_DIR": str(rig.folder), "ENDPOINT": receiver.url}
    agent.start()
    with connect(agent, "tcp") as tcp, connect(agent, "udp") as udp:
        tcp.sendall(b"over tcp\n")
        udp.send(b"over udp")
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(str(rig.folder / "applications.sock"))
            stream.sendall(b"over unix\n")
        receiver.wait_events(3)
    agent.stop().agree_with(receiver)


def test_programs_that_people_have_send_to_it(rig):
    """netcat, socat, logger, over every transport."""
    for name in ("nc.openbsd", "socat", "logger"):
        program(name)
    receiver, agent = make(rig, "tcp://127.0.0.1:0", "udp://127.0.0.1:0", f"unix://{rig.folder}/s",
                           f"unixgram://{rig.folder}/d")
    agent.start()
    (_, tcp), (host, udp) = bound(agent, "tcp"), bound(agent, "udp")
    run("nc.openbsd", "-N", host, tcp, data=b"nc tcp 1\nnc tcp 2\n")
    run("nc.openbsd", "-u", "-q", "0", "-w", "1", host, udp, data=b"nc udp\n")
    run("socat", "-u", "-", f"TCP:{host}:{tcp}", data=b"socat tcp\n")
    run("socat", "-u", "-", f"UNIX-CONNECT:{rig.folder}/s", data=b"socat unix\n")
    run("socat", "-u", "-", f"UNIX-SENDTO:{rig.folder}/d", data=b"socat unixgram\n")
    run("logger", "--rfc3164", "--server", host, "--port", str(udp), "--udp", "logger udp")
    run("logger", "--rfc3164", "--server", host, "--port", str(tcp), "--tcp", "logger tcp")
    bodies = [event["body"] for event in receiver.wait_events(8)]
    for text in ("nc tcp 1", "nc tcp 2", "nc udp", "socat tcp", "socat unix", "socat unixgram"):
        assert bodies.count(text) == 1, bodies
    for text in ("logger udp", "logger tcp"):
        assert [body.startswith("<") for body in bodies if body.endswith(text)] == [True], bodies
    assert agent.stop().agree_with(receiver).lane().received == 8


def test_records_by_length_and_by_nul_are_taken_apart(rig):
    receiver = rig.receiver()
    inputs = {"length": listen("tcp://127.0.0.1:0", framing="length32", max_record_bytes="64")["app"],
              "nul": listen(f"unix://{rig.folder}/s", framing="nul")["app"]}
    agent = rig.agent(inputs, {"main": rig.http(receiver, batch=SOON)})
    agent.start()
    with connect(agent, "tcp") as tcp, connect(agent, "unix") as stream:
        for text in (b"one\ntwo", b"", b"x" * 100000, b"last"):
            tcp.sendall(struct.pack(">I", len(text)) + text)
        stream.sendall(b"a\nb\0c\0")
        events = receiver.wait_events(5)
        bodies = [event["body"] for event in events]
        assert sorted(bodies) == sorted(["one\ntwo", "x" * 64, "last", "a\nb", "c"])
        [cut] = [event for event in events if event["body"][0] == "x"]
        assert cut["attributes"]["log.record.original_bytes"] == 100000
        tcp.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")  # a length of over a gigabyte
        assert tcp.recv(1) == b"", "nothing behind it means anything"
    assert agent.stop().lane("length").malformed == 1


# ---- where everything went ----

def is_still(look, seconds=0.5):
    """It shows the same for so long."""
    before = look()
    time.sleep(seconds)
    return look() == before

@pytest.mark.parametrize("overflow", ["block", "drop_oldest"])
def test_what_tcp_sent_is_delivered_or_counted_while_the_endpoint_refuses(rig, overflow):
    count = 60000
    receiver = rig.receiver()
    receiver.always(503)
    agent = rig.agent(listen("tcp://127.0.0.1:0", lane={"capacity": "1MiB", "overflow": overflow}),
                      {"main": rig.http(receiver, batch={"max_bytes": "64KiB"})}, memory_limit="16MiB")
    agent.start()
    stream = connect(agent)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 10)
    sender = LineSender(stream, count)
    if overflow == "block":
        # The sender waits: at the latest when the kernel's buffers are full, too.
        wait_until(lambda: sender.sent > 0 and is_still(lambda: sender.sent), "a sender that waits")
        assert not sender.is_done() and 0 < sender.sent < count
    else:
        sender.join()
    receiver.wait_requests(3)
    receiver.always(200)
    sender.join()
    wait_until(lambda: agent.metrics().get("spillway_lines_total") == count, "all lines read")
    lane = agent.stop().agree_with(receiver).lane()
    assert lane.received == count and lane.delivered + lane.dropped == count
    if overflow == "block":
        assert lane.dropped == 0
        check_exact(receiver.bodies(), count, in_order=False)
    else:
        assert 0 < lane.dropped == lane.evict_oldest
        assert len(set(numbers(receiver.bodies()))) == lane.delivered


@pytest.mark.long
@pytest.mark.parametrize("overflow", ["block", "drop_oldest"])
def test_thirty_seconds_of_a_refusing_endpoint_at_20000_lines_a_second(rig, overflow):
    count = 30 * 20000
    receiver = rig.receiver()
    receiver.always(503)
    agent = rig.agent(listen("tcp://127.0.0.1:0", lane={"overflow": overflow}), {"main": rig.http(receiver)})
    agent.start()
    begin = time.monotonic()
    sender = LineSender(connect(agent), count, rate=20000)
    wait_until(lambda: time.monotonic() - begin > 30, "half a minute", timeout=60, pause=0.5)
    receiver.always(200)
    sender.join(timeout=300)
    wait_until(lambda: agent.metrics().get("spillway_lines_total") == count, "all lines read", timeout=120)
    lane = agent.stop(timeout=120).agree_with(receiver).lane()
    assert lane.received == count == lane.delivered + lane.dropped
    assert (lane.dropped == 0) == (overflow == "block")
    assert len(set(numbers(receiver.bodies()))) == lane.delivered


def test_what_udp_sent_is_delivered_or_counted_while_the_agent_is_stopped(rig):
    """For a while nobody reads: the kernel drops, and says how much."""
    receiver, agent = make(rig, "udp://127.0.0.1:0", receive_buffer="128KiB")
    agent.start()
    sent = 0
    with connect(agent, "udp") as sender:
        agent.process.send_signal(signal.SIGSTOP)
        for _ in range(100):  # many times what the buffer takes
            for _ in range(50):
                sender.send(b"r.%d.%s" % (sent, b"x" * 200))
                sent += 1
            sender.send(b"")  # no record, and counted as one that cannot be
            empty = sent // 50
        agent.process.send_signal(signal.SIGCONT)
        wait_until(lambda: agent.metrics().get("spillway_received_events_total") == sent + empty,
                   lambda: f"{sent} + {empty} of {agent.metrics().get('spillway_received_events_total')}")
        sender.send(b"and it goes on")
        receiver.wait_events(1)
        wait_until(lambda: "and it goes on" in receiver.bodies(), "one more")
    lane = agent.stop().agree_with(receiver).lane()
    assert lane.received == sent + empty + 1 == lane.delivered + lane.dropped
    assert lane.upstream_loss > sent // 2 and lane.upstream_loss + lane.malformed == lane.dropped
    [told, *_] = agent.log.find(msg="lost before it was read")
    assert told["source"].startswith("udp://127.0.0.1:")


def test_what_udp_loses_while_a_lane_blocks_is_told_meanwhile(rig):
    receiver = rig.receiver()
    receiver.always(503)
    agent = rig.agent(listen("udp://127.0.0.1:0", receive_buffer="64KiB",
                             lane={"capacity": "1MiB", "overflow": "block"}),
                      {"main": rig.http(receiver, batch={"max_bytes": "64KiB"})}, memory_limit="16MiB")
    agent.start()
    sent = 0

    def lost():
        return agent.metrics().get("spillway_dropped_events_total", reason="upstream_loss")

    def read():
        return agent.metrics().get("spillway_lines_total")

    def is_full():
        return agent.metrics().get("spillway_lane_used_bytes") > 900 << 10
    with connect(agent, "udp") as sender:
        while True:  # until nobody reads any more, and the kernel's buffer is full
            before = read()
            for _ in range(3000):
                sender.send(b"x" * 1000)
            sent += 3000
            if is_full() and is_still(read) and read() == before:
                break
        told = lost()
        for _ in range(1000):
            sender.send(b"x" * 1000)
        wait_until(lambda: lost() >= told + 1000, "what is lost now")
        assert read() == before, "and still nobody reads"
        sent += 1000
    receiver.always(200)
    wait_until(lambda: agent.metrics().get("spillway_received_events_total") == sent, "all accounted for")
    lane = agent.stop().agree_with(receiver).lane()
    assert lane.delivered + lane.upstream_loss == sent


def test_what_the_kernel_has_when_it_stops_is_read(rig):
    """Connections that wait to be accepted, half lines, datagrams: while the endpoint holds it up."""
    receiver = rig.receiver()
    agent = rig.agent(listen("tcp://127.0.0.1:0", "udp://127.0.0.1:0"),
                      {"main": rig.http(receiver, batch=SOON)})
    agent.start()
    streams = []
    for number in range(3):
        streams.append(connect(agent))
        streams[-1].sendall(b"early %d\n" % number)
    receiver.wait_events(3)
    with connect(agent, "udp") as udp:
        agent.process.send_signal(signal.SIGSTOP)
        for number in range(3):
            streams.append(connect(agent))
            streams[-1].sendall(b"late %d\nhalf %d" % (number, number))
            streams[number].sendall(b"more %d\n" % number)
            udp.send(b"gram %d" % number)
        agent.process.send_signal(signal.SIGTERM)
        agent.process.send_signal(signal.SIGCONT)
        books = agent.finish()
    assert sorted(receiver.bodies()) == sorted(
        f"{word} {number}" for word in ("early", "late", "half", "more", "gram") for number in range(3))
    assert books.agree_with(receiver).lane().received == 15
    for stream in streams:
        stream.close()


def test_a_stop_in_the_middle_of_it_all_ends_in_time_and_counts_what_was_read(rig):
    """The endpoint refuses, the lane is full, the sender waits: what the kernel had is read and counted."""
    receiver = rig.receiver()
    receiver.always(503)
    agent = rig.agent(listen("tcp://127.0.0.1:0", lane={"capacity": "1MiB", "overflow": "block"}),
                      {"main": rig.http(receiver, batch={"max_bytes": "64KiB"})}, memory_limit="16MiB",
                      shutdown_grace="1s")
    agent.start()
    with connect(agent) as stream:
        stream.settimeout(3)
        sent = 0
        with pytest.raises(TimeoutError):
            while True:
                sent += stream.send(b"x" * 199 + b"\n")
        begin = time.monotonic()
        agent.process.send_signal(signal.SIGTERM)
        books = agent.finish(expect=3)
        assert time.monotonic() - begin < 30
    lane = books.lane()
    assert lane.delivered == 0 and lane.received == lane.dropped
    # All but what was on its way to the other side's buffers, which nobody can see from here.
    assert 0.3 * sent / 200 < lane.received <= sent / 200 + 1


# ---- bad guests ----

def test_guests_over_the_bound_slow_and_silent_ones_hold_up_nobody(rig):
    receiver, agent = make(rig, "tcp://127.0.0.1:0", max_connections=20, idle_timeout="3s")
    agent.start()
    silent = [connect(agent) for _ in range(19)]
    silent[0].sendall(b"half a ")
    with connect(agent) as friend:
        friend.sendall(b"hello\n")
        receiver.wait_events(1)
        crowd = [connect(agent) for _ in range(200)]
        agent.wait_metric(200, REFUSED)
        for guest in crowd:
            guest.close()
        for _ in range(14):  # a drop now and then keeps a connection, and the rest goes
            time.sleep(0.25)
            friend.sendall(b"x")
        friend.sendall(b"\n")
        receiver.wait_events(3)
    for guest in silent:
        assert guest.recv(1) == b"", "it was silent for too long"
        guest.close()
    assert set(receiver.bodies()) == {"hello", "half a ", "x" * 14}
    assert agent.metrics().get("spillway_connections_accepted_total") == 20
    assert agent.stop().lane().received == 3


@pytest.mark.long
@pytest.mark.parametrize("bound_", [100, 8000])
def test_ten_thousand_connections_are_taken_or_refused(rig, bound_, request):
    """Those that are taken all get through; memory has its bound (looked at by the rig)."""
    count = 10000
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < count + 1000:
        pytest.skip(f"only {before[1]} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 1000, before[1]))
    request.addfinalizer(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, before))
    receiver, agent = make(rig, "tcp://127.0.0.1:0", max_connections=bound_)
    agent.start()
    where, guests = bound(agent, "tcp"), []
    for _ in range(count):
        guests.append(socket.create_connection(where, timeout=60))
    agent.wait_metric(count - bound_, REFUSED)
    assert agent.metrics().get("spillway_connections_accepted_total") == bound_
    for number, guest in enumerate(guests):
        try:
            guest.sendall(b"r.%d.half a line" % number)
        except OSError:
            pass  # one that was refused
    for guest in guests:
        guest.close()
    wait_until(lambda: agent.metrics().get("spillway_sources_open") == 1, "all are gone", timeout=60)
    assert agent.stop(timeout=60).agree_with(receiver).lane().received == bound_


def test_garbage_comes_as_it_is(rig):
    receiver, agent = make(rig, "tcp://127.0.0.1:0", "udp://127.0.0.1:0", max_record_bytes="1KiB")
    agent.start()
    garbage = bytes(range(256)) * 40
    with connect(agent) as stream, connect(agent, "udp") as gram:
        stream.sendall(garbage + b"\nend\n")
        gram.send(garbage)
        wait_until(lambda: "end" in receiver.bodies(), "the line behind it")
        wanted = garbage.count(b"\n") + 3
        agent.wait_metric(wanted, "spillway_received_events_total")
    lane = agent.stop().agree_with(receiver).lane()
    assert lane.received == wanted == lane.delivered


# ---- TLS ----

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


@pytest.fixture
def certificates(folder):
    return Certificates(folder)


def tls_agent(rig, certificates, **tls):
    cert, key = certificates.issue("server", "localhost")
    return make(rig, "tls://127.0.0.1:0", tls={"cert_file": cert, "key_file": key, **tls})


def shake_hands(agent, certificates, cert=None, key=None):
    context = ssl.create_default_context(cafile=certificates.ca)
    if cert is not None:
        context.load_cert_chain(cert, key)
    plain = connect(agent, "tls")
    try:
        return context.wrap_socket(plain, server_hostname="localhost")
    except BaseException:
        plain.close()
        raise


@needs_openssl
def test_tls_takes_lines_and_certificates_may_change(rig, certificates):
    receiver, agent = tls_agent(rig, certificates)
    agent.start()
    host, port = bound(agent, "tls")
    run("openssl", "s_client", "-quiet", "-no_ign_eof", "-verify_return_error", "-CAfile",
        certificates.ca, "-verify_hostname", "localhost", "-connect", f"{host}:{port}",
        data=b"from openssl\n")
    with shake_hands(agent, certificates) as old:
        old.sendall(b"x" * 40000 + b"\nhalf ")
        first = old.getpeercert()["serialNumber"]
        certificates.issue("server", "localhost")

        def serial():
            with shake_hands(agent, certificates) as new:
                return new.getpeercert()["serialNumber"]
        wait_until(lambda: serial() != first, "the new certificate", pause=0.2)
        (rig.folder / "server.key").write_text("no key")
        wait_until(lambda: serial() and agent.log.find(msg="changed certificates are of no use, the old ones stay"),
                   "the refusal of a key that is none", pause=0.2)
        old.sendall(b"line\n")  # what stood before stands
        receiver.wait_events(3)
    assert sorted(receiver.bodies()) == sorted(["from openssl", "x" * 40000, "half line"])
    agent.stop().agree_with(receiver)


@needs_openssl
def test_tls_lets_in_only_clients_with_a_certificate_if_asked(rig, certificates):
    receiver, agent = tls_agent(rig, certificates, client_ca_file=certificates.ca)
    cert, key = certificates.issue("client", "client.example")
    agent.start()
    with shake_hands(agent, certificates, cert, key) as friend:
        friend.sendall(b"friend\n")
        receiver.wait_events(1)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with shake_hands(agent, certificates) as stranger:
            stranger.sendall(b"stranger\n")
            stranger.recv(1)
    agent.wait_metric(1, "spillway_connections_failed_total")
    assert agent.stop().lane().received == 1 and receiver.bodies() == ["friend"]


@needs_openssl
def test_what_is_no_handshake_ends_the_connection_and_nothing_else(rig, certificates):
    receiver, agent = tls_agent(rig, certificates)
    agent.start()
    guests = [connect(agent, "tls") for _ in range(4)]
    guests[0].sendall(b"GET / HTTP/1.1\r\n\r\n" * 10)
    guests[1].sendall(bytes(range(256)) * 12)
    guests[2].sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" + b"\xff" * 508)  # a hello of nonsense
    guests[3].sendall(b"\x16\x03\x01")  # and then nothing
    agent.wait_metric(3, "spillway_connections_failed_total")
    with shake_hands(agent, certificates) as friend:
        friend.sendall(b"hello\n")
        receiver.wait_events(1)
    assert agent.stop().agree_with(receiver).lane().received == 1
    for guest in guests:
        guest.close()


# ---- reloads ----

def test_a_reload_keeps_the_sockets_whose_address_stays(rig):
    receiver, agent = make(rig, "tcp://127.0.0.1:0", "udp://127.0.0.1:0")
    agent.config["agent"]["sandbox"] = False  # else no socket is made where nothing was written before
    agent.start()
    before = bound(agent, "tcp")
    with connect(agent) as stream, connect(agent, "udp") as gram:
        stream.sendall(b"before, ")
        agent.config["inputs"]["app"].update(
            listen=["tcp://127.0.0.1:0", f"unix://{rig.folder}/s"], max_connections=10)
        reload(agent)
        stream.sendall(b"after\n")
        with connect(agent, "unix") as new, socket.create_connection(before) as again:
            new.sendall(b"new\n")
            again.sendall(b"again\n")
            receiver.wait_events(3)
        # The socket that left is closed: who sends there is told.
        with pytest.raises(ConnectionRefusedError):
            for _ in range(100):
                gram.send(b"nobody is there")
                time.sleep(0.01)
    assert set(receiver.bodies()) == {"before, after", "new", "again"}
    agent.config["inputs"]["app"]["listen"] = ["tcp://192.0.2.1:1"]
    assert "192.0.2.1" in reload(agent, expect=None)
    with socket.create_connection(before) as still:
        still.sendall(b"still here\n")
        receiver.wait_events(4)
    agent.stop().agree_with(receiver)
