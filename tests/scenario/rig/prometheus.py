# SPDX-License-Identifier: Apache-2.0
"""A strict reader of the Prometheus text format 0.0.4: what it does not know is an error."""

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"^({NAME})(?:\{{(.*)\}})? (-?[0-9.]+(?:e[+-]?[0-9]+)?|NaN|[+-]Inf)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)')
TYPES = {"counter", "gauge", "histogram", "untyped"}
SUFFIXES = ("_bucket", "_sum", "_count")  # of the samples of a histogram


def parse_labels(text, line):
    labels, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, f"labels cannot be read: {line}"
        assert match[1] not in labels, f"a label twice: {line}"
        labels[match[1]] = match[2].replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
        at = match.end()
    return labels


class Metrics:
    """families: name → (type, help); samples: (name, sorted labels) → value."""

    def __init__(self, text):
        self.families, self.samples = {}, {}
        helps, closed, current = {}, set(), None
        assert text.endswith("\n"), "the last line has no newline"
        for line in text.splitlines():
            if line.startswith("# HELP "):
                name, helps_text = line[7:].split(" ", 1)
                assert name not in helps, f"HELP twice: {name}"
                helps[name] = helps_text
                continue
            if line.startswith("# TYPE "):
                name, kind = line[7:].split(" ")
                assert kind in TYPES and name not in self.families, line
                assert helps.get(name), f"no HELP for {name}"
                closed.add(current)
                current = name
                self.families[name] = (kind, helps[name])
                continue
            match = SAMPLE.match(line)
            assert match, f"not a sample: {line!r}"
            assert self.family_of(match[1]) == current, f"outside of its family: {line}"
            assert current not in closed, f"outside of its family: {line}"
            key = (match[1], tuple(sorted(parse_labels(match[2] or "", line).items())))
            assert key not in self.samples, f"a sample twice: {line}"
            self.samples[key] = float(match[3])

    def family_of(self, sample):
        for suffix in SUFFIXES:
            family = sample.removesuffix(suffix)
            if family != sample and self.families.get(family, ("",))[0] == "histogram":
                return family
        return sample

    def get(self, name, **labels):
        """The sum of the samples that have these labels; 0 if there are none."""
        wanted = set(labels.items())
        return sum(value for (sample, have), value in self.samples.items()
                   if sample == name and wanted <= set(have))

    def counters(self):
        return {key: value for key, value in self.samples.items()
                if self.families[self.family_of(key[0])][0] == "counter"}
