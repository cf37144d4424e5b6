#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""picture.py FOLDER [FILE]: draws what `fleet_sim --csv FOLDER` wrote as one SVG (default: FOLDER/fleet.svg).

A row of panels for each way in which the endpoint is overloaded: on the left the load on it over the
whole time, on the right from its return on, and what waits in the fleet.
"""

import csv
import pathlib
import sys

MANNERS = {"refuses": "answers 503 to what is too much", "slows": "slows down for all",
           "times_out": "never answers what is too much"}
VARIANTS = {"all_on": ("everything on", "#000000"), "no_jitter": ("without jitter", "#d55e00"),
            "no_breaker": ("without breaker", "#0072b2"), "no_budget": ("without retry budget", "#cc79a7"),
            "no_aimd": ("without AIMD", "#e69f00")}
WIDTH, HEIGHT, LEFT, TOP, GAP_X, GAP_Y = 430, 230, 70, 100, 80, 80


class Panel:
    """Axes with a linear scale; what lies above is drawn at the upper edge."""

    def __init__(self, column, row, title, x, y):
        self.left, self.top = LEFT + column * (WIDTH + GAP_X), TOP + row * (HEIGHT + GAP_Y)
        self.title, (self.x_from, self.x_to, self.x_step, self.x_label) = title, x
        self.y_to, self.y_step, self.y_label = y
        self.parts = []

    def at(self, x, y):
        return (self.left + (x - self.x_from) / (self.x_to - self.x_from) * WIDTH,
                self.top + HEIGHT - min(y, self.y_to) / self.y_to * HEIGHT)

    def text(self, x, y, text, anchor="middle", more=""):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{text}</text>')

    def line(self, begin, end, more):
        (x1, y1), (x2, y2) = self.at(*begin), self.at(*end)
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {more}/>')

    def axes(self):
        self.text(self.left, self.top - 10, self.title, "start", 'font-weight="bold"')
        steps = int((self.x_to - self.x_from) / self.x_step + 0.5)
        for x in (self.x_from + i * self.x_step for i in range(steps + 1)):
            self.line((x, 0), (x, self.y_to), 'stroke="#ddd"')
            self.text(self.at(x, 0)[0], self.top + HEIGHT + 16, f"{x:g}")
        for y in (i * self.y_step for i in range(int(self.y_to / self.y_step + 0.5) + 1)):
            self.line((self.x_from, y), (self.x_to, y), 'stroke="#ddd"')
            self.text(self.left - 6, self.at(0, y)[1] + 4, f"{y:g}", "end")
        self.text(self.left + WIDTH / 2, self.top + HEIGHT + 34, self.x_label)
        x, y = self.left - 44, self.top + HEIGHT / 2
        self.text(x, y, self.y_label, more=f'transform="rotate(-90 {x:.1f} {y:.1f})"')

    def aim(self):
        self.line((self.x_from, 1.2), (self.x_to, 1.2), 'stroke="#009e73" stroke-dasharray="6 3"')
        self.text(self.left + WIDTH - 4, self.at(0, 1.2)[1] - 4, "the aim: 1.2", "end", 'fill="#009e73"')

    def curve(self, points, colour, dashed=False):
        points = [self.at(x, y) for x, y in points if self.x_from <= x <= self.x_to]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        more = ' stroke-dasharray="2 3"' if dashed else ""
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.2"{more}/>')


def read(path):
    with path.open() as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def draw_row(folder, row, manner, most_waiting):
    whole = Panel(0, row, f"An endpoint that {MANNERS[manner]}: load",
                  (-32, 8, 4, "minutes since its return"), (3, 0.5, "offered / capacity"))
    back = Panel(1, row, "The same from its return on", (0, 360, 60, "seconds since its return"),
                 (3, 0.5, "offered / capacity"))
    waiting = Panel(2, row, "What waits", (0, 360, 60, "seconds since its return"),
                    (most_waiting, most_waiting / 4, "batches an agent"))
    for panel in (whole, back, waiting):
        panel.axes()
    for variant, (_, colour) in reversed(VARIANTS.items()):  # everything on lies on top
        path = folder / f"{manner}-{variant}.csv"
        if path.exists():
            rows = read(path)
            whole.curve([(r["second"] / 60, r["offered"]) for r in rows], colour)
            back.curve([(r["second"], r["offered"]) for r in rows], colour)
            waiting.curve([(r["second"], r["waiting"]) for r in rows], colour)
    whole.aim()
    back.aim()
    return whole.parts + back.parts + waiting.parts


def most_waiting_in(folder):
    most = max(r["waiting"] for path in folder.glob("*-*.csv") for r in read(path))
    return next(step for step in (4, 8, 20, 40, 80, 120, 160, 200, 400, 1000) if step >= most)


def legend():
    x = LEFT
    for name, colour in VARIANTS.values():
        yield f'<line x1="{x}" y1="55" x2="{x + 26}" y2="55" stroke="{colour}" stroke-width="3"/>'
        yield f'<text x="{x + 32}" y="59">{name}</text>'
        x += 190


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    file = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else folder / "fleet.svg"
    manners = [name for name in MANNERS if list(folder.glob(f"{name}-*.csv"))]
    if not manners:
        sys.exit(f"{folder}: no CSV files of fleet_sim")
    width, height = LEFT + 3 * (WIDTH + GAP_X), TOP + len(manners) * (HEIGHT + GAP_Y)
    most_waiting = most_waiting_in(folder)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
             f'height="{height}" font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="white"/>',
             f'<text x="{LEFT}" y="30" font-size="18">A fleet and one endpoint that is away for 30 minutes; '
             'its capacity is 1.5 x the steady load</text>', *legend()]
    for row, manner in enumerate(manners):
        parts += draw_row(folder, row, manner, most_waiting)
    file.write_text("\n".join(parts) + "\n</svg>\n", encoding="utf-8")
    print(file)


if __name__ == "__main__":
    main()
