"""Hand-made turns and what every scoring protocol gives for them, as the peers' code does it.

Worked out with NumPy. Peers at these commits: LISA 3cb2d43, groundingLMM e74865f, PixelLM ebf0792,
Sa2VA 9832e1a, UniBiomed 5af3a41, MedPLIB 5ab54bc, BiomedParse 750eb40, nnUNet 0e49508, MONAI
d388d1c, CVPR-MedSegFMCompetition 748e862, ReLA 3ca9551; each function names the file. Surfaces come
from MONAI and surface-distance. Writes OUT/turns.json.
Packages: those of export_scores.py.
Command: python scripts/reference/export_protocols.py tests/golden/protocols
"""

import json
import math
import pathlib
import sys

import numpy as np
import scipy.ndimage as ndi
import surface_distance
import torch
from monai.metrics import (
    DiceMetric,
    compute_average_surface_distance,
    compute_dice,
    compute_hausdorff_distance,
    compute_surface_dice,
)
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import matthews_corrcoef

np.Inf = np.inf  # surface-distance 0.1 still says so
H, W = 6, 8
E = np.zeros((H, W), bool)


def box(y0, y1, x0, x1):
    mask = E.copy()
    mask[y0:y1, x0:x1] = True
    return mask


# name, image, slice, subject, modality, absent, [(label, reference)], [(phrase, mask, score)], why
TURNS = [
    (
        "exact",
        "a",
        None,
        "s1",
        "ct",
        False,
        [("lung", box(1, 4, 1, 5))],
        [("lung", box(1, 4, 1, 5), 0.9)],
        "all right",
    ),
    (
        "half",
        "a",
        None,
        "s1",
        "ct",
        False,
        [("heart", box(2, 4, 4, 8))],
        [("heart", box(2, 4, 4, 6), 0.8)],
        "half drawn",
    ),
    (
        "missed",
        "b",
        None,
        "s1",
        "ct",
        False,
        [("lung", box(0, 2, 0, 2))],
        [],
        "no [SEG]: must cost, not vanish",
    ),
    (
        "one of two",
        "c",
        None,
        "s2",
        "ct",
        False,
        [("lung", box(0, 3, 0, 3)), ("heart", box(3, 6, 5, 8))],
        [("lung", box(0, 3, 0, 2), 0.7)],
        "the second is missed",
    ),
    (
        "swapped",
        "d",
        None,
        "s2",
        "mr",
        False,
        [("lung", box(0, 2, 0, 4)), ("heart", box(4, 6, 4, 8))],
        [("heart", box(4, 6, 4, 8), 0.6), ("Lung ", box(0, 2, 0, 4), 0.6)],
        "right masks and names in the other order",
    ),
    (
        "spurious",
        "e",
        None,
        "s3",
        "mr",
        False,
        [("heart", box(1, 3, 1, 3))],
        [
            ("heart", box(1, 3, 1, 4), 0.5),
            ("lung", box(4, 6, 0, 2), 0.95),
            ("", box(5, 6, 7, 8), 0.1),
        ],
        "two masks too many",
    ),
    (
        "empty and empty",
        "f",
        None,
        "s3",
        "mr",
        False,
        [("lung", E)],
        [("lung", E, 0.2)],
        "1, 0, or not counted",
    ),
    (
        "empty and drawn",
        "f",
        None,
        "s3",
        "mr",
        False,
        [("heart", E)],
        [("heart", box(0, 1, 0, 3), 0.3)],
        "0 or skipped",
    ),
    (
        "drawn as nothing",
        "g",
        None,
        "s4",
        "mr",
        False,
        [("heart", box(2, 5, 2, 5))],
        [("heart", E, 0.4)],
        "a [SEG], no pixel",
    ),
    ("absent, refused", "g", None, "s4", "mr", True, [], [], "right"),
    (
        "absent, drawn",
        "h",
        None,
        "s4",
        "ct",
        True,
        [],
        [("tumour", box(0, 2, 0, 2), 0.6)],
        "a false positive",
    ),
    (
        "absent, nothing drawn",
        "h",
        None,
        "s4",
        "ct",
        True,
        [],
        [("tumour", E, 0.6)],
        "a [SEG] without a pixel",
    ),
    ("words only", "i", None, "s5", "ct", False, [], [], "counts in text alone"),
    (
        "plane 4",
        "v",
        (2, 4),
        "s6",
        "ct",
        False,
        [("lung", box(1, 5, 1, 5))],
        [("lung", box(1, 5, 1, 4), 0.9)],
        "slices",
    ),
    (
        "plane 8",
        "v",
        (2, 8),
        "s6",
        "ct",
        False,
        [("lung", box(1, 5, 2, 6))],
        [("lung", box(2, 5, 2, 6), 0.9)],
        "step 2",
    ),
    (
        "plane 10",
        "v",
        (2, 10),
        "s6",
        "ct",
        False,
        [("heart", box(0, 3, 3, 6))],
        [("heart", box(1, 3, 3, 6), 0.8), ("lung", box(4, 6, 4, 8), 0.2)],
        "the second goes to the label of its phrase",
    ),
    (
        "touching",
        "j",
        None,
        "s7",
        "ct",
        False,
        [("lung", box(0, 3, 0, 4)), ("heart", box(3, 6, 0, 4))],
        [("lung", box(0, 4, 0, 4), 0.9), ("heart", box(3, 6, 0, 3), 0.9)],
        "overlapping predictions",
    ),
]
SPACING = {
    "a": (1.0, 0.5),
    "b": (1.0, 0.5),
    "d": (2.0, 2.0),
    "v": (1.5, 0.8),
}  # row, column; others unknown
TEXTS = {
    "exact": ("The <p> lung </p> [SEG] is seen.", "The <p> lung </p> [SEG] is seen."),
    "half": ("Here <p> heart </p> [SEG].", "There is the <p> heart </p> [SEG]."),
    "absent, refused": ("Not seen here.", "Not seen here."),
    "words only": ("It is a chest image.", "This image shows a chest."),
}
TAU = 2.0


