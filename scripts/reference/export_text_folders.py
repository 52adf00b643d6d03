#!/usr/bin/env python3
"""Ids of the slow LLaMA tokenizer for folders with different files beside tokenizer.model.

    export_text_folders.py tests/golden/text hf_legacy|hf_legacy_nostrip|hf     transformers 4.31.0
    | 4.36.2 | 4.36.2

Writes spm/folders_MODE.json: `texts`, and per folder its `files` and the `ids` of the default call.
"""

import json
import sys
import tempfile
from pathlib import Path

import transformers

from export_text import ADDED, dump
from text_stream import text

SIZE = 560  # of tests/golden/text/spm/tokenizer.model


def token(content, **flags):
    return {
        "content": content,
        "lstrip": False,
        "normalized": True,
        "rstrip": False,
        "single_word": False,
        **flags,
    }


ADDED_TOKENS = {name: SIZE + i for i, name in enumerate(ADDED)}
OBJECTS = {
    "bos_token": token("<s>"),
    "eos_token": token("</s>"),
    "pad_token": "<unk>",
    "unk_token": token("<unk>"),
}
NAMES = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<unk>", "unk_token": "<unk>"}
BASE = {
    "0": token("<unk>", special=True),
    "1": token("<s>", special=True),
    "2": token("</s>", special=True),
}
FOLDERS = {
    "bare": {},
    "added": {"added_tokens.json": ADDED_TOKENS},
    "lisa": {"added_tokens.json": ADDED_TOKENS, "special_tokens_map.json": OBJECTS},
    "names": {"added_tokens.json": ADDED_TOKENS, "special_tokens_map.json": NAMES},
    "padding": {
        "added_tokens.json": {"[PAD]": SIZE},
        "special_tokens_map.json": {**OBJECTS, "pad_token": "[PAD]"},
    },
    "missing": {
        "special_tokens_map.json": {
            **OBJECTS,
            "pad_token": "[PAD]",
            "additional_special_tokens": ["[SEG]", "<p>", "</p>"],
        }
    },
    "flags": {
        "added_tokens.json": ADDED_TOKENS,
        "special_tokens_map.json": {
            **OBJECTS,
            "additional_special_tokens": [
                token("[SEG]", lstrip=True),
                token("<p>", rstrip=True),
                token("</p>"),
            ],
        },
    },
    "no_bos": {
        "added_tokens.json": ADDED_TOKENS,
        "tokenizer_config.json": {"add_bos_token": False, "add_eos_token": True},
    },
    "other_bos": {
        "special_tokens_map.json": {
            "bos_token": "</s>",
            "eos_token": token("</s>"),
            "unk_token": token("<unk>"),
        }
    },
    "config": {
        "tokenizer_config.json": {
            "bos_token": "<s>",
            "eos_token": "</s>",
            "unk_token": "<unk>",
            "pad_token": None,
        }
    },
}
NEWER = {  # added_tokens_decoder: transformers 4.34 and later
    "decoder": {
        "tokenizer_config.json": {
            "added_tokens_decoder": {
                **BASE,
                **{str(i): token(name, special=True) for name, i in ADDED_TOKENS.items()},
            },
            "additional_special_tokens": ADDED,
        }
    },
    "decoder_flags": {
        "tokenizer_config.json": {
            "added_tokens_decoder": {
                **BASE,
                "560": token("[SEG]", lstrip=True, rstrip=True, special=False),
                "561": token("<p>", special=True, rstrip=True),
            },
            "additional_special_tokens": ["<p>"],
        }
    },
}
TEXTS = [
    "",
    "It is [SEG].",
    "[SEG] x",
    " [SEG] x",
    "a [SEG] b",
    "a  <p> skull </p>  [SEG][SEG]",
    "</s> a </s> b",
    "<s> x",
    "  <unk>  y ",
    "x [PAD] y[PAD]",
    "<im_start> <im_end>\nq",
    "[PAD]",
    "<p>",
    "USER: q ASSISTANT: a</s>USER: r",
] + [text(i) for i in range(20)]


def main():
    out, mode = Path(sys.argv[1]), sys.argv[2]
    assert transformers.__version__ == (
        "4.31.0" if mode == "hf_legacy" else "4.36.2"
    ), transformers.__version__
    results = []
    for name, files in {**FOLDERS, **({} if mode == "hf_legacy" else NEWER)}.items():
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "tokenizer.model").write_bytes(
                (out / "spm/tokenizer.model").read_bytes()
            )
            for file, content in files.items():
                (Path(folder) / file).write_text(json.dumps(content))
            tokenizer = transformers.LlamaTokenizer.from_pretrained(folder, legacy=mode != "hf")
        results.append(
            {"name": name, "files": files, "ids": [tokenizer(t).input_ids for t in TEXTS]}
        )
    dump(out / "spm" / f"folders_{mode}.json", {"texts": TEXTS, "folders": results})


if __name__ == "__main__":
    main()
