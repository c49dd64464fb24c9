"""Reference results of k-means, from scikit-learn.

Makes `kmeans.json` beside this file: points, centers to start from, what Lloyd's algorithm makes of
them, and what mini-batch k-means makes of batches of them, one after the other.

    pip install numpy==2.* scikit-learn==1.*
    python kmeans.py
"""

import json
import pathlib
import warnings

import numpy
from sklearn.cluster import KMeans, MiniBatchKMeans

ROUNDS = [1, 3, 100]
CLUSTERS, WIDTH, BATCHES, BATCH = 6, 3, 5, 32


def listed(array):
    """Numbers that a 32-bit float holds exactly stay short; others keep seven digits."""
    return [[float(f"{value:.8g}") for value in row] for row in numpy.asarray(array)]


def main():
    draw = numpy.random.default_rng(20)
    # Overlapping clouds away from the origin, in eighths so that they are exact in 32 bits.
    means = draw.uniform(5, 15, size=(CLUSTERS, WIDTH))
    points = means[draw.integers(CLUSTERS, size=BATCHES * BATCH)]
    points = numpy.round((points + draw.normal(0, 1.5, size=points.shape)) * 8) / 8
    start = points[draw.choice(len(points), CLUSTERS, replace=False)]
    result = {"points": listed(points), "start": listed(start), "lloyd": [], "mini_batch": []}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for rounds in ROUNDS:
            lloyd = KMeans(CLUSTERS, init=start, n_init=1, max_iter=rounds, tol=0, algorithm="lloyd")
            lloyd.fit(points)
            assert numpy.bincount(lloyd.labels_, minlength=CLUSTERS).min() > 0
            result["lloyd"].append(
                {
                    "rounds": rounds,
                    "centers": listed(lloyd.cluster_centers_),
                    "labels": lloyd.labels_.tolist(),
                    "inertia": float(lloyd.inertia_) / len(points),
                }
            )
    online = MiniBatchKMeans(
        CLUSTERS, init=start, n_init=1, batch_size=BATCH, reassignment_ratio=0, random_state=0
    )
    for batch in points.reshape(BATCHES, BATCH, WIDTH):
        online.partial_fit(batch)
        result["mini_batch"].append(
            {"centers": listed(online.cluster_centers_), "counts": online._counts.tolist()}
        )
    text = json.dumps(result, separators=(",", ":"))
    pathlib.Path(__file__).with_suffix(".json").write_text(text + "\n")


if __name__ == "__main__":
    main()
