#!/usr/bin/env python3
"""Token ids of the Python tokenizers, for tests/golden/text.

    export_text.py OUT bpe                  tokenizers 0.23.3: tiny byte-pair tokenizers, one a
    family, and their ids export_text.py OUT spm                  sentencepiece 0.2.x: a tiny
    LLaMA-style model and its bare ids export_text.py OUT hf_legacy            transformers 4.31.0
    (the slow LLaMA tokenizer that LISA pins) export_text.py OUT hf_legacy_nostrip    transformers
    4.36.2, legacy=True export_text.py OUT hf                   transformers 4.36.2, legacy=False
    export_text.py OUT spm_gguf             gguf 0.19, sentencepiece: the same model as llama.cpp's
    converter writes it
    export_text.py OUT smollm2 GGUF         tokenizers + gguf: ids of the real SmolLM2 vocabulary
    export_text.py OUT check TOKENIZER_JSON tokenizers: the file that medseg saved from that GGUF
    loads and gives the same ids

All but `bpe` read what `bpe` and `spm` wrote. The old transformers live in environments of their
own (pip install transformers==4.31.0 sentencepiece "protobuf<4" "numpy<2").
"""

import json
import random
import sys
from pathlib import Path

CORPUS = [
    "The scan shows <p> ground-glass opacity </p> in the right lower lobe of the lung.",
    "Which structure protects the brain? The skull does, and the ventricles hold the fluid.",
    "A chat between a curious human and an artificial intelligence assistant.",
    "HU=-1000 to 3071; 3.5 mm slice #12, 2024-05-17, 0.957 mm spacing.",
    "Sure, it is the liver. It's the patient's spleen; they'll see we've found what I'm after.",
    "naïve café — β-amyloid plaques, Müller cells, Sjögren's syndrome, 37 °C, 5 µm",
    "胸部CT显示右下肺磨玻璃影。これは肺です。폐에 병변이 있습니다.",
    "if (x > 0) {\n\treturn f(x);\n}\n\n\n  indented    text   with  many     blanks",
    "Опухоль в левом лёгком. الرئة اليمنى طبيعية. फेफड़े स्वस्थ हैं।",
] * 6

NASTY = [
    "",
    " ",
    "  ",
    "\n",
    "\n\n",
    "\t",
    "a",
    " a",
    "a ",
    "  a  ",
    "\na\n",
    "aaaa" * 700,
    " " * 300,
    "\n" * 70,
    "a b" * 90,
    "It is [SEG].",
    "[SEG]",
    " [SEG] ",
    "[SEG][SEG]",
    "a[SEG]b",
    "a [SEG] b",
    "a  [SEG]  b",
    "a\n[SEG]\nb",
    "<p> skull </p> [SEG] does.",
    "<p>skull</p>[SEG]",
    "<p",
    "[SE",
    "[SEG",
    "[[SEG]]",
    "<im_start><im_end>\nquestion",
    "\u00a0[SEG]\u3000x",
    "x\u200b[SEG]\u200by",
    "x\x1c[SEG]\x1dy",
    "x\u0085[SEG]\u2028y",
    "</s>",
    "a</s>b",
    "a </s> b",
    "<s>a",
    "<s> a",
    "<unk>",
    "x<unk>y",
    "</s>USER: q ASSISTANT: a</s>",
    "<|im_start|>user\nhi<|im_end|>\n",
    "<|end|>x",
    "x <|mask|> y",
    "x<|mask|>y",
    "wordbreak",
    "word break",
    "xwordx",
    "word",
    "(word)",
    "wörd word.",
    "Upper CASE İstanbul ΣΑΣ ß ẞ",
    "e\u0301",
    "\u00e9",
    "A\u030a \u212b \u00c5",
    "\ufb01 \u2460 \u00bd \uff21 \u3392",
    "\u1100\u1161\u11a8 \uac01",
    "a\u0323\u0307 a\u0307\u0323",
    "it's IT'S we'Ve I'LL 'd 'D don't 'ſ",
    "12345 1 22 333 4444",
    "٣٤٥ Ⅷ ½ ² ߁",
    "3.14159e-10",
    "x\u180ey",
    "x\u0085y",
    "a\u00a0b\u3000c\u2003d",
    "\ufeffbom",
    "a\x00b\x01c\x7fd\x80".encode("latin-1").decode("latin-1"),
    "\U0001fa7b",
    "👩‍⚕️👨🏽‍🔬🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "漢字かな交じり文",
    "👍👍👍",
    "▁a ▁▁b",
    " ▁",
    "Ġa Ċ",
    "ünïcödé",
    "line one\nline two\r\nline three\r",
    "  lead",
    "trail  ",
    "tabs\t\tand\tmore",
    "a \n b \n\n c",
    "!!!???...",
    "-- ## ++",
    "\n x",
    " \n",
    "\r\n\r\n",
    "https://example.org/a?b=c&d=%20",
    "x_y_z __init__",
    "$5 + €7 ~ ^ | <tag>",
    "\ud7ff\ue000\U0010ffff",
]


