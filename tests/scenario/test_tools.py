# SPDX-License-Identifier: Apache-2.0
"""The tools that tests and users lean on: `spillway generate` and `spillway receive`."""

import contextlib
import ctypes
import gzip
import http.client
import json
import re
import signal
import socket
import subprocess
import threading
import time
import zlib

import pytest

from rig.agent import BINARY
from rig.tools import Receive, generate, lines_of
from rig.waiting import DEADLINE_S, wait_until

pytestmark = pytest.mark.quick
NUMBER = re.compile(rb" seq=([A-Za-z0-9_-]+)\.([0-9]+) ")


def bare_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def zstd_compress(data):
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_compressBound.restype = library.ZSTD_compress.restype = ctypes.c_size_t
    room = library.ZSTD_compressBound(ctypes.c_size_t(len(data)))
    packed = ctypes.create_string_buffer(room)
    size = library.ZSTD_compress(packed, ctypes.c_size_t(room), data, ctypes.c_size_t(len(data)), 1)
    return packed.raw[:size]


ENCODINGS = {
    "identity": ("identity", lambda data: data),
    "none": (None, lambda data: data),
    "gzip": ("gzip", gzip.compress),
    "gzip-members": ("gzip", lambda data: gzip.compress(data[:1000]) + gzip.compress(data[1000:])),
    "deflate": ("deflate", zlib.compress),
    "deflate-bare": ("deflate", bare_deflate),
    "zstd": ("zstd", zstd_compress),
}


# ---- generate ----

@pytest.mark.parametrize("options, told", [
    (["--rate", "fast"], "--rate"),
    (["--for", "3 parsecs"], "--for"),
    (["--lines", "-1"], "--lines"),
    (["--run", "a.b"], "--run"),
    (["--run", "x" * 33], "--run"),
    (["--bytes", "10"], "--bytes"),
    (["--keep", "0"], "--keep"),
    (["--rotate-bytes", "1MiB"], "--to FILE"),
    (["surplus"], "surplus"),
    (["--nonsense"], "nonsense"),
])
def test_a_wrong_command_line_of_generate_is_told(options, told):
    done = generate(*options)
    assert done.returncode == 2
    assert told in done.stderr.decode()
    assert done.stdout == b""


def test_a_file_that_cannot_be_opened_is_told():
    done = generate("--to", "/proc/none/such", "--lines", 1)
    assert done.returncode == 1
    assert b"/proc/none/such" in done.stderr


def test_help_names_every_option():
    for tool in ("generate", "receive"):
        done = subprocess.run([BINARY, tool, "--help"], capture_output=True, check=True)
        assert b"--for" in done.stdout and done.stderr == b""


def test_lines_are_numbered_and_of_the_length_asked_for():
    for mean in (230, 1000):
        lines = lines_of("--lines", 5000, "--run", "A", "--start", 7, "--bytes", mean).splitlines()
        found = [NUMBER.findall(line) for line in lines]
        assert found == [[(b"A", b"%d" % n)] for n in range(7, 5007)]
        assert abs(sum(map(len, lines)) / len(lines) + 1 - mean) < mean / 10
    assert any(line.startswith(b"{") and json.loads(line) for line in lines)


def test_the_same_seed_makes_the_same_lines_but_for_the_time():
    def without_times(text):
        return re.sub(rb"\d\d/\w+/\d{4}:[\d:]+|\d\d:\d\d:\d\d([.,]\d+)?|\w+ +\d+ (?= web-)|\d{4}-\d\d-\d\d", b"", text)
    one, two, other = (lines_of("--lines", 100, "--run", "A", "--seed", seed) for seed in (5, 5, 6))
    assert without_times(one) == without_times(two) != without_times(other)


def test_the_rate_is_kept_without_drift(folder):
    started = time.monotonic()
    done = generate("--to", folder / "log", "--rate", "5000/s", "--for", "1s")
    assert done.returncode == 0
    assert time.monotonic() - started >= 1
    assert (folder / "log").read_bytes().count(b"\n") == 5000
    assert b"wrote 5000 lines" in done.stderr


def test_a_signal_ends_it_after_a_whole_line(folder):
    log = folder / "log"
    process = subprocess.Popen([BINARY, "generate", "--to", str(log), "--rate", "20000/s"],
                               stderr=subprocess.PIPE)
    wait_until(lambda: log.exists() and log.stat().st_size > 10000, "nothing was written")
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=DEADLINE_S)[1]
    assert process.returncode == 0
    text = log.read_bytes()
    assert text.endswith(b"\n")
    assert f"wrote {text.count(10)} lines, {len(text)} bytes".encode() in said


def test_it_appends_and_rotates_without_losing_a_line(folder):
    log = folder / "log"
    log.write_bytes(b"before\n")
    generate("--to", log, "--rate", 0, "--lines", 20000, "--run", "A", "--rotate-bytes", "1MiB",
             "--keep", 100, check=True)
    files = sorted(folder.glob("log*"), key=lambda path: -int(path.suffix[1:] or 0) if path.suffix else 1)
    assert len(files) >= 4
    text = b"".join(path.read_bytes() for path in files)
    assert text.startswith(b"before\n")
    assert [int(n) for _, n in NUMBER.findall(text)] == list(range(1, 20001))


