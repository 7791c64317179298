"""Writes outputs and gradients of scaled dot-product attention in all its forms.

    python scripts/parity/attention.py
"""

import torch
from torch.nn import functional

from case import Case, causal, padding, write

B, T, S, K, K_V = 2, 7, 11, 5, 3
H, H_KV = 6, 3
D = H * K
LENGTHS = [S, 5]


def split(x, width):
    """[B, L, H * K] to [B, H, L, K]."""
    return x.unflatten(2, (-1, width)).transpose(1, 2)


def attend(case, query, key, value, blocked, bias=0.0, scale=K**-0.5):
    """Context [B, T, H * K_v], by the formula; weights are a result of the case."""
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scores = query @ key.transpose(2, 3) * scale + bias
    weights = scores.masked_fill(blocked, -torch.inf).softmax(3).nan_to_num(0.0)
    case.result("weights", weights)
    return (weights @ value).transpose(1, 2).flatten(2)


def function_cases(fixture):
    i, j = torch.arange(T)[:, None] + S - T, torch.arange(S)
    block = torch.tensor([0] * 3 + [1] * 5 + [2] * 3)
    graph = torch.ones(S, S, dtype=torch.bool)
    for source, target in [(0, 5), (3, 5), (10, 5), (4, 7), (7, 7), (2, 10)]:
        graph[target, source] = False
    masks = {
        "none": torch.zeros(T, S, dtype=torch.bool),
        "causal": j > i,
        "padding": padding(LENGTHS, S)[:, None, None],
        "window": (j < i - 2) | (j > i + 1),
        "blocks": block[i] != block[j],
        "causal_blocks": (block[i] != block[j]) | (j > i),
    }
    for name, blocked in masks.items():
        case = Case(f"function/{name}", fixture)
        shapes = {"query": (T, H * K), "key": (S, H_KV * K), "value": (S, H_KV * K_V)}
        query, key, value = (case.input(name, B, *shape) for name, shape in shapes.items())
        bias = case.input("bias", 1, H, T, S)
        query, key, value = split(query, K), split(key, K), split(value, K_V)
        context = attend(case, query, key, value, blocked, bias)
        if name == "none":  # the formula is PyTorch's
            theirs = functional.scaled_dot_product_attention(query, key, value, bias, enable_gqa=True)
            torch.testing.assert_close(context, theirs.transpose(1, 2).flatten(2))
        case.output(context)

    # PyTorch's gradients of rows without a visible key are not a number: the edges of the graph are gathered instead.
    case = Case("function/graph", fixture)
    query, key, value = case.input("query", B, S, K), case.input("key", B, S, K), case.input("value", B, S, K_V)
    context = torch.zeros(B, S, K_V, dtype=torch.float64)
    for target in range(S):
        sources = (~graph[target]).nonzero().flatten()
        if len(sources) > 0:
            scores = key[:, sources] @ query[:, target, :, None] * K**-0.5
            context[:, target] = (scores.softmax(1) * value[:, sources]).sum(1)
    case.output(context)


def project(case, name, x, d_out, bias):
    y = x @ case.parameter(f"attention.{name}.weight", D, d_out)
    return y + case.parameter(f"attention.{name}.bias", d_out) if bias else y


def module(case, x, memory, blocked, packed, h_kv, norm, bias):
    """Ours, with self-attention's one packed map or cross-attention's two."""
    if packed:
        query, key, value = project(case, "qkv", x, D + 2 * h_kv * K, bias).split([D, h_kv * K, h_kv * K], 2)
    else:
        query = project(case, "query", x, D, bias)
        key, value = project(case, "key_value", memory, 2 * h_kv * K, bias).chunk(2, 2)
    query, key, value = (split(part, K) for part in [query, key, value])
    scale = K**-0.5
    if norm:
        factor = case.parameter("attention.query_key_norm.scale", H)
        query, key = functional.normalize(query, dim=3) * factor[:, None, None], functional.normalize(key, dim=3)
        scale = 1.0
    return project(case, "output", attend(case, query, key, value, blocked, scale=scale), D, bias)


def module_cases(fixture):
    forms = {"multi_query": (1, False, True), "grouped": (H_KV, False, False), "cosine": (H_KV, True, True)}
    for name, (h_kv, norm, bias) in forms.items():
        case = Case(f"self/{name}", fixture)
        x = case.input("x", B, T, D)
        case.output(module(case, x, x, causal(T), True, h_kv, norm, bias))

        case = Case(f"cross/{name}", fixture)
        x, memory = case.input("x", B, T, D), case.input("memory", B, S, D)
        blocked = padding(LENGTHS, S)[:, None, None]
        case.output(module(case, x, memory, blocked, False, h_kv, norm, bias))


if __name__ == "__main__":
    write(__doc__, "attention.safetensors", [function_cases, module_cases])
