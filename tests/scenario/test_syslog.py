# SPDX-License-Identifier: Apache-2.0
"""The input `syslog`, from real senders: what came, what its parts are called, and that it is all of it."""

import collections
import datetime
import pathlib
import shutil
import signal
import socket
import time

import pytest

from rig import yaml
from rig.listening import bound, connect
from rig.syslog_peers import Rsyslog, SyslogNg, logger, loggen
from rig.waiting import wait_until
from test_tls import Certificates


EXAMPLE = pathlib.Path(__file__).parents[2] / "config/examples/syslog.yaml"


def listen(*addresses, **options):
    return {"syslog": {"type": "syslog", "listen": list(addresses), **options}}


def by_body(receiver):
    return {event.get("body", ""): event for event in receiver.events()}


def unparsed(agent):
    return agent.metrics().get("spillway_lines_unparsed_total", input="syslog")


def finish(agent, receiver, sent):
    """All of it came, and each line was understood."""
    assert unparsed(agent) == 0, [event for event in receiver.events()
                                  if "log.parse_error" in event.get("attributes", {})]
    assert agent.stop().agree_with(receiver).lane().received == sent


@pytest.mark.quick
def test_logger_in_every_way_it_sends(rig):
    receiver = rig.receiver()
    agent = rig.agent(listen("udp://127.0.0.1:0", "tcp://127.0.0.1:0", f"unix://{rig.folder}/stream",
                             f"unixgram://{rig.folder}/log"), {"main": rig.http(receiver)})
    agent.start()
    there = {kind: ("--server", bound(agent, kind)[0], "--port", bound(agent, kind)[1], f"--{kind}")
             for kind in ("udp", "tcp")}
    common = ("--tag", "app", "--id=4711", "--priority", "local3.err")
    ways = {"udp 3164": (*there["udp"], "--rfc3164"), "udp 5424": (*there["udp"], "--rfc5424"),
            "tcp lines": (*there["tcp"], "--rfc3164"),
            "tcp counted": (*there["tcp"], "--rfc5424", "--octet-count"),
            "tcp counted 3164": (*there["tcp"], "--rfc3164", "--octet-count"),
            "unixgram": ("--socket", rig.folder / "log"),
            "unix": ("--socket", rig.folder / "stream")}
    for name, way in ways.items():
        logger(*common, *way, message=f"by {name}")
    logger(*common, *there["udp"], "--rfc5424", "--msgid", "ID47", "--sd-id", "ex@32473", "--sd-param",
           'quote="a\\"b"', "--sd-param", 'plain="x"', message="with data")
    receiver.wait_events(len(ways) + 1)
    came = by_body(receiver)
    for name in ways:
        event = came[f"by {name}"]
        attributes = event["attributes"]
        assert event["severity_number"] == 17 and event["severity_text"] == "err"
        assert attributes["log.syslog.facility.code"] == 19
        assert (attributes["log.syslog.appname"], attributes["log.syslog.procid"]) == ("app", "4711")
        assert ("log.syslog.hostname" in attributes) == (not name.startswith("unix"))
        assert attributes.get("network.peer.address") == (None if "unix" in name else "127.0.0.1")
        assert attributes.get("log.syslog.version") == (1 if "5424" in name or name == "tcp counted"
                                                        else None)
        stamp = datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00"))
        assert abs(time.time() - stamp.timestamp()) < 60
    data = came["with data"]["attributes"]
    assert data["log.syslog.msgid"] == "ID47"
    assert data["log.syslog.structured_data.ex@32473.quote"] == 'a"b'
    assert data["log.syslog.structured_data.ex@32473.plain"] == "x"
    finish(agent, receiver, len(ways) + 1)


