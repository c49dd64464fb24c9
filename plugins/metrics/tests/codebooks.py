"""Writes codebooks.json: codes of three batches, and what NumPy, SciPy and scikit-learn say of their use.

Needs numpy, scipy and scikit-learn. Gini is one minus twice the area under the Lorenz curve, which
scikit-learn integrates; perplexity is exp of SciPy's entropy.
"""

import json
import pathlib

import numpy as np
from scipy.stats import entropy
from sklearn.metrics import auc

SIZE, LEVELS = 12, 3
random = np.random.default_rng(7)
batches = []
for items, windows in [(5, 4), (1, 7), (6, 2)]:
    # Level by level more uneven; the last codes of level 3 are never used.
    columns = [
        random.choice(SIZE, size=(items, windows), p=shares / shares.sum())
        for shares in [np.ones(SIZE), 0.8 ** np.arange(SIZE), np.maximum(4.0 - np.arange(SIZE), 0)]
    ]
    codes = np.stack(columns, axis=-1)
    mask = random.random((items, windows)) < 0.8
    mask[0, 0] = True
    batches.append((codes, mask))


def counts(level, parts):
    used = np.concatenate([codes[mask][:, level] for codes, mask in parts])
    return np.bincount(used, minlength=SIZE)


def lorenz_gini(values):
    curve = np.concatenate([[0.0], np.cumsum(np.sort(values)) / values.sum()])
    return 1.0 - 2.0 * auc(np.linspace(0.0, 1.0, len(curve)), curve)


def per_batch(level, normalize):
    values = []
    for part in batches:
        number = int(part[1].sum())
        share = np.count_nonzero(counts(level, [part])) / SIZE
        values.append(share / (1.0 - (1.0 - 1.0 / SIZE) ** number) if normalize else share)
    return float(np.mean(values))


levels = [counts(level, batches) for level in range(LEVELS)]
perplexity = [float(np.exp(entropy(count))) for count in levels]
result = {
    "codebook_size": SIZE,
    "batches": [
        {"shape": list(codes.shape), "codes": codes.ravel().tolist(), "mask": mask.ravel().tolist()}
        for codes, mask in batches
    ],
    "utilization": [np.count_nonzero(count) / SIZE for count in levels],
    "per_batch_raw": [per_batch(level, False) for level in range(LEVELS)],
    "per_batch_normalized": [per_batch(level, True) for level in range(LEVELS)],
    "perplexity": perplexity,
    "gini": [float(lorenz_gini(count)) for count in levels],
    "effective_capacity": float(np.prod(perplexity)),
    "bits": float(sum(entropy(count, base=2) for count in levels)),
}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(result) + "\n")
