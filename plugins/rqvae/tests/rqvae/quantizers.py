"""Writes quantizers.json: what independent implementations make of the same vectors and codebooks.

`ema`: `ResidualVQ` of vector-quantize-pytorch, several training steps under a mask.
`straight_through` and `gradient`: plain PyTorch, the graphs written out level by level; the rotation
is that of vector-quantize-pytorch.

    pip install torch vector-quantize-pytorch
    python quantizers.py

Made with torch 2.11.0 and vector-quantize-pytorch 1.32.0 on a CPU.
"""

import json
from pathlib import Path

import torch
from vector_quantize_pytorch import ResidualVQ
from vector_quantize_pytorch.vector_quantize_pytorch import rotate_to

ITEMS, WINDOWS, WIDTH, LEVELS, SIZE = 2, 7, 4, 3, 6
LENGTHS = [7, 5]
DECAY, BETA, GAMMA = 0.9, 0.25, 1.0
STEPS = 4


def numbers(tensor):
    return [float(f"{value:.9g}") for value in tensor.detach().double().flatten().tolist()]


def mask():
    return torch.arange(WINDOWS)[None, :] < torch.tensor(LENGTHS)[:, None]


def ema(codes, batches):
    """Indices and losses of every step, gradients of the losses, and the codebooks at the end."""
    quantizer = ResidualVQ(
        dim=WIDTH,
        num_quantizers=LEVELS,
        codebook_size=SIZE,
        decay=DECAY,
        eps=1e-5,
        commitment_weight=BETA,
        kmeans_init=False,
        threshold_ema_dead_code=0,
        rotation_trick=False,
    )
    for level, layer in enumerate(quantizer.layers):
        book = layer._codebook
        book.embed.data.copy_(codes[level][None])
        book.embed_avg.data.copy_(codes[level][None])
        book.cluster_size.data.fill_(1.0)
    quantizer.train()
    steps = []
    for batch in batches:
        vectors = batch.clone().requires_grad_()
        quantized, indices, losses = quantizer(vectors, mask=mask())
        losses.sum().backward()
        steps.append(
            {
                "vectors": numbers(batch),
                "indices": indices.flatten().tolist(),
                "quantized": numbers(quantized),
                "commitment": numbers(losses.sum()),
                "gradient": numbers(vectors.grad),
            }
        )
    books = [layer._codebook for layer in quantizer.layers]
    return {
        "steps": steps,
        "counts": numbers(torch.stack([book.cluster_size[0] for book in books])),
        "codes": numbers(torch.stack([book.embed[0] for book in books])),
    }


def cascade(codes, vectors, form):
    """Sum of the levels, commitment, and pull on the codes, in the graph that the form is named for."""
    valid = mask()[..., None]
    count = valid.sum() * WIDTH
    residual, outputs, commitment, pull = vectors, [], 0.0, 0.0
    for book in codes:
        distances = torch.cdist(residual.detach(), book.detach()[None].expand(ITEMS, -1, -1))
        chosen = book[distances.argmin(-1)]
        commitment = commitment + (((residual - chosen.detach()) ** 2) * valid).sum() / count
        pull = pull + (((residual.detach() - chosen) ** 2) * valid).sum() / count
        through = residual + (chosen - residual).detach()
        outputs.append(through)
        if form == "residual":
            residual = residual - through
        else:
            residual = residual - chosen.detach()
    total = sum(outputs)
    if form == "sum":
        total = vectors + (total - vectors).detach()
    if form == "rotation":
        total = rotate_to(vectors, total.detach())
    return total * valid, BETA * commitment, GAMMA * pull


def straight_through(codes, batch, upstream):
    found = {}
    for form in ["sum", "per-level", "residual", "rotation"]:
        gradients = []
        for part in range(2):
            vectors = batch.clone().requires_grad_()
            total, commitment, _ = cascade(codes, vectors, form)
            scalar = (total * upstream).sum() if part == 0 else commitment
            scalar.backward()
            gradients.append(numbers(vectors.grad))
        found[form] = {"quantized": gradients[0], "commitment": gradients[1]}
    return {"upstream": numbers(upstream), **found}


def gradient(codes, batches, rate):
    """Steps of plain gradient descent on the codebooks."""
    codes = codes.clone().requires_grad_()
    steps = []
    for batch in batches:
        vectors = batch.clone().requires_grad_()
        _, commitment, pull = cascade(codes, vectors, "sum")
        value = commitment + pull
        codes.grad = None
        value.backward()
        steps.append(
            {
                "commitment": numbers(value),
                "vectors_gradient": numbers(vectors.grad),
                "codes_gradient": numbers(codes.grad),
            }
        )
        with torch.no_grad():
            codes -= rate * codes.grad
    return {"rate": rate, "steps": steps, "codes": numbers(codes)}


def main():
    torch.manual_seed(5)
    codes = torch.randn(LEVELS, SIZE, WIDTH) * torch.tensor([1.0, 0.6, 0.4])[:, None, None]
    batches = [torch.randn(ITEMS, WINDOWS, WIDTH) for _ in range(STEPS)]
    upstream = torch.randn(ITEMS, WINDOWS, WIDTH)
    result = {
        "items": ITEMS,
        "windows": WINDOWS,
        "width": WIDTH,
        "levels": LEVELS,
        "size": SIZE,
        "lengths": LENGTHS,
        "start": numbers(codes),
        "ema": ema(codes, batches),
        "straight_through": straight_through(codes, batches[0], upstream),
        "gradient": gradient(codes, batches, 0.5),
    }
    path = Path(__file__).with_name("quantizers.json")
    path.write_text(json.dumps(result, separators=(",", ":")) + "\n")


main()
