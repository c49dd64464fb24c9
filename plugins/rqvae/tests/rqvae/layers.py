"""Writes layers.json: what PyTorch's layers give for the encoders and decoders of this crate.

    python3 -m pip install torch numpy && python3 layers.py

Inputs and weights are waves that the test makes too, so that only outputs and gradients are stored.
Every parameter's gradient is stored as two numbers: its sum of squares, and its product with a wave.
"""

import json
import pathlib

import numpy
import torch
from torch import nn

torch.set_default_dtype(torch.float64)
FEATURES, WIDTH, HEADS, INSIDE, FRAMES, WINDOWS = 5, 8, 2, 12, 7, 3
FRAME_MASK = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 0, 1, 1, 0, 0, 0]], dtype=torch.bool)
WINDOW_MASK = torch.tensor([[1, 1, 1], [1, 1, 0]], dtype=torch.bool)


def wave(name, shape):
    """0.3 sin(0.7 i² + 0.1 · the sum of the name's bytes), plus 1 for the scale of a norm."""
    number = numpy.arange(int(numpy.prod(shape)))
    values = 0.3 * numpy.sin(0.7 * number**2 + 0.1 * sum(name.encode()))
    if name.endswith("gamma"):
        values += 1.0
    return torch.tensor(values.astype(numpy.float32).astype(numpy.float64).reshape(shape))


class Parameters:
    """The parameters by this crate's names: matrices are [in, out] there."""

    def __init__(self):
        self.views = []

    def fill(self, name, tensor, rows=None, matrix=False):
        view = (lambda t: t if rows is None else t[rows]) if not matrix else (
            lambda t: (t if rows is None else t[rows]).T
        )
        with torch.no_grad():
            target = tensor if rows is None else tensor[rows]
            shape = target.T.shape if matrix else target.shape
            values = wave(name, tuple(shape))
            target.copy_(values.T if matrix else values)
        self.views.append((name, tensor, view))

    def linear(self, name, layer):
        self.fill(f"{name}.weight", layer.weight, matrix=True)
        self.fill(f"{name}.bias", layer.bias)

    def norm(self, name, layer):
        self.fill(f"{name}.gamma", layer.weight)
        self.fill(f"{name}.beta", layer.bias)

    def attention(self, name, layer):
        for index, part in enumerate(["query", "key", "value"]):
            rows = slice(index * WIDTH, (index + 1) * WIDTH)
            self.fill(f"{name}.{part}.weight", layer.in_proj_weight, rows, matrix=True)
            self.fill(f"{name}.{part}.bias", layer.in_proj_bias, rows)
        self.linear(f"{name}.output", layer.out_proj)

    def encoder_layer(self, name, layer):
        self.attention(f"{name}.attention", layer.self_attn)
        self.norm(f"{name}.attention_norm", layer.norm1)
        self.linear(f"{name}.feed.widen", layer.linear1)
        self.linear(f"{name}.feed.narrow", layer.linear2)
        self.norm(f"{name}.feed_norm", layer.norm2)

    def decoder_layer(self, name, layer):
        self.attention(f"{name}.attention", layer.self_attn)
        self.norm(f"{name}.attention_norm", layer.norm1)
        self.attention(f"{name}.cross", layer.multihead_attn)
        self.norm(f"{name}.cross_norm", layer.norm2)
        self.linear(f"{name}.feed.widen", layer.linear1)
        self.linear(f"{name}.feed.narrow", layer.linear2)
        self.norm(f"{name}.feed_norm", layer.norm3)

    def gradients(self):
        found = {}
        for name, tensor, view in self.views:
            gradient = view(tensor.grad)
            number = torch.arange(gradient.numel())
            product = (gradient.reshape(-1) * torch.cos(0.9 * number)).sum()
            found[name] = [float((gradient**2).sum()), float(product)]
        return found


