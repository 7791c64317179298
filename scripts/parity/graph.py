"""Writes outputs, weights and gradients of attention on graphs, from PyTorch's masked dense attention.

    python scripts/parity/graph.py

An edge [from, to] lets `to` look at `from`. Biases by edge are scattered into the matrix of biases by pair; pairs
without an edge get minus infinity. `crates/regard-nn/tests/nn/attention/graph.rs` makes the same graphs.
"""

import torch
from torch.nn import functional

from case import Case, write
from formula import ids

# Distinct primes, so that no two axes can be confused.
B, N, H, K, F = 2, 11, 3, 5, 7
D = H * K


def edges(name):
    """One pair in three, ordered by source; node 2 sees every node, node 7 sees none."""
    drawn = ids(name, 3, N, N)
    return [[j, i] for j in range(N) for i in range(N) if i != 7 and (i == 2 or drawn[j, i] == 0)]


def linear(case, name, x, d_out):
    weight, bias = case.parameter(f"{name}.weight", x.shape[-1], d_out), case.parameter(f"{name}.bias", d_out)
    return x @ weight + bias


def split(x):
    return x.reshape(B, N, H, K).transpose(1, 2)


def graph_case(name, graphs):
    """One graph for all rows, or one for each."""

    def run(fixture):
        case = Case(name, fixture)
        x = case.input("x", B, N, D)
        features = case.input("features", len(graphs), max(map(len, graphs)), F)
        q, k, v = map(split, linear(case, "attention.qkv", x, 3 * D).chunk(3, -1))
        biases = features @ case.parameter("attention.edge.weight", F, H)  # [1 or B, E, H]
        rows = []
        for graph, bias in zip(graphs, biases):
            j, i = torch.tensor(graph).T
            nothing = torch.full((N, N, H), -torch.inf, dtype=torch.float64)
            rows.append(nothing.index_put((i, j), bias[: len(graph)]).permute(2, 0, 1))
        mask = torch.stack(rows)  # [1 or B, H, N, N]
        pairs = torch.eye(N, dtype=torch.float64).expand(B, H, N, N)
        case.result("weights", functional.scaled_dot_product_attention(q, k, pairs, mask))
        context = functional.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).reshape(B, N, D)
        case.output(linear(case, "attention.output", context, D))

    return run


if __name__ == "__main__":
    one, two = edges("graph 0"), edges("graph 1")
    write(__doc__, "graph.safetensors", [graph_case("shared", [one]), graph_case("by_row", [one, two])])
