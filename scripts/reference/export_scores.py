"""Scores of random masks, lists and texts by the originals' own libraries.

Writes OUT/{surfaces,instances,lists,texts}.json: MONAI's and DeepMind's surface scores, Boundary
IoU by its rule, COCO's average precision, connected pieces and assignment by SciPy, Wilcoxon and
permutation tests by SciPy, MCC by scikit-learn, calibration by torchmetrics, BLEU by sacrebleu,
ROUGE by rouge-score, CIDEr-D by pycocoevalcap and METEOR by NLTK, the last two on words split here
by the rules of the README of tests/golden/metrics.
Packages: monai surface-distance-based-measures==0.1 scipy scikit-learn torchmetrics pycocotools
sacrebleu rouge-score pycocoevalcap nltk.
Command: python scripts/reference/export_scores.py tests/golden/metrics
"""

import contextlib
import io
import json
import math
import pathlib
import re
import sys

import numpy as np
import scipy.ndimage as ndi
import scipy.stats
import surface_distance
import torch
from monai.metrics import (
    compute_average_surface_distance,
    compute_hausdorff_distance,
    compute_surface_dice,
)
from nltk.stem.porter import PorterStemmer
from nltk.translate.meteor_score import single_meteor_score
from pycocoevalcap.cider.cider_scorer import CiderScorer
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import matthews_corrcoef
from torchmetrics.functional.classification import binary_calibration_error

OUT = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(20)


def rle(mask):
    """Planes below each other."""
    flat = np.asfortranarray(mask.reshape(-1, mask.shape[-1]).astype(np.uint8))
    return coco_mask.encode(flat)["counts"].decode()


def blob(size, sigma, level):
    noise = ndi.gaussian_filter(rng.standard_normal(size), sigma)
    return noise > level * noise.std()


def number(value):
    value = float(value)
    return None if math.isnan(value) else "inf" if math.isinf(value) else value


def write(name, value):
    (OUT / name).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def monai_scores(p, r, spacing, tolerance):
    y_pred, y = torch.from_numpy(p)[None, None].float(), torch.from_numpy(r)[None, None].float()
    kwargs = {"include_background": True, "spacing": list(spacing)}
    return {
        "hd": compute_hausdorff_distance(y_pred, y, **kwargs),
        "hd95": compute_hausdorff_distance(y_pred, y, percentile=95, **kwargs),
        "asd": compute_average_surface_distance(y_pred, y, **kwargs),
        "assd": compute_average_surface_distance(y_pred, y, symmetric=True, **kwargs),
        "nsd": compute_surface_dice(y_pred, y, [tolerance], **kwargs),
    }


def deepmind_scores(p, r, spacing, tolerance):
    distances = surface_distance.compute_surface_distances(r, p, spacing)
    return {
        "hd95": surface_distance.compute_robust_hausdorff(distances, 95),
        "nsd": surface_distance.compute_surface_dice_at_tolerance(distances, tolerance),
    }


def boundary_iou(p, r, ratio=0.02):
    def boundary(mask):
        distance = max(1, int(round(ratio * math.hypot(*mask.shape))))
        eroded = ndi.binary_erosion(mask, np.ones((3, 3)), iterations=distance, border_value=0)
        return mask & ~eroded

    p, r = boundary(p), boundary(r)
    union = (p | r).sum()
    return 1.0 if union == 0 else (p & r).sum() / union