# ---- receive: what is wrong ----

@pytest.mark.parametrize("options, told", [
    (["--listen", "here"], "ADDRESS:PORT"),
    (["--listen", "127.0.0.1:99999"], "ADDRESS:PORT"),
    (["--fault", "status=99"], "status"),
    (["--fault", "explode"], "explode"),
    (["--fault", "reset,half"], "one of"),
    (["--fault", "share=50%"], "does nothing"),
    (["--fault", "reset,retry-after=3"], "retry-after"),
    (["--fault", "status=503,share=200%"], "share"),
    (["--count-only", "--check"], "--count-only"),
    (["--no-duplicates"], "--check"),
    (["surplus"], "surplus"),
])
def test_a_wrong_command_line_of_receive_is_told(options, told):
    done = subprocess.run([BINARY, "receive", "--listen", "127.0.0.1:0", *options],
                          capture_output=True, timeout=DEADLINE_S)
    assert done.returncode in (1, 2)
    assert told in done.stderr.decode()


def test_a_port_in_use_is_told(folder):
    with Receive(folder) as receive:
        done = subprocess.run([BINARY, "receive", "--listen", f"127.0.0.1:{receive.port}"],
                              capture_output=True, timeout=DEADLINE_S)
        assert done.returncode == 1
        assert b"in use" in done.stderr


def test_bodies_that_cannot_be_expanded_are_refused_and_counted(folder):
    text = lines_of("--lines", 100, "--run", "A")
    with Receive(folder, "--check") as receive:
        assert receive.post(gzip.compress(text)[:-9], Content_Encoding="gzip").status == 400
        assert receive.post(text, Content_Encoding="gzip").status == 400
        assert receive.post(text, Content_Encoding="zstd").status == 400
        assert receive.post(b"[{}", Content_Type="application/json").status == 400
        assert receive.post(text, Content_Encoding="br").status == 415
    assert receive.closing["undecodable"] == 5
    assert receive.closing["lines"]["unique"] == 0
    assert receive.code == 1


def test_what_expands_to_too_much_is_refused(folder):
    bomb = gzip.compress(b"x" * (8 << 20))
    with Receive(folder, "--max-expanded", "1MiB") as receive:
        assert receive.post(bomb, Content_Encoding="gzip").status == 413
    assert receive.closing["too_large"] == 1


def test_a_request_that_breaks_off_is_counted_as_broken(folder):
    with Receive(folder) as receive:
        with socket.create_connection(("127.0.0.1", receive.port)) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
        wait_until(lambda: receive.summary()["requests_broken"] == 1, "the request is not counted")
    assert receive.closing["requests"] == 0


def test_other_methods_are_refused(folder):
    with Receive(folder) as receive:
        assert receive.request("GET", "/").status == 405
        assert receive.request("DELETE", "/").status == 405
        assert receive.request("GET", "/healthz").text == b"ok\n"
        assert [receive.request(method, "/any/path", b"a\n").status
                for method in ("POST", "PUT", "PATCH")] == [200] * 3
    assert receive.closing["events_acknowledged"] == 3


# ---- receive: what it checks ----

@pytest.mark.parametrize("encoding", ENCODINGS)
def test_lines_arrive_in_any_encoding(folder, encoding):
    name, pack = ENCODINGS[encoding]
    text = lines_of("--lines", 20000, "--run", "A")
    with Receive(folder, "--check", "--no-duplicates") as receive:
        headers = {"Spillway-Events": "20000", **({"Content-Encoding": name} if name else {})}
        body = pack(text)
        assert receive.request("POST", "/", body, headers).status == 200
    summary = receive.closing
    assert receive.code == 0
    assert summary["events_acknowledged"] == summary["events_told"] == 20000
    assert (summary["bytes_wire"], summary["bytes_expanded"]) == (len(body), len(text))
    assert summary["lines"]["runs"] == {"A": {"unique": 20000, "missing": 0, "duplicate": 0,
                                              "out_of_order": 0, "lowest": 1, "highest": 20000}}


def as_ndjson(lines):
    return b"".join(json.dumps({"body": line.decode()}).encode() + b"\n" for line in lines)


@pytest.mark.parametrize("shape", ["array", "pretty", "one line", "split lines"])
def test_the_elements_of_a_json_array_are_events(folder, shape):
    events = [{"body": line, "nested": {"list": [1, "],[{\\\"", {}]}}
              for line in lines_of("--lines", 500, "--run", "A").decode().splitlines()]
    body = {
        "array": "[\n" + ",\n".join(map(json.dumps, events)) + "\n]\n",
        "pretty": json.dumps(events, indent=2),
        "one line": " \n" + json.dumps(events),
        "split lines": json.dumps(events).replace("},", "}\n,"),
    }[shape].encode()
    with Receive(folder, "--check", "--no-duplicates") as receive:
        assert receive.post(body, Content_Type="application/json; charset=utf-8",
                            Spillway_Events="500").status == 200
        assert receive.post(b"[]", Content_Type="application/json", Spillway_Events="0").status == 200
    assert receive.code == 0
    assert receive.closing["events_acknowledged"] == receive.closing["lines"]["unique"] == 500


