#!/usr/bin/env python3
"""Fails when a file includes a module that its line in CMakeLists.txt does not name.

All modules share one include root, so the compiler accepts any include; this keeps the graph in
CMakeLists.txt true. A test may include what its module may (and what MEDSEG_TEST_USES_<module>
names), headers of the tests of those modules and of tests/support, and through all these no module
beyond the same reach. It also fails when README.md's module table, the folders and CMakeLists.txt
disagree.
Usage: scripts/check_layers.py [ROOT]
"""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
uses, plugins = {}, set()
cmake = (root / "CMakeLists.txt").read_text()
for kind, name, body in re.findall(r"^medseg_(module|plugin)\((\w+)([^)]*)\)", cmake, re.M):
    plugins |= {name} if kind == "plugin" else set()
    found = re.search(r"USES((?: +[a-z]+)+)", body)
    uses[name] = set(found[1].split()) if found else set()
tests_use = {name: set(also.split())
             for name, also in re.findall(r"^set\(MEDSEG_TEST_USES_(\w+) ([^)]*)\)", cmake, re.M)}


def reachable(*names):
    seen, todo = set(names), list(names)
    while todo:
        for dep in uses[todo.pop()] - seen:
            seen.add(dep)
            todo.append(dep)
    return seen


def includes(path):
    """(line, what stands between the quotes)"""
    for line, text in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'#include "([^"]+)"', text)
        if found:
            yield line, found[1]


def module_of(include):
    found = re.match(r"medseg/(\w+)/", include)
    return found[1] if found else None


errors = []
for path in sorted([*root.glob("include/medseg/*/*.h"), *root.glob("src/*/*.*")]):
    module = path.parent.name
    if module not in uses:
        errors.append(f"{path}: module {module} is not in CMakeLists.txt")
        continue
    for line, include in includes(path):
        if module_of(include) and module_of(include) not in reachable(module):
            errors.append(f"{path}:{line}: {module} may not include {module_of(include)}")

tests = root / "tests"
NO_MODULES = {"support", "fuzz", "golden"}


def modules_behind(header, seen=frozenset()):
    """The modules that a header of tests/ includes, itself or through its like."""
    modules = set()
    for _, include in includes(header):
        if module_of(include):
            modules.add(module_of(include))
        elif (tests / include).is_file() and include not in seen:
            modules |= modules_behind(tests / include, seen | {include})
    return modules


for path in sorted(tests.glob("*/*.*")):
    module = path.parent.name
    if path.suffix not in (".h", ".cpp") or module in NO_MODULES:
        continue
    if module not in uses:
        errors.append(f"{path}: module {module} is not in CMakeLists.txt")
        continue
    reach = reachable(module, *tests_use.get(module, ()))
    for line, include in includes(path):
        if module_of(include):
            beyond = {module_of(include)} - reach
        elif (tests / include).is_file():
            owner = include.split("/")[0]
            beyond = (modules_behind(tests / include) | {owner}) - reach - {"support"}
        else:
            continue  # private headers of src, or the test's own folder
        if beyond:
            names = ", ".join(sorted(beyond))
            errors.append(f"{path}:{line}: a test of {module} may not reach {names} ({include})")

readme = root / "README.md"
table = list(uses)
if readme.exists():
    table = re.findall(r"^\| `(\w+)` \|", readme.read_text(), re.M)
if table != list(uses):
    errors.append(f"README.md: module table {table} is not CMakeLists.txt's {list(uses)}")
for name in uses:
    folders = [f"src/{name}"] if name in plugins else [f"include/medseg/{name}", f"src/{name}"]
    for folder in folders:
        if not (root / folder).is_dir():
            errors.append(f"{folder}: missing, but CMakeLists.txt names {name}")

print("\n".join(errors) or f"check_layers: {len(uses)} modules, no forbidden include")
sys.exit(bool(errors))
