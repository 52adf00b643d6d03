#!/usr/bin/env python3
"""Ids that the Python tokenizers give for the 10,000 texts of text_stream.py, as digests in
tests/golden/text/stream.

    export_text_stream.py OUT bpe                              tokenizers 0.23.3: the families of
    OUT/bpe, and pool.json export_text_stream.py OUT spm_native                       sentencepiece
    0.2.x export_text_stream.py OUT hf_legacy|hf_legacy_nostrip|hf   transformers 4.31.0 | 4.36.2 |
    4.36.2 export_text_stream.py OUT smollm2 GGUF                     the real SmolLM2 vocabulary
    export_text_stream.py OUT compare WHAT MEDSEG COUNT [GGUF] by hand: COUNT further texts, or all
    code points with COUNT 0,
                                                               through `medseg tokenize --json` and
                                                               Python; prints what differs

OUT is tests/golden/text, whose tokenizers export_text.py made. WHAT is a family, a mode, or
smollm2.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from export_text import ADDED, dump, piece
from text_stream import COUNT, PIECES, RANGES, digests, ids_text, text

MODES = ["hf_legacy", "hf_legacy_nostrip", "hf"]


def family(out, name):
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(out / "bpe" / name / "tokenizer.json"))


def sentencepiece_model(out):
    import sentencepiece

    model = (out / "spm/tokenizer.model").read_bytes()
    return sentencepiece.SentencePieceProcessor(
        model_proto=model + b"".join(piece(token) for token in ADDED)
    )


def slow(out, mode):
    import transformers

    assert transformers.__version__ == (
        "4.31.0" if mode == "hf_legacy" else "4.36.2"
    ), transformers.__version__
    legacy = mode != "hf"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tokenizer.model").write_bytes((out / "spm/tokenizer.model").read_bytes())
        (Path(folder) / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "LlamaTokenizer", "legacy": legacy})
        )
        tokenizer = transformers.LlamaTokenizer.from_pretrained(folder, legacy=legacy)
    tokenizer.add_tokens(ADDED)
    if not legacy:
        tokenizer.add_special_tokens({"additional_special_tokens": ADDED})
    return tokenizer


def smollm2(path, extra):
    import gguf
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    reader = gguf.GGUFReader(path)
    field = lambda key: reader.fields["tokenizer.ggml." + key].contents()
    tokens = field("tokens")
    t = Tokenizer(
        models.BPE(
            vocab={token: i for i, token in enumerate(tokens)},
            merges=[tuple(m.split(" ", 1)) for m in field("merges")],
        )
    )
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens(
        [token for token, kind in zip(tokens, field("token_type")) if kind == 3] + extra
    )
    return t


def bpe(out, texts):
    dump(out / "stream/pool.json", {"pieces": PIECES, "ranges": RANGES})
    for folder in sorted((out / "bpe").iterdir()):
        fast(out, folder.name, family(out, folder.name), texts)


def fast(out, name, tokenizer, texts):
    ids = [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
    decoded = [tokenizer.decode(i, skip_special_tokens=False) for i in ids]
    dump(
        out / "stream" / (name + ".json"),
        {"ids": digests([ids_text(i) for i in ids]), "decoded": digests(decoded)},
    )


def code_points():
    for c in range(0x110000):
        if not 0xD800 <= c < 0xE000:
            c = chr(c)
            yield f"x{c}1 {c}{c} '{c} {c}\u0316\u0301a\u0301{c}word{c} word{c}"


def reference(out, what, path):
    if what == "spm_native":
        return sentencepiece_model(out).encode
    if what in MODES:
        tokenizer = slow(out, what)
        return lambda texts: [tokenizer(text).input_ids for text in texts]
    tokenizer = smollm2(path, []) if what == "smollm2" else family(out, what)
    return lambda texts: [e.ids for e in tokenizer.encode_batch(texts)]


def compare(out, what, binary, count, path=None):
    encode = reference(out, what, path)
    place = path or out / ("spm" if what in MODES + ["spm_native"] else "bpe/" + what)
    mode = ["--mode", what] if what in MODES + ["spm_native"] else []
    source = (text(i) for i in range(COUNT, COUNT + count)) if count else code_points()
    wrong = total = 0
    while texts := [t for _, t in zip(range(50_000), source)]:
        lines = "".join(json.dumps({"text": t}) + "\n" for t in texts)
        given = subprocess.run(
            [binary, "tokenize", "--tokenizer", str(place), "--json", *mode],
            input=lines,
            capture_output=True,
            encoding="utf-8",
            check=True,
        ).stdout
        for t, line, ids in zip(texts, given.rstrip("\n").split("\n"), encode(texts), strict=True):
            total += 1
            if json.loads(line)["ids"] != ids:
                wrong += 1
                if wrong <= 20:
                    print(repr(t), "medseg", json.loads(line)["ids"], "reference", ids)
    print(what, total, "texts,", wrong, "differ", flush=True)
    return wrong


def main():
    out, what, *rest = Path(sys.argv[1]), *sys.argv[2:]
    if what == "compare":
        sys.exit(bool(compare(out, rest[0], rest[1], int(rest[2]), *rest[3:])))
    texts = [text(i) for i in range(COUNT)]
    if what == "bpe":
        bpe(out, texts)
    elif what == "smollm2":
        fast(out, "smollm2", smollm2(rest[0], ["[SEG]", "<p>", "</p>"]), texts)
    elif what == "spm_native":
        spm = sentencepiece_model(out)
        ids = spm.encode(texts)
        dump(
            out / "stream/spm_native.json",
            {"ids": digests([ids_text(i) for i in ids]), "decoded": digests(spm.decode(ids))},
        )
    else:
        tokenizer = slow(out, what)
        dump(
            out / "stream" / (what + ".json"),
            {"ids": digests([ids_text(tokenizer(t).input_ids) for t in texts])},
        )


if __name__ == "__main__":
    main()
