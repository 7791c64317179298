"""Times a training step of the same model in PyTorch: the peer of `regard bench train`.

    python scripts/bench/train.py --threads 2 [--model bahdanau] [the shape flags of `regard bench train`]
    python scripts/bench/train.py --device cuda --precision bf16 [--compile] [the shape flags]

The recipe of the transformer: encoder-decoder, pre-norm with a final norm, ReLU, all embeddings and the output map tied,
sinusoids, residual and no other dropout 0.1, label smoothing 0.1, Adam, clipping of the global norm to 1; f32; packed
projections and scaled_dot_product_attention. Padding (the last eighth of every source, or what --shortest leaves) is blocked
and left out of the loss, and otherwise computed like the rest: PyTorch's layers know no other way.

The recipe of `bahdanau` (bahdanau.py): one layer a side, a bidirectional encoder, output from state, context and embedding,
all embeddings and the output map tied, dropout 0.1 before the output map and no other; loss, Adam and clipping as above.

bf16 is autocast around the forward pass, with f32 parameters and optimiser; Adam is PyTorch's fused one on a GPU. The loss of a step is
read while the next one runs, as `regard bench train` does. `--compile` is torch.compile of the model, warmed up with 5 steps instead of 2.

Prints one JSON object with the keys of `regard bench train --json`.
"""

import argparse
import json
import math
import resource
import statistics
import time

import torch
from torch import nn
from torch.nn import functional

from bahdanau import Bahdanau


class Attention(nn.Module):
    """Self-attention of x, or attention of x to a memory."""

    def __init__(self, width, heads, cross):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width if cross else 3 * width)
        self.key_value = nn.Linear(width, 2 * width) if cross else None
        self.output = nn.Linear(width, width)

    def forward(self, x, memory=None, mask=None, is_causal=False):
        if self.key_value is None:
            parts = self.query(x).chunk(3, -1)
        else:
            parts = self.query(x), *self.key_value(memory).chunk(2, -1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        context = functional.scaled_dot_product_attention(query, key, value, mask, is_causal=is_causal)
        return self.output(context.transpose(1, 2).flatten(-2))


class Layer(nn.Module):
    def __init__(self, width, inner, heads, has_memory):
        super().__init__()
        self.self_attention = Attention(width, heads, cross=False)
        self.cross_attention = Attention(width, heads, cross=True) if has_memory else None
        self.feed_forward = nn.Sequential(nn.Linear(width, inner), nn.ReLU(), nn.Linear(inner, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3 if has_memory else 2))

    def forward(self, x, memory, mask):
        def residual(norm, f):
            return x + functional.dropout(f(norm(x)), 0.1, self.training)

        norms = iter(self.norms)
        if self.cross_attention is None:
            x = residual(next(norms), lambda y: self.self_attention(y, mask=mask))
        else:
            x = residual(next(norms), lambda y: self.self_attention(y, is_causal=True))
            x = residual(next(norms), lambda y: self.cross_attention(y, memory, mask))
        return residual(next(norms), self.feed_forward)


class Transformer(nn.Module):
    def __init__(self, shape):
        super().__init__()
        width = shape.d_model
        self.embedding = nn.Embedding(shape.vocabulary, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        stack = lambda has_memory: nn.ModuleList(
            Layer(width, shape.d_ff, shape.n_heads, has_memory) for _ in range(shape.layers)
        )
        self.encoder, self.decoder = stack(False), stack(True)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        position = torch.arange(max(shape.source_length, shape.target_length))[:, None]
        angle = position / 10000 ** (torch.arange(0, width, 2) / width)
        self.register_buffer("sinusoids", torch.stack([angle.sin(), angle.cos()], 2).flatten(1))

    def embed(self, ids):
        return self.embedding(ids) * math.sqrt(self.embedding.embedding_dim) + self.sinusoids[: ids.shape[1]]

    def forward(self, source, target, source_lengths):
        mask = is_real(source_lengths, source.shape[1], source.device)[:, None, None]
        memory = self.embed(source)
        for layer in self.encoder:
            memory = layer(memory, None, mask)
        memory = self.norms[0](memory)
        x = self.embed(target)
        for layer in self.decoder:
            x = layer(x, memory, mask)
        return self.norms[1](x) @ self.embedding.weight.T


def lengths(shape):
    """Real tokens of each source and of each target."""
    if shape.shortest is None:
        return [shape.source_length - shape.source_length // 8] * shape.batch, [shape.target_length] * shape.batch
    last = max(shape.batch - 1, 1)
    return [
        [longest - (longest - min(shape.shortest, longest)) * row // last for row in range(shape.batch)]
        for longest in (shape.source_length, shape.target_length)
    ]


def is_real(lengths, length, device):
    """Which of so many positions stand for a token, `[B, length]`."""
    return torch.arange(length, device=device) < torch.tensor(lengths, device=device)[:, None]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", choices=["transformer", "bahdanau"], default="transformer")
    arguments.add_argument("--encoder", choices=["padded", "packed"], default="padded", help="of bahdanau: see bahdanau.py")
    defaults = {"layers": None, "d-model": 256, "d-ff": 1024, "n-heads": 4, "vocabulary": 8000, "batch": 64,
                "source-length": 32, "target-length": 32, "steps": 10, "threads": 2, "seed": 1}
    for name, value in defaults.items():
        arguments.add_argument(f"--{name}", type=int, default=value)
    arguments.add_argument("--shortest", type=int, help="spread lengths evenly from so many real tokens; as regard")
    arguments.add_argument("--device", default="cpu", help="cpu or cuda")
    arguments.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    arguments.add_argument("--compile", action="store_true", help="torch.compile instead of eager")
    arguments.add_argument("--json", action="store_true", help="as regard; there is no other form")
    shape = arguments.parse_args()
    if shape.model == "bahdanau" and shape.layers not in (None, 1):
        arguments.error("bahdanau has one layer a side")
    shape.layers = shape.layers or 3
    torch.set_num_threads(shape.threads)
    torch.manual_seed(shape.seed)

    device = torch.device(shape.device)
    model = (Transformer(shape) if shape.model == "transformer" else Bahdanau(shape)).to(device)
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, lr=1e-3, betas=(0.9, 0.98), eps=1e-9, fused=device.type == "cuda" or None)
    source_lengths, target_lengths = lengths(shape)
    is_padding = ~is_real(target_lengths, shape.target_length, device)
    warm_up = 5 if shape.compile else 2
    if shape.compile:
        model = torch.compile(model)
    seconds, pending = [], None
    for step in range(warm_up + shape.steps):
        ids = lambda length: torch.randint(shape.vocabulary, (shape.batch, length), device=device)
        source, target, output = ids(shape.source_length), ids(shape.target_length), ids(shape.target_length)
        output.masked_fill_(is_padding, -100)  # what cross_entropy ignores
        begun = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=shape.precision == "bf16"):
            logits = model(source, target, source_lengths)
        loss = functional.cross_entropy(logits.flatten(0, 1).float(), output.flatten(), label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        # A GPU has this step to compute while the one before is waited for; the processor is done.
        earlier, pending = pending, loss.detach()
        if earlier is not None:
            earlier.item()
        if step >= warm_up:
            seconds.append(time.perf_counter() - begun)
    pending.item()
    median = statistics.median(seconds)
    print(json.dumps({
        "seconds_per_step": median,
        "target_tokens_per_second": sum(target_lengths) / median,
        "parameters": sum(parameter.numel() for parameter in parameters),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }))


if __name__ == "__main__":
    main()
