"""Writes what a small transformer gives with each choice of its configuration that PyTorch's own layers do not have.

    python scripts/parity/choices.py

One encoder layer and one decoder layer, written out: pre-norm, embeddings tied but in the last case. Biases, masks and windows
are dense here, and every pair of positions has a score.
"""

import math

import torch
from torch.nn import functional

from blocks import entmax15, sparsemax
from case import Case, causal, padding, write
from formula import ids
from positions import bucket, rotated_halves, rotated_neighbours, slopes

B, T, S, H, K, F, V = 2, 7, 11, 3, 4, 13, 17
D = H * K
SOURCE_V = 19  # where nothing is tied
SOURCE_LENGTHS, TARGET_LENGTHS = [S, 5], [3, T]
BLOCKED = -1e30


def linear(case, name, x, width):
    bias = case.parameter(f"{name}.bias", width) if case.choice.get("bias", True) else 0
    return x @ case.parameter(f"{name}.weight", x.shape[-1], width) + bias


def norm(case, name, x):
    weight = case.parameter(f"{name}.weight", D)
    if case.choice.get("norm") == "rms":
        return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weight
    return functional.layer_norm(x, [D], weight, case.parameter(f"{name}.bias", D), 1e-5)


def split(x):
    return x.unflatten(-1, (-1, K)).transpose(1, 2)


