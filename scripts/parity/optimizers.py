"""Writes parameters after each of several updates by Adam, AdamW, Adafactor, Lion and SGD.

    python scripts/parity/optimizers.py

`torch.optim` where it has them; Lion, and Adafactor with a rate that is not relative, by the papers' formulas. A small
module has one parameter of each group that the decay of weights knows, and a second matrix. The gradient of parameter P in
step t is numbers("gradient/t/P"). Parameters are ours by name; a case `C` leaves `C/t/P`.
"""

import torch

from case import FIXTURES, write
from formula import numbers, parameter

# Distinct primes, so that no two axes can be confused.
SHAPES = {
    "token_embedding.weight": (11, 7),
    "norm.weight": (7,),
    "norm.bias": (7,),
    "linear.weight": (7, 13),
    "linear.bias": (13,),
}
STEPS = 5
NORMS, BIASES, EMBEDDINGS = ["norm.weight", "norm.bias"], ["linear.bias"], ["token_embedding.weight"]


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of the paper."""

    def __init__(self, groups, lr, betas, weight_decay=0.0):
        super().__init__(groups, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            rate, (beta1, beta2), decay = group["lr"], group["betas"], group["weight_decay"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                update = (beta1 * m + (1 - beta1) * p.grad).sign()
                p -= rate * (update + decay * p)
                m.mul_(beta2).add_((1 - beta2) * p.grad)


class PlainAdafactor(torch.optim.Optimizer):
    """Algorithms 4 and 5 of the paper with the rate as step size."""

    def __init__(self, groups, lr, clip, weight_decay=0.0):
        super().__init__(groups, dict(lr=lr, clip=clip, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                state["t"] = state.get("t", 0) + 1
                beta = 1 - state["t"] ** -0.8
                squares = p.grad**2 + 1e-30
                for name, mean in [("r", lambda x: x.mean(-1)), ("c", lambda x: x.mean(-2))] if p.dim() > 1 else [("v", lambda x: x)]:
                    new = mean(squares)
                    state[name] = beta * state.get(name, torch.zeros_like(new)) + (1 - beta) * new
                if p.dim() > 1:
                    v = state["r"][:, None] * state["c"][None] / state["r"].mean()
                else:
                    v = state["v"]
                u = p.grad / v.sqrt()
                u = u / max(1.0, u.square().mean().sqrt().item() / group["clip"])
                p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(group["lr"] * u)


def case(name, optimizer, exclude=(), **options):
    def run(fixture):
        parameters = {name: parameter(name, *shape).requires_grad_() for name, shape in SHAPES.items()}
        decaying = [p for name, p in parameters.items() if name not in exclude]
        others = [parameters[name] for name in exclude]
        groups = [{"params": decaying}] + ([{"params": others, "weight_decay": 0.0}] if others else [])
        made = optimizer(groups, **options)
        for step in range(1, STEPS + 1):
            for p_name, p in parameters.items():
                p.grad = numbers(f"gradient/{step}/{p_name}", *SHAPES[p_name])
            made.step()
            for p_name, p in parameters.items():
                fixture[f"{name}/{step}/{p_name}"] = p.detach().clone()

    return run


CASES = [
    case("adam", torch.optim.Adam, lr=0.1, betas=(0.9, 0.98), eps=1e-9),
    case("adam/other", torch.optim.Adam, lr=0.3, betas=(0.5, 0.75), eps=0.1),
    case("adamw", torch.optim.AdamW, NORMS + BIASES, lr=0.1, betas=(0.9, 0.98), eps=1e-9, weight_decay=0.5),
    case("adamw/embedding", torch.optim.AdamW, EMBEDDINGS, lr=0.1, betas=(0.9, 0.98), eps=1e-9, weight_decay=0.5),
    case("adamw/all", torch.optim.AdamW, lr=0.1, betas=(0.9, 0.98), eps=1e-9, weight_decay=0.5),
    case("adafactor", torch.optim.Adafactor, NORMS + BIASES, lr=0.25),
    case("adafactor/other", torch.optim.Adafactor, BIASES, lr=0.25, d=1.0625, weight_decay=0.5),
    case("adafactor/plain", PlainAdafactor, NORMS + BIASES, lr=0.1, clip=0.75, weight_decay=0.5),
    case("lion", Lion, NORMS + BIASES, lr=0.125, betas=(0.9, 0.99), weight_decay=0.5),
    case("lion/other", Lion, lr=0.1, betas=(0.5, 0.75)),
    case("sgd", torch.optim.SGD, lr=0.1),
    case("sgd/decay", torch.optim.SGD, NORMS + BIASES, lr=0.1, weight_decay=0.5),
    case("sgd/momentum", torch.optim.SGD, NORMS + BIASES, lr=0.1, momentum=0.9, weight_decay=0.5),
    case("sgd/nesterov", torch.optim.SGD, NORMS + BIASES, lr=0.1, momentum=0.75, nesterov=True, weight_decay=0.5),
]

if __name__ == "__main__":
    write(__doc__, FIXTURES.parents[2] / "regard-train/tests/fixtures/optimizers.safetensors", CASES)
