"""Twenty hand-made cases of overlap and of scored turns, with the numbers of protocol `lisa`.

Masks are rows of `.` and `#`. The sums are taken by pixel sets, not by the formulas of the C++
code. Writes OUT/cases.json. Packages: none. Command: python scripts/reference/export_metrics.py
tests/golden/metrics
"""

import json
import pathlib
import sys

E, F = "....", "####"
# name, modality, phrasing, asks_absent, [(target, reference)], [(phrase, predicted)]
TURNS = [
    ("exact", "ct", "seen", False, [("skull", "##..")], [("skull", "##..")]),
    ("half", "ct", "seen", False, [("skull", "##..")], [("skull", "#...")]),
    ("twice as large", "ct", "seen", False, [("skull", "##..")], [("skull", F)]),
    ("disjoint", "ct", "unseen", False, [("skull", "##..")], [("skull", "..##")]),
    ("shifted", "ct", "unseen", False, [("lungs", ".##.")], [("lungs", "..##")]),
    ("predicted empty", "ct", "seen", False, [("lungs", "####")], [("lungs", E)]),
    ("reference empty", "ct", "seen", False, [("lungs", E)], [("lungs", "#...")]),
    ("both empty", "ct", "seen", False, [("lungs", E)], [("lungs", E)]),
    ("missed", "ct", "unseen", False, [("tumour", ".#..")], []),
    ("missed and empty", "ct", "seen", False, [("tumour", E)], []),
    ("spurious", "mr", "seen", False, [("tumour", ".#..")], [("tumour", ".#.."), ("brain", F)]),
    (
        "two of two",
        "mr",
        "seen",
        False,
        [("brain", F), ("tumour", ".#..")],
        [("brain", "###."), ("tumour", ".##.")],
    ),
    ("one of two", "mr", "seen", False, [("brain", F), ("tumour", ".#..")], [("brain", F)]),
    (
        "none of three",
        "mr",
        "unseen",
        False,
        [("brain", F), ("tumour", "#..."), ("csf", "..#.")],
        [],
    ),
    (
        "order swapped",
        "mr",
        "unseen",
        False,
        [("brain", "###."), ("csf", "...#")],
        [("csf", "...#"), ("brain", "###.")],
    ),
    ("wrong name", "mr", "seen", False, [("csf", "..##")], [("brain", "..##")]),
    ("name in other letters", "mr", "seen", False, [("csf", "..##")], [(" CSF ", "..##")]),
    ("absent, refused", "mr", "seen", True, [], []),
    ("absent, drawn", "mr", "unseen", True, [], [("tumour", "#...")]),
    ("words only", "mr", "", False, [], []),
    ("large against small", "mr", "", False, [("brain", "#...")], [("brain", F)]),
]


def pixels(text):
    return {i for i, c in enumerate(text) if c == "#"}


def overlap(p, r):
    p, r = pixels(p), pixels(r)
    i, u = len(p & r), len(p | r)
    iou = 1.0 if u == 0 else i / (u + 1e-5)
    dice = 1.0 if not p and not r else 2 * i / (len(p) + len(r) + 1e-6)
    return i, u, iou, dice


def means(rows):
    n = len(rows)
    return {
        "n": n,
        "giou": sum(r[2] for r in rows) / n,
        "ciou": sum(r[0] for r in rows) / (sum(r[1] for r in rows) + 1e-10),
        "dice": sum(r[3] for r in rows) / n,
    }


cases, rows, named = [], [], 0
groups = {"by_modality": {}, "by_target": {}, "by_phrasing": {}}
totals = {"turns": len(TURNS), "missed": 0, "spurious": 0, "absent": 0}
exact = false_positive = 0
for name, modality, phrasing, absent, reference, predicted in TURNS:
    cases.append(
        {
            "name": name,
            "modality": modality,
            "phrasing": phrasing,
            "asks_absent": absent,
            "reference": reference,
            "predicted": predicted,
            "overlap": [],
        }
    )
    totals["missed"] += max(0, len(reference) - len(predicted))
    totals["spurious"] += max(0, len(predicted) - len(reference))
    totals["absent"] += absent
    false_positive += absent and bool(predicted)
    exact += len(reference) == len(predicted)
    for i, (target, mask) in enumerate(reference):
        row = overlap(predicted[i][1] if i < len(predicted) else E, mask)
        cases[-1]["overlap"].append(row)
        rows.append(row)
        named += i < len(predicted) and predicted[i][0].strip().lower() == target
        groups["by_modality"].setdefault(modality, []).append(row)
        groups["by_target"].setdefault(target, []).append(row)
        if phrasing:
            groups["by_phrasing"].setdefault(phrasing, []).append(row)
expected = {**totals, "n": len(rows), "metrics": {k: v for k, v in means(rows).items() if k != "n"}}
for key, members in groups.items():
    expected[key] = {name: means(group) for name, group in members.items()}
by_target = expected["by_target"].values()
expected["metrics"]["dice_over_targets"] = sum(t["dice"] for t in by_target) / len(by_target)
expected["metrics"]["seg_count_accuracy"] = exact / len(TURNS)
expected["metrics"]["name_accuracy"] = named / len(rows)
expected["metrics"]["false_positive_rate"] = false_positive / totals["absent"]
out = pathlib.Path(sys.argv[1]) / "cases.json"
out.write_text(json.dumps({"cases": cases, "expected": expected}, indent=1) + "\n")
