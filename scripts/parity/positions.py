"""Writes what positions give in PyTorch: vectors, rotations and biases, alone and within attention.

    python scripts/parity/positions.py

Each is written as its paper or best known library has it, and not as crates/regard-nn computes it: rotations as
products of complex numbers, relative vectors for every pair.
"""

import math

import torch
from torch.nn import functional

from case import Case, write

# Distinct primes, so that no two axes can be confused; K is even where pairs are turned.
B, T, S, H, K, K_ROTARY = 2, 7, 11, 3, 5, 6
OFFSET, START, POSITIONS, REACH = 5, 2, 13, 4
ROW_OFFSETS = [3, 1000]


def sinusoids(positions, width, halves, inclusive):
    """Halves: tensor2tensor and fairseq if inclusive, Hugging Face's Marian if not. Interleaved: the paper."""
    count = width // 2 if halves else (width + 1) // 2
    k = torch.arange(count, dtype=torch.float64)
    rates = torch.exp(-math.log(10000) * (k / (count - 1) if inclusive else k / (width / 2)))
    angles = positions[:, None] * rates
    if halves:
        return functional.pad(torch.cat([angles.sin(), angles.cos()], 1), (0, width % 2))
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)[:, :width]


def sinusoid_cases(fixture):
    positions = torch.arange(T, dtype=torch.float64) + START + OFFSET
    for width in [10, 13]:
        for halves in [False, True]:
            for inclusive in [False, True]:
                name = f"sinusoids/{'halves' if halves else 'interleaved'}/{'inclusive' if inclusive else 'paper'}/{width}"
                Case(name, fixture).result("output", sinusoids(positions, width, halves, inclusive))


def learned_cases(fixture):
    case = Case("learned", fixture)
    weight = case.parameter("positions.weight", POSITIONS, K)
    case.output(functional.embedding(torch.arange(OFFSET, OFFSET + T), weight))


# Rotations of [B, H, T, K], one row of positions for each example.


def rotary_rates(width, base):
    return base ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)


def rotated_neighbours(x, positions, base):
    """RoFormer: neighbours are the real and the imaginary part of a number."""
    angles = positions[:, None, :, None] * rotary_rates(x.shape[-1], base)
    turns = torch.polar(torch.ones_like(angles), angles)
    numbers = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(numbers * turns).flatten(-2)


def rotated_halves(x, positions, base):
    """GPT-NeoX and Llama: rotate_half."""
    angles = positions[:, None, :, None] * rotary_rates(x.shape[-1], base).repeat(2)
    a, b = x.chunk(2, -1)
    return x * angles.cos() + torch.cat([-b, a], -1) * angles.sin()


ROTATIONS = {"interleaved": (rotated_neighbours, 10000), "halves": (rotated_halves, 500)}


def split(x, heads=H):
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def join(x):
    return x.transpose(1, 2).flatten(-2)


def rotary_cases(fixture):
    for name, (rotate, base) in ROTATIONS.items():
        case = Case(f"rotary/{name}", fixture)
        x = case.input("x", B, T, H * K_ROTARY)
        positions = torch.tensor(ROW_OFFSETS)[:, None] + torch.arange(T)
        case.output(join(rotate(split(x), positions, base)))


# Biases.


def distances():
    """Key minus query; the last query stands at the last key."""
    return torch.arange(S)[None, :] - (torch.arange(T) + S - T)[:, None]


def slopes(heads):
    """The code of the ALiBi paper."""
    power = 2 ** math.floor(math.log2(heads))
    start = 2 ** (-(2 ** -(math.log2(power) - 3)))
    geometric = [start ** (i + 1) for i in range(power)]
    return geometric + slopes(2 * power)[0::2][: heads - power] if heads > power else geometric


