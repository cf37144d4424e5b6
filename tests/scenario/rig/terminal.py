# SPDX-License-Identifier: Apache-2.0
"""A program on a pseudo terminal: its screen as rows of text, keys to it, other sizes."""

import fcntl
import os
import re
import select
import struct
import subprocess
import termios

from .waiting import wait_until

SEQUENCE = re.compile(r"\x1b\[([?>]?)([0-9;]*)([@-~])|\x1b([()][A-Z0-9]|[=>78cM])|\x0e|\x0f")


class Screen:
    """What of `xterm` a program of text uses. Anything else fails, so that nothing is misread."""

    def __init__(self, width, height):
        self.resize(width, height)
        self.colours, self.modes = set(), set()
        self.rest = ""

    def resize(self, width, height):
        self.width, self.height = width, height
        self.cells = [[" "] * width for _ in range(height)]
        self.row = self.column = 0

    def text(self):
        return "\n".join("".join(row).rstrip() for row in self.cells)

    def feed(self, text):
        text = self.rest + text
        at = 0
        while at < len(text):
            match = SEQUENCE.match(text, at)
            if match is None and text[at] == "\x1b":
                assert len(text) - at < 24, f"unknown sequence {text[at:at + 24]!r}"
                break  # the rest of it comes later
            if match is not None:
                self.control(*match.groups()[:3])
                at = match.end()
            else:
                self.put(text[at])
                at += 1
        self.rest = text[at:]

    def put(self, char):
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self.row = min(self.row + 1, self.height - 1)
        elif char == "\b":
            self.column = max(self.column - 1, 0)
        else:
            assert " " <= char <= "~", repr(char)
            self.last = char
            if self.column < self.width:
                self.cells[min(max(self.row, 0), self.height - 1)][self.column] = char
            self.column += 1

    def control(self, private, numbers, final):
        if final is None:
            return
        # What a program wrote before it heard of a smaller screen stays on the screen, as in a terminal.
        self.row = min(max(self.row, 0), self.height - 1)
        values = [int(n or 0) for n in numbers.split(";")]
        first = max(values[0], 1)
        row = self.cells[self.row]
        if private:
            for value in values:
                (self.modes.add if final == "h" else self.modes.discard)(value)
        elif final == "H":
            self.row, self.column = first - 1, max((values + [1])[1], 1) - 1
        elif final == "d":
            self.row = first - 1
        elif final == "G":
            self.column = first - 1
        elif final in "ABCD":
            self.row += {"A": -first, "B": first}.get(final, 0)
            self.column += {"C": first, "D": -first}.get(final, 0)
        elif final == "J":
            assert values[0] in (0, 2), values
            if values[0] == 2:
                self.cells = [[" "] * self.width for _ in range(self.height)]
            else:
                row[self.column:] = [" "] * (self.width - self.column)
                for other in self.cells[self.row + 1:]:
                    other[:] = [" "] * self.width
        elif final == "K":
            if values[0] == 1:
                row[:self.column + 1] = [" "] * (self.column + 1)
            else:
                row[self.column:] = [" "] * (self.width - self.column)
        elif final == "X":
            row[self.column:self.column + first] = [" "] * first
        elif final == "b":
            for _ in range(first):
                self.put(self.last)
        elif final == "P":
            row[self.column:self.column + first] = []
            row += [" "] * first
        elif final == "@":
            row[self.column:self.column] = [" "] * first
            del row[self.width:]
        elif final in "LM":
            end = self.bottom if hasattr(self, "bottom") else self.height
            for _ in range(first):
                if final == "L":
                    self.cells.insert(self.row, [" "] * self.width)
                    del self.cells[end]
                else:
                    self.cells.insert(end, [" "] * self.width)
                    del self.cells[self.row]
        elif final == "r":
            top = max(values[0], 1) - 1
            assert top == 0 or len(values) == 2, values
            self.top, self.bottom = top, (values + [self.height])[1] or self.height
            self.row = self.column = 0
        elif final in "ST":
            top, bottom = getattr(self, "top", 0), getattr(self, "bottom", self.height)
            for _ in range(first):
                del self.cells[top if final == "S" else bottom - 1]
                self.cells.insert(bottom - 1 if final == "S" else top, [" "] * self.width)
        elif final == "m":
            self.colours.update(value for value in values if 30 <= value < 50 and value not in (39, 49))
        else:
            assert final in "tlh", f"unknown control {numbers}{final}"


class Terminal:
    def __init__(self, command, env, width=80, height=24):
        self.master, self.slave = os.openpty()
        self.screen = Screen(width, height)
        self._set_size(width, height)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            command, stdin=self.slave, stdout=self.slave, stderr=self.slave, env=env,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def _set_size(self, width, height):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def resize(self, width, height):
        self.read()
        self.screen.resize(width, height)
        self._set_size(width, height)  # the kernel sends SIGWINCH

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            self.screen.feed(os.read(self.master, 65536).decode())
        return self.screen.text()

    def send(self, keys):
        os.write(self.master, keys.encode())

    def wait_for(self, condition, what):
        """condition(text of the screen); returns the text."""
        wait_until(lambda: condition(self.read()), lambda: f"{what}\n{self.read()}")
        return self.read()

    def wait_text(self, wanted):
        return self.wait_for(lambda text: wanted in text, f"'{wanted}' on the screen")

    def wait_settled(self, seconds=1):
        """The screen when it was painted to its end: nothing has changed on it for so long."""
        def rests():
            self.read()
            return not select.select([self.master], [], [], seconds)[0]
        wait_until(rests, lambda: f"the screen to rest\n{self.read()}")
        return self.read()

    def wait_end(self):
        """Returns the exit code; the terminal must be as it was."""
        def ended():
            self.read()  # else it might wait for us
            return self.process.poll() is not None
        wait_until(ended, lambda: f"the end of the program\n{self.read()}")
        self.read()
        assert termios.tcgetattr(self.slave) == self.before, "the terminal's modes are others"
        assert not self.screen.modes & {1, 1049}, f"left in modes {self.screen.modes}"
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)
