"""The texts of tests/golden/text/stream: text number `index` is the same here and in
tests/text/text_stream.h."""

import hashlib

MASK = (1 << 64) - 1
BLOCK, COUNT = 100, 10_000

PIECES = [
    "the",
    "scan",
    "Lung",
    "opacity",
    "It is",
    " the",
    " lung",
    "USER:",
    "ASSISTANT:",
    " ",
    " ",
    " ",
    "  ",
    "   ",
    "\n",
    "\n\n",
    "\t",
    "\r\n",
    "\r",
    "\v",
    "\f",
    " \n",
    "\n ",
    ".",
    ",",
    "!",
    "?",
    "'s",
    "'LL",
    "'re",
    "'ſ",
    "'",
    "-",
    "(",
    ")",
    "7",
    "42",
    "1234",
    "½",
    "²",
    "Ⅷ",
    "٣",
    "߁",
    "3.5",
    "é",
    "e\u0301",
    "ü",
    "ß",
    "ẞ",
    "İ",
    "ı",
    "Σ",
    "ς",
    "漢",
    "字",
    "か",
    "が",
    "폐",
    "각",
    "\u1100\u1161\u11a8",
    "ы",
    "ह",
    "ि",
    "न्",
    "ﷺ",
    "\u00a0",
    "\u1680",
    "\u2003",
    "\u2009",
    "\u202f",
    "\u205f",
    "\u3000",
    "\u200b",
    "\u200c",
    "\u200d",
    "\u2060",
    "\u180e",
    "\u0085",
    "\u2028",
    "\u2029",
    "\ufeff",
    "\ufffd",
    "\ufffe",
    "👍",
    "🩻",
    "🏽",
    "👩\u200d⚕️",
    "🇩🇪",
    "\x00",
    "\x07",
    "\x1b",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x1f",
    "\x7f",
    "\x80",
    "\x9f",
    "ﬁ",
    "①",
    "㎜",
    "Ｘ",
    "Å",
    "\u212b",
    "A\u030a",
    "\u0307",
    "\u0323",
    "\u0316",
    "\u0345",
    "\u0f71\u0f72",
    "▁",
    "▁▁",
    "▁the",
    "Ġ",
    "Ċ",
    "Ġthe",
    "[SEG]",
    "[SEG]",
    "<p>",
    "</p>",
    "<im_start>",
    "<im_end>",
    "<image>",
    "</s>",
    "<s>",
    "<unk>",
    "<|mask|>",
    "<|end|>",
    "<|begin|>",
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<0x0A>",
    "<0x41>",
    "word",
    "Word",
    "word ",
    " word",
    "[",
    "<",
    "]",
    ">",
    "SEG",
    "[SEG",
    "SEG]",
    "<p",
    "p>",
    "</",
    "<|",
    "|>",
    "aaaa",
    "=",
    "_",
    "__",
    "$",
    "^",
    "~",
    "|",
    "\\",
    "\"",
    "#",
    "%",
    "&",
    "\ue000",
    "\U0010ffff",
    "\U000f0000",
    "\U000e0041",
]
RANGES = [  # first, last
    [0x0, 0x24F],
    [0x250, 0x36F],
    [0x370, 0x52F],
    [0x530, 0x6FF],
    [0x700, 0x8FF],
    [0x900, 0xDFF],
    [0xE00, 0x10FF],
    [0x1100, 0x11FF],
    [0x1200, 0x1CFF],
    [0x1D00, 0x1FFF],
    [0x2000, 0x206F],
    [0x2070, 0x24FF],
    [0x2500, 0x2BFF],
    [0x2C00, 0x2FFF],
    [0x3000, 0x33FF],
    [0x4E00, 0x9FFF],
    [0xA000, 0xABFF],
    [0xAC00, 0xD7FF],
    [0xF900, 0xFFFF],
    [0x10000, 0x10FFF],
    [0x11000, 0x11FFF],
    [0x16000, 0x1BCAF],
    [0x1CC00, 0x1DAFF],
    [0x1E000, 0x1F0FF],
    [0x1F100, 0x1FAFF],
    [0x20000, 0x323AF],
    [0xE0000, 0xE01EF],
    [0xFFF00, 0x10FFFF],
]


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


class Stream:
    """medseg::RandomStream (include/medseg/base/random.h)."""

    def __init__(self, seed, name, index):
        h = 0xCBF29CE484222325
        for byte in name.encode():
            h = ((h ^ byte) * 0x100000001B3) & MASK
        self.state = (
            mix((seed + 0x9E3779B97F4A7C15) & MASK)
            ^ mix(h)
            ^ mix((index * 0xD1342543DE82EF95 + 1) & MASK)
        )

    def below(self, bound):
        limit = MASK - MASK % bound
        while True:
            self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
            drawn = mix(self.state)
            if drawn < limit:
                return drawn % bound


def text(index):
    random = Stream(20251124, "texts", index)
    parts = []
    for _ in range(1 + random.below(14)):
        kind = random.below(8)
        if kind < 4:
            parts.append(PIECES[random.below(len(PIECES))])
        elif kind == 4:
            piece = PIECES[random.below(len(PIECES))]
            parts.append(piece * (2 + random.below(6)))
        elif kind == 5:  # any scalar value, most of them unassigned
            c = random.below(0x110000 - 0x800)
            parts.append(chr(c if c < 0xD800 else c + 0x800))
        elif kind == 6:
            first, last = RANGES[random.below(len(RANGES))]
            parts.append(chr(first + random.below(last - first + 1)))
        else:
            parts.append("".join(chr(0x20 + random.below(95)) for _ in range(1 + random.below(9))))
    return "".join(parts)


def digests(items):
    """16 hexadecimal digits of the SHA-256 of every BLOCK items, each with a line feed behind
    it."""
    blocks = [items[at : at + BLOCK] for at in range(0, len(items), BLOCK)]
    return [
        hashlib.sha256("".join(item + "\n" for item in block).encode()).hexdigest()[:16]
        for block in blocks
    ]


def ids_text(ids):
    return ",".join(map(str, ids))
