"""Writes outputs and gradients of the parts around attention: normalizers, norms, feed-forward networks, residuals.

    python scripts/parity/blocks.py

PyTorch has the norms and the activations; the sparse normalizers are written out here, by sorting, as in the papers.
"""

import math

import torch
from torch.nn import functional

from case import Case, causal, padding, write

# Distinct primes, so that no two axes can be confused.
B, T, S, H, K, F = 2, 7, 11, 3, 5, 13
D = H * K
LENGTHS = [S, 5]


# Normalizers over the last axis; blocked scores are far below the others.


def sparsemax(scores):
    """Martins, Astudillo 2016, algorithm 1."""
    ordered = scores.sort(-1, descending=True).values
    sums, k = ordered.cumsum(-1), torch.arange(1, scores.shape[-1] + 1)
    size = (1 + k * ordered > sums).sum(-1, keepdim=True)
    tau = (sums.gather(-1, size - 1) - 1) / size
    return (scores - tau).clamp(min=0)


def entmax15(scores):
    """Peters, Niculae, Martins 2019."""
    scores = scores / 2
    ordered = scores.sort(-1, descending=True).values
    candidates = []
    for k in range(1, scores.shape[-1] + 1):
        top = ordered[..., :k]
        mean = top.mean(-1, keepdim=True)
        rest = (1 - (top - mean).square().sum(-1, keepdim=True)) / k
        candidates.append(torch.where(rest > 0, mean - rest.clamp(min=1e-300).sqrt(), math.inf))
    tau = torch.cat(candidates, -1)
    size = (tau <= ordered).sum(-1, keepdim=True)
    return (scores - tau.gather(-1, size - 1)).clamp(min=0).square()


def heads(x):
    return x.reshape(B, x.shape[1], H, K).transpose(1, 2)


def normalizer_cases(fixture):
    masks = {"open": torch.zeros(T, S).bool(), "padded": padding(LENGTHS, S)[:, None, None], "causal": causal(S)[S - T :]}
    for function, scale in [(sparsemax, 1), (entmax15, 2)]:
        for name, mask in masks.items():
            case = Case(f"{function.__name__}/{name}", fixture)
            query, key, value = [case.input(*leaf, D) for leaf in [("query", B, T), ("key", B, S), ("value", B, S)]]
            scores = heads(query) @ heads(key).transpose(2, 3) * scale
            weights = function(scores.masked_fill(mask, -1e30))
            assert 0.2 < (weights == 0).double().mean() < 0.9
            case.result("weights", weights)
            case.output((weights @ heads(value)).transpose(1, 2).reshape(B, T, D))


# Norms.


def layer_norm(case, name, x, epsilon):
    return functional.layer_norm(x, [D], case.parameter(f"{name}.weight", D), case.parameter(f"{name}.bias", D), epsilon)


def rms_norm(case, name, x, epsilon):
    return functional.rms_norm(x, [D], case.parameter(f"{name}.weight", D), epsilon)


def norm_cases(fixture):
    for function in [layer_norm, rms_norm]:
        case = Case(function.__name__, fixture)
        x = case.input("x", B * T, D) / 64  # a variance so small that epsilon shows
        case.output(function(case, "norm", x, 1e-4))


# Feed-forward networks.


def gated(f):
    return lambda x: f(x[..., :F]) * x[..., F:]


ACTIVATIONS = {
    "relu": functional.relu,
    "gelu": functional.gelu,
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "silu": functional.silu,
    "glu": gated(torch.sigmoid),
    "reglu": gated(functional.relu),
    "geglu": gated(functional.gelu),
    "swiglu": gated(functional.silu),
}


def feed_forward(case, x, activation, bias):
    inner = 2 * F if activation.endswith("glu") else F

    def linear(name, x, d_in, d_out):
        y = x @ case.parameter(f"feed_forward.{name}.weight", d_in, d_out)
        return y + case.parameter(f"feed_forward.{name}.bias", d_out) if bias else y

    return linear("outer", ACTIVATIONS[activation](linear("inner", x, D, inner)), F, D)


def feed_forward_cases(fixture):
    for activation in ACTIVATIONS:
        for bias in [True, False]:
            case = Case(f"feed_forward/{activation}/{'bias' if bias else 'no_bias'}", fixture)
            x = case.input("x", B * T, D) * 4  # so large that the two forms of gelu differ
            case.output(feed_forward(case, x, activation, bias))


# Residual connections.


def residual_cases(fixture):
    for name, pre_norm in [("pre", True), ("post", False)]:
        case = Case(f"residual/{name}", fixture)
        x = case.input("x", B * T, D)
        if pre_norm:
            y = x + feed_forward(case, rms_norm(case, "residual.norm", x, 1e-2), "swiglu", False)
        else:
            y = rms_norm(case, "residual.norm", x + feed_forward(case, x, "swiglu", False), 1e-2)
        case.output(y)


if __name__ == "__main__":
    write(__doc__, "blocks.safetensors", [normalizer_cases, norm_cases, feed_forward_cases, residual_cases])