def test_a_line_that_begins_with_a_bracket_is_no_array(folder):
    with Receive(folder) as receive:
        assert receive.post(b"[info] a\n\n[info] b\r\nlast", Content_Type="text/plain").status == 200
    assert receive.closing["events_acknowledged"] == 3


def test_missing_and_double_numbers_are_found_for_each_run(folder):
    a = lines_of("--lines", 1000, "--run", "A").splitlines()
    b = lines_of("--lines", 10, "--run", "B", "--start", 100).splitlines()
    with Receive(folder, "--check") as receive:
        receive.post(as_ndjson(a[1:500]))
        receive.post(as_ndjson(a[600:]))
        receive.post(as_ndjson(a[550:560] + a[:0] + a[990:] + b))
    runs = receive.closing["lines"]["runs"]
    assert receive.code == 1
    assert runs["A"] == {"unique": 909, "missing": 91, "duplicate": 10, "out_of_order": 10,
                         "lowest": 2, "highest": 1000, "first_missing": 1}
    assert (runs["B"]["unique"], runs["B"]["missing"]) == (10, 99)


def test_numbers_may_begin_where_they_began(folder):
    with Receive(folder, "--check", "--first", "0") as receive:
        receive.post(lines_of("--lines", 10, "--run", "B", "--start", 100))
    assert receive.code == 0


def test_duplicates_fail_a_check_only_if_asked_to(folder):
    text = lines_of("--lines", 10, "--run", "A")
    codes = []
    for options in (["--check"], ["--check", "--no-duplicates"]):
        with Receive(folder, *options) as receive:
            receive.post(text)
            receive.post(text)
        assert receive.closing["lines"]["duplicate"] == 10
        codes.append(receive.code)
    assert codes == [0, 1]


def test_a_number_that_a_cut_went_through_is_none_and_glued_lines_are_told(folder):
    with Receive(folder) as receive:
        receive.post(b"a seq=A.12\nb seq=A.1 seq=A.2 \nc seq=.3 \nd seq=A. \n")
    assert receive.closing["lines"]["unique"] == 2
    assert receive.closing["several_in_event"] == 1


def test_a_false_header_is_found(folder):
    with Receive(folder, "--check") as receive:
        assert receive.post(b"a\nb\n", Spillway_Events="3").status == 200
    assert receive.closing["header_mismatches"] == 1
    assert receive.code == 1


def test_the_time_from_write_to_arrival_is_measured(folder):
    with Receive(folder) as receive:
        receive.post(lines_of("--lines", 100, "--stamp"))
        receive.post(f"old seq=A.1 ts={time.time_ns() - 5_000_000_000} \n".encode())
    latency = receive.closing["latency_ms"]
    assert latency["count"] == 101
    assert 5000 <= latency["max"] < 5000 + DEADLINE_S * 1000
    assert latency["p50"] <= latency["p99"] <= latency["max"]


def test_keys_tell_repeated_and_missing_batches(folder):
    with Receive(folder, "--fault", "status=503,after=1,first=1") as receive:
        codes = [receive.post(b"a\n", Idempotency_Key=f"agent-start-{key}").status
                 for key in ("1", "2", "2", "2", "4/0", "4/1")]
    assert codes == [200, 503, 200, 200, 200, 200]
    summary = receive.closing
    assert (summary["keys_resent"], summary["keys_repeated"]) == (2, 1)
    batches = summary["batches"]["runs"]["agent-start"]
    assert (batches["missing"], batches["first_missing"], batches["highest"]) == (1, 3, 4)


def test_count_only_believes_the_header(folder):
    with Receive(folder, "--count-only") as receive:
        assert receive.post(b"no gzip at all", Content_Encoding="gzip", Spillway_Events="12").status == 200
    assert (receive.closing["events_acknowledged"], receive.closing["bytes_wire"]) == (12, 14)


def test_events_are_printed_as_they_came(folder):
    process = subprocess.Popen([BINARY, "receive", "--listen", "127.0.0.1:0", "--print",
                                "--port-file", str(folder / "port"), "--for", "10m"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until((folder / "port").exists, "no port")
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1",
                                                       int((folder / "port").read_text()))) as connection:
        connection.request("POST", "/", b"one\ntwo")
        assert connection.getresponse().status == 200
    process.terminate()
    out, err = process.communicate(timeout=DEADLINE_S)
    assert out == b"one\ntwo\n"
    assert b"in all: 2 events" in err


def test_many_senders_at_once_are_counted_exactly(folder):
    bodies = [lines_of("--lines", 500, "--run", "A", "--start", 1 + 500 * n) for n in range(40)]

    def send(part):
        for body in bodies[part::8]:
            assert receive.post(gzip.compress(body), Content_Encoding="gzip").status == 200

    with Receive(folder, "--check", "--no-duplicates") as receive:
        threads = [threading.Thread(target=send, args=(part,)) for part in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert receive.code == 0
    assert receive.closing["lines"]["unique"] == 20000
