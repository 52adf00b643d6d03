#!/usr/bin/env python3
"""Reads the event files of a run folder with TensorBoard itself and compares them with
metrics.jsonl: every number of every line, and nothing beyond (what a resume made void must be
gone). Prints what pictures, texts and hyperparameters there are. Exits 1 on a difference.

    python3 -m venv /tmp/board && /tmp/board/bin/pip install tensorboard==2.20.0
    /tmp/board/bin/python scripts/reference/check_events.py RUN
"""

import collections
import json
import pathlib
import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_accumulator import (
    EventAccumulator as PluginAccumulator,
)
from tensorboard.plugins.hparams import metadata as hparams
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData


def float32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def expected(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    sources = collections.defaultdict(set)
    for line in lines:
        if "split" in line:
            sources[line["split"]].add(line["manifest"])
    scalars = collections.defaultdict(dict)
    for line in lines:
        group = "train"
        if "split" in line:
            shared = len(sources[line["split"]]) > 1
            group = "evaluation/" + line["split"] + (" " + line["manifest"] if shared else "")
        for key, value in line.items():
            if isinstance(value, (int, float)) and key != "step":
                scalars[f"{group}/{key}"][line["step"]] = float32(value)
    return scalars


def main():
    run = pathlib.Path(sys.argv[1])
    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    events.Reload()
    tags = events.Tags()
    faults = []
    wanted = expected(run)
    for tag in sorted(set(wanted) | set(tags["scalars"])):
        got = {}
        for event in events.Scalars(tag) if tag in tags["scalars"] else []:
            if event.step in got:
                faults.append(f"{tag}: step {event.step} comes twice")
            got[event.step] = event.value
        if got != wanted.get(tag, {}):
            different = {
                step
                for step in set(got) | set(wanted[tag])
                if got.get(step) != wanted[tag].get(step)
            }
            faults.append(f"{tag}: steps {sorted(different)[:5]} differ")
    print(f"{len(wanted)} curves, {sum(map(len, wanted.values()))} numbers")

    for tag in tags["images"]:
        pictures = events.Images(tag)
        sizes = {(picture.width, picture.height) for picture in pictures}
        print(f"picture {tag}: {len(pictures)}, {sorted(sizes)}")
        if not all(picture.encoded_image_string.startswith(b"\x89PNG") for picture in pictures):
            faults.append(f"{tag}: no PNG")

    plugin = PluginAccumulator(str(run))
    plugin.Reload()
    for tag in plugin.PluginTagToContent("text"):
        text = plugin.Tensors(tag)[-1].tensor_proto.string_val[0].decode("utf-8")
        print(f"text {tag}: {len(text)} letters, begins {text[:40]!r}")
    for tag, content in plugin.PluginTagToContent("hparams").items():
        data = HParamsPluginData.FromString(content)
        kind = data.WhichOneof("data")
        print(
            f"hparams {kind}: "
            + {
                "experiment": lambda: (
                    f"{len(data.experiment.hparam_infos)} settings, "
                    f"results {[info.name.tag for info in data.experiment.metric_infos]}"
                ),
                "session_start_info": lambda: (
                    f"{len(data.session_start_info.hparams)} values, train.seed "
                    f"{data.session_start_info.hparams['train.seed'].number_value}"
                ),
                "session_end_info": lambda: f"status {data.session_end_info.status}",
            }[kind]()
        )
    if hparams.SESSION_START_INFO_TAG not in plugin.PluginTagToContent("hparams"):
        faults.append("no hyperparameters")
    print("\n".join(faults) or "check_events: TensorBoard reads what metrics.jsonl says")
    sys.exit(bool(faults))


main()