def surfaces():
    cases = []
    shapes = [
        ((40, 56), (1.0, 1.0)),
        ((33, 70), (0.7, 1.3)),
        ((64, 64), (2.5, 0.4)),
        ((9, 80), (1.0, 3.0)),
    ]
    shapes += [
        ((12, 20, 24), (1.0, 1.0, 1.0)),
        ((10, 30, 21), (5.0, 0.8, 0.9)),
        ((1, 16, 18), (3.0, 1.0, 1.5)),
        ((24, 9, 13), (0.5, 2.0, 1.1)),
    ]
    for size, spacing in shapes:
        for sigma, level, moved in [(2.0, 0.5, 0), (4.0, 0.2, 3), (1.0, 1.5, 1), (6.0, -0.4, 2)]:
            r = blob(size, sigma, level)
            p = np.roll(r, moved, axis=-1) ^ (rng.random(size) < 0.004)
            if moved == 2:
                p = blob(size, sigma, level)
            if not p.any() or not r.any():
                p.flat[7], r.flat[11] = True, True
            tolerance = float(rng.choice([1.0, 2.0, 3.5]))
            case = {
                "size": list(size),
                "spacing": spacing,
                "tolerance": tolerance,
                "predicted": rle(p),
                "reference": rle(r),
                "monai": {k: number(v) for k, v in monai_scores(p, r, spacing, tolerance).items()},
                "deepmind": {
                    k: number(v) for k, v in deepmind_scores(p, r, spacing, tolerance).items()
                },
            }
            if len(size) == 2:
                case["boundary_iou"] = boundary_iou(p, r)
            cases.append(case)
    empty, full = np.zeros((8, 9), bool), np.zeros((8, 9), bool)
    full[2:5, 3:7] = True
    empties = []
    for p, r in [(empty, full), (full, empty), (empty, empty)]:
        empties.append(
            {
                "predicted": rle(p),
                "reference": rle(r),
                "size": [8, 9],
                "monai": {k: number(v) for k, v in monai_scores(p, r, (1, 1), 2).items()},
            }
        )
    write("surfaces.json", {"cases": cases, "empties": empties})


def average_precisions(images):
    """[(references, masks, scores)] as COCO counts them."""
    gts, dts, number_of = [], [], 0
    for image, (references, masks, scores) in enumerate(images, 1):
        for mask in references:
            number_of += 1
            code = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
            gts.append(
                {
                    "id": number_of,
                    "image_id": image,
                    "category_id": 1,
                    "segmentation": code,
                    "iscrowd": 0,
                    "area": float(mask.sum()),
                    "bbox": [0, 0, 1, 1],
                }
            )
        for mask, score in zip(masks, scores):
            code = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
            dts.append(
                {"image_id": image, "category_id": 1, "segmentation": code, "score": float(score)}
            )
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = {
            "images": [{"id": i + 1, "height": 24, "width": 30} for i in range(len(images))],
            "annotations": gts,
            "categories": [{"id": 1}],
        }
        gt.createIndex()
        run = COCOeval(gt, gt.loadRes(dts), "segm")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return float(run.stats[1]), float(run.stats[0])


def cvpr25(p, r):
    """eval_tp_fp_fn and what follows it in CVPR25_text_eval.py, on label maps."""
    iou = np.zeros((r.max(), p.max()))
    for i in range(r.max()):
        for j in range(p.max()):
            a, b = r == i + 1, p == j + 1
            iou[i, j] = (a & b).sum() / (a | b).sum()
    if p.max() == 0 or r.max() == 0:
        return 0, 0.0, 0.0
    costs = -(iou >= 0.5).astype(float) - iou / (2 * min(iou.shape))
    pairs = [(i, j) for i, j in zip(*linear_sum_assignment(costs)) if iou[i, j] >= 0.5]
    tp = len(pairs)
    precision, recall = tp / p.max(), tp / r.max()
    f1 = 2 * precision * recall / (precision + recall) if tp else 0.0
    dice = [
        2 * ((r == i + 1) & (p == j + 1)).sum() / ((r == i + 1).sum() + (p == j + 1).sum())
        for i, j in pairs
    ]
    return tp, f1, float(np.mean(dice)) if dice else 0.0


