# SPDX-License-Identifier: Apache-2.0
"""The agent's log: logfmt lines as dictionaries."""

import re
import threading

FIELD = re.compile(r'([A-Za-z0-9_.]+)=("(?:[^"\\]|\\.)*"|[^ ]*)')
ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def unquote(text):
    if not text.startswith('"'):
        return text
    return re.sub(r"\\(x[0-9a-f]{2}|.)",
                  lambda m: chr(int(m[1][1:], 16)) if len(m[1]) == 3 else ESCAPES.get(m[1], m[1]),
                  text[1:-1])


def parse_line(line):
    """A line without a msg (a sanitizer's report) comes back as {'raw': line}."""
    fields = {key: unquote(value) for key, value in FIELD.findall(line)}
    return fields if "msg" in fields and "level" in fields else {"raw": line}


class LogFile:
    """Reads what was appended since the last look; a half line waits for its rest."""

    def __init__(self, path):
        self.path = path
        self.records = []
        self._offset = 0
        self._lock = threading.Lock()  # some scenarios look from several threads

    def read(self):
        with self._lock:
            return self._read_more()

    def _read_more(self):
        try:
            with open(self.path, "rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return self.records
        end = data.rfind(b"\n") + 1
        self._offset += end
        for line in data[:end].decode(errors="replace").splitlines():
            self.records.append(parse_line(line))
        return self.records

    def find(self, **fields):
        return [r for r in self.read() if all(r.get(k) == v for k, v in fields.items())]

    def text(self):
        try:
            with open(self.path, errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""
