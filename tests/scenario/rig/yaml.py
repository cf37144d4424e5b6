# SPDX-License-Identifier: Apache-2.0
"""Writes a configuration as block YAML, as people do, so that places in messages mean something."""

import json


def scalar(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return str(value)
    return json.dumps(str(value))


def dump(value, indent=0):
    pad = "  " * indent
    lines = []
    for key, item in value.items():
        if isinstance(item, dict) and item:
            lines += [f"{pad}{key}:", dump(item, indent + 1).rstrip("\n")]
        elif isinstance(item, (list, tuple)):
            lines.append(f"{pad}{key}: [{', '.join(scalar(part) for part in item)}]")
        else:
            lines.append(f"{pad}{key}: {'{}' if item == {} else scalar(item)}")
    return "\n".join(lines) + "\n"