def turns():
    for name, image, plane, subject, modality, absent, refs, masks, _ in TURNS:
        yield dict(
            name=name,
            image=image,
            plane=plane,
            subject=subject,
            modality=modality,
            absent=absent,
            labels=[r[0] for r in refs],
            refs=[r[1] for r in refs],
            phrases=[m[0] for m in masks],
            masks=[m[1] for m in masks],
            scores=[m[2] for m in masks],
        )


ALL = list(turns())
ITEMS = [
    (t, i, t["refs"][i], t["masks"][i] if i < len(t["masks"]) else E)
    for t in ALL
    for i in range(len(t["refs"]))
]
ABSENT = [np.any(t["masks"], axis=0) if t["masks"] else E for t in ALL if t["absent"]]
PAIRS = [(r, p) for _, _, r, p in ITEMS]
WITH_ABSENT = PAIRS + [(E, p) for p in ABSENT]


def iu(r, p):
    return int((r & p).sum()), int((r | p).sum())


def same(a, b):
    return a.strip().lower() == b.strip().lower()


def lisa_iou(r, p):  # LISA utils/utils.py intersectionAndUnionGPU, train_ds.py:549-573
    i, u = iu(r, p)
    return 1.0 if u == 0 else i / (u + 1e-5)


def giou_ciou(pairs):
    counts = [iu(r, p) for r, p in pairs]
    return (
        float(np.mean([lisa_iou(r, p) for r, p in pairs])),
        sum(c[0] for c in counts) / (sum(c[1] for c in counts) + 1e-10),
    )


def giou_block(pairs, with_absent):
    g, c = giou_ciou(pairs)
    ga, ca = giou_ciou(with_absent)
    return {"giou": g, "ciou": c, "giou_with_absent": ga, "ciou_with_absent": ca}


