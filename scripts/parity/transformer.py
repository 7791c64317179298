"""Writes outputs and gradients of PyTorch's transformer parts: what crates/regard-nn is held to.

    python scripts/parity/transformer.py

PyTorch's parameters are made of ours inside the graph, so that gradients come out under our names and in our layout:
matrices [in, out], packed projections.
"""

import math

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from case import Case, causal, padding, write
from formula import ids, numbers, parameter

# Distinct primes, so that no two axes can be confused.
B, T, S, H, K, F = 2, 7, 11, 3, 5, 13
SOURCE_VOCABULARY, TARGET_VOCABULARY = 19, 17
D = H * K
SOURCE_LENGTHS, TARGET_LENGTHS = [S, 5], [3, T]
SMOOTHING = 0.1


# PyTorch's parameters, made of ours.


def linear(case, ours, theirs, d_in, d_out):
    return {
        f"{theirs}.weight": case.parameter(f"{ours}.weight", d_in, d_out).T,
        f"{theirs}.bias": case.parameter(f"{ours}.bias", d_out),
    }


def norm(case, ours, theirs):
    return {f"{theirs}.{part}": case.parameter(f"{ours}.{part}", D) for part in ["weight", "bias"]}


def self_attention(case, ours, theirs):
    return {
        f"{theirs}.in_proj_weight": case.parameter(f"{ours}.qkv.weight", D, 3 * D).T,
        f"{theirs}.in_proj_bias": case.parameter(f"{ours}.qkv.bias", 3 * D),
        **linear(case, f"{ours}.output", f"{theirs}.out_proj", D, D),
    }


def cross_attention(case, ours, theirs):
    weights = [case.parameter(f"{ours}.query.weight", D, D), case.parameter(f"{ours}.key_value.weight", D, 2 * D)]
    biases = [case.parameter(f"{ours}.query.bias", D), case.parameter(f"{ours}.key_value.bias", 2 * D)]
    return {
        f"{theirs}.in_proj_weight": torch.cat(weights, 1).T,
        f"{theirs}.in_proj_bias": torch.cat(biases),
        **linear(case, f"{ours}.output", f"{theirs}.out_proj", D, D),
    }


def encoder_layer(case, ours, theirs):
    return {
        **self_attention(case, f"{ours}.self_attention", f"{theirs}.self_attn"),
        **norm(case, f"{ours}.self_attention_residual.norm", f"{theirs}.norm1"),
        **linear(case, f"{ours}.feed_forward.inner", f"{theirs}.linear1", D, F),
        **linear(case, f"{ours}.feed_forward.outer", f"{theirs}.linear2", F, D),
        **norm(case, f"{ours}.feed_forward_residual.norm", f"{theirs}.norm2"),
    }


def decoder_layer(case, ours, theirs):
    return {
        **self_attention(case, f"{ours}.self_attention", f"{theirs}.self_attn"),
        **norm(case, f"{ours}.self_attention_residual.norm", f"{theirs}.norm1"),
        **cross_attention(case, f"{ours}.cross_attention", f"{theirs}.multihead_attn"),
        **norm(case, f"{ours}.cross_attention_residual.norm", f"{theirs}.norm2"),
        **linear(case, f"{ours}.feed_forward.inner", f"{theirs}.linear1", D, F),
        **linear(case, f"{ours}.feed_forward.outer", f"{theirs}.linear2", F, D),
        **norm(case, f"{ours}.feed_forward_residual.norm", f"{theirs}.norm3"),
    }


def call(module, parameters, *arguments, **options):
    """`module` with `parameters`, of which there must be neither more nor fewer than it has."""
    parameters = {name.removeprefix("module."): value for name, value in parameters.items()}
    return functional_call(module, parameters, arguments, options, strict=True)


OPTIONS = {"dropout": 0.0, "batch_first": True, "dtype": torch.float64}


