# SPDX-License-Identifier: Apache-2.0
"""An agent that is sent to: where it listens, and senders."""

import re
import socket

from .waiting import DEADLINE_S, wait_until


def bound(agent, scheme, nth=0):
    """(host, port) or the path of the nth address with this scheme, as the log tells it."""
    def look():
        found = [record["source"] for record in agent.log.find(msg="listens")]
        return [name for name in found if name.startswith(f"{scheme}://")]
    name = wait_until(lambda: (look()[nth:] or [None])[0],
                      lambda: f"where it listens for {scheme}\n{agent.log.text()}")
    rest = name[len(scheme) + 3:]
    if scheme.startswith("unix"):
        return rest
    host, port = re.fullmatch(r"\[?([^]]*)\]?:(\d+)", rest).groups()
    return host, int(port)


def connect(agent, scheme="tcp", nth=0):
    where = bound(agent, scheme, nth)
    if scheme.startswith("unix"):
        kind = socket.SOCK_STREAM if scheme == "unix" else socket.SOCK_DGRAM
        made = socket.socket(socket.AF_UNIX, kind)
        made.settimeout(DEADLINE_S)
        made.connect(where)
        return made
    if scheme == "udp":
        made = socket.socket(socket.AF_INET6 if ":" in where[0] else socket.AF_INET, socket.SOCK_DGRAM)
        made.connect(where)
        return made
    return socket.create_connection(where, timeout=DEADLINE_S)