def strings():
    rng = random.Random(20250610)
    pool = [
        "the",
        "scan",
        "Lung",
        "opacity",
        " ",
        " ",
        " ",
        "  ",
        "\n",
        "\n\n",
        "\t",
        ".",
        ",",
        "!",
        "?",
        "'s",
        "'LL",
        "-",
        "(",
        ")",
        "7",
        "42",
        "1234",
        "½",
        "٣",
        "é",
        "e\u0301",
        "ü",
        "ß",
        "İ",
        "漢",
        "字",
        "か",
        "폐",
        "ы",
        "ह",
        "ि",
        "\u00a0",
        "\u3000",
        "\u2003",
        "\u200b",
        "\u200d",
        "\u180e",
        "\u0085",
        "\u2028",
        "👍",
        "🩻",
        "🏽",
        "\x00",
        "\x07",
        "\x1c",
        "\x7f",
        "\ufeff",
        "\ufffd",
        "ﬁ",
        "①",
        "\u0307",
        "\u0323",
        "▁",
        "Ġ",
        "[SEG]",
        "<p>",
        "</p>",
        "<im_start>",
        "</s>",
        "<s>",
        "<unk>",
        "<|mask|>",
        "<|end|>",
        "word",
        "[",
        "<",
        "SEG",
        "aaaa",
        "=",
        "_",
        "$",
        "\r\n",
    ]
    out = list(NASTY)
    for _ in range(420):
        out.append("".join(rng.choice(pool) for _ in range(rng.randint(1, 14))))
    return out


