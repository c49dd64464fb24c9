"""Makes statistics.json: what SciPy and statsmodels say about random ablations, ties and tiny samples included.

python3 -m pip install numpy scipy statsmodels && python3 statistics.py
"""

import json
import pathlib

import numpy
import scipy.stats
from statsmodels.stats.multitest import multipletests


def number(value):
    return None if not numpy.isfinite(value) else float(value)


def difference(x, y, axis):
    return numpy.mean(x - y, axis=axis)


def compare(variant, baseline):
    n = len(variant)
    result = {"delta": float(numpy.mean(variant - baseline)), "ci_low": None, "ci_high": None}
    if n > 1:
        spread = scipy.stats.sem(variant - baseline)
        interval = (
            scipy.stats.ttest_rel(variant, baseline).confidence_interval(0.95)
            if spread > 0
            else (result["delta"], result["delta"])
        )
        result |= {"ci_low": number(interval[0]), "ci_high": number(interval[1])}
    if n == 1:
        # SciPy refuses this; of the two sign patterns both are as extreme as what was seen.
        return result | {"p": 1.0}
    test = scipy.stats.permutation_test(
        (variant, baseline),
        difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=numpy.inf,
        batch=1 << 16,
        alternative="two-sided",
    )
    return result | {"p": float(test.pvalue)}


def case(name, baseline, variants):
    rows = []
    for values in [baseline, *variants]:
        values = numpy.asarray(values, dtype=float)
        sd = numpy.std(values, ddof=1) if len(values) > 1 else numpy.nan
        rows.append({"values": values.tolist(), "mean": float(numpy.mean(values)), "sd": number(sd)})
    baseline = numpy.asarray(baseline, dtype=float)
    for row in rows[1:]:
        row |= compare(numpy.asarray(row["values"]), baseline)
    adjusted = multipletests([row["p"] for row in rows[1:]], method="holm")[1]
    for row, p in zip(rows[1:], adjusted):
        row["p_holm"] = float(p)
    return {"name": name, "rows": rows}


def main():
    generator = numpy.random.default_rng(20240611)
    cases = []
    for n in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 16]:
        baseline = generator.normal(0.7, 0.05, n)
        shifts = generator.normal(0.0, 0.08, generator.integers(1, 6))
        variants = [baseline + shift + generator.normal(0.0, 0.03, n) for shift in shifts]
        cases.append(case(f"normal {n}", baseline, variants))
    for n in [2, 3, 4, 5, 8, 11]:
        # Multiples of 1/8 are exact: sums tie exactly, and some differences are zero.
        baseline = generator.integers(0, 6, n) / 8
        variants = [generator.integers(0, 9, n) / 8 for _ in range(4)]
        cases.append(case(f"ties {n}", baseline, variants))
    for n in [1, 2, 3, 8]:
        baseline = generator.integers(0, 6, n) / 8
        cases.append(case(f"equal differences {n}", baseline, [baseline, baseline + 0.25, baseline - 0.5]))
    for scale in [1e-9, 1e6, 1e12]:
        baseline = generator.normal(-1.0, 0.5, 8) * scale
        variants = [baseline + generator.normal(shift, 0.5, 8) * scale for shift in [0.0, 1.0]]
        cases.append(case(f"scale {scale:g}", baseline, variants))
    # More seeds than all sign patterns are tried for: compared with a tolerance.
    baseline = generator.normal(0.7, 0.05, 22)
    cases.append(case("sampled 22", baseline, [baseline + generator.normal(0.03, 0.05, 22)]))
    path = pathlib.Path(__file__).with_name("statistics.json")
    path.write_text(json.dumps(cases, indent=1) + "\n")


main()