def sinusoids(positions, width=WIDTH):
    """Sines, then cosines, at the rates 10000^(-i / (width / 2))."""
    rates = 10000.0 ** (-torch.arange(width // 2) / (width // 2))
    angles = positions[..., None] * rates
    return torch.cat([angles.sin(), angles.cos()], -1)


def centers():
    """Window w of V lies around frame (w + 1/2) L / V - 1/2 of L, both counted to the last valid."""
    last = lambda mask: torch.tensor([max(numpy.flatnonzero(row)) + 1.0 for row in mask.numpy()])
    share = last(FRAME_MASK) / last(WINDOW_MASK)
    return (torch.arange(WINDOWS)[None] + 0.5) * share[:, None] - 0.5


def case(name, parameters, inputs, output):
    output = output * FRAME_MASK[..., None]
    coefficients = wave("coefficients", tuple(output.shape))
    (output * coefficients).sum().backward()
    result = {
        "name": name,
        "output": output.detach().reshape(-1).tolist(),
        "inputs": inputs.grad.reshape(-1).tolist(),
        "parameters": parameters.gradients(),
    }
    CASES.append(result)


def leaf(name, shape, mask):
    """An input whose padding is zero."""
    values = wave(name, shape) * 4.0 * mask[..., None]
    return values.requires_grad_()


def layer_options(norm_first, activation):
    return dict(
        dropout=0.0, batch_first=True, norm_first=norm_first, activation=activation,
        dim_feedforward=INSIDE,
    )


def transformer_encoder(name, norm_first, activation, positions):
    parameters = Parameters()
    first, first_norm = nn.Linear(FEATURES, WIDTH), nn.LayerNorm(WIDTH)
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, **layer_options(norm_first, activation))
    stack = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    last = nn.LayerNorm(WIDTH)
    parameters.linear("input", first)
    parameters.norm("input_norm", first_norm)
    for index, layer in enumerate(stack.layers):
        parameters.encoder_layer(f"layers.{index}", layer)
    parameters.norm("norm", last)
    features = leaf("features", (2, FRAMES, FEATURES), FRAME_MASK)
    frames = first_norm(first(features))
    if positions:
        frames = frames + sinusoids(torch.arange(float(FRAMES)))
    output = last(stack(frames, src_key_padding_mask=~FRAME_MASK))
    case(name, parameters, features, output)


def positional(name, norm_first, activation, learned):
    parameters = Parameters()
    layer = nn.TransformerDecoderLayer(WIDTH, HEADS, **layer_options(norm_first, activation))
    last = nn.LayerNorm(WIDTH) if norm_first else None
    stack, head = nn.TransformerDecoder(layer, 2, norm=last), nn.Linear(WIDTH, FEATURES)
    for index, layer in enumerate(stack.layers):
        parameters.decoder_layer(f"layers.{index}", layer)
    if norm_first:
        parameters.norm("norm", last)
    parameters.linear("output", head)
    queries = sinusoids(torch.arange(float(FRAMES)))
    if learned:
        table = torch.zeros(FRAMES + 2, WIDTH, requires_grad=True)
        parameters.fill("questions.queries.table", table)
        queries = table[:FRAMES]
    memory = leaf("memory", (2, WINDOWS, WIDTH), WINDOW_MASK)
    output = stack(
        queries.expand(2, -1, -1), memory,
        tgt_key_padding_mask=~FRAME_MASK, memory_key_padding_mask=~WINDOW_MASK,
    )
    case(name, parameters, memory, head(output))


def multi_window(name, norms, activations):
    parameters = Parameters()
    memory = leaf("memory", (2, WINDOWS, WIDTH), WINDOW_MASK)
    frames = sinusoids(torch.arange(float(FRAMES))).expand(2, -1, -1)
    seen = memory
    if norms:
        memory_norm = nn.LayerNorm(WIDTH)
        parameters.norm("memory_norm", memory_norm)
        seen = memory_norm(memory + sinusoids(centers()))
    functions = {"relu": nn.ReLU(), "gelu": nn.GELU()}
    for index in range(2):
        block = f"blocks.{index}"
        own = nn.TransformerEncoderLayer(WIDTH, HEADS, **layer_options(norms, activations[0]))
        cross = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        cross_norm, feed_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        widen, narrow = nn.Linear(WIDTH, INSIDE), nn.Linear(INSIDE, WIDTH)
        parameters.encoder_layer(f"{block}.own", own)
        parameters.attention(f"{block}.cross", cross)
        parameters.linear(f"{block}.feed.widen", widen)
        parameters.linear(f"{block}.feed.narrow", narrow)
        if norms:
            parameters.norm(f"{block}.cross_norm", cross_norm)
            parameters.norm(f"{block}.feed_norm", feed_norm)
        frames = own(frames, src_key_padding_mask=~FRAME_MASK)
        queries = cross_norm(frames) if norms else frames
        frames = frames + cross(queries, seen, seen, key_padding_mask=~WINDOW_MASK)[0]
        hidden = feed_norm(frames) if norms else frames
        frames = frames + narrow(functions[activations[1]](widen(hidden)))
    if norms:
        last = nn.LayerNorm(WIDTH)
        parameters.norm("norm", last)
        frames = last(frames)
    head = nn.Linear(WIDTH, FEATURES)
    parameters.linear("output", head)
    case(name, parameters, memory, head(frames))


def residual_block(parameters, name, frames):
    first, second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
    norms = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
    parameters.linear(f"{name}.first", first)
    parameters.norm(f"{name}.first_norm", norms[0])
    parameters.linear(f"{name}.second", second)
    parameters.norm(f"{name}.second_norm", norms[1])
    return frames + nn.Sequential(first, norms[0], nn.ReLU(), second, norms[1])(frames)


def residual_encoder(name):
    parameters = Parameters()
    first, norm = nn.Linear(FEATURES, WIDTH), nn.LayerNorm(WIDTH)
    parameters.linear("input", first)
    parameters.norm("norm", norm)
    features = leaf("features", (2, FRAMES, FEATURES), FRAME_MASK)
    frames = norm(first(features)).relu()
    for index in range(2):
        frames = residual_block(parameters, f"blocks.{index}", frames)
    case(name, parameters, features, frames)


def residual_decoder(name):
    parameters = Parameters()
    memory = leaf("memory", (2, WINDOWS, WIDTH), WINDOW_MASK)
    frames = memory
    for index in range(2):
        frames = residual_block(parameters, f"blocks.{index}", frames)
    head = nn.Linear(WIDTH, FEATURES)
    parameters.linear("output", head)
    frames = head(frames)
    # Seven frames in three windows of 7 / 3, four frames in two windows of 2.
    nearest = torch.tensor([[0, 0, 1, 1, 1, 2, 2], [0, 0, 1, 1, 0, 0, 0]])
    output = frames.gather(1, nearest[..., None].expand(-1, -1, FEATURES))
    case(name, parameters, memory, output)


CASES = []
transformer_encoder("encoder-post-relu", False, "relu", False)
transformer_encoder("encoder-pre-gelu-sinusoidal", True, "gelu", True)
positional("positional-post-relu-learned", False, "relu", True)
positional("positional-pre-gelu", True, "gelu", False)
multi_window("multi-window-self-attention", False, ("relu", "gelu"))
multi_window("multi-window-pre", True, ("gelu", "relu"))
residual_encoder("residual-encoder")
residual_decoder("residual-decoder")


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list) else value


lines = ",\n".join(json.dumps(rounded(case)) for case in CASES)
text = f'{{"torch": "{torch.__version__}", "cases": [\n{lines}\n]}}\n'
pathlib.Path(__file__).with_name("layers.json").write_text(text)
