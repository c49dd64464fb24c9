"""The model of rqvae_speed.rs in PyTorch, with the same lines.

    python3 -m pip install torch numpy && python3 rqvae_speed.py THREADS

Same shapes, same layers, AdamW, and the codebooks by moving averages. Times are medians of a
training step: forward, backward and update.
"""

import sys
import time

import torch
from torch import nn
from torch.nn import functional

ITEMS, FEATURES, WINDOW, STRIDE, LEVELS, CODES = 8, 80, 25, 12, 8, 256
SIZES = [(128, 4, 250), (256, 8, 250)]
DROPOUTS = [0.1, 0.0]
ROUNDS, WARM_UP = 15, 3


class Pooling(nn.Module):
    """Mean and deviation of each window under attention, all windows in one call."""

    def __init__(self, width):
        super().__init__()
        self.hidden, self.score = nn.Linear(width, 128), nn.Linear(128, 1)
        self.projection = nn.Linear(2 * width, width)

    def forward(self, frames):
        count = frames.shape[1]
        windows = -(-(count - WINDOW) // STRIDE) + 1
        total = (windows - 1) * STRIDE + WINDOW
        valid = (torch.arange(total) < count).expand(frames.shape[0], -1)
        frames = functional.pad(frames, (0, 0, 0, total - count))
        cut = frames.unfold(1, WINDOW, STRIDE).transpose(2, 3)
        valid = valid.unfold(1, WINDOW, STRIDE)
        scores = self.score(self.hidden(cut).tanh()).squeeze(-1)
        weights = scores.masked_fill(~valid, -1e30).softmax(-1)[..., None]
        mean = (cut * weights).sum(2, keepdim=True)
        deviation = ((cut - mean).square() * weights).sum(2, keepdim=True).clamp_min(1e-12).sqrt()
        return self.projection(torch.cat([mean, deviation], -1).squeeze(2))


class Quantizer(nn.Module):
    """Residual codebooks by moving averages; one straight-through step over their sum."""

    def __init__(self, width):
        super().__init__()
        codes = torch.rand(LEVELS, CODES, width) - 0.5
        self.register_buffer("codes", codes)
        self.register_buffer("sums", codes.clone())
        self.register_buffer("counts", torch.ones(LEVELS, CODES))

    def forward(self, vectors, decay=0.9, weight=0.25):
        rows = vectors.reshape(-1, vectors.shape[-1])
        residual, total, loss = rows.detach(), torch.zeros_like(rows), 0.0
        for level in range(LEVELS):
            codes = self.codes[level]
            with torch.no_grad():
                indices = (codes.square().sum(1) - 2 * residual @ codes.T).argmin(1)
                chosen = codes[indices]
                hot = functional.one_hot(indices, CODES).to(rows.dtype)
                counts = self.counts[level].mul_(decay).add_(hot.sum(0), alpha=1 - decay)
                sums = self.sums[level].mul_(decay).add_(hot.T @ residual, alpha=1 - decay)
                size = (counts + 1e-5) / (counts.sum() + CODES * 1e-5) * counts.sum()
            total = total + chosen
            loss = loss + (rows - total).square().mean()
            residual = residual - chosen
            self.codes[level] = sums / size[:, None]
        quantized = rows + (total - rows).detach()
        return quantized.reshape(vectors.shape), weight * loss


class Block(nn.Module):
    """Self-attention, attention to the codes, and a feed-forward part, each after a norm."""

    def __init__(self, width, heads, dropout):
        super().__init__()
        options = dict(dropout=dropout, batch_first=True, norm_first=True)
        self.own = nn.TransformerEncoderLayer(width, heads, 4 * width, **options)
        self.cross_norm, self.feed_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.cross = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.feed = nn.Sequential(
            nn.Linear(width, 4 * width), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(4 * width, width),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames, memory):
        frames = self.own(frames)
        seen = self.cross(self.cross_norm(frames), memory, memory, need_weights=False)[0]
        frames = frames + self.dropout(seen)
        return frames + self.dropout(self.feed(self.feed_norm(frames)))


def sinusoids(positions, width):
    rates = 10000.0 ** (-torch.arange(width // 2) / (width // 2))
    angles = positions[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], -1)


class Model(nn.Module):
    def __init__(self, width, heads, dropout):
        super().__init__()
        self.width = width
        self.input, self.input_norm = nn.Linear(FEATURES, width), nn.LayerNorm(width)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=dropout, batch_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(width))
        self.pooling, self.quantizer = Pooling(width), Quantizer(width)
        self.memory_norm, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(2))
        self.output = nn.Linear(width, FEATURES)

    def forward(self, features):
        count = features.shape[1]
        positions = sinusoids(torch.arange(float(count)), self.width)
        encoded = self.encoder(self.input_norm(self.input(features)) + positions)
        memory, loss = self.quantizer(self.pooling(encoded))
        windows = memory.shape[1]
        centers = (torch.arange(windows) + 0.5) * count / windows - 0.5
        memory = self.memory_norm(memory + sinusoids(centers, self.width))
        frames = positions.expand(features.shape[0], -1, -1)
        for block in self.blocks:
            frames = block(frames, memory)
        return self.output(self.norm(frames)), loss


def step(width, heads, frames, dropout):
    torch.manual_seed(0)
    model = Model(width, heads, dropout)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, foreach=True)
    times = []
    for _ in range(WARM_UP + ROUNDS):
        features = torch.rand(ITEMS, frames, FEATURES)
        start = time.perf_counter()
        reconstruction, loss = model(features)
        loss = (reconstruction - features).square().mean() + loss
        forward = time.perf_counter() - start
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        times.append((time.perf_counter() - start, forward))
    total, forward = sorted(times[WARM_UP:])[ROUNDS // 2]
    windows = -(-(frames - WINDOW) // STRIDE) + 1
    print(
        f"{ITEMS} items of {frames} frames, {windows} windows, width {width}, "
        f"dropout {dropout:.1f}, {torch.get_num_threads()} threads: "
        f"{1e3 * total:6.1f} ms, of which forward {1e3 * forward:.1f}",
        flush=True,
    )


torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
for width, heads, frames in SIZES:
    for dropout in DROPOUTS:
        step(width, heads, frames, dropout)
