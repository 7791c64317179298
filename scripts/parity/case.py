"""A case of a parity script: parameters and inputs by formula, results and gradients for the fixture.

Everything is computed in f64, so that the fixture is exact to f32 and a difference is ours. Parameters carry our names
and our layout (matrices [in, out]).

A case `C` leaves the tensors `C/NAME` for results and `C/gradient/NAME` for the gradients of the case's loss: the sum
of the result times numbers("loss"), or the loss itself where the case has one.
`crates/regard-nn/tests/nn/case.rs` reads them.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file

from formula import numbers, parameter

FIXTURES = Path(__file__).parents[2] / "crates/regard-nn/tests/fixtures"


class Case:
    """Collects a case's parameters and inputs, then its results and gradients."""

    def __init__(self, name, fixture):
        self.name, self.fixture, self.leaves = name, fixture, {}

    def leaf(self, name, make, *shape):
        if name not in self.leaves:
            self.leaves[name] = make(name, *shape).requires_grad_()
        return self.leaves[name]

    def input(self, name, *shape):
        return self.leaf(name, numbers, *shape)

    def parameter(self, name, *shape):
        return self.leaf(name, parameter, *shape)

    def result(self, name, value):
        self.fixture[f"{self.name}/{name}"] = value.detach()

    def output(self, value):
        self.result("output", value)
        self.differentiate((value * numbers("loss", *value.shape)).sum())

    def differentiate(self, loss):
        loss.backward()
        for name, leaf in self.leaves.items():
            self.fixture[f"{self.name}/gradient/{name}"] = leaf.grad


def causal(length):
    """True = blocked."""
    return torch.ones(length, length).triu(1).bool()


def padding(lengths, width):
    """True = blocked."""
    return torch.arange(width) >= torch.tensor(lengths)[:, None]


def write(description, file, cases):
    """The command line of a script: computes the cases and writes the fixture `file`, the same bytes every time."""
    arguments = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", type=Path, default=FIXTURES / file)
    out = arguments.parse_args().out

    torch.set_num_threads(1)  # one order of summation
    fixture = {}
    for case in cases:
        case(fixture)
    fixture = {name: value.float().contiguous() for name, value in fixture.items()}
    save_file(fixture, out)
    print(f"{out}: {len(fixture)} tensors, {sum(value.numel() for value in fixture.values())} numbers")
