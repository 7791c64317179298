"""Numbers by formula, so that a fixture holds results only: Rust computes the same inputs and parameters bit for bit.

Element i of the tensor `name` is a hash of name and i, scaled to [-1, 1). All of it is integer arithmetic modulo 2^32
and a division by a power of two; 20 bits are kept, so every value, its half, and 1 plus its half are exact in f32.
`crates/regard-nn/tests/nn/formula.rs` is the same in Rust.
"""

import math

import torch

GOLDEN = 0x9E3779B9  # 2^32 divided by the golden ratio
MODULUS = 2**32


def bits(name, i):
    """32 bits for element i of the tensor `name`."""
    x = 0
    for byte in name.encode():
        x = (31 * x + byte) % MODULUS
    x = (x + (i + 1) * GOLDEN) % MODULUS
    for _ in range(2):
        x = (x ^ (x >> 15)) * GOLDEN % MODULUS
    return x ^ (x >> 15)


def numbers(name, *shape):
    """An input: values in [-1, 1)."""
    values = [(bits(name, i) >> 12) / 2**19 - 1 for i in range(math.prod(shape))]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def ids(name, vocabulary, *shape):
    """Token ids below `vocabulary`."""
    values = [bits(name, i) % vocabulary for i in range(math.prod(shape))]
    return torch.tensor(values).reshape(shape)


def parameter(name, *shape):
    """A parameter: values in [-1/2, 1/2), around 1 for the factor of a norm."""
    centre = 1 if name.endswith("norm.weight") else 0
    return centre + numbers(name, *shape) / 2