FORWARDERS = {
    "rsyslog-tcp-counted": (Rsyslog, "tcp", 'protocol="tcp" TCP_Framing="octet-counted" '
                                            'template="RSYSLOG_SyslogProtocol23Format"'),
    "rsyslog-tcp-lines": (Rsyslog, "tcp", 'protocol="tcp" template="RSYSLOG_TraditionalForwardFormat"'),
    "rsyslog-udp": (Rsyslog, "udp", 'protocol="udp" template="RSYSLOG_ForwardFormat"'),
    "syslog-ng-tcp-counted": (SyslogNg, "tcp", 'syslog("{host}" port({port}) transport("tcp"))'),
    "syslog-ng-tcp-lines": (SyslogNg, "tcp", 'network("{host}" port({port}) transport("tcp"))'),
    "syslog-ng-udp": (SyslogNg, "udp", 'network("{host}" port({port}) transport("udp"))'),
    "syslog-ng-unix": (SyslogNg, "unix", 'unix-stream("{path}")'),
    "syslog-ng-unixgram": (SyslogNg, "unixgram", 'unix-dgram("{path}")'),
}


def forwarder(folder, agent, name):
    kind, scheme, how = FORWARDERS[name]
    where = bound(agent, scheme)
    if kind is Rsyslog:
        return Rsyslog(folder / name, f'target="{where[0]}" port="{where[1]}" {how}')
    if scheme.startswith("unix"):
        return SyslogNg(folder / name, how.format(path=where))
    return SyslogNg(folder / name, how.format(host=where[0], port=where[1]))


def test_rsyslog_and_syslog_ng_forward_to_us(rig):
    receiver = rig.receiver()
    agent = rig.agent(listen("udp://127.0.0.1:0", "tcp://127.0.0.1:0", f"unix://{rig.folder}/stream",
                             f"unixgram://{rig.folder}/log"), {"main": rig.http(receiver)})
    agent.start()
    count = 50
    senders = {name: forwarder(rig.folder, agent, name) for name in FORWARDERS}
    try:
        for name, sender in senders.items():
            stamp = time.strftime("%b %e %H:%M:%S")
            host = "" if FORWARDERS[name][0] is Rsyslog else "elsewhere "
            sender.send(f"<187>{stamp} {host}{name}[{number}]: message {number} of {name}"
                        for number in range(count))
        receiver.wait_events(count * len(senders))
    finally:
        for sender in senders.values():
            sender.__exit__()
    numbers = collections.defaultdict(list)
    for event in receiver.events():
        attributes = event["attributes"]
        app = attributes["log.syslog.appname"]
        number = int(attributes["log.syslog.procid"])
        assert event["body"].strip() == f"message {number} of {app}"
        assert event["severity_number"] == 17 and attributes["log.syslog.facility.code"] == 23
        numbers[app].append(number)
    assert {app: sorted(got) for app, got in numbers.items()} == \
        {name: list(range(count)) for name in FORWARDERS}
    finish(agent, receiver, count * len(senders))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_rsyslog_forwards_over_tls(rig):
    certificates = Certificates(rig.folder)
    certificate, key = certificates.issue("server", "localhost")
    receiver = rig.receiver()
    agent = rig.agent(listen("tls://127.0.0.1:0", tls={"cert_file": certificate, "key_file": key}),
                      {"main": rig.http(receiver)})
    agent.start()
    host, port = bound(agent, "tls")
    with Rsyslog(rig.folder / "rsyslog", f'target="{host}" port="{port}" protocol="tcp" '
                 'TCP_Framing="octet-counted" StreamDriver="gtls" StreamDriverMode="1" '
                 'StreamDriverAuthMode="x509/certvalid" template="RSYSLOG_SyslogProtocol23Format"',
                 f'DefaultNetstreamDriverCAFile="{certificates.ca}"') as rsyslog:
        rsyslog.send(f"<13>{time.strftime('%b %e %H:%M:%S')} app[1]: secret {n}" for n in range(20))
        receiver.wait_events(20)
    assert sorted(int(event["body"].split()[1]) for event in receiver.events()) == list(range(20))
    finish(agent, receiver, 20)


@pytest.mark.parametrize("options", [("--stream",), ("--stream", "--syslog-proto"),
                                     ("--dgram",), ("--unix", "--stream")],
                         ids=["lines", "counted", "udp", "unix"])
