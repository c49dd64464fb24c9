"""Scores a system's RTTM against a reference as `der.rs` does, with pyannote.metrics.

    pip install pyannote.metrics==4.2.0
    python der.py REFERENCE SYSTEM [UEM]
"""

import sys
import time
from collections import defaultdict
from pathlib import Path

from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate, JaccardErrorRate


def files(path, ending):
    path = Path(path)
    return [path] if path.is_file() else sorted(path.glob(f"*.{ending}"))


def rttm(path):
    found = defaultdict(Annotation)
    for file in files(path, "rttm"):
        for number, line in enumerate(file.read_text().splitlines()):
            fields = line.split()
            if fields and fields[0] == "SPEAKER" and float(fields[4]) > 0:
                start = float(fields[3])
                found[fields[1]][Segment(start, start + float(fields[4])), number] = fields[7]
    # As everywhere: overlapping turns of one speaker are one.
    return {name: annotation.support() for name, annotation in found.items()}


def uem(path):
    found = defaultdict(list)
    for file in files(path, "uem"):
        for line in file.read_text().splitlines():
            name, _, start, end = line.split()
            found[name].append(Segment(float(start), float(end)))
    return {name: Timeline(segments) for name, segments in found.items()}


begin = time.perf_counter()
reference, system = rttm(sys.argv[1]), rttm(sys.argv[2])
regions = uem(sys.argv[3]) if len(sys.argv) > 3 else {}
read = time.perf_counter() - begin
begin = time.perf_counter()
der, jer = DiarizationErrorRate(), JaccardErrorRate()
for name, own in reference.items():
    other = system.get(name, Annotation())
    region = regions.get(name) or (own.get_timeline() | other.get_timeline()).extent()
    region = region if isinstance(region, Timeline) else Timeline([region])
    der(own, other, uem=region)
    jer(own, other, uem=region)
scored = time.perf_counter() - begin
total = der["total"]
parts = [100 * der[part] / total for part in ("missed detection", "false alarm", "confusion")]
print(
    f"DER {100 * abs(der):.3f} %: missed {parts[0]:.3f}, false alarm {parts[1]:.3f}, "
    f"confusion {parts[2]:.3f}; JER {100 * abs(jer):.3f} %; {total / 3600:.2f} h of speech"
)
print(f"read in {read:.3f} s, scored in {scored:.3f} s")
