"""Writes `fbank.json`: log-mel filter banks of a formula signal, by kaldi-native-fbank.

Needs `pip install numpy kaldi-native-fbank`.
"""

import json
import pathlib

import kaldi_native_fbank
import numpy as np

# Name, rate, bins, window, frame length in ms, low and high frequency in Hz, and frames to keep.
CASES = [
    ("povey", 16000, 80, "povey", 25.0, 20.0, 0.0, [0, 1, 17, 48, 97]),
    ("hamming", 16000, 80, "hamming", 25.0, 20.0, 0.0, [0, 33, 97]),
    ("narrow", 8000, 40, "povey", 25.0, 64.0, 3800.0, [0, 50, 97]),
    ("long", 22050, 64, "hamming", 46.4, 0.0, 0.0, [0, 40]),
]


def signal(rate):
    """One second of chirp, tone and noise from a linear congruential generator, with an offset."""
    t = np.arange(rate, dtype=np.float64) / rate
    state, noise = 12345, np.empty(rate)
    for n in range(rate):
        state = (1664525 * state + 1013904223) % 2**32
        noise[n] = state / 2**32 - 0.5
    chirp = 0.3 * np.sin(2 * np.pi * (150 * t + 1200 * t * t))
    tone = 0.1 * np.sin(2 * np.pi * 1234.5 * t)
    return (chirp + tone + 0.02 * noise + 0.01).astype(np.float32)


def options(rate, bins, window, length_ms, low, high):
    options = kaldi_native_fbank.FbankOptions()
    frame = options.frame_opts
    frame.samp_freq, frame.frame_shift_ms, frame.frame_length_ms = rate, 10.0, length_ms
    frame.dither, frame.preemph_coeff, frame.remove_dc_offset = 0.0, 0.97, True
    frame.window_type, frame.round_to_power_of_two, frame.snip_edges = window, True, True
    mel = options.mel_opts
    mel.num_bins, mel.low_freq, mel.high_freq = bins, low, high
    mel.htk_mode, mel.is_librosa, mel.use_slaney_mel_scale = False, False, False
    options.use_energy, options.use_log_fbank, options.use_power = False, True, True
    return options


def main():
    cases = []
    for name, rate, bins, window, length_ms, low, high, keep in CASES:
        fbank = kaldi_native_fbank.OnlineFbank(options(rate, bins, window, length_ms, low, high))
        fbank.accept_waveform(rate, (signal(rate) * np.float32(32768)).tolist())
        fbank.input_finished()
        frames = {str(i): [round(float(x), 5) for x in fbank.get_frame(i)] for i in keep}
        cases.append(
            {
                "name": name, "sample_rate": rate, "num_mel_bins": bins, "window": window,
                "frame_length_ms": length_ms, "low_frequency_hz": low,
                "high_frequency_hz": high or None, "count": fbank.num_frames_ready,
                "frames": frames,
            }
        )
        print(name, fbank.num_frames_ready, "frames")
    path = pathlib.Path(__file__).parent / "fbank.json"
    path.write_text("\n".join(["["] + [",\n".join(json.dumps(c) for c in cases)] + ["]", ""]))


if __name__ == "__main__":
    main()
