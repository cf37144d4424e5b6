# SPDX-License-Identifier: Apache-2.0
"""Answers that go wrong on the wire: what a request gets instead of a whole answer. Each function ends
when the other side gives up or is_over() holds; False: the connection is not used again."""

import socket
import struct
import time


def head(reply, length):
    lines = [f"HTTP/1.1 {reply.status} Scripted"]
    headers = {"Content-Length": length, **reply.headers}
    lines += [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def await_end(connection):
    while connection.recv(4096):
        pass
    return False


def reset(connection, reply, is_over):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def reset_midway(connection, reply, is_over):
    connection.sendall(head(reply, 1000) + b"half of it")
    time.sleep(0.02)  # a reset overtakes what is on its way
    return reset(connection, reply, is_over)


def close(connection, reply, is_over):
    return False


def half_close(connection, reply, is_over):
    """It has said its last word, which was none, and goes on reading."""
    connection.shutdown(socket.SHUT_WR)
    return await_end(connection)


def half(connection, reply, is_over):
    connection.sendall(head(reply, 1000) + b"half of it")
    return False


def hang(connection, reply, is_over):
    return await_end(connection)


def stall_head(connection, reply, is_over):
    connection.sendall(head(reply, 1000)[:-8])
    return await_end(connection)


def stall_body(connection, reply, is_over):
    connection.sendall(head(reply, 1000) + b"half of it")
    return await_end(connection)


def drip(connection, reply, is_over):
    """Never silent for long, and never done."""
    connection.sendall(head(reply, 100000))
    while not is_over():
        connection.sendall(b"x")
        time.sleep(0.02)
    return False


def repeat(connection, piece, is_over):
    while not is_over():
        connection.sendall(piece)
    return False


def endless(connection, reply, is_over):
    connection.sendall(head(reply, None))
    return repeat(connection, b"x" * 65536, is_over)


def endless_head(connection, reply, is_over):
    connection.sendall(head(reply, None)[:-2])
    return repeat(connection, b"X-More: and more\r\n" * 100, is_over)


def endless_line(connection, reply, is_over):
    connection.sendall(head(reply, None)[:-2] + b"X-Long: ")
    return repeat(connection, b"y" * 65536, is_over)


def endless_interim(connection, reply, is_over):
    return repeat(connection, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 10, is_over)


def interim_then_whole(connection, reply, is_over):
    for status in (100, 102, 103):
        connection.sendall(f"HTTP/1.1 {status} Wait\r\nX-Interim: yes\r\n\r\n".encode())
        time.sleep(0.02)
    connection.sendall(head(reply, len(reply.body)) + reply.body)
    return True


def garbage(connection, reply, is_over):
    connection.sendall(b"\x00\xffnot HTTP at all\r\n\r\n" + bytes(range(256)))
    return False


FAULTS = {function.__name__: function for function in
          (reset, reset_midway, close, half_close, half, hang, stall_head, stall_body, drip, endless,
           endless_head, endless_line, endless_interim, interim_then_whole, garbage)}
