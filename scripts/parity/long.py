"""Writes outputs, weights and gradients of attention at a cost that grows with the length.

    python scripts/parity/long.py

The window is PyTorch's attention under a band mask. Linear attention is the sum over pairs of the paper's equation 4,
https://arxiv.org/abs/2006.16236, with PyTorch's elu, relu and softmax.
"""

import torch
from torch.nn import functional

from case import Case, causal, padding, write

# Distinct primes, so that no two axes can be confused.
B, H, K, VALUE = 2, 3, 5, 7
D = H * K
FLOOR = 1e-6  # the least feature


def split(x, heads):
    """[B, L, heads * K] to [B, heads, L, K]."""
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def join(x):
    return x.transpose(1, 2).flatten(2)


# The window: more positions than a chunk reaches.

LENGTH, LENGTHS = 41, [41, 39]
BEFORE, AFTER = 3, 2


def band(before, after):
    """True = visible."""
    distance = torch.arange(LENGTH) - torch.arange(LENGTH)[:, None]
    return (distance >= -before) & (distance <= after)


def window_cases(fixture):
    unpadded = ~padding(LENGTHS, LENGTH)[:, None, None]
    for name, visible, key_heads in [
        ("causal", band(BEFORE, 0), H),
        ("padded", band(BEFORE, AFTER) & unpadded, H),
        ("grouped", band(BEFORE, AFTER), 1),
    ]:
        case = Case(f"window/{name}", fixture)
        query = split(case.input("query", B, LENGTH, D), H)
        key = split(case.input("key", B, LENGTH, key_heads * K), key_heads)
        value = split(case.input("value", B, LENGTH, key_heads * VALUE), key_heads)

        def attend(value):
            return functional.scaled_dot_product_attention(query, key, value, attn_mask=visible, enable_gqa=True)

        if name == "padded":
            # The contexts of one-hot values are the weights.
            one_hot = torch.eye(LENGTH, dtype=torch.float64).expand(B, key_heads, LENGTH, LENGTH)
            case.result("weights", attend(one_hot))
        case.output(join(attend(value)))


# Linear attention: few positions with weights, and more than a chunk holds without.

FEATURES = {
    "elu_plus_one": lambda x: functional.elu(x) + 1,
    "relu": functional.relu,
    "softmax": lambda x: functional.softmax(x, -1),
}


def linear_attention(case, query, key, value, features, blocked, name):
    """Contexts; weights for the fixture, under `name`."""
    query, key = (FEATURES[features](split(x, H)).clamp_min(FLOOR) for x in (query, key))
    products = (query @ key.transpose(2, 3)).masked_fill(blocked, 0)
    weights = products / products.sum(-1, keepdim=True)
    if name:
        case.result(name, weights)
    return join(weights @ split(value, H))


def pair_cases(fixture):
    for features in FEATURES:
        case = Case(f"linear/{features}", fixture)
        query, key = case.input("query", B, 7, D), case.input("key", B, 11, D)
        value = case.input("value", B, 11, H * VALUE)
        blocked = padding([11, 5], 11)[:, None, None]
        case.output(linear_attention(case, query, key, value, features, blocked, "weights"))


def module_cases(fixture):
    for length in [7, 67]:
        padded = padding([length, length - 4], length)[:, None, None]
        for name, blocked in [("padded", padded), ("causal", causal(length)), ("both", causal(length) | padded)]:
            case = Case(f"linear/module/{name}/{length}", fixture)
            x = case.input("x", B, length, D)
            projected = x @ case.parameter("attention.qkv.weight", D, 3 * D) + case.parameter("attention.qkv.bias", 3 * D)
            query, key, value = projected.chunk(3, dim=2)
            weights = "weights" if length == 7 else None
            context = linear_attention(case, query, key, value, "elu_plus_one", blocked, weights)
            weight, bias = case.parameter("attention.output.weight", D, D), case.parameter("attention.output.bias", D)
            case.output(context @ weight + bias)


if __name__ == "__main__":
    write(__doc__, "long.safetensors", [window_cases, pair_cases, module_cases])