def test_loggen_sends_at_speed(rig, options):
    count = 3000
    receiver = rig.receiver()
    agent = rig.agent(listen("udp://127.0.0.1:0", "tcp://127.0.0.1:0", f"unix://{rig.folder}/stream"),
                      {"main": rig.http(receiver)})
    agent.start()
    common = ("--rate", 3000, "--number", count, "--size", 300)
    if "--unix" in options:
        loggen(*common, *options, address=bound(agent, "unix"))
    else:
        host, port = bound(agent, "udp" if "--dgram" in options else "tcp")
        loggen(*common, "--inet", *options, address=host, port=port)
    receiver.wait_events(count)
    sequence = [int(event["body"].split(",")[0].split()[1]) for event in receiver.events()]
    assert sorted(sequence) == list(range(count))
    assert all(event["attributes"]["log.syslog.appname"] == "prg00000" for event in receiver.events())
    finish(agent, receiver, count)


UGLY = {  # what is sent, and what comes of it: bodies, and how many of them could not be read
    b"no priority at all\n": ("no priority at all",),
    b"<13>1 2003-10-11T22:14:15.003Z host\n": ("<13>1 2003-10-11T22:14:15.003Z host",),
    b"<13>1 - host app - id [bad sd] text\n": ("[bad sd] text",),
    b"<999>too high\n": ("<999>too high",),
    b"\x80\xff \x01\n": ("\ufffd\ufffd \x01",),
}


def test_what_cannot_be_read_is_shipped_as_it_came_and_counted(rig):
    receiver = rig.receiver()
    agent = rig.agent(listen("udp://127.0.0.1:0", "tcp://127.0.0.1:0", original="yes"),
                      {"main": rig.http(receiver)})
    agent.start()
    with connect(agent, "tcp") as sender, connect(agent, "udp") as gram:
        for line in UGLY:
            sender.sendall(line)
            gram.send(line)
        # A count that says too little: what is left over is a line of its own.
        sender.sendall(b"9 <13>short and more\n<13>good\n")
        receiver.wait_events(2 * len(UGLY) + 3)
    wanted = collections.Counter(body for bodies in UGLY.values() for body in bodies * 2)
    wanted.update(["short", " and more", "good"])
    assert collections.Counter(event["body"] for event in receiver.events()) == wanted
    flagged = [event for event in receiver.events() if "log.parse_error" in event["attributes"]]
    assert len(flagged) == 2 * len(UGLY) + 1 == unparsed(agent)
    assert by_body(receiver)["good"]["attributes"]["log.record.original"] == "<13>good"
    agent.stop().agree_with(receiver)


class Datagrams:
    """A sender of numbered messages, of which some are ugly, too long or empty."""

    def __init__(self, agent):
        self.socket, self.sent, self.empty = connect(agent, "udp"), 0, 0

    def send(self, count):
        for _ in range(count):
            kind, number = self.sent % 100, self.sent
            message = b"" if kind == 3 else b"<13>1 - x" if kind == 7 else \
                b"<13>Nov 28 11:59:59 host app[1]: message %d %s" % (
                    number, b"x" * (2000 if kind == 11 else number % 500))
            self.socket.send(message)
            self.sent += 1
            self.empty += message == b""


