"""Writes the encoded fixtures of this folder and `decoded.json`, what libsndfile decodes them to.

Needs `pip install numpy soundfile`; the signal is a formula, see `signal`.
"""

import json
import pathlib

import numpy as np
import soundfile

FOLDER = pathlib.Path(__file__).parent
# File, libsndfile format, subtype, rate, channels, samples per channel.
FILES = [
    ("flac16.flac", "FLAC", "PCM_16", 16000, 1, 5000),
    ("flac24.flac", "FLAC", "PCM_24", 96000, 2, 4001),
    ("vorbis.ogg", "OGG", "VORBIS", 22050, 2, 9999),
    ("opus-mono.opus", "OGG", "OPUS", 48000, 1, 24001),
    ("opus-stereo.opus", "OGG", "OPUS", 48000, 2, 30011),
    ("mp3.mp3", "MP3", "MPEG_LAYER_III", 16000, 1, 12345),
    ("mp3-stereo.mp3", "MP3", "MPEG_LAYER_III", 44100, 2, 22222),
]


def signal(rate, channels, count):
    """A chirp from 200 Hz with a slow swell; the second channel is a steady tone."""
    t = np.arange(count) / rate
    chirp = 0.4 * np.sin(2 * np.pi * (200 * t + 900 * t * t)) * (0.6 + 0.4 * np.sin(2 * np.pi * 5 * t))
    tone = 0.2 * np.sin(2 * np.pi * 500 * t)
    return np.stack([chirp, tone][:channels], axis=1)


def main():
    decoded = {}
    for name, form, subtype, rate, channels, count in FILES:
        path = FOLDER / name
        soundfile.write(path, signal(rate, channels, count), rate, format=form, subtype=subtype)
        samples, read_rate = soundfile.read(path, dtype="float32", always_2d=True)
        mono = samples.astype(np.float64).mean(axis=1)
        step = max(1, len(mono) // 100)
        decoded[name] = {
            "sample_rate": read_rate,
            "channels": samples.shape[1],
            "count": len(mono),
            "written": count,
            "step": step,
            "samples": [round(float(x), 7) for x in mono[::step]],
        }
        print(name, path.stat().st_size, "bytes", decoded[name]["count"], "samples")
    (FOLDER / "decoded.json").write_text(json.dumps(decoded) + "\n")


if __name__ == "__main__":
    main()