def bucket(distance, bidirectional, buckets, max_distance):
    """As in Hugging Face's T5: the logarithms in f32."""
    first = torch.zeros_like(distance)
    if bidirectional:
        buckets //= 2
        first = (distance > 0) * buckets
        distance = distance.abs()
    else:
        distance = -distance.clamp(max=0)
    exact = buckets // 2
    share = torch.log(distance.float() / exact) / math.log(max_distance / exact)
    far = (exact + (share * (buckets - exact)).long()).clamp(max=buckets - 1)
    return first + torch.where(distance < exact, distance, far)


def bias_cases(fixture):
    table = torch.cat([torch.tensor(slopes(heads), dtype=torch.float64) for heads in range(1, 21)])
    Case("alibi/slopes", fixture).result("output", table)

    every = torch.arange(-1000, 1001)
    for side, bidirectional in [("both", True), ("earlier", False)]:
        for buckets, max_distance in [(32, 128), (20, 50)]:
            case = Case(f"t5/buckets/{side}/{buckets}/{max_distance}", fixture)
            case.result("output", bucket(every, bidirectional, buckets, max_distance))


# Attention: queries at the last of the keys.


def attend(case, scores, context_of, is_causal):
    blocked = distances() > 0 if is_causal else torch.zeros(T, S, dtype=torch.bool)
    weights = scores.masked_fill(blocked, -torch.inf).softmax(-1)
    case.result("weights", weights)
    case.output(join(context_of(weights)))


def attention_case(fixture, name, width=K):
    case = Case(f"attention/{name}", fixture)
    query, key = case.input("query", B, T, H * width), case.input("key", B, S, H * width)
    return case, split(query), split(key), split(case.input("value", B, S, H * K))


def attention_cases(fixture):
    for name, (rotate, base) in ROTATIONS.items():
        case, query, key, value = attention_case(fixture, f"rotary/{name}", K_ROTARY)
        query = rotate(query, torch.arange(S - T, S).expand(B, T), base)
        key = rotate(key, torch.arange(S).expand(B, S), base)
        scores = query @ key.mT / math.sqrt(K_ROTARY)
        attend(case, scores, lambda weights: weights @ value, is_causal=True)

    # Causal: the paper's code, which adds to each key what grows with its position. Otherwise: by distance.
    slope = torch.tensor(slopes(H), dtype=torch.float64)[:, None, None]
    for name, bias in [("causal", slope * torch.arange(S)), ("symmetric", -slope * distances().abs())]:
        case, query, key, value = attention_case(fixture, f"alibi/{name}")
        scores = query @ key.mT / math.sqrt(K) + bias
        attend(case, scores, lambda weights: weights @ value, is_causal=name == "causal")

    for name, is_causal in [("both", False), ("earlier", True)]:
        case, query, key, value = attention_case(fixture, f"t5/{name}")
        table = case.parameter("scheme.buckets.weight", 12, H)
        bias = functional.embedding(bucket(distances(), not is_causal, 12, 10), table).permute(2, 0, 1)
        scores = query @ key.mT + bias  # T5 does not scale
        attend(case, scores, lambda weights: weights @ value, is_causal)

    for name, has_values in [("keys", False), ("keys_and_values", True)]:
        case, query, key, value = attention_case(fixture, f"shaw/{name}")
        pairs = distances().clamp(-REACH, REACH) + REACH
        vectors = case.parameter("scheme.vectors.key", 2 * REACH + 1, K)[pairs]  # [T, S, K]
        scores = (query @ key.mT + torch.einsum("bhtk,tsk->bhts", query, vectors)) / math.sqrt(K)

        def context_of(weights):
            context = weights @ value
            if has_values:
                vectors = case.parameter("scheme.vectors.value", 2 * REACH + 1, K)[pairs]
                context = context + torch.einsum("bhts,tsk->bhtk", weights, vectors)
            return context

        attend(case, scores, context_of, is_causal=False)


if __name__ == "__main__":
    write(__doc__, "positions.safetensors", [sinusoid_cases, learned_cases, rotary_cases, bias_cases, attention_cases])