def test_datagrams_are_all_accounted_for_while_the_agent_stands_still_for_two_seconds(rig):
    receiver = rig.receiver()
    receiver.always(503)
    agent = rig.agent(listen("udp://127.0.0.1:0", receive_buffer="64KiB", max_record_bytes="1KiB",
                             lane={"capacity": "1MiB", "overflow": "drop_oldest"}),
                      {"main": rig.http(receiver, batch={"max_bytes": "64KiB"})}, memory_limit="16MiB")
    agent.start()
    sender = Datagrams(agent)

    def counted(name="spillway_dropped_events_total", **labels):
        return agent.metrics().get(name, input="syslog", **labels)

    def has_overflowed():
        sender.send(500)
        return counted(reason="evict_oldest") > 0
    wait_until(has_overflowed, "a full lane")
    agent.process.send_signal(signal.SIGSTOP)
    before, until = sender.sent, time.monotonic() + 2
    while time.monotonic() < until or sender.sent < before + 20000:
        sender.send(200)
        time.sleep(0.005)
    agent.process.send_signal(signal.SIGCONT)
    receiver.always(200)
    wait_until(lambda: counted(reason="upstream_loss") > 15000, "the drops of the kernel")
    sender.send(500)
    sender.socket.close()
    wait_until(lambda: counted("spillway_received_events_total") >= sender.sent,
               lambda: f"{sender.sent} sent, of them {counted('spillway_received_events_total')} are known")
    truncated = counted("spillway_lines_truncated_total")
    lane = agent.stop().agree_with(receiver).lane()
    assert sender.sent == lane.delivered + lane.malformed + lane.evict_oldest + lane.upstream_loss
    assert min(lane.delivered, lane.evict_oldest, truncated) > 0 and 0 < lane.malformed <= sender.empty
    assert len(agent.log.find(msg="lost before it was read")) <= 10, "the rest is held back"
    arrived = [int(event["body"].split()[1]) for event in receiver.events()
               if event["body"].startswith("message")]
    assert len(arrived) == len(set(arrived))


def send_from(address, agent, scheme, line):
    kind = socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as sender:
        sender.bind((address, 0))
        sender.connect(bound(agent, scheme))
        try:
            sender.sendall(line + b"\n")
        except OSError:
            pass  # one that may not is closed at once


def test_only_peers_that_may_are_heard_and_the_others_are_counted(rig):
    receiver = rig.receiver()
    agent = rig.agent(listen("udp://127.0.0.1:0", "tcp://127.0.0.1:0", allow=["127.0.0.8/29", "::1"]),
                      {"main": rig.http(receiver)})
    agent.start()
    for address in ("127.0.0.7", "127.0.0.9", "127.0.0.16"):
        for scheme in ("udp", "tcp"):
            send_from(address, agent, scheme, f"<13>app: {scheme} from {address}".encode())
    receiver.wait_events(2)
    agent.wait_metric(2, "spillway_connections_refused_total")
    agent.wait_metric(2, "spillway_dropped_events_total", reason="malformed")
    lane = agent.stop().agree_with(receiver).lane()
    assert sorted(receiver.bodies()) == ["tcp from 127.0.0.9", "udp from 127.0.0.9"]
    assert (lane.received, lane.malformed) == (4, 2)


def test_a_reload_changes_the_zone_and_keeps_connections(rig):
    receiver = rig.receiver()
    agent = rig.agent(listen("tcp://127.0.0.1:0", time_zone="+02:00"), {"main": rig.http(receiver)})
    agent.start()
    line = b"<13>2026-11-28 12:00:00 host app: %d\n"
    with connect(agent, "tcp") as sender:
        sender.sendall(line % 1)
        receiver.wait_events(1)
        agent.config["inputs"]["syslog"]["time_zone"] = "America/New_York"
        agent.config_path.write_text(yaml.dump(agent.config))
        agent.process.send_signal(signal.SIGHUP)
        agent.wait_log(msg="reloaded")
        sender.sendall(line % 2)
        receiver.wait_events(2)
    times = {event["body"]: event["time"] for event in receiver.events()}
    assert times["1"].startswith("2026-11-28T10:00:00") and times["2"].startswith("2026-11-28T17:00:00")
    finish(agent, receiver, 2)


def test_the_example_runs(rig):
    receiver = rig.receiver()
    example = pytest.importorskip("yaml").safe_load(EXAMPLE.read_text())
    agent = rig.agent(example["inputs"], {"main": rig.http(receiver)})
    agent.env = {"RUN_DIR": str(agent.folder), "HOST": "127.0.0.1", "PORT": "0", "ZONE": "Europe/Berlin"}
    agent.start()
    for scheme in ("udp", "tcp", "unixgram"):
        with connect(agent, scheme) as sender:
            sender.send(b"<13>2026-07-01 12:00:00 host app: by " + scheme.encode() + b"\n")
    receiver.wait_events(3)
    assert {event["time"] for event in receiver.events()} == {"2026-07-01T10:00:00.000Z"}
    finish(agent, receiver, 3)
