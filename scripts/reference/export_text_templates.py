#!/usr/bin/env python3
"""Prompts by the published chat templates, rendered by jinja2 as transformers does, for
tests/golden/text/templates.json.

    export_text_templates.py tests/golden/text SmolLM2-135M-Instruct.Q4_1.gguf

chatml: the template inside the GGUF, always with a system text (without one SmolLM2 puts a sentence
of its own). llama3: that of Meta-Llama-3-8B-Instruct's tokenizer_config.json, which always opens an
answer at the end.
"""

import json
import sys
from pathlib import Path

import gguf
from jinja2.sandbox import ImmutableSandboxedEnvironment

from export_text import dump
from text_stream import Stream

LLAMA3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content ="
    " '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim"
    " + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif"
    " %}{{ content }}{% endfor %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
)
WORDS = [
    "Where",
    "is",
    "the",
    "opacity?",
    "It",
    "is",
    "<p>",
    "left",
    "lung",
    "</p>",
    "[SEG].",
    "3.5",
    "mm",
    "naïve",
    "漢字",
    "👍🏽",
    "line\nbreak",
    "it's",
    "β-amyloid",
    "{{x}}",
    "<tag>",
]


def words(random):
    return " ".join(WORDS[random.below(len(WORDS))] for _ in range(1 + random.below(8)))


def main():
    out = Path(sys.argv[1])
    smollm2 = gguf.GGUFReader(sys.argv[2]).fields["tokenizer.chat_template"].contents()
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    rows = []
    for name, source in (("chatml", smollm2), ("llama3", LLAMA3)):
        template = environment.from_string(source)
        for index in range(20):
            random = Stream(20251124, "templates " + name, index)
            system = words(random) if name == "chatml" or index % 2 else ""
            turns = [[words(random), words(random)] for _ in range(1 + random.below(4))]
            is_open = name == "llama3" or index % 3 == 0
            if is_open:
                turns[-1][1] = ""
            messages = [{"role": "system", "content": system}] if system else []
            for question, answer in turns:
                messages.append({"role": "user", "content": question})
                if answer:
                    messages.append({"role": "assistant", "content": answer})
            rows.append(
                {
                    "template": name,
                    "system": system,
                    "turns": turns,
                    "open": is_open,
                    "prompt": template.render(
                        messages=messages, bos_token="", eos_token="", add_generation_prompt=is_open
                    ),
                }
            )
    dump(out / "templates.json", rows)


if __name__ == "__main__":
    main()
