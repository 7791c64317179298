"""Writes outputs and gradients of attention by other scores: additive, Luong's three, and local attention.

    python scripts/parity/scores.py

Plain formulas of the papers, head by head, in PyTorch operations; the row lengths cut the softmax as padding.
"""

import torch

from case import Case, padding, write

# Distinct primes, so that no two axes can be confused.
B, T, S, H, K = 2, 7, 11, 3, 5
D = H * K  # width of the memory
QUERY, HIDDEN = 13, 17
LENGTHS = [S, 5]
HALF_WIDTH, START = 2, 3  # of local attention: the last queries see nothing of the shorter row
REAL = ~padding(LENGTHS, S)[:, None]  # [B, 1, S]


def heads(x, count):
    return x.chunk(count, -1)


def additive(q, k, w):
    return torch.tanh(q[:, :, None] + k[:, None]) @ w


def product(q, k):
    return torch.einsum("btk,bsk->bts", q, k)


def softmax(scores, visible):
    """Over what is visible; zeros where nothing is."""
    powers = scores.exp() * visible
    total = powers.sum(-1, keepdim=True)
    return powers / torch.where(total > 0, total, 1)


def finish(case, weights, memory):
    """Results of the weights [B, T, S] of each head over slices of the memory."""
    parts = [w @ m for w, m in zip(weights, heads(memory, len(weights)))]
    case.result("weights", torch.stack(weights, 1))
    case.output(torch.cat(parts, -1))


# Scores of each head, [B, T, S]; parameters under `name`.


def additive_scores(case, name, q, memory, count, bias=False):
    hidden = count * HIDDEN
    mapped = q @ case.parameter(f"{name}.query.weight", q.shape[-1], hidden)
    if bias:
        mapped = mapped + case.parameter(f"{name}.query.bias", hidden)
    key = memory @ case.parameter(f"{name}.key.weight", D, hidden)
    score = case.parameter(f"{name}.score", HIDDEN, count)
    return [additive(q, k, w) for q, k, w in zip(heads(mapped, count), heads(key, count), score.T)]


def dot_scores(case, name, q, memory, count):
    return [product(q, m) for q, m in zip(heads(q, count), heads(memory, count))]


def general_scores(case, name, q, memory, count):
    weight = case.parameter(f"{name}.general.weight", D, q.shape[-1])
    return [torch.einsum("btq,mq,bsm->bts", q, w, memory) for q, w in zip(heads(q, count), heads(weight, count))]


def concat_scores(case, name, q, memory, count):
    """v . tanh(W [q; m]), on the concatenation of every pair."""
    parts = [case.parameter(f"{name}.concat.query.weight", q.shape[-1], count * HIDDEN),
             case.parameter(f"{name}.concat.key.weight", D, count * HIDDEN)]
    pairs = torch.cat([q[:, :, None].expand(-1, -1, S, -1), memory[:, None].expand(-1, T, -1, -1)], -1)
    hidden = torch.tanh(pairs @ torch.cat(parts))
    score = case.parameter(f"{name}.concat.score", HIDDEN, count)
    return [part @ v for part, v in zip(heads(hidden, count), score.T)]


SCORES = {"dot": dot_scores, "general": general_scores, "concat": concat_scores}


def width(score, count):
    """Of the queries: that of the memory for dot, a multiple of the heads for general."""
    return {"dot": D, "general": QUERY * count, "concat": QUERY}[score]


# Cases.


def additive_cases(fixture):
    for name, count, bias in [("one", 1, False), ("heads", H, True)]:
        case = Case(f"additive/{name}", fixture)
        q, memory = case.input("query", B, T, QUERY), case.input("memory", B, S, D)
        scores = additive_scores(case, "attention", q, memory, count, bias)
        finish(case, [softmax(score, REAL) for score in scores], memory)


def luong_cases(fixture):
    for score in SCORES:
        for name, count in [("one", 1), ("heads", H)]:
            case = Case(f"{score}/{name}", fixture)
            q, memory = case.input("query", B, T, width(score, count)), case.input("memory", B, S, D)
            scores = SCORES[score](case, "attention", q, memory, count)
            finish(case, [softmax(score, REAL) for score in scores], memory)


def local_case(fixture, name, score, count, predictive):
    case = Case(f"local/{name}", fixture)
    q, memory = case.input("query", B, T, width(score, count)), case.input("memory", B, S, D)
    scores = SCORES[score](case, "attention.score", q, memory, count)
    s = torch.arange(S)
    weights = []
    for head in range(count):
        if predictive:
            w_p = case.parameter("attention.position.weight", q.shape[-1], q.shape[-1])
            v_p = case.parameter("attention.position_score.weight", q.shape[-1], count)[:, head]
            p = torch.tensor(LENGTHS)[:, None] * torch.sigmoid(torch.tanh(q @ w_p) @ v_p)  # [B, T]
        else:
            p = (START + torch.arange(T, dtype=torch.float64)).expand(B, T)
        near = (s >= p[..., None] - HALF_WIDTH) & (s <= p[..., None] + HALF_WIDTH)
        align = softmax(scores[head], near & REAL)
        sigma = HALF_WIDTH / 2
        fall = torch.exp(-((s - p[..., None]) ** 2) / (2 * sigma**2)) if predictive else 1
        weights.append(align * fall)
    finish(case, weights, memory)


def local_cases(fixture):
    local_case(fixture, "monotonic", "dot", 1, predictive=False)
    local_case(fixture, "monotonic_heads", "general", H, predictive=False)
    local_case(fixture, "predictive", "general", 1, predictive=True)
    local_case(fixture, "predictive_heads", "concat", H, predictive=True)


if __name__ == "__main__":
    write(__doc__, "scores.safetensors", [additive_cases, luong_cases, local_cases])
