# SPDX-License-Identifier: Apache-2.0
"""A network and mount namespace of a scenario's own: loopback alone, its own resolv.conf and hosts, its
own packet filter. The machine is never touched, and all of it is gone with its last process."""

import ctypes
import shutil
import socket
import subprocess
import threading

CLONE_NEWNET = 0x40000000
TOOLS = ("unshare", "nsenter", "ip", "nft")


def why_not():
    """None, or why there can be no namespaces here."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    probe = subprocess.run(["unshare", "-n", "-m", "sh", "-c", "ip link set lo up && nft list ruleset"],
                           capture_output=True, text=True)
    if probe.returncode != 0:
        return f"namespaces are not allowed here: {probe.stderr.strip()}"
    return None


class Namespace:
    def __init__(self, folder):
        (folder / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        (folder / "hosts").write_text("127.0.0.1 localhost\n")
        script = ('ip link set lo up && mount --bind "$0/resolv.conf" /etc/resolv.conf && '
                  'mount --bind "$0/hosts" /etc/hosts && echo ready && exec sleep infinity')
        self._holder = subprocess.Popen(["unshare", "-n", "-m", "sh", "-c", script, str(folder)],
                                        stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout.readline() == "ready\n", "the namespace was not set up"
        self.enter = ["nsenter", "-t", str(self._holder.pid), "-n", "-m"]

    def run(self, *command):
        subprocess.run([*self.enter, *command], check=True)

    def call(self, function):
        """function() in a thread inside; sockets that it makes stay inside."""
        result = []

        def inside():
            with open(f"/proc/{self._holder.pid}/ns/net") as net:
                if ctypes.CDLL(None, use_errno=True).setns(net.fileno(), CLONE_NEWNET) != 0:
                    result.append(OSError(ctypes.get_errno(), "setns"))
                    return
            try:
                result.append(function())
            except Exception as error:  # told in the caller's thread
                result.append(error)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if isinstance(result[0], Exception):
            raise result[0]
        return result[0]

    def listener(self, port=0, address="127.0.0.1"):
        return self.call(lambda: socket.create_server((address, port), backlog=128))

    def udp_socket(self, port):
        def make():
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.bind(("127.0.0.1", port))
            return made
        return self.call(make)

    def adopt(self, agent):
        """The agent lives inside; so does what asks for its metrics."""
        agent.command = [*self.enter, *agent.command]
        metrics = agent.metrics
        agent.metrics = lambda: self.call(metrics)
        return agent

    def filter(self, rule):
        """An nft rule for all packets: they all come in over the loopback."""
        self.run("nft", "add table inet faults; add chain inet faults packets "
                 "{ type filter hook input priority 0; }; add rule inet faults packets " + rule)

    def unfilter(self):
        self.run("nft", "flush ruleset")

    def close(self):
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()


TYPES = {1: socket.AF_INET, 28: socket.AF_INET6}


class NameServer:
    """Answers for every name with `addresses`, by type; None: it is silent."""

    def __init__(self, server_socket):
        self.addresses, self.questions = None, 0
        self._socket = server_socket
        threading.Thread(target=self._serve, daemon=True).start()

    def _answer(self, question):
        end = question.index(0, 12) + 5  # of the name, its type and its class
        kind = int.from_bytes(question[end - 4:end - 2], "big")
        found = [socket.inet_pton(TYPES[kind], address) for address in self.addresses
                 if kind in TYPES and (":" in address) == (kind == 28)]
        head = question[:2] + b"\x81\x80\0\1" + len(found).to_bytes(2, "big") + b"\0\0\0\0"
        records = [b"\xc0\x0c" + question[end - 4:end] + b"\0\0\0\0" + len(data).to_bytes(2, "big") + data
                   for data in found]
        return head + question[12:end] + b"".join(records)

    def _serve(self):
        while True:
            try:
                question, asker = self._socket.recvfrom(4096)
            except OSError:
                return
            if not question:
                return
            self.questions += 1
            if self.addresses is not None:
                self._socket.sendto(self._answer(question), asker)

    def close(self):
        # Only shutdown wakes a thread in recvfrom(), and on UDP it says that it is not connected.
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()