def attend(case, name, query, key, value, blocked, bias=0):
    """[B, T, D] of heads [B, H, T, K] that look at heads [B, H_kv, S, K]."""
    key, value = (x.repeat_interleave(H // x.shape[1], 1) for x in [key, value])
    scale = K**-0.5
    if case.choice.get("cosine"):
        factor = case.parameter(f"{name}.query_key_norm.scale", H)
        query, key = functional.normalize(query, dim=3) * factor[:, None, None], functional.normalize(key, dim=3)
        scale = 1.0
    scores = query @ key.transpose(2, 3) * scale + bias
    normalize = case.choice.get("normalizer", lambda scores: scores.softmax(-1))
    weights = normalize(scores.masked_fill(blocked, BLOCKED)).masked_fill(blocked, 0)
    return (weights @ value).transpose(1, 2).flatten(2)


def distance_bias(case, side, length):
    """What a stack adds to the scores of its self-attention."""
    distance = torch.arange(length)[None, :] - torch.arange(length)[:, None]
    match case.choice.get("positions"):
        case "alibi":
            return -torch.tensor(slopes(H), dtype=torch.float64)[:, None, None] * distance.abs()
        case "t5":
            buckets = bucket(distance, side == "source", 8, 12)
            return case.parameter(f"{side}_positions.buckets.weight", 8, H)[buckets].permute(2, 0, 1)
    return 0


def self_attention(case, name, x, blocked, bias):
    choice, length = case.choice, x.shape[1]
    key_heads = choice.get("n_kv_heads", H)
    qkv = linear(case, f"{name}.qkv", x, D + 2 * key_heads * K)
    query, key, value = (split(part) for part in qkv.split([D, key_heads * K, key_heads * K], 2))
    position = torch.arange(length)
    if "window" in choice:
        blocked = blocked | ((position[None, :] - position[:, None]).abs() > choice["window"])
    if rotate := choice.get("rotate"):
        query, key = (rotate(x, position[None], 10000) for x in [query, key])
    if choice.get("positions") == "shaw":
        table = case.parameter(f"{name}.relative.key", 2 * 4 + 1, K)
        vectors = table[(position[None, :] - position[:, None]).clamp(-4, 4) + 4]  # [T, S, K]
        bias = bias + torch.einsum("bhtk,tsk->bhts", query, vectors) * K**-0.5
    if choice.get("attention") == "linear":
        features = choice.get("features", lambda x: functional.elu(x) + 1)
        query, key = features(query), features(key)
        weights = (query @ key.transpose(2, 3)).masked_fill(blocked, 0)
        context = (weights / weights.sum(-1, keepdim=True) @ value).transpose(1, 2).flatten(2)
    elif slots := choice.get("slots"):
        add = lambda part, x: torch.cat([split(case.parameter(f"{name}.slot_{part}", slots, D)[None]).expand(B, -1, -1, -1), x], 2)
        blocked = functional.pad(blocked.expand(B, 1, length, length), (slots, 0), value=False)
        context = attend(case, name, query, add("key", key), add("value", value), blocked)
    else:
        context = attend(case, name, query, key, value, blocked, bias)
    return linear(case, f"{name}.output", context, D)


def cross_attention(case, name, x, memory, blocked):
    key_heads = case.choice.get("n_kv_heads", H)
    query = linear(case, f"{name}.query", x, D)
    key, value = linear(case, f"{name}.key_value", memory, 2 * key_heads * K).chunk(2, 2)
    context = attend(case, name, split(query), split(key), split(value), blocked)
    return linear(case, f"{name}.output", context, D)


def feed_forward(case, name, x):
    gated, f = case.choice.get("activation", (False, torch.relu))
    inner = linear(case, f"{name}.inner", x, 2 * F if gated else F)
    inner = f(inner[..., :F]) * inner[..., F:] if gated else f(inner)
    return linear(case, f"{name}.outer", inner, D)


def embed(case, side, ids):
    own = side == "source" and case.choice.get("untied")
    table = case.parameter("source_embedding.weight", SOURCE_V, D) if own else case.parameter("target_embedding.weight", V, D)
    x = functional.embedding(ids, table) * math.sqrt(D)
    if case.choice.get("positions") == "learned":
        x = x + case.parameter(f"{side}_positions.learned.weight", 13, D)[: ids.shape[1]]
    return x


def model_case(fixture, name, **choice):
    case = Case(name, fixture)
    case.choice = choice

    def residual(name, x, f):
        return x + f(norm(case, f"{name}_residual.norm", x))

    source_blocked = padding(SOURCE_LENGTHS, S)[:, None, None]
    layer, bias = "encoder.layers.0", distance_bias(case, "source", S)
    x = embed(case, "source", ids("source", SOURCE_V if choice.get("untied") else V, B, S))
    attention = f"{layer}.self_attention"
    x = residual(attention, x, lambda x: self_attention(case, attention, x, source_blocked, bias))
    x = residual(f"{layer}.feed_forward", x, lambda x: feed_forward(case, f"{layer}.feed_forward", x))
    memory = norm(case, "encoder.norm", x)

    layer, target_bias = "decoder.layers.0", distance_bias(case, "target", T)
    x = embed(case, "target", ids("target_in", V, B, T))
    past, source = f"{layer}.self_attention", f"{layer}.cross_attention"
    x = residual(past, x, lambda x: self_attention(case, past, x, causal(T)[None, None], target_bias))
    x = residual(source, x, lambda x: cross_attention(case, source, x, memory, source_blocked))
    x = residual(f"{layer}.feed_forward", x, lambda x: feed_forward(case, f"{layer}.feed_forward", x))
    hidden = norm(case, "decoder.norm", x)

    case.result("hidden", hidden)
    if choice.get("untied"):
        logits = hidden @ case.parameter("output.weight", D, V) + case.parameter("output.bias", V)
    else:
        logits = hidden @ case.parameter("target_embedding.weight", V, D).T
    real = ~padding(TARGET_LENGTHS, T)
    objective = functional.cross_entropy(logits[real], ids("target_out", V, B, T)[real], reduction="sum")
    case.result("objective", objective)
    case.differentiate(objective)


def cases(fixture):
    gelu, gelu_tanh = functional.gelu, lambda x: functional.gelu(x, approximate="tanh")
    model_case(fixture, "rotary", rotate=rotated_neighbours, cosine=True, norm="rms",
               activation=(True, functional.silu), bias=False)
    model_case(fixture, "rotary_halves", rotate=rotated_halves, n_kv_heads=1, window=3)
    model_case(fixture, "alibi", positions="alibi", window=2, activation=(False, gelu))
    model_case(fixture, "t5", positions="t5", normalizer=entmax15, activation=(True, gelu))
    model_case(fixture, "shaw", positions="shaw", normalizer=sparsemax, activation=(False, gelu_tanh))
    model_case(fixture, "linear", attention="linear", positions="learned", activation=(True, torch.sigmoid))
    model_case(fixture, "linear_relu", attention="linear", features=lambda x: x.clamp(min=1e-6))
    model_case(fixture, "memory", slots=5, activation=(True, torch.relu))
    model_case(fixture, "window", window=3, activation=(False, functional.silu))
    model_case(fixture, "untied", positions="learned", untied=True)


if __name__ == "__main__":
    write(__doc__, "choices.safetensors", [cases])
