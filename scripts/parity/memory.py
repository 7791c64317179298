"""Writes outputs and gradients of attention as pooling and as memory.

    python scripts/parity/memory.py

Pooling with learned queries, retrieval from an associative memory, learned slots beside a sequence: the papers' formulas
in plain PyTorch; one slot is `MultiheadAttention` with `add_bias_kv`.
"""

import math

import torch
from torch import nn
from torch.func import functional_call

from case import Case, causal, padding, write

# Distinct primes, so that no two axes can be confused.
B, T, S, H, K, A, M = 2, 7, 11, 3, 5, 13, 17
D = H * K
LENGTHS = [S, 5]
BETA = 1.75


def linear(case, name, x, d_in, d_out):
    return x @ case.parameter(f"{name}.weight", d_in, d_out) + case.parameter(f"{name}.bias", d_out)


def heads(x):
    """[B, L, H * K] to [B, H, L, K]."""
    return x.unflatten(-1, (H, K)).transpose(-3, -2)


def joined(x):
    return x.transpose(-3, -2).flatten(-2)


def weights_of(query, key, beta, blocked):
    return (beta * query @ key.transpose(-2, -1)).masked_fill(blocked, -math.inf).softmax(-1)


def pooling(fixture):
    case = Case("pooling/padded", fixture)
    x = case.input("x", B, S, D)
    hidden = torch.tanh(linear(case, "pooling.hidden", x, D, A))
    scores = (hidden @ case.parameter("pooling.queries", A, H)).transpose(1, 2)  # [B, H, S]
    weights = scores.masked_fill(padding(LENGTHS, S)[:, None], -math.inf).softmax(-1)
    case.result("weights", weights[:, :, None])
    case.result("penalty", ((weights @ weights.mT - torch.eye(H)) ** 2).sum((1, 2)))
    case.output((weights @ x).flatten(1)[:, None])


def penalty(fixture):
    case = Case("pooling/penalty", fixture)
    weights = case.input("weights", B, H, 1, S)[:, :, 0]
    case.output(((weights @ weights.mT - torch.eye(H)) ** 2).sum((1, 2)))


def hopfield(fixture):
    for iterations in [1, 3]:
        case = Case(f"hopfield/{iterations}", fixture)
        x, memory = case.input("x", B, T, D), case.input("memory", B, S, D)
        state = heads(linear(case, "hopfield.query", x, D, D))
        patterns, values = linear(case, "hopfield.key_value", memory, D, 2 * D).chunk(2, -1)
        patterns, values = heads(patterns), heads(values)
        blocked = padding(LENGTHS, S)[:, None, None]
        for _ in range(iterations - 1):
            state = weights_of(state, patterns, BETA, blocked) @ patterns
        weights = weights_of(state, patterns, BETA, blocked)
        case.result("weights", weights)
        case.output(linear(case, "hopfield.output", joined(weights @ values), D, D))


def energy(fixture):
    case = Case("energy", fixture)
    state, patterns = heads(case.input("state", B, T, D)), heads(case.input("patterns", B, S, D))
    rows = []
    for b, n in enumerate(LENGTHS):
        xi, x = state[b], patterns[b, :, :n]
        lse = torch.logsumexp(BETA * xi @ x.mT, -1) / BETA
        longest = x.square().sum(-1).amax(-1, keepdim=True)
        rows.append(-lse + xi.square().sum(-1) / 2 + math.log(n) / BETA + longest / 2)
    case.output(torch.stack(rows))


def slots(fixture):
    case = Case("slots/several", fixture)
    x = case.input("x", B, T, D)
    query, key, value = linear(case, "memory.qkv", x, D, 3 * D).chunk(3, -1)
    beside = [case.parameter(f"memory.slot_{part}", M, D).expand(B, M, D) for part in ["key", "value"]]
    key, value = torch.cat([beside[0], key], 1), torch.cat([beside[1], value], 1)
    blocked = causal(T) | padding([T, 3], T)[:, None, None]
    blocked = torch.cat([torch.zeros(B, 1, T, M).bool(), blocked], -1)
    weights = weights_of(heads(query), heads(key), 1 / math.sqrt(K), blocked)
    case.result("weights", weights)
    case.output(linear(case, "memory.output", joined(weights @ heads(value)), D, D))


def one_slot(fixture):
    case = Case("slots/one", fixture)
    x = case.input("x", B, T, D)
    module = nn.MultiheadAttention(D, H, add_bias_kv=True, batch_first=True, dtype=torch.float64)
    parameters = {
        "in_proj_weight": case.parameter("memory.qkv.weight", D, 3 * D).T,
        "in_proj_bias": case.parameter("memory.qkv.bias", 3 * D),
        "bias_k": case.parameter("memory.slot_key", 1, D)[None],
        "bias_v": case.parameter("memory.slot_value", 1, D)[None],
        "out_proj.weight": case.parameter("memory.output.weight", D, D).T,
        "out_proj.bias": case.parameter("memory.output.bias", D),
    }
    options = {"attn_mask": causal(T), "average_attn_weights": False}
    context, weights = functional_call(module, parameters, (x, x, x), options, strict=True)
    case.result("weights", weights.roll(1, -1))  # PyTorch puts the slot behind the sequence
    case.output(context)


if __name__ == "__main__":
    write(__doc__, "memory.safetensors", [pooling, penalty, hopfield, energy, slots, one_slot])