def families():
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )

    llama3 = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
        r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    qwen2 = llama3.replace(r"\p{N}{1,3}", r"\p{N}")
    byte = dict(initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    split = lambda pattern, behavior, invert=False: pre_tokenizers.Split(
        Regex(pattern), behavior, invert
    )
    plain = lambda: pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)

    def make(model, normalizer, pre, decoder, added, special=(), trainer=None):
        t = Tokenizer(model)
        if normalizer:
            t.normalizer = normalizer
        if pre:
            t.pre_tokenizer = pre
        if decoder:
            t.decoder = decoder
        t.train_from_iterator(
            CORPUS,
            trainers.BpeTrainer(
                show_progress=False, special_tokens=list(special), **(trainer or {})
            ),
        )
        t.add_tokens([a for a in added if not a.special])
        t.add_special_tokens([a for a in added if a.special])
        return t

    seg = [
        AddedToken("[SEG]", special=True, normalized=False),
        AddedToken("<p>", special=True, normalized=False),
        AddedToken("</p>", special=True, normalized=False),
    ]
    yield "gpt2", make(
        models.BPE(),
        None,
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoders.ByteLevel(),
        seg,
        trainer=dict(vocab_size=420, **byte),
    )
    yield "gpt2_prefix", make(
        models.BPE(),
        None,
        pre_tokenizers.ByteLevel(add_prefix_space=True),
        decoders.ByteLevel(),
        seg
        + [
            AddedToken("<|mask|>", lstrip=True, rstrip=True, special=True, normalized=False),
            AddedToken("word", single_word=True, normalized=True),
        ],
        trainer=dict(vocab_size=400, **byte),
    )
    yield "smollm", make(
        models.BPE(),
        None,
        pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        ),
        decoders.ByteLevel(),
        seg,
        special=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        trainer=dict(vocab_size=420, **byte),
    )
    t = make(
        models.BPE(ignore_merges=True),
        None,
        pre_tokenizers.Sequence([split(llama3, "isolated"), plain()]),
        decoders.ByteLevel(),
        seg,
        special=["<|begin|>", "<|end|>"],
        trainer=dict(vocab_size=430, **byte),
    )
    t.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                "<|begin|> $A", special_tokens=[("<|begin|>", t.token_to_id("<|begin|>"))]
            ),
        ]
    )
    yield "llama3", t
    yield "qwen2", make(
        models.BPE(),
        normalizers.NFC(),
        pre_tokenizers.Sequence([split(qwen2, "isolated"), plain()]),
        decoders.ByteLevel(),
        seg,
        trainer=dict(vocab_size=420, **byte),
    )
    sp = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    yield "llama2", make(
        models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"),
        normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
        None,
        sp,
        seg,
        special=["<unk>", "<s>", "</s>"] + bytes_,
        trainer=dict(vocab_size=480, limit_alphabet=60, max_token_length=8),
    )
    for scheme in ("always", "first", "never"):
        yield "metaspace_" + scheme, make(
            models.BPE(unk_token="<unk>", fuse_unk=scheme != "never"),
            None,
            pre_tokenizers.Metaspace(prepend_scheme=scheme),
            decoders.Metaspace(prepend_scheme=scheme),
            seg,
            special=["<unk>"],
            trainer=dict(vocab_size=200, limit_alphabet=60),
        )
    yield "nfkc", make(
        models.BPE(unk_token="<unk>"),
        normalizers.Sequence(
            [
                normalizers.NFKC(),
                normalizers.Strip(),
                normalizers.Lowercase(),
                normalizers.Replace(Regex(r"\s{2,}"), " "),
            ]
        ),
        pre_tokenizers.Sequence(
            [
                split(r"\s+", "removed"),
                pre_tokenizers.Digits(individual_digits=False),
                split(r"[\.,!\?]", "merged_with_previous"),
                split(r"-|\(", "merged_with_next"),
                split(r"[aeiou]", "contiguous"),
                split(r"[^<>]", "isolated", True),
            ]
        ),
        None,
        seg + [AddedToken("Word", normalized=True)],
        special=["<unk>"],
        trainer=dict(vocab_size=260, limit_alphabet=90),
    )


def dump(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")


def bpe(out):
    texts = strings()
    dump(out / "strings.json", texts)
    for name, tokenizer in families():
        folder = out / "bpe" / name
        folder.mkdir(parents=True, exist_ok=True)
        if not (
            folder / "tokenizer.json"
        ).exists():  # training breaks ties by chance: one that was made stays
            state = json.loads(tokenizer.to_str())
            if name in ("gpt2", "llama2"):  # the older way to write merges
                state["model"]["merges"] = [" ".join(pair) for pair in state["model"]["merges"]]
            state["added_tokens"] = [
                t for t in state["added_tokens"] if not t["content"].startswith("<0x")
            ]  # tokens of the model alone
            (folder / "tokenizer.json").write_text(
                json.dumps(state, ensure_ascii=False, separators=(",", ":"))
            )
        tokenizer = type(tokenizer).from_file(str(folder / "tokenizer.json"))
        ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        decoded = [tokenizer.decode(i, skip_special_tokens=False) for i in ids]
        dump(
            folder / "ids.json",
            {"ids": ids, "decoded": [None if d == t else d for d, t in zip(decoded, texts)]},
        )
        print(name, tokenizer.get_vocab_size(), sum(map(len, ids)))


def spm(out):
    import io
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_writer=model,
        model_type="bpe",
        vocab_size=560,
        byte_fallback=True,
        add_dummy_prefix=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        character_coverage=0.98,
        minloglevel=2,
    )
    folder = out / "spm"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    size = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue()).vocab_size()
    added = {token: size + i for i, token in enumerate(ADDED)}
    dump(folder / "added_tokens.json", added)
    dump(folder / "special_tokens_map.json", {"additional_special_tokens": ADDED})
    bare = sentencepiece.SentencePieceProcessor(
        model_proto=model.getvalue() + b"".join(piece(token) for token in ADDED)
    )
    dump(
        folder / "spm_native.json",
        [bare.encode(text) for text in json.loads((out / "strings.json").read_text())],
    )