def instances():
    detection = []
    for _ in range(4):
        images, stored = [], []
        for _ in range(5):
            references = [blob((24, 30), 2.0, 1.2) for _ in range(int(rng.integers(0, 4)))]
            references = [m for m in references if m.any()]
            masks = [
                np.roll(m, int(rng.integers(0, 3)), axis=int(rng.integers(0, 2)))
                for m in references
                if rng.random() < 0.8
            ]
            masks += [blob((24, 30), 2.0, 1.4) for _ in range(int(rng.integers(0, 2)))]
            scores = [round(float(s), 1) for s in rng.random(len(masks))]  # with ties
            images.append((references, masks, scores))
            stored.append(
                {
                    "references": [rle(m) for m in references],
                    "masks": [rle(m) for m in masks],
                    "scores": scores,
                }
            )
        ap50, ap = average_precisions(images)
        detection.append({"size": [24, 30], "images": stored, "ap50": ap50, "ap": ap})
    pieces = []
    for size in [(30, 34), (9, 14, 16)]:
        for level in (0.3, 0.9, 1.6):
            r = blob(size, 1.2, level)
            p = r & (rng.random(size) < 0.97) | (blob(size, 1.2, 2.0))
            faces = ndi.generate_binary_structure(len(size), 1)
            corners = ndi.generate_binary_structure(len(size), len(size))
            label_p, label_r = ndi.label(p, faces)[0], ndi.label(r, faces)[0]
            tp, f1, dice = cvpr25(label_p, label_r)
            pieces.append(
                {
                    "size": list(size),
                    "predicted": rle(p),
                    "reference": rle(r),
                    "pieces_by_faces": int(label_r.max()),
                    "pieces_by_corners": int(ndi.label(r, corners)[1]),
                    "hits": tp,
                    "f1": f1,
                    "dice_of_hits": dice,
                }
            )
    assignment = []
    for rows, columns in [(1, 1), (3, 3), (4, 7), (8, 5), (20, 20)]:
        cost = np.round(rng.standard_normal((rows, columns)), 3)
        i, j = linear_sum_assignment(cost)
        assignment.append({"cost": cost.tolist(), "total": float(cost[i, j].sum())})
    write("instances.json", {"detection": detection, "pieces": pieces, "assignment": assignment})


def lists():
    wilcoxon = []
    for n in (1, 2, 5, 8, 13, 14, 16, 30, 50, 51, 80):
        for form in ("plain", "ties", "zeros"):
            d = rng.standard_normal(n) + 0.2
            if form != "plain":
                d = np.round(d * 3) / 3
            if form == "ties":
                d[d == 0] = 1 / 3
            test = scipy.stats.wilcoxon(d) if (d != 0).any() else None
            item = {
                "form": form,
                "differences": d.tolist(),
                "statistic": float(test.statistic) if test else 0.0,
                "p": float(test.pvalue) if test else 1.0,
            }
            if n <= 14 and n > 1:
                exact = scipy.stats.permutation_test(
                    (d,), np.sum, permutation_type="samples", n_resamples=np.inf, vectorized=False
                )
                item["permutation_p"] = float(exact.pvalue)
            wilcoxon.append(item)
    presence = []
    for _ in range(4):
        truth, said = rng.random(40) < 0.6, rng.random(40) < 0.5
        presence.append(
            {
                "truth": truth.tolist(),
                "said": said.tolist(),
                "mcc": float(matthews_corrcoef(truth, said)),
            }
        )
    calibration = []
    for bins in (5, 10, 15):
        scores, right = rng.random(200), rng.random(200) < 0.6
        value = binary_calibration_error(
            torch.tensor(scores, dtype=torch.float64),
            torch.tensor(right).int(),
            n_bins=bins,
            norm="l1",
        )
        calibration.append(
            {"bins": bins, "scores": scores.tolist(), "right": right.tolist(), "ece": float(value)}
        )
    write("lists.json", {"paired": wilcoxon, "presence": presence, "calibration": calibration})


BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
DROPPED = {".", "?", "!", ",", ":", ";", "-", "--", "...", "'", "''", '"', "`", "``"}


def caption_words(text):
    text = text.lower()
    text = re.sub(
        r"\.\.\.|--|[;?!%\"]|(?<!\d)[,:]|[,:](?!\d)|\.(?=\s|$)", lambda m: f" {m[0]} ", text
    )
    text = re.sub(r"[()\[\]{}]", lambda m: f" {BRACKETS[m[0]]} ", text)
    words = []
    for word in text.split():
        tail = []
        while found := re.fullmatch(r"(.+)(n't|'s|'re|'ve|'ll|'d|'m)", word):
            word, tail = found[1], [found[2]] + tail
        words += [word] + tail
    return [w for w in words if w not in DROPPED]


