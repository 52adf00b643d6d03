#!/usr/bin/env python3
"""Writes OUT/masks.json: focal and boundary losses of seeded masks, values and gradients, as NumPy
and SciPy compute them in float64.

    export_losses.py tests/golden/losses

Packages: numpy 2.4.6, scipy 1.17.1. A case: `truth` as rows of `.` and `#`, `logits` row by row;
`distances`: the signed distance map of Kervadec et al. (their one_hot2dist, on scipy's exact
Euclidean transform; 0 where the mask is empty or fills the picture, where theirs is 0 or
undefined); `boundary` and `boundary_gradient`; `focal`: a list of {gamma, alpha, value, gradient}
(alpha -1: no weights), of Lin et al.'s formula -alpha_t (1 - p_t)^gamma log p_t, mean over pixels,
as torchvision and SAM write it. Gradients are central differences in longdouble.
"""

import json
import pathlib
import sys

import numpy as np
from scipy.ndimage import distance_transform_edt

FOCAL = [(2.0, 0.25), (0.0, -1.0), (1.5, 0.75), (2.0, -1.0)]


def signed_distances(truth):
    inside = truth.astype(bool)
    if not inside.any() or inside.all():
        return np.zeros(truth.shape)
    outside = ~inside
    return distance_transform_edt(outside) * outside - (distance_transform_edt(inside) - 1) * inside


def focal(x, t, gamma, alpha):
    p = 1 / (1 + np.exp(-x))
    p_t = np.where(t > 0, p, 1 - p)
    weight = np.where(t > 0, alpha, 1 - alpha) if alpha >= 0 else 1
    return -weight * (1 - p_t) ** gamma * np.log(p_t)


def boundary(x, distances):
    return distances / (1 + np.exp(-x))


def slope(of, x):
    step = np.longdouble(1e-6)
    return ((of(x + step) - of(x - step)) / (2 * step) / x.size).astype(float)


def numbers(values):
    return [float(f"{v:.9g}") for v in np.ravel(values)]


def truths(random):
    y, x = np.mgrid[0:13, 0:10]
    yield "disc", (y - 6) ** 2 + (x - 5) ** 2 <= 12
    yield "two", ((y < 4) & (x < 3)) | ((y > 9) & (x > 6))
    yield "pixel", (y == 2) & (x == 7)
    yield "all but a pixel", ~((y == 0) & (x == 0))
    yield "noise", random.random((7, 19)) > 0.7
    yield "column", random.random((11, 1)) > 0.5
    yield "row", random.random((1, 17)) > 0.6
    yield "empty", np.zeros((4, 5), bool)
    yield "full", np.ones((4, 5), bool)


def main(out):
    random = np.random.default_rng(5)
    cases = []
    for name, truth in truths(random):
        logits = (4 * random.standard_normal(truth.shape)).astype(np.float32).astype(np.longdouble)
        distances = signed_distances(truth)
        cases.append(
            {
                "name": name,
                "truth": ["".join(".#"[int(v)] for v in row) for row in truth],
                "logits": numbers(logits),
                "distances": numbers(distances),
                "boundary": float(boundary(logits, distances).mean()),
                "boundary_gradient": numbers(slope(lambda x: boundary(x, distances), logits)),
                "focal": [
                    {
                        "gamma": gamma,
                        "alpha": alpha,
                        "value": float(focal(logits, truth, gamma, alpha).mean()),
                        "gradient": numbers(slope(lambda x: focal(x, truth, gamma, alpha), logits)),
                    }
                    for gamma, alpha in FOCAL
                ],
            }
        )
    pathlib.Path(out).mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(case) for case in cases)
    (pathlib.Path(out) / "masks.json").write_text('{"cases": [\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main(sys.argv[1])
