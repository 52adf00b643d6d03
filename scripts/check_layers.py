#!/usr/bin/env python3
"""Fails when a file includes a module that its line in CMakeLists.txt does not name.

All modules share one include root, so the compiler accepts any include; this keeps the
graph in CMakeLists.txt true. It also fails when README.md's module table, the folders and
CMakeLists.txt disagree. Usage: scripts/check_layers.py [ROOT]
"""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
uses, plugins = {}, set()
for kind, name, body in re.findall(r"^medseg_(module|plugin)\((\w+)([^)]*)\)", (root / "CMakeLists.txt").read_text(), re.M):
    plugins |= {name} if kind == "plugin" else set()
    found = re.search(r"USES((?: +[a-z]+)+)", body)
    uses[name] = set(found[1].split()) if found else set()


def reachable(name):
    seen, todo = {name}, [name]
    while todo:
        for dep in uses[todo.pop()] - seen:
            seen.add(dep)
            todo.append(dep)
    return seen


errors = []
for path in sorted([*root.glob("include/medseg/*/*.h"), *root.glob("src/*/*.*")]):
    module = path.parent.name
    if module not in uses:
        errors.append(f"{path}: module {module} is not in CMakeLists.txt")
        continue
    for line, text in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'#include "medseg/(\w+)/', text)
        if found and found[1] not in reachable(module):
            errors.append(f"{path}:{line}: {module} may not include {found[1]}")

readme = root / "README.md"
table = re.findall(r"^\| `(\w+)` \|", readme.read_text(), re.M) if readme.exists() else list(uses)
if table != list(uses):
    errors.append(f"README.md: module table {table} is not CMakeLists.txt's {list(uses)}")
for name in uses:
    for folder in (f"src/{name}",) if name in plugins else (f"include/medseg/{name}", f"src/{name}"):
        if not (root / folder).is_dir():
            errors.append(f"{folder}: missing, but CMakeLists.txt names {name}")

print("\n".join(errors) or f"check_layers: {len(uses)} modules, no forbidden include")
sys.exit(bool(errors))