ADDED = ["<im_start>", "<im_end>", "[SEG]", "<p>", "</p>"]


def piece(token):  # ModelProto.pieces += {piece, score 0, USER_DEFINED}
    body = b"\x0a" + bytes([len(token)]) + token.encode() + b"\x15\0\0\0\0\x18\x04"
    return b"\x0a" + bytes([len(body)]) + body


def slow(out, mode):
    import tempfile
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
        t = transformers.LlamaTokenizer.from_pretrained(folder, legacy=legacy)
    t.add_tokens(ADDED)
    if not legacy:  # as special tokens: a text that begins with one gets no blank in front of it
        t.add_special_tokens({"additional_special_tokens": ADDED})
    dump(
        out / "spm" / (mode + ".json"),
        [t(text).input_ids for text in json.loads((out / "strings.json").read_text())],
    )


def spm_gguf(out):  # convert_hf_to_gguf.py, TextModel._create_vocab_sentencepiece
    import gguf
    from sentencepiece import SentencePieceProcessor

    model = SentencePieceProcessor(str(out / "spm/tokenizer.model"))
    kind = gguf.TokenType
    tokens, scores, kinds = [], [], []
    for i in range(model.vocab_size()):
        tokens.append(model.id_to_piece(i))
        scores.append(model.get_score(i))
        of = [(model.is_unknown, kind.UNKNOWN), (model.is_control, kind.CONTROL)]
        of += [(model.is_unused, kind.UNUSED), (model.is_byte, kind.BYTE)]
        kinds.append(next((k for test, k in of if test(i)), kind.NORMAL))
    added = json.loads((out / "spm/added_tokens.json").read_text())
    for token in sorted(added, key=added.get):
        tokens.append(token)
        scores.append(-1000.0)
        kinds.append(kind.CONTROL)
    writer = gguf.GGUFWriter(out / "spm.gguf", "llama")
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(model.bos_id())
    writer.add_eos_token_id(model.eos_id())
    writer.add_unk_token_id(model.unk_id())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def smollm2(out):
    import gguf
    from tokenizers import Tokenizer, models, pre_tokenizers

    reader = gguf.GGUFReader(sys.argv[3])
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
    t.add_special_tokens(
        [token for token, kind in zip(tokens, field("token_type")) if kind == 3]
        + ["[SEG]", "<p>", "</p>"]
    )
    dump(
        out / "smollm2.json",
        [t.encode(text).ids for text in json.loads((out / "strings.json").read_text())],
    )


def check(out):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(sys.argv[3])
    texts, expected = json.loads((out / "strings.json").read_text()), json.loads(
        (out / "smollm2.json").read_text()
    )
    wrong = [
        t
        for t, ids in zip(texts, expected)
        if tokenizer.encode(t, add_special_tokens=False).ids != ids
    ]
    print(len(texts), "texts,", len(wrong), "differ", wrong[:3])
    sys.exit(bool(wrong))


if __name__ == "__main__":
    target, what = Path(sys.argv[1]), sys.argv[2]
    {"bpe": bpe, "spm": spm, "spm_gguf": spm_gguf, "smollm2": smollm2, "check": check}.get(
        what, lambda out: slow(out, what)
    )(target)