class NoWordNet:
    def synsets(self, word):
        return []


def texts():
    pairs = [
        (
            "The scan shows ground-glass opacity in the right lobe.",
            "The scan shows ground glass opacity in the left lobe.",
        ),
        (
            "A tumour is seen, 3.5 cm wide, near the ventricle.",
            "There is a tumor (3.5 cm) near the ventricles.",
        ),
        ("Not seen here.", "Not seen here."),
        (
            "In this chest CT slice those would be the lungs and the trunk.",
            "In this chest CT slice that would be the trunk.",
        ),
        (
            "It doesn't reach the pleura; it's bounded by the fissure.",
            "It doesn't reach the pleura: it is bound by fissures...",
        ),
        (
            'Liver 12,000 mm2 at 14:30 -- "stable", 50% of before!',
            "Liver 12000 mm2 at 14:30, stable; 50 % of before",
        ),
        ("Left kidney and right kidney.", "Right kidney and left kidney."),
        ("The heart.", "No finding."),
        (
            "Relational measurements were generalized hopefully",
            "relation measure generalization hoping",
        ),
        ("Gefäß größer als 5 mm & ödematös", "Gefäß grösser als 5 mm &amp; ödematös"),
        ("one two three four five six seven", "one two three"),
        ("word", "[bracketed] {text} and-hyphens 1-2 a.b"),
    ]
    references, hypotheses = [r for r, _ in pairs], [h for _, h in pairs]
    rouge = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False)
    rouges = [rouge.score(r, h) for r, h in pairs]
    stemmer = PorterStemmer(mode=PorterStemmer.ORIGINAL_ALGORITHM)
    meteor = [
        single_meteor_score(
            caption_words(r), caption_words(h), preprocess=str, stemmer=stemmer, wordnet=NoWordNet()
        )
        for r, h in pairs
    ]
    cider = CiderScorer(n=4, sigma=6.0)
    for r, h in pairs:
        cider += (" ".join(caption_words(h)), [" ".join(caption_words(r))])
    cider_mean, cider_each = cider.compute_score()
    vocabulary = sorted(
        {w for r, h in pairs for w in re.findall("[a-z]+", (r + " " + h).lower())}
        | set(
            "caresses ponies ties cats feed agreed plastered bled motoring sing conflated "
            "troubled sized hopping tanned falling hissing fizzed failing filing happy sky "
            "relational conditional rational valenci hesitanci digitizer conformabli "
            "radicalli differentli vileli analogousli vietnamization predication operator "
            "feudalism decisiveness hopefulness callousness formaliti sensitiviti sensibiliti "
            "triplicate formative formalize electriciti electrical hopeful goodness revival "
            "allowance inference airliner gyroscopic adjustable defensible irritant "
            "replacement adjustment dependent adoption homologou communism activate "
            "angulariti homologous effective bowdlerize probate rate cease controll roll yes "
            "y by syzygy ".split()
        )
    )
    bleus = [BLEU().corpus_score(hypotheses, [references]).score / 100]
    bleus += [BLEU().corpus_score([h], [[r]]).score / 100 for r, h in pairs]
    write(
        "texts.json",
        {
            "pairs": pairs,
            "bleu": bleus,
            "rouge_1": [s["rouge1"].fmeasure for s in rouges],
            "rouge_2": [s["rouge2"].fmeasure for s in rouges],
            "rouge_l": [s["rougeL"].fmeasure for s in rouges],
            "meteor_exact_stem": meteor,
            "cider": {"mean": float(cider_mean), "each": [float(v) for v in cider_each]},
            "stems": [[w, stemmer.stem(w)] for w in vocabulary],
        },
    )


surfaces()
instances()
lists()
texts()
