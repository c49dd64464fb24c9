"""Random values of a sweep by their definition, for `draws.json`: python3 draw.py > draws.json"""

import hashlib
import json
import math
from decimal import ROUND_HALF_EVEN, Decimal


def words(seed, key, index):
    text = b"ablate sweep random 1\0" + seed.to_bytes(8, "little") + index.to_bytes(8, "little")
    digest = hashlib.sha256(text + key.encode()).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")


def unit(word):
    return ((word >> 11) + 0.5) / 2.0**53


def rounded(value, span):
    """Four digits of the value or of the span, whichever is finer."""
    if value == 0:
        return value
    last = Decimal(min(abs(value), span)).adjusted() - 3
    return float(Decimal(value).quantize(Decimal((0, (1,), last)), ROUND_HALF_EVEN))


def draw(kind, a, b, seed, key, index):
    first, second = words(seed, key, index)
    if kind == "uniform":
        return min(max(rounded(a + unit(first) * (b - a), b - a), a), b)
    if kind == "log_uniform":
        value = math.exp(math.log(a) + unit(first) * (math.log(b) - math.log(a)))
        return min(max(rounded(value, b - a), a), b)
    if kind == "int_uniform":
        return a + (first * (b - a + 1) >> 64)
    if kind == "log_int_uniform":
        low, high = math.log(a - 0.5), math.log(b + 0.5)
        value = math.exp(low + unit(first) * (high - low))
        return min(max(math.floor(value + 0.5), a), b)
    radius = math.sqrt(-2.0 * math.log(unit(first)))
    return rounded(a + b * radius * math.cos(2.0 * math.pi * unit(second)), b)


cases = []
for number in range(50):
    for kind, a, b in [
        ("uniform", -1.0, 3.0),
        ("log_uniform", 1e-5, 1e-2),
        ("int_uniform", -3, 40),
        ("log_int_uniform", 8, 512),
        ("normal", 100.0, 0.1),
    ]:
        key = ["train.optimizer.learning_rate", "model.latent_dim"][number % 2]
        seed = [0, 7, 2**64 - 1][number % 3]
        value = draw(kind, a, b, seed, key, number)
        cases.append({kind: [a, b], "key": key, "seed": seed, "index": number, "value": value})
print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")
