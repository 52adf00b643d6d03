#!/usr/bin/env python3
"""Fails when a line is longer than 100 columns: C++, Python, shell, CMake and Markdown prose.

Left out: Markdown tables, images and fenced code (fixtures of programs), raw string literals of
C++ that hold a record or a config, lines of `#include`, addresses, and 64-digit hashes.
Usage: scripts/check_lines.py [FILE…]
"""
import pathlib
import re
import subprocess
import sys

COLUMNS = 100
PATTERNS = ["*.h", "*.cpp", "*.py", "*.sh", "*.sbatch", "*.cmake", "CMakeLists.txt", "*.md",
            ".ci/run", "Dockerfile", "medseg.def"]
INDIVISIBLE = re.compile(r"https?://\S+|[0-9a-f]{64}|^\s*#include ")


def allowed_in_markdown(lines):
    """Indices of lines that are a table's, an image's or code between fences."""
    allowed, fenced = set(), False
    for index, line in enumerate(lines):
        fence = line.lstrip().startswith("```")
        if fence or fenced or line.lstrip().startswith(("|", "![")):
            allowed.add(index)
        if fence:
            fenced = not fenced
    return allowed


def allowed_in_cpp(lines):
    """Indices of lines that a raw string literal R"…(…)…" touches."""
    allowed, closing = set(), None
    for index, line in enumerate(lines):
        rest = line
        if closing is None and 'R"' not in line:
            continue
        allowed.add(index)
        while rest:
            if closing is None:
                found = re.search(r'R"([^\s()\\]{0,16})\(', rest)
                if found is None:
                    break
                closing, rest = f'){found[1]}"', rest[found.end():]
            end = rest.find(closing)
            if end < 0:
                break
            rest, closing = rest[end + len(closing):], None
    return allowed


def long_lines(path):
    lines = path.read_text(encoding="utf-8").split("\n")
    allowed = set()
    if path.suffix == ".md":
        allowed = allowed_in_markdown(lines)
    elif path.suffix in (".h", ".cpp"):
        allowed = allowed_in_cpp(lines)
    for index, line in enumerate(lines):
        if len(line) > COLUMNS and index not in allowed and not INDIVISIBLE.search(line):
            yield index + 1, len(line)


def main(names):
    if not names:
        listed = subprocess.run(["git", "ls-files", "--", *PATTERNS], check=True,
                                capture_output=True, text=True)
        names = listed.stdout.split("\n")[:-1]
    paths = [path for path in map(pathlib.Path, names) if path.is_file()]
    found = [f"{path}:{number}: {columns} columns"
             for path in paths for number, columns in long_lines(path)]
    print("\n".join(found) or f"check_lines: {len(paths)} files, no line over {COLUMNS} columns")
    if found:
        print(f"check_lines: {len(found)} lines over {COLUMNS} columns", file=sys.stderr)
    sys.exit(bool(found))


if __name__ == "__main__":
    main(sys.argv[1:])
