"""Writes tiny checkpoints with random weights and what the published code computes with them.

Run by hand, with torch, transformers 5 and safetensors:

    python plugins/ssl/tests/ssl/data/make_references.py

The audio is not stored: both sides draw it from the same generator of integers.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import (
    HubertConfig,
    HubertModel,
    Wav2Vec2FeatureExtractor,
    WavLMConfig,
    WavLMForCTC,
    WavLMModel,
)

HERE = Path(__file__).parent
LENGTHS = [400, 1234, 3999]
LONG = 64_000
BATCH = [3999, 400, 2345]

TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
# One frame for every second sample, so that batches of any size have frames.
STEPS = {
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 6,
    "conv_dim": [4, 6],
    "conv_kernel": [1, 1],
    "conv_stride": [2, 1],
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "num_buckets": 8,
    "max_bucket_distance": 6,
}
LARGE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}


def audio(seed, count):
    """A linear congruential generator's upper bits, in [-1, 1)."""
    state, values = seed, []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        values.append((state >> 16) / 32768.0 - 1.0)
    return np.array(values, dtype=np.float32)


def randomize(model, seed, dtype):
    """Every tensor gets values that matter, rounded to `dtype`."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            noise = torch.randn(tensor.shape, generator=generator)
            if "norm" in name and name.endswith("weight"):
                value = 1 + 0.3 * noise
            elif name.endswith("gru_rel_pos_const") or name.endswith("original0"):
                value = 1 + 0.3 * noise
            elif tensor.dim() == 1:
                value = 0.2 * noise
            elif "rel_attn_embed" in name:
                value = noise
            else:
                value = 1.5 * noise / tensor[0].numel() ** 0.5
            tensor.copy_(value.to(dtype).float())
    return model.eval()


def states(model, *inputs, **named):
    """What enters the first layer and what leaves each, the last one as the model gives it."""
    with torch.no_grad():
        out = model(*inputs, output_hidden_states=True, **named)
    return out.hidden_states[:-1] + (out.last_hidden_state,)


def reference(model, normalize, masked):
    """Hidden states by name: `400.0` is what enters layer 0 for 400 samples."""
    extractor = Wav2Vec2FeatureExtractor(do_normalize=normalize, return_attention_mask=True)
    out = {}

    def put(name, tensor):
        out[name] = tensor.contiguous().clone()

    for count in LENGTHS:
        given = extractor(audio(count, count), sampling_rate=16_000, return_tensors="pt")
        for index, state in enumerate(states(model, given.input_values)):
            put(f"{count}.{index}", state[0])
    given = extractor(audio(7, LONG), sampling_rate=16_000, return_tensors="pt")
    put(f"{LONG}.last", states(model, given.input_values)[-1][0])
    if masked:
        given = extractor(
            [audio(count, count) for count in BATCH],
            sampling_rate=16_000,
            padding=True,
            return_tensors="pt",
        )
        mask = given.attention_mask
        for index, state in enumerate(states(model, given.input_values, attention_mask=mask)):
            put(f"batch.{index}", state)
    return out


def write(name, model, normalize, masked):
    """Folder `name` with `config.json`; the weights are written by the caller."""
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    kept = dict(TINY, model_type=model.config.model_type)
    for key in ["feat_extract_norm", "do_stable_layer_norm", "conv_bias", "conv_kernel", "conv_stride"]:
        value = getattr(model.config, key)
        kept[key] = list(value) if isinstance(value, tuple) else value
    (folder / "config.json").write_text(json.dumps(kept, indent=1) + "\n")
    save_file(reference(model, normalize, masked), folder / "reference.safetensors")
    count = sum(p.numel() for p in model.parameters())
    print(f"{name}: {count} parameters")
    return folder


def main():
    torch.set_num_threads(1)
    # The base form of HuBERT, all in the names of today.
    model = randomize(HubertModel(HubertConfig(**TINY)), 1, torch.float32)
    folder = write("hubert-base", model, False, False)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors")

    # The large form of HuBERT in half precision.
    config = HubertConfig(**TINY, **LARGE, conv_bias=True)
    model = randomize(HubertModel(config), 2, torch.float16)
    folder = write("hubert-large", model, True, True)
    halves = {k: v.to(torch.float16).contiguous() for k, v in model.state_dict().items()}
    save_file(halves, folder / "model.safetensors")

    # The base form of WavLM as an older fine-tuned checkpoint: pickled, with a prefix and a head,
    # and weight norm by its old names.
    config = WavLMConfig(**TINY, vocab_size=5, num_buckets=320)
    head = randomize(WavLMForCTC(config), 3, torch.float32)
    folder = write("wavlm-base", head.wavlm, False, False)
    old = {}
    for key, value in head.state_dict().items():
        key = key.replace("parametrizations.weight.original0", "weight_g")
        old[key.replace("parametrizations.weight.original1", "weight_v")] = value.clone()
    torch.save(old, folder / "pytorch_model.bin")

    # The large form of WavLM in bfloat16.
    model = randomize(WavLMModel(WavLMConfig(**TINY, **LARGE)), 4, torch.bfloat16)
    folder = write("wavlm-large", model, True, True)
    halves = {k: v.to(torch.bfloat16).contiguous() for k, v in model.state_dict().items()}
    save_file(halves, folder / "model.safetensors")

    # For checks on inputs of a few samples, without references.
    for name, build, config in [
        ("hubert-base", HubertModel, HubertConfig(**STEPS)),
        ("hubert-large", HubertModel, HubertConfig(**STEPS, **LARGE, conv_bias=True)),
        ("wavlm-base", WavLMModel, WavLMConfig(**STEPS)),
        ("wavlm-large", WavLMModel, WavLMConfig(**STEPS, **LARGE)),
    ]:
        folder = HERE / "steps" / name
        folder.mkdir(parents=True, exist_ok=True)
        small = randomize(build(config), 5, torch.float32).state_dict()
        save_file({k: v.contiguous() for k, v in small.items()}, folder / "model.safetensors")
        kept = dict(STEPS, model_type=config.model_type, conv_bias=config.conv_bias)
        for key in ["feat_extract_norm", "do_stable_layer_norm"]:
            kept[key] = getattr(config, key)
        (folder / "config.json").write_text(json.dumps(kept, indent=1) + "\n")

    # The bucket of every distance, forwards and backwards.
    attention = model.encoder.layers[0].attention
    offsets = torch.arange(-1000, 1001)
    buckets = attention._relative_positions_bucket(offsets).tolist()
    (HERE / "buckets.json").write_text(json.dumps(buckets, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    sys.exit(main())
