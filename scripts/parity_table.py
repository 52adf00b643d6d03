#!/usr/bin/env python3
"""Renders what scripts/parity.sh recorded, between the two marker lines of two pages: a line each
layout into tests/README.md, every golden file and every tensor of a trace into tests/parity.md.

    parity_table.py RECORD README      parity.md is the file beside README

RECORD has lines "topic <tab> tensor <tab> largest difference <tab> relative difference". A tensor
that was compared more than once counts with its worst. Exit code 1 if a tensor breaks the promise:
2e-5 relative, gradients 1e-4.
"""
import pathlib
import re
import sys

BEGIN, END = "<!-- parity: written by scripts/parity.sh -->", "<!-- parity ends -->"
PROMISE, PROMISE_OF_GRADIENTS = 2e-5, 1e-4


def is_gradient(tensor):
    return re.search(r"(^|\.)grad\.", tensor) is not None


def read(path):
    """{topic: {tensor: (largest difference, relative difference)}}"""
    topics = {}
    for line in pathlib.Path(path).read_text().splitlines():
        topic, tensor, largest, relative = line.split("\t")
        worst = topics.setdefault(topic, {})
        worst[tensor] = max(worst.get(tensor, (0.0, 0.0)), (float(largest), float(relative)),
                            key=lambda pair: pair[1])
    return topics


def divided(tensors):
    """The values and the gradients among them."""
    values = {name: pair for name, pair in tensors.items() if not is_gradient(name)}
    return values, {name: pair for name, pair in tensors.items() if is_gradient(name)}


def cells(tensors):
    if not tensors:
        return "| | | | "
    name, (largest, relative) = max(tensors.items(), key=lambda item: item[1][1])
    return f"| {len(tensors)} | {largest:.1e} | {relative:.1e} | `{name}` "


def files(topics):
    """A line each golden file."""
    lines = ["| golden file | tensors | max-abs | relative | worst "
             "| gradients | max-abs | relative | worst |",
             "| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: | --- |"]
    for topic, tensors in sorted(topics.items()):
        values, gradients = divided(tensors)
        lines.append(f"| {topic} {cells(values)}{cells(gradients)}|")
    return lines


def layout_of(topic):
    """"layouts/expected/lisa" -> "lisa", "language/qwen2" -> "language"."""
    return topic.removeprefix("layouts/expected/").split("/")[0]


def layouts(topics):
    """A line each layout: its golden files together."""
    lines = ["| layout or part | golden files | tensors | relative | gradients | relative |",
             "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for layout in sorted({layout_of(topic) for topic in topics}):
        members = [tensors for topic, tensors in topics.items() if layout_of(topic) == layout]
        pairs = [divided(tensors) for tensors in members]
        row = [layout, str(len(members))]
        for kind in (0, 1):
            relative = [pair[1] for both in pairs for pair in both[kind].values()]
            row += [str(len(relative)), f"{max(relative):.1e}"] if relative else ["", ""]
        lines.append("| " + " | ".join(row) + " |")
    return lines


def stages(topics):
    """Every tensor of `medseg model trace`, a column for each bundle it was compared on."""
    traces = {topic: tensors for topic, tensors in sorted(topics.items())
              if topic.startswith("trace/")}
    names = dict.fromkeys(name for tensors in traces.values() for name in tensors)
    titles = " | ".join(topic.removeprefix("trace/") for topic in traces)
    lines = [f"| tensor of `trace` (max-abs / relative) | {titles} |",
             "| --- |" + " ---: |" * len(traces)]
    for name in names:
        row = [f"{t[name][0]:.1e} / {t[name][1]:.1e}" if name in t else "" for t in traces.values()]
        lines.append(f"| `{name}` | " + " | ".join(row) + " |")
    return lines if traces else []


def replace_table(path, lines):
    table = "\n".join([BEGIN, *lines, END])
    text, count = re.subn(re.escape(BEGIN) + ".*" + re.escape(END), lambda _: table,
                          path.read_text(), flags=re.S)
    if count != 1:
        sys.exit(f"{path}: no lines {BEGIN} … {END}")
    path.write_text(text)


def main(record, readme):
    topics = read(record)
    if not topics:
        sys.exit(f"{record}: nothing was compared")
    path = pathlib.Path(readme)
    replace_table(path, layouts(topics))
    replace_table(path.with_name("parity.md"), [*files(topics), "", *stages(topics)])
    broken = [f"{topic}: {name}: {pair[1]:.1e}"
              for topic, tensors in topics.items() for name, pair in tensors.items()
              if not pair[1] <= (PROMISE_OF_GRADIENTS if is_gradient(name) else PROMISE)]
    count = sum(map(len, topics.values()))
    print("\n".join(broken) or f"{count} tensors of {len(topics)} files keep the promise")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main(*sys.argv[1:])
