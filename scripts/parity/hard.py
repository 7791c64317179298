"""Writes what PyTorch computes of hard attention where nothing is drawn: selections under given noise, and their losses.

    python scripts/parity/hard.py
"""

import torch
from torch.nn import functional

from case import Case, causal, padding, write
from formula import numbers

# Distinct primes, so that no two axes can be confused.
B, T, S, H, K, K_V = 2, 7, 11, 3, 5, 13
TEMPERATURE, ENTROPY_WEIGHT = 0.7, 0.3
MASKS = {"plain": torch.zeros(1, 1, 1, S).bool(), "masked": padding([S, 6], S)[:, None, None] | causal(S)[S - T :]}


def heads(x):
    """[B, L, H K] to [B, H, L, K]."""
    return x.unflatten(2, (H, -1)).transpose(1, 2)


def joined(x):
    """[B, H, T, K] to [B, T, H K]."""
    return x.transpose(1, 2).flatten(2)


def selections(case, scores, noise, blocked):
    """One-hot weights; log-probability and entropy of the distributions they come from."""
    scores = scores.masked_fill(blocked, -torch.inf)
    selected = functional.one_hot((scores + noise).argmax(-1), S).double()
    p = torch.distributions.Categorical(logits=scores)
    return selected, p.log_prob(selected.argmax(-1)), p.entropy()


def straight_through_case(fixture, name, blocked):
    """From queries, keys and values to contexts, with the gradient of the relaxation."""
    case = Case(f"straight_through/{name}", fixture)
    query, key, value = case.input("query", B, T, H * K), case.input("key", B, S, H * K), case.input("value", B, S, H * K_V)
    scores = heads(query) @ heads(key).mT / K**0.5
    noise = case.input("noise", B, H, T, S)
    selected, log_probability, entropy = selections(case, scores, noise, blocked)
    soft = ((scores + noise) / TEMPERATURE).masked_fill(blocked, -torch.inf).softmax(-1)
    weights = selected - soft.detach() + soft
    case.result("weights", weights)
    case.result("log_probability", log_probability)
    case.result("entropy", entropy)
    case.output(joined(weights @ heads(value)))


def reinforce_case(fixture, name, blocked):
    """The whole objective: a cost that depends on the selected values, and what REINFORCE adds to it."""
    case = Case(f"reinforce/{name}", fixture)
    scores, value = case.input("scores", B, H, T, S), case.input("value", B, S, H * K_V)
    noise, state = numbers("noise", B, H, T, S), numbers("state", B, T, K)
    selected, log_probability, entropy = selections(case, scores, noise, blocked)
    cost = joined(selected @ heads(value)).square().sum(-1)
    weight, bias = case.parameter("reinforce.baseline.weight", K, H), case.parameter("reinforce.baseline.bias", H)
    baseline = (state @ weight + bias).transpose(1, 2)
    error = cost.detach()[:, None] - baseline
    terms = (error.detach() * log_probability + error**2 - ENTROPY_WEIGHT * entropy).sum(1)
    case.result("terms", terms)
    case.differentiate((cost + terms).sum())


def cases(fixture):
    for name, blocked in MASKS.items():
        straight_through_case(fixture, name, blocked)
        reinforce_case(fixture, name, blocked)


if __name__ == "__main__":
    write(__doc__, "hard.safetensors", [cases])
