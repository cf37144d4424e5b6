# SPDX-License-Identifier: Apache-2.0
"""Asks the admin endpoint of an agent: on its unix socket, or on its TCP port."""

import http.client
import json
import socket

from .waiting import DEADLINE_S


class Answer:
    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        self.text = response.read().decode()

    @property
    def json(self):
        return json.loads(self.text)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=DEADLINE_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(DEADLINE_S)
        self.sock.connect(self.path)


def started(agent):
    return agent.log.find(msg="started")[0]


def address(agent):
    moved = agent.log.find(msg="the admin port is another one")
    host, port = (moved[-1] if moved else started(agent))["metrics"].rsplit(":", 1)
    return host, int(port)


def ask(agent, path, method="GET", tcp=False, **headers):
    """headers: Authorization=…, Host=…"""
    connection = (http.client.HTTPConnection(*address(agent), timeout=DEADLINE_S) if tcp
                  else UnixConnection(started(agent)["admin_socket"]))
    try:
        connection.request(method, path, headers=headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()