def sinusoids(start, length, width):
    position = torch.arange(start, start + length, dtype=torch.float64)[:, None]
    i = torch.arange(width)
    angle = position / 10000 ** (i // 2 * 2 / width)
    return torch.where(i % 2 == 0, angle.sin(), angle.cos())


def halves(start, length, width):
    """Sines, then cosines, up to a wavelength of 2 pi 10000; as published weights have it."""
    count = width // 2
    position = torch.arange(start, start + length, dtype=torch.float64)[:, None]
    angle = position / 10000 ** (torch.arange(count) / (count - 1))
    return functional.pad(torch.cat([angle.sin(), angle.cos()], 1), (0, width % 2))


# Cases.


def attention_cases(fixture):
    masks = {"causal": {"attn_mask": causal(T)}, "padded": {"key_padding_mask": padding(TARGET_LENGTHS, T)}}
    for name, mask in masks.items():
        case = Case(f"self_attention/{name}", fixture)
        x = case.input("x", B, T, D)
        module, parameters = nn.MultiheadAttention(D, H, **OPTIONS), self_attention(case, "attention", "module")
        context, weights = call(module, parameters, x, x, x, average_attn_weights=False, **mask)
        case.result("weights", weights)
        case.output(context)

    case = Case("cross_attention/padded", fixture)
    x, memory = case.input("x", B, T, D), case.input("memory", B, S, D)
    module, parameters = nn.MultiheadAttention(D, H, **OPTIONS), cross_attention(case, "attention", "module")
    mask = padding(SOURCE_LENGTHS, S)
    context, weights = call(module, parameters, x, memory, memory, average_attn_weights=False, key_padding_mask=mask)
    case.result("weights", weights)
    case.output(context)


def part_cases(fixture):
    Case("sinusoids", fixture).result("output", sinusoids(5, T, D))

    case = Case("layer_norm", fixture)
    x = case.input("x", B * T, D) / 64  # a variance so small that epsilon shows
    case.output(call(nn.LayerNorm(D, dtype=torch.float64), norm(case, "norm", "module"), x))

    case = Case("feed_forward", fixture)
    x = case.input("x", B * T, D)
    module = nn.Sequential(nn.Linear(D, F), nn.ReLU(), nn.Linear(F, D)).double()
    parameters = linear(case, "feed_forward.inner", "0", D, F) | linear(case, "feed_forward.outer", "2", F, D)
    case.output(call(module, parameters, x))

    case = Case("cross_entropy", fixture)
    hidden = case.input("hidden", B * T, D)
    weight, bias = case.parameter("weight", D, TARGET_VOCABULARY), case.parameter("bias", TARGET_VOCABULARY)
    cross_entropy(case, hidden @ weight + bias, ids("targets", TARGET_VOCABULARY, B * T))


def cross_entropy(case, logits, targets):
    objective = functional.cross_entropy(logits, targets, label_smoothing=SMOOTHING, reduction="sum")
    case.result("objective", objective)
    case.result("nats", functional.cross_entropy(logits, targets, reduction="sum"))
    case.differentiate(objective)


def layer_cases(fixture):
    for name, pre_norm in [("pre", True), ("post", False)]:
        case = Case(f"encoder_layer/{name}", fixture)
        module = nn.TransformerEncoderLayer(D, H, F, norm_first=pre_norm, **OPTIONS)
        parameters = encoder_layer(case, "layer", "module")
        mask = padding(SOURCE_LENGTHS, S)
        case.output(call(module, parameters, case.input("x", B, S, D), src_key_padding_mask=mask))

        case = Case(f"decoder_layer/{name}", fixture)
        module = nn.TransformerDecoderLayer(D, H, F, norm_first=pre_norm, **OPTIONS)
        parameters = decoder_layer(case, "layer", "module")
        x, memory = case.input("x", B, T, D), case.input("memory", B, S, D)
        case.output(call(module, parameters, x, memory, tgt_mask=causal(T), memory_key_padding_mask=mask))


def stack(case, name, layer, layers, pre_norm):
    """A stack's parameters; ours and PyTorch's agree in the names of stacks."""
    parameters = {}
    for i in range(layers):
        parameters |= layer(case, f"{name}.layers.{i}", f"layers.{i}")
    return parameters | (norm(case, f"{name}.norm", "norm") if pre_norm else {})


def model_case(fixture, name, layers, pre_norm, tied, published=False):
    """Embeddings, both stacks and the loss. Tied: source embedding, target embedding and output map are one matrix.
    Published: the form of weights that others have trained."""
    case = Case(f"model/{name}", fixture)
    target = case.parameter("target_embedding.weight", TARGET_VOCABULARY, D)
    source_vocabulary = TARGET_VOCABULARY if tied else SOURCE_VOCABULARY
    source = target if tied else case.parameter("source_embedding.weight", source_vocabulary, D)
    blocked = padding(SOURCE_LENGTHS, S)

    options = dict(OPTIONS, norm_first=pre_norm)
    if published:
        options |= {"activation": functional.silu, "layer_norm_eps": 1e-3}

    def embed(weight, ids):
        if published:
            return functional.embedding(ids, weight) + halves(2, ids.shape[1], D)
        return functional.embedding(ids, weight) * math.sqrt(D) + sinusoids(0, ids.shape[1], D)

    def final_norm():
        return nn.LayerNorm(D, dtype=torch.float64) if pre_norm else None

    layer = nn.TransformerEncoderLayer(D, H, F, **options)
    module = nn.TransformerEncoder(layer, layers, final_norm(), enable_nested_tensor=False)
    parameters = stack(case, "encoder", encoder_layer, layers, pre_norm)
    x = embed(source, ids("source", source_vocabulary, B, S))
    memory = call(module, parameters, x, src_key_padding_mask=blocked)

    layer = nn.TransformerDecoderLayer(D, H, F, **options)
    module = nn.TransformerDecoder(layer, layers, final_norm())
    parameters = stack(case, "decoder", decoder_layer, layers, pre_norm)
    x = embed(target, ids("target_in", TARGET_VOCABULARY, B, T))
    hidden = call(module, parameters, x, memory, tgt_mask=causal(T), memory_key_padding_mask=blocked)

    logits = hidden @ (target.T if tied else case.parameter("output.weight", D, TARGET_VOCABULARY))
    if published or not tied:
        logits = logits + case.parameter("output.bias", TARGET_VOCABULARY)
    real = ~padding(TARGET_LENGTHS, T)
    case.result("hidden", hidden)
    cross_entropy(case, logits[real], ids("target_out", TARGET_VOCABULARY, B, T)[real])


def model_cases(fixture):
    model_case(fixture, "pre", layers=2, pre_norm=True, tied=False)
    model_case(fixture, "post", layers=2, pre_norm=False, tied=True)
    model_case(fixture, "published", layers=1, pre_norm=False, tied=True, published=True)


if __name__ == "__main__":
    write(__doc__, "transformer.safetensors", [part_cases, attention_cases, layer_cases, model_cases])