def lisa():
    dice = [
        1.0 if r.sum() + p.sum() == 0 else 2 * iu(r, p)[0] / (r.sum() + p.sum() + 1e-6)
        for r, p in PAIRS
    ]
    labels = [t["labels"][i] for t, i, _, _ in ITEMS]
    per = [
        np.mean([d for d, l in zip(dice, labels) if l == label]) for label in sorted(set(labels))
    ]
    named = [
        i < len(t["phrases"]) and same(t["phrases"][i], t["labels"][i]) for t, i, _, _ in ITEMS
    ]
    return giou_block(PAIRS, WITH_ABSENT) | {
        "dice": np.mean(dice),
        "dice_over_targets": np.mean(per),
        "seg_count_accuracy": np.mean([len(t["refs"]) == len(t["masks"]) for t in ALL]),
        "name_accuracy": np.mean(named),
        "false_positive_rate": np.mean([bool(t["masks"]) for t in ALL if t["absent"]]),
    }


def gcg():  # groundingLMM eval/gcg/evaluate.py
    asked = [t for t in ALL if t["refs"]]
    miou, hits, exact, total, verdicts = [], 0, 0, 0, []
    for t in asked:
        total += len(t["refs"])
        with np.errstate(invalid="ignore", divide="ignore"):
            m = np.array(
                [
                    [np.divide(*map(float, iu(r, p))) if iu(r, p)[1] else np.nan for r in t["refs"]]
                    for p in t["masks"]
                ]
            ).reshape(len(t["masks"]), len(t["refs"]))
        grid, pairs = m.copy(), []
        if np.isnan(grid).any():
            miou.append(0.0)
        else:
            while grid.size and grid.max() > 0:
                a, b = np.unravel_index(grid.argmax(), grid.shape)
                pairs.append(grid[a, b])
                grid = np.delete(np.delete(grid, a, 0), b, 1)
            miou.append(np.mean(pairs) if pairs else 0.0)
        for named in (False, True):
            grid, count = m.T.copy(), 0
            while grid.size:
                a, b = np.unravel_index(grid.argmax(), grid.shape)
                if grid[a, b] < 0.5:
                    break
                if named and b >= len(t["phrases"]):
                    count = 0
                    break
                if named and not same(t["labels"][a], t["phrases"][b]):
                    break
                count += 1
                grid[a, :], grid[:, b] = 0, 0
            hits, exact = (hits, exact + count) if named else (hits + count, exact)
        taken = set()
        for row in np.nan_to_num(m):
            best, found = 0.5, None
            for j, value in enumerate(row):
                if j not in taken and value >= best:
                    best, found = value, j
            taken |= {found} if found is not None else set()
            verdicts.append(found is not None)
    return {
        "ap50": coco_ap(verdicts, total),
        "miou": np.mean(miou),
        "recall_iou": hits / total,
        "recall_exact": exact / total,
    }


