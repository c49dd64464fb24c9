"""Writes oracle.json: random annotations and how pyannote.metrics (4.2.0) scores them.

    pip install pyannote.metrics==4.2.0
    python oracle.py > oracle.json

Turns of one speaker never overlap or touch, since pyannote.metrics puts a collar around the seam where two touch.
Its collar is the whole width, ours is each side of it.
"""

import itertools
import json
import random
from importlib.metadata import version

from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate, JaccardErrorRate

CASES = 200


def turns(speakers, prefix):
    """Turns of a few speakers, to the millisecond; any two of different speakers may overlap."""
    found = []
    for speaker in range(speakers):
        time = random.randint(0, 4000)
        for _ in range(random.randint(0, 4)):
            length = random.randint(50, 4000)
            found.append((time / 1000, (time + length) / 1000, f"{prefix}{speaker}"))
            time += length + random.randint(1, 3000)
    random.shuffle(found)
    return found


def annotation(found):
    result = Annotation()
    for number, (start, end, speaker) in enumerate(found):
        result[Segment(start, end), number] = speaker
    return result


def regions():
    time, found = 0, []
    for _ in range(random.randint(1, 3)):
        time += random.randint(0, 3000)
        length = random.randint(1000, 9000)
        found.append((time / 1000, (time + length) / 1000))
        time += length + 1
    return found


def has_one_best_mapping(reference, system, metric, uem):
    """Whether no two mappings share equally much time: the Jaccard error would depend on which one is taken."""
    reference, system = metric.uemify(reference, system, uem=uem, collar=metric.collar, skip_overlap=metric.skip_overlap)
    shared = reference * system
    rows, columns = shared.shape
    if rows > columns:
        shared = shared.T
        rows, columns = columns, rows
    found = set()
    for chosen in itertools.permutations(range(columns), rows):
        pairs = frozenset((row, column) for row, column in enumerate(chosen) if shared[row, column] > 0)
        found.add((round(sum(shared[pair] for pair in pairs), 6), pairs))
    best = max(total for total, _ in found)
    return sum(total == best for total, _ in found) == 1


def case():
    reference, system = turns(random.randint(1, 5), "r"), turns(random.randint(0, 5), "s")
    region = regions() if random.random() < 0.6 else None
    if region is None and not (reference or system):
        return case()
    if region is None:
        # What is scored by default, spelled out: pyannote.metrics takes it from both annotations too.
        times = [time for turn in reference + system for time in turn[:2]]
        uem = Timeline([Segment(min(times), max(times))])
    else:
        uem = Timeline([Segment(*one) for one in region])
    collar = random.choice([0.0, 0.0, 0.1, 0.25])
    skip_overlap = random.random() < 0.4
    settings = dict(collar=2 * collar, skip_overlap=skip_overlap)
    arguments = (annotation(reference), annotation(system))
    if not has_one_best_mapping(*arguments, DiarizationErrorRate(**settings), uem):
        return case()
    time = DiarizationErrorRate(**settings).compute_components(*arguments, uem=uem)
    jaccard = JaccardErrorRate(**settings).compute_components(*arguments, uem=uem)
    return dict(
        reference=reference,
        system=system,
        region=region,
        collar=collar,
        skip_overlap=skip_overlap,
        total=time["total"],
        missed=time["missed detection"],
        false_alarm=time["false alarm"],
        confusion=time["confusion"],
        speakers=int(jaccard["speaker count"]),
        speaker_error=jaccard["speaker error"],
    )


random.seed(7)
result = dict(pyannote_metrics=version("pyannote.metrics"), cases=[case() for _ in range(CASES)])
print(json.dumps(result, separators=(",", ":")))
