"""Makes overall.json: what SciPy, statsmodels and NumPy say about random tables of several groups of columns, with
missing seeds, ties and tiny samples: effect sizes, interquartile means, ranks, Friedman's test, interactions, Holm.

python3 -m pip install numpy scipy statsmodels && python3 overall.py
"""

import itertools
import json
import pathlib

import numpy
import scipy.special
import scipy.stats
from statsmodels.stats.multitest import multipletests

RESAMPLES = 10_000


def number(value):
    return float(value) if value is not None and numpy.isfinite(value) else None


def split_mix(count):
    """The first outputs of SplitMix64 from state 0."""
    with numpy.errstate(over="ignore"):
        bits = numpy.arange(1, count + 1, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> numpy.uint64(31))


def below(bits, limit):
    """The high half of the product of 64 bits with a small limit."""
    limit = numpy.uint64(limit)
    high, low = bits >> numpy.uint64(32), bits & numpy.uint64(0xFFFFFFFF)
    return (high * limit + (low * limit >> numpy.uint64(32))) >> numpy.uint64(32)


def bootstrap(strata):
    """The stratified percentile interval, and SciPy's own for a single stratum."""
    if max(len(stratum) for stratum in strata) < 2:
        return None, None, None, None
    total = sum(len(stratum) for stratum in strata)
    bits = split_mix(RESAMPLES * total).reshape(RESAMPLES, total)
    columns, start = [], 0
    for stratum in strata:
        part = bits[:, start : start + len(stratum)]
        columns.append(numpy.asarray(stratum)[below(part, len(stratum)).astype(int)])
        start += len(stratum)
    means = scipy.stats.trim_mean(numpy.concatenate(columns, axis=1), 0.25, axis=1)
    low, high = numpy.percentile(means, [2.5, 97.5])
    if len(strata) > 1 or len(strata[0]) < 4:
        return number(low), number(high), None, None
    other = scipy.stats.bootstrap(
        (strata[0],),
        lambda values, axis: scipy.stats.trim_mean(values, 0.25, axis=axis),
        n_resamples=20_000,
        method="percentile",
        rng=numpy.random.default_rng(1),
    ).confidence_interval
    return number(low), number(high), number(other.low), number(other.high)


def differences(differences):
    """Mean, interval, p and effect sizes of paired differences."""
    differences = numpy.asarray(differences)
    n = len(differences)
    keys = ["delta", "ci_low", "ci_high", "p", "cohen_d", "hedges_g"]
    result = dict.fromkeys(keys)
    if n == 0:
        return result
    result["delta"] = float(differences.mean())
    if n == 1:
        return result | {"p": 1.0}
    sd = differences.std(ddof=1)
    interval = (result["delta"], result["delta"])
    if sd > 0:
        interval = scipy.stats.ttest_1samp(differences, 0.0).confidence_interval(0.95)
        result["cohen_d"] = float(differences.mean() / sd)
        if n > 2:
            m = n - 1
            log = scipy.special.gammaln(m / 2) - scipy.special.gammaln((m - 1) / 2)
            result["hedges_g"] = float(result["cohen_d"] * numpy.exp(log) / numpy.sqrt(m / 2))
    result |= {"ci_low": number(interval[0]), "ci_high": number(interval[1])}
    test = scipy.stats.permutation_test(
        (differences, numpy.zeros(n)),
        lambda x, y, axis: numpy.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=numpy.inf,
        batch=1 << 16,
    )
    return result | {"p": float(test.pvalue)}


def holm(results, family):
    present = [result for result in results if result["p"] is not None]
    padded = [result["p"] for result in present] + [1.0] * (family - len(present))
    adjusted = multipletests(padded, method="holm")[1] if padded else []
    for result in results:
        result["p_holm"] = None
    for result, p in zip(present, adjusted):
        result["p_holm"] = float(p)