def coco_ap(verdicts, total):
    tp = np.cumsum(verdicts)
    recall, precision = tp / total, tp / np.arange(1, len(verdicts) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
    return float(np.mean([precision[k] if k < len(precision) else 0.0 for k in at]))


def pixellm():  # train_ds.py:681-961, utils/matcher.py with binary masks
    iou, inter, union, slots = 0.0, 0, 0, {}
    for t in ALL:
        if not t["refs"]:
            continue
        drawn, asked = slots.get(t["name"], (0, 0))
        slots[t["name"]] = (drawn + len(t["masks"]), asked + len(t["refs"]))
        cost = np.zeros((len(t["masks"]), len(t["refs"])))
        for a, p in enumerate(t["masks"]):
            for b, r in enumerate(t["refs"]):
                both, i = int(p.sum() + r.sum()), iu(r, p)[0]
                cost[a, b] = (both - 2 * i) / (H * W) + 1 - (2 * i + 1) / (both + 1)
        rows, columns = linear_sum_assignment(cost)
        pairs = [(t["refs"][b], t["masks"][a]) for a, b in zip(rows, columns)]
        pairs += [(r, E) for b, r in enumerate(t["refs"]) if b not in columns]
        pairs += [(E, p) for a, p in enumerate(t["masks"]) if a not in rows]
        for r, p in pairs:
            iou += lisa_iou(r, p)
            inter, union = inter + iu(r, p)[0], union + iu(r, p)[1]
    return giou_block(PAIRS, WITH_ABSENT) | {
        "muse_giou": iou / sum(max(s) for s in slots.values()),
        "muse_ciou": inter / (union + 1e-10),
    }


def sa2va():  # sa2va_eval_refcoco.py:160-187
    pairs = [
        (np.any(t["refs"], axis=0), np.any(t["masks"], axis=0) if t["masks"] else E)
        for t in ALL
        if t["refs"]
    ]
    return giou_block(pairs, pairs + [(E, p) for p in ABSENT])


def unibiomed_means(rows):
    classes = {}
    for label, r, p in rows:
        one = classes.setdefault(label, [0.0, 0.0, 0])
        i, u = iu(r, p)
        one[0] += 2 * i / (r.sum() + p.sum())
        one[1] += i / u
        one[2] += 1
    c, n = len(classes), sum(v[2] for v in classes.values())
    out = {}
    for k, name in enumerate(("dice", "iou")):
        out[f"mean_class_{name}"] = sum(v[k] / (v[2] + 1e-6) for v in classes.values()) / (c + 1e-6)
        out[f"mean_{name}"] = c * sum(v[k] for v in classes.values()) / (c * n + 1e-6)
    return out


def unibiomed():  # eval_seg2D.py:9-142
    rows = [(t["labels"][i], r, p) for t, i, r, p in ITEMS[:300] if r.any()]
    volumes = [
        (label, r, p)
        for case in CASES
        if case["volume"]
        for label, (r, p) in case["labels"].items()
        if r.any()
    ]
    return unibiomed_means(rows) | {"volume_" + k: v for k, v in unibiomed_means(volumes).items()}


# vqa_infer.py:558-591; the golden's maps are above 0.1 where the mask or a neighbour in its row is
# set
def medplib():
    ious = []
    for t, i, r, p in ITEMS:
        i_, u = iu(
            r, ndi.binary_dilation(p, np.array([[0, 0, 0], [1, 1, 1], [0, 0, 0]], bool)) & WIDE | p
        )
        ious.append(i_ / u if u else 0.0)
    return {"miou": np.mean(ious), "mdice": np.mean([2 * v / (1 + v) for v in ious])}


WIDE = np.ones((H, W), bool)


def biomedparse():  # grounding_evaluation.py:91-164
    counts = [iu(r, p) for r, p in PAIRS]
    both = [int(r.sum() + p.sum()) for r, p in PAIRS]
    out = {
        "miou": np.mean([i / (u + 1e-6) for i, u in counts]),
        "ciou": sum(i for i, _ in counts) / sum(u for _, u in counts),
        "mdice": np.mean([2 * i / (b + 1e-6) for (i, _), b in zip(counts, both)]),
        "cdice": sum(i for i, _ in counts) / sum(b / 2 for b in both),
    }
    for t in (0.5, 0.6, 0.7, 0.8, 0.9):
        out[f"precision_at_{t}"] = np.mean(
            [np.float32(i) / (np.float32(u) + np.float32(1e-6)) >= np.float32(t) for i, u in counts]
        )
    return out


def cases():
    labels, found, unattributed = sorted({l for t in ALL for l in t["labels"]}), {}, 0
    for t in ALL:
        found.setdefault((t["image"], t["plane"][0] if t["plane"] else None), []).append(t)
    out = []
    for (image, axis), members in found.items():
        planes = [t["plane"][1] if t["plane"] else 0 for t in members]
        step = math.gcd(*[p - planes[0] for p in planes]) or 1
        depth = (max(planes) - min(planes)) // step + 1
        grids = {l: (np.zeros((depth, H, W), bool), np.zeros((depth, H, W), bool)) for l in labels}
        for t, plane in zip(members, planes):
            z = (plane - min(planes)) // step
            for label, r in zip(t["labels"], t["refs"]):
                grids[label][0][z] |= r
            for j, p in enumerate(t["masks"]):
                label = (
                    t["labels"][j]
                    if j < len(t["labels"])
                    else next(
                        (l for l in labels if j < len(t["phrases"]) and same(l, t["phrases"][j])),
                        None,
                    )
                )
                if label is None:
                    unattributed += 1
                else:
                    grids[label][1][z] |= p
        row, column = SPACING.get(image, (1.0, 1.0))
        out.append(
            {"volume": axis is not None, "labels": grids, "spacing": (float(step), row, column)}
        )
    return out, unattributed


CASES, UNATTRIBUTED = cases()


def nnunet():  # nnunetv2/evaluation/evaluate_predictions.py:81-165
    labels = sorted({l for t in ALL for l in t["labels"]})
    means = []
    for label in labels:
        rows = []
        for case in CASES:
            r, p = case["labels"][label]
            tp, fp, fn = (r & p).sum(), (~r & p).sum(), (r & ~p).sum()
            some = tp + fp + fn > 0
            rows.append(
                {
                    "dice": 2 * tp / (2 * tp + fp + fn) if some else np.nan,
                    "iou": tp / (tp + fp + fn) if some else np.nan,
                    "fp": fp,
                    "tp": tp,
                    "fn": fn,
                    "tn": (~r & ~p).sum(),
                    "n_pred": fp + tp,
                    "n_ref": fn + tp,
                }
            )
        means.append({k: np.nanmean([row[k] for row in rows]) for k in rows[0]})
    return {k: np.mean([m[k] for m in means]) for k in means[0]}


def surfaces_2d(r, p, spacing):
    if not r.any() and not p.any():
        return {k: np.nan for k in ("hd", "hd95", "nsd", "asd", "assd")}
    y_pred, y = torch.from_numpy(p)[None, None].float(), torch.from_numpy(r)[None, None].float()
    kw = {"include_background": True, "spacing": list(spacing)}
    return {
        "hd": float(compute_hausdorff_distance(y_pred, y, **kw)),
        "hd95": float(compute_hausdorff_distance(y_pred, y, percentile=95, **kw)),
        "nsd": float(compute_surface_dice(y_pred, y, [TAU], **kw)),
        "asd": float(compute_average_surface_distance(y_pred, y, **kw)),
        "assd": float(compute_average_surface_distance(y_pred, y, symmetric=True, **kw)),
    }


def nanmean(values):
    kept = [v for v in values if not math.isnan(v)]
    return float(np.mean(kept)) if kept else 0.0


def spaced_items():
    for t, _, r, p in ITEMS:
        yield r, p, SPACING.get(t["image"], (1.0, 1.0))


def monai():
    pairs = list(spaced_items()) + [(E, p, (1.0, 1.0)) for p in ABSENT]
    out = {}
    for name, ignore in (("dice_ignore_empty", True), ("dice_count_empty", False)):
        values = [
            float(
                compute_dice(
                    torch.from_numpy(p)[None, None].float(),
                    torch.from_numpy(r)[None, None].float(),
                    include_background=True,
                    ignore_empty=ignore,
                )
            )
            for r, p, _ in pairs
        ]
        out[name] = nanmean(values)
    rows = [surfaces_2d(r, p, s) for r, p, s in pairs]
    for k in ("hd", "hd95", "nsd", "asd", "assd"):
        out[k] = nanmean([row[k] for row in rows])
    for k in ("hd", "asd", "assd"):
        out[k + "_finite"] = float(np.mean([row[k] for row in rows if math.isfinite(row[k])]))
    return out


def nsd_deepmind(r, p, spacing):
    return surface_distance.compute_surface_dice_at_tolerance(
        surface_distance.compute_surface_distances(r, p, spacing), TAU
    )


def medsam2():  # CVPR25_text_eval.py:38-55
    dsc, nsd = [], []
    for case in CASES:
        rows = [(r, p) for r, p in case["labels"].values() if r.any()]
        if not rows:
            continue
        s = case["spacing"]
        dsc.append(np.mean([2 * (r & p).sum() / (r.sum() + p.sum()) for r, p in rows]))
        nsd.append(
            np.mean(
                [
                    nsd_deepmind(r, p, s) if case["volume"] else nsd_deepmind(r[0], p[0], s[1:])
                    for r, p in rows
                ]
            )
        )
    return {"dsc": np.mean(dsc), "nsd": np.mean(nsd)}


def strict():
    rows = [(t, i, r, p) for t, i, r, p in ITEMS if r.any()]
    dice = [2 * iu(r, p)[0] / (r.sum() + p.sum()) for _, _, r, p in rows]
    iou = [iu(r, p)[0] / iu(r, p)[1] for _, _, r, p in rows]

    def over(key):
        names = sorted({key(row) for row in rows})
        return np.mean([np.mean([d for d, row in zip(dice, rows) if key(row) == n]) for n in names])

    out = {
        "dice": np.mean(dice),
        "iou": np.mean(iou),
        "ciou": sum(iu(r, p)[0] for _, _, r, p in rows) / sum(iu(r, p)[1] for _, _, r, p in rows),
        "dice_over_targets": over(lambda row: row[0]["labels"][row[1]]),
        "dice_over_subjects": over(lambda row: row[0]["subject"]),
    }
    surfaces = {k: [] for k in ("hd95_monai", "hd95_deepmind", "assd", "nsd_monai", "nsd_deepmind")}
    for (r, p, s), (t, i, _, _) in zip(spaced_items(), ITEMS):
        if not r.any():
            continue
        if not p.any():
            diagonal = math.hypot(H * s[0], W * s[1])
            row = (diagonal, diagonal, diagonal, 0.0, 0.0)
        else:
            m = surfaces_2d(r, p, s)
            distances = surface_distance.compute_surface_distances(r, p, s)
            row = (
                m["hd95"],
                surface_distance.compute_robust_hausdorff(distances, 95),
                m["assd"],
                m["nsd"],
                nsd_deepmind(r, p, s),
            )
        for k, v in zip(surfaces, row):
            surfaces[k].append(v)
    out |= {k: np.mean(v) for k, v in surfaces.items()}
    n, matched, matched_iou, hits, emitted, verdicts = len(rows), 0.0, 0.0, 0, 0, []
    for t in ALL:
        refs = [r for r in t["refs"] if r.any()]
        emitted += len(t["masks"])
        m = np.array(
            [
                [np.divide(*map(float, iu(r, p))) if iu(r, p)[1] else 0.0 for r in refs]
                for p in t["masks"]
            ]
        ).reshape(len(t["masks"]), len(refs))
        for grid, kind in (
            (2 * m / (1 + m), "dice"),
            (m, "iou"),
            ((m >= 0.5).astype(float), "hit"),
        ):
            a, b = linear_sum_assignment(-grid)
            total = grid[a, b].sum()
            matched += total if kind == "dice" else 0
            matched_iou += total if kind == "iou" else 0
            hits += total if kind == "hit" else 0
        taken = set()
        for k in np.argsort([-s for s in t["scores"]], kind="stable"):
            best, found = 0.5, None
            for j, value in enumerate(m[k]):
                if j not in taken and value >= best:
                    best, found = value, j
            taken |= {found} if found is not None else set()
            verdicts.append((t["scores"][k], found is not None))
    verdicts.sort(key=lambda v: -v[0])
    out |= {
        "dice_matched": matched / n,
        "iou_matched": matched_iou / n,
        "precision_50": hits / emitted,
        "recall_50": hits / n,
        "f1_50": 2 * hits / (emitted + n),
        "ap50": coco_ap([v[1] for v in verdicts], n),
    }
    out |= {k: lisa()[k] for k in ("seg_count_accuracy", "name_accuracy", "false_positive_rate")}
    out["false_positive_area"] = np.mean([p.sum() / (H * W) for p in ABSENT])
    # ReLA gres_model/evaluation/refer_evaluation.py:114-202
    sides = [
        (
            np.any(t["refs"], axis=0) if t["refs"] else E,
            np.any(t["masks"], axis=0) if t["masks"] else E,
            t,
        )
        for t in ALL
        if t["refs"] or t["absent"]
    ]
    holds = [r.any() for r, _, _ in sides]
    out["n_acc"] = np.mean([not p.any() for r, p, _ in sides if not r.any()])
    out["t_acc"] = np.mean([p.any() for r, p, _ in sides if r.any()])
    values = [iu(r, p)[0] / iu(r, p)[1] if r.any() else float(not p.any()) for r, p, _ in sides]
    out["gres_giou"] = np.mean(values)
    out["gres_ciou"] = sum(iu(r, p)[0] for r, p, _ in sides) / sum(iu(r, p)[1] for r, p, _ in sides)
    for t in (0.7, 0.8, 0.9):
        out[f"gres_pr_at_{t}"] = np.mean([v >= t for v, h in zip(values, holds) if h])
    out["image_mcc"] = matthews_corrcoef(holds, [bool(t["masks"]) for _, _, t in sides])
    volumes = [
        (r, p, c["spacing"])
        for c in CASES
        if c["volume"]
        for r, p in c["labels"].values()
        if r.any()
    ]
    out["volume_dice"] = np.mean([2 * (r & p).sum() / (r.sum() + p.sum()) for r, p, _ in volumes])
    out["volume_hd95_deepmind"] = np.mean(
        [
            surface_distance.compute_robust_hausdorff(
                surface_distance.compute_surface_distances(r, p, s), 95
            )
            for r, p, s in volumes
        ]
    )
    out["volume_nsd_deepmind"] = np.mean([nsd_deepmind(r, p, s) for r, p, s in volumes])
    return out


def rows_of(mask):
    return ["".join("#" if v else "." for v in row) for row in mask]


def clean(value):
    value = float(value)
    return None if math.isnan(value) else "inf" if math.isinf(value) else value


stored = []
for turn, row in zip(ALL, TURNS):
    answer, text = TEXTS.get(turn["name"], ("", ""))
    stored.append(
        {
            k: turn[k]
            for k in (
                "name",
                "image",
                "plane",
                "subject",
                "modality",
                "absent",
                "labels",
                "phrases",
                "scores",
            )
        }
        | {
            "why": row[-1],
            "refs": [rows_of(m) for m in turn["refs"]],
            "masks": [rows_of(m) for m in turn["masks"]],
            "spacing": SPACING.get(turn["image"]),
            "answer": answer,
            "text": text,
        }
    )
expected = {
    "lisa": lisa(),
    "glamm": giou_block(PAIRS, WITH_ABSENT),
    "glamm-gcg": gcg(),
    "pixellm": pixellm(),
    "sa2va": sa2va(),
    "unibiomed": unibiomed(),
    "medplib": medplib(),
    "biomedparse": biomedparse(),
    "nnunet": nnunet(),
    "monai": monai(),
    "medsam2": medsam2(),
    "strict": strict(),
}
expected = {p: {k: clean(v) for k, v in metrics.items()} for p, metrics in expected.items()}
out = pathlib.Path(sys.argv[1]) / "turns.json"
out.write_text(
    json.dumps(
        {
            "height": H,
            "width": W,
            "turns": stored,
            "unattributed": UNATTRIBUTED,
            "expected": expected,
        },
        indent=1,
    )
    + "\n"
)
