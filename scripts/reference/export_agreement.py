#!/usr/bin/env python3
"""Cohen's kappa of scikit-learn for random verdicts of two readers, for tests/golden/agreement.

    export_agreement.py tests/golden/agreement          scikit-learn, numpy
"""
import json
import math
import pathlib
import sys
import warnings

import numpy as np
import sklearn
from sklearn.metrics import cohen_kappa_score

random = np.random.default_rng(7)
cases = []
for n in (1, 2, 3, 5, 8, 20, 100, 400):
    for categories in (1, 2, 3, 5):
        for agree in (0.0, 0.4, 0.9, 1.0):
            share = random.dirichlet(np.ones(categories))
            a = random.choice(categories, n, p=share)
            b = np.where(random.random(n) < agree, a, random.choice(categories, n, p=share))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # one category alone: no kappa
                kappa = float(cohen_kappa_score(a, b))
            cases.append(
                {"a": a.tolist(), "b": b.tolist(), "kappa": None if math.isnan(kappa) else kappa}
            )
out = pathlib.Path(sys.argv[1]) / "kappa.json"
out.write_text(
    json.dumps({"scikit-learn": sklearn.__version__, "cases": cases}, separators=(",", ":")) + "\n"
)