def column(values, higher_is_better, pairs):
    """`values` are variants times seeds, with NaN for what is missing; the first variant is the baseline."""
    rows = []
    for variant, own in enumerate(values):
        present = own[~numpy.isnan(own)]
        both = ~numpy.isnan(own) & ~numpy.isnan(values[0])
        row = differences((own - values[0])[both] if variant else [])
        row["iqm"] = number(scipy.stats.trim_mean(present, 0.25)) if len(present) else None
        keys = ["iqm_low", "iqm_high", "scipy_low", "scipy_high"]
        row |= dict(zip(keys, bootstrap([present]) if len(present) else [None] * 4))
        rows.append(row)
    holm(rows[1:], len(values) - 1)
    rows[0]["p_holm"] = None
    some = [index for index, own in enumerate(values) if not numpy.isnan(own).all()]
    common = values[some][:, ~numpy.isnan(values[some]).any(axis=0)] if some else numpy.empty((0, 0))
    for row in rows:
        row["rank"] = None
    test = {"statistic": None, "p": None}
    if len(some) > 1 and common.shape[1] > 0:
        means = common.mean(axis=1)
        ranks = scipy.stats.rankdata(-means if higher_is_better else means)
        for index, rank in zip(some, ranks):
            rows[index]["rank"] = float(rank)
    if len(some) > 2 and common.shape[1] > 1 and not (common == common[0]).all():
        result = scipy.stats.friedmanchisquare(*common)
        test = {"statistic": number(result.statistic), "p": number(result.pvalue)}
    interactions = []
    for first, second, both in pairs:
        four = values[[both, first, second, 0]]
        four = four[:, ~numpy.isnan(four).any(axis=0)]
        result = differences(four[0] - four[1] - four[2] + four[3])
        interactions.append({key: result[key] for key in ["delta", "ci_low", "ci_high", "p"]})
    holm(interactions, len(interactions))
    return {"rows": rows, "friedman": test, "interactions": interactions}


def case(name, groups, higher_is_better, pairs):
    """`groups` are arrays of variants times seeds."""
    columns = [column(values, higher_is_better, pairs) for values in groups]
    aggregates = []
    for variant in range(len(groups[0])):
        strata = [values[variant][~numpy.isnan(values[variant])] for values in groups]
        if len(groups) < 2 or any(len(stratum) == 0 for stratum in strata):
            aggregates.append({"iqm": None, "iqm_low": None, "iqm_high": None})
            continue
        low, high, _, _ = bootstrap(strata)
        iqm = number(scipy.stats.trim_mean(numpy.concatenate(strata), 0.25))
        aggregates.append({"iqm": iqm, "iqm_low": low, "iqm_high": high})
    ranks = [[c["rows"][v]["rank"] for c in columns] for v in range(len(groups[0]))]
    used = [i for i in range(len(columns)) if any(own[i] is not None for own in ranks)]
    means = [[own[i] for i in used] for own in ranks]
    return {
        "name": name,
        "higher_is_better": higher_is_better,
        "pairs": pairs,
        "values": [[[number(x) for x in own] for own in values] for values in groups],
        "columns": columns,
        "aggregates": aggregates,
        "mean_ranks": [
            float(numpy.mean(own)) if own and None not in own else None for own in means
        ],
    }


def main():
    generator = numpy.random.default_rng(20250301)
    cases = []
    # Variants 1 and 2 are single changes, variant 3 makes both.
    for n, count in itertools.product([1, 2, 3, 4, 5, 7, 8, 11], [1, 2, 3]):
        variants = int(generator.integers(2, 7))
        pairs = [[1, 2, 3]] if variants > 3 else []
        if variants > 5:
            pairs.append([1, 4, 5])
        groups = []
        for _ in range(count):
            level = generator.normal(0.5, 1.0)
            seeds = generator.normal(level, 0.1, n)
            shifts = generator.normal(0.0, 0.1, (variants, 1))
            groups.append(seeds + shifts + generator.normal(0.0, 0.05, (variants, n)))
        cases.append(case(f"normal {n} {count}", groups, bool(generator.integers(2)), pairs))
    for n in [2, 3, 4, 6, 9]:
        # Multiples of 1/8 are exact: values, means and differences tie exactly.
        groups = [generator.integers(0, 5, (5, n)) / 8 for _ in range(2)]
        cases.append(case(f"ties {n}", groups, True, [[1, 2, 3]]))
    for n in [4, 6, 8, 10]:
        groups = [generator.normal(0.5, 0.2, (5, n)) for _ in range(2)]
        for values in groups:
            values[generator.random(values.shape) < 0.15] = numpy.nan
        groups[0][4] = numpy.nan
        cases.append(case(f"missing {n}", groups, False, [[1, 2, 3]]))
    cases.append(case("equal", [numpy.full((4, 5), 0.25)], True, [[1, 2, 3]]))
    path = pathlib.Path(__file__).with_name("overall.json")
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


main()
