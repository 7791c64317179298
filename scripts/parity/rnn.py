"""Writes outputs and gradients of recurrent layers and of recurrent encoder-decoders.

    python scripts/parity/rnn.py

PyTorch has GRU and LSTM, layers over packed sequences and cells; its matrices and its two biases are made of ours inside the
graph. The GRU that resets before the product, attention, and what stands around the cells are written out here as in the
papers: the decoder is a loop over the positions of a padded batch.
"""

import math

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from case import Case, padding, write
from formula import ids
from scores import softmax
from transformer import call, cross_entropy

# Widths and lengths are distinct primes, but for D: two directions of width H each, or one.
B, T, S, H, E, A = 3, 7, 11, 5, 13, 17
D = 2 * H
SOURCE_VOCABULARY, TARGET_VOCABULARY = 23, 19
SOURCE_LENGTHS, TARGET_LENGTHS = [S, 1, 4], [3, T, 1]
HALF_WIDTH = 2  # of local attention

GATES = {"gru": 3, "gru_reset_before": 3, "lstm": 4}
MODULES = {"gru": nn.GRU, "lstm": nn.LSTM}


# Layers.


def layer_weights(case, cell, name, d_in, width):
    """What PyTorch calls weight_ih, weight_hh, bias_ih and bias_hh."""
    gates = GATES[cell] * width
    bias = torch.zeros(gates, dtype=torch.float64)
    if cell == "gru":
        bias = functional.pad(case.parameter(f"{name}.candidate_bias", width), (2 * width, 0))
    return [
        case.parameter(f"{name}.input.weight", d_in, gates).T,
        case.parameter(f"{name}.weight", width, gates).T,
        case.parameter(f"{name}.input.bias", gates),
        bias,
    ]


def step(cell, x, state, weights):
    """The next state [B, Z]; an LSTM's is h beside c."""
    if cell == "gru":
        return torch.gru_cell(x, state, *weights)
    if cell == "lstm":
        return torch.cat(torch.lstm_cell(x, state.chunk(2, 1), *weights), 1)
    weight_ih, weight_hh, bias, _ = weights
    r, z, n = (x @ weight_ih.T + bias).chunk(3, 1)
    u_r, u_z, u_n = weight_hh.chunk(3)
    r, z = torch.sigmoid(r + state @ u_r.T), torch.sigmoid(z + state @ u_z.T)
    n = torch.tanh(n + (r * state) @ u_n.T)
    return (1 - z) * n + z * state


def torch_encoder(case, cell, name, x, layers, directions):
    """States [B, S, D] and the final state of each layer."""
    width, count = D // len(directions), len(directions)
    module = MODULES[cell](E, width, layers, bidirectional=count == 2, batch_first=True, dtype=torch.float64)
    parameters = {}
    for i in range(layers):
        for direction, suffix in zip(directions, ["", "_reverse"]):
            weights = layer_weights(case, cell, f"{name}layers.{i}.{direction}", D if i else E, width)
            for part, value in zip(["weight_ih", "weight_hh", "bias_ih", "bias_hh"], weights):
                parameters[f"{part}_l{i}{suffix}"] = value
    packed = pack_padded_sequence(x, SOURCE_LENGTHS, batch_first=True, enforce_sorted=False)
    states, finals = call(module, parameters, packed)
    states, _ = pad_packed_sequence(states, batch_first=True, total_length=S)
    finals = finals if cell == "lstm" else [finals]
    parts = [part.unflatten(0, (layers, count)) for part in finals]  # [layers, directions, B, H], of h and of c
    return states, [torch.cat([last for part in parts for last in part[i]], 1) for i in range(layers)]


def written_out_encoder(case, cell, name, x, layers, directions):
    """The same, each sequence alone."""
    width = D // len(directions)
    sequences, finals = [row[:length] for row, length in zip(x, SOURCE_LENGTHS)], []
    for i in range(layers):
        weights = {
            direction: layer_weights(case, cell, f"{name}layers.{i}.{direction}", D if i else E, width)
            for direction in directions
        }
        last = []
        for number, sequence in enumerate(sequences):
            read = []
            for direction in directions:
                state, states = torch.zeros(1, width, dtype=torch.float64), []
                for row in sequence if direction == "forward" else sequence.flip(0):
                    state = step(cell, row[None], state, weights[direction])
                    states.append(state)
                last.append(state)
                states = torch.cat(states)
                read.append(states if direction == "forward" else states.flip(0))
            sequences[number] = torch.cat(read, 1)
        finals.append(torch.cat(last).reshape(B, D))
    padded = [functional.pad(states, (0, 0, 0, S - len(states))) for states in sequences]
    return torch.stack(padded), finals


def encode(case, cell, name, x, layers, bidirectional):
    directions = ["forward", "backward"] if bidirectional else ["forward"]
    encoder = torch_encoder if cell in MODULES else written_out_encoder
    return encoder(case, cell, name, x, layers, directions)


def encoder_cases(fixture):
    for cell in GATES:
        for bidirectional in [False, True]:
            for layers in [1, 2]:
                case = Case(f"encoder/{cell}/{'both' if bidirectional else 'one'}/{layers}", fixture)
                states, finals = encode(case, cell, "", case.input("x", B, S, E), layers, bidirectional)
                states = states[~padding(SOURCE_LENGTHS, S)]
                case.output(torch.cat([part.flatten() for part in [states, *finals]]))


# Models.


def linear(case, name, x, width, bias=False):
    y = x @ case.parameter(f"{name}.weight", x.shape[-1], width)
    return y + case.parameter(f"{name}.bias", width) if bias else y


def attend(case, score, query, memory, near):
    """Context [B, D] of queries [B, D], and weights [B, S]; what is not `near` is not seen."""
    name = "decoder.attention"
    if score == "dot":
        scores = torch.einsum("bd,bsd->bs", query, memory)
    elif score == "general":
        scores = torch.einsum("bq,mq,bsm->bs", query, case.parameter(f"{name}.general.weight", D, D), memory)
    else:
        name = name if score == "additive" else f"{name}.{score}"
        hidden = torch.tanh(linear(case, f"{name}.query", query, A)[:, None] + linear(case, f"{name}.key", memory, A))
        scores = (hidden @ case.parameter(f"{name}.score", A, 1)).squeeze(2)
    weights = softmax(scores, near & ~padding(SOURCE_LENGTHS, S))
    return torch.einsum("bs,bsd->bd", weights, memory), weights


def readout(case, kind, state, *others):
    """Of the state, the context and the embedding, or of fewer."""
    width = 2 * E if kind == "maxout" else E
    t = linear(case, "decoder.readout.state", state, width, bias=True)
    for name, x in zip(["context", "embedding"], others):
        t = t + linear(case, f"decoder.readout.{name}", x, width)
    return t.unflatten(1, (E, 2)).max(2).values if kind == "maxout" else torch.tanh(t)


class Decoder:
    """One loop over positions; its kinds differ in what they read beside the embedding, and when they look."""

    def __init__(self, case, cell, layers, memory, finals):
        self.case, self.cell, self.memory, self.summary = case, cell, memory, finals[-1][:, :D]
        bridge = lambda i, last: torch.tanh(linear(case, f"bridge.{i}", last, last.shape[1], bias=True))
        self.states = [bridge(i, finals[i]) for i in range(layers)]

    def seen(self, layer):
        return self.states[layer][:, :D]

    def step(self, embedding, name=None, other=None):
        """Moves every layer on; the first reads `other`, too, through the map `name`."""
        x = embedding
        for i, state in enumerate(self.states):
            weights = layer_weights(self.case, self.cell, f"decoder.layers.{i}", x.shape[1], D)
            if i == 0 and other is not None:
                more = self.case.parameter(f"decoder.{name}.weight", other.shape[1], GATES[self.cell] * D)
                x, weights[0] = torch.cat([x, other], 1), torch.cat([weights[0], more.T], 1)
            self.states[i] = step(self.cell, x, state, weights)
            x = self.seen(i)
        return x


def bahdanau(decoder, embedded, kind="maxout"):
    hidden, weights = [], []
    for e in embedded.unbind(1):
        context, w = attend(decoder.case, "additive", decoder.seen(0), decoder.memory, True)
        state = decoder.step(e, "context", context)
        hidden.append(readout(decoder.case, kind, state, context, e))
        weights.append(w)
    return hidden, weights


def luong(decoder, embedded, score="general", feeding=True, monotonic=False):
    said = torch.zeros(B, E, dtype=torch.float64)
    hidden, weights = [], []
    for t, e in enumerate(embedded.unbind(1)):
        state = decoder.step(e, "feed", said) if feeding else decoder.step(e)
        near = (torch.arange(S) - t).abs() <= HALF_WIDTH if monotonic else True
        context, w = attend(decoder.case, score, state, decoder.memory, near)
        said = readout(decoder.case, "plain", state, context)
        hidden.append(said)
        weights.append(w)
    return hidden, weights


def bottleneck(decoder, embedded, kind="maxout", feeding=True):
    hidden, summary = [], decoder.summary
    for e in embedded.unbind(1):
        if feeding:
            hidden.append(readout(decoder.case, kind, decoder.step(e, "summary", summary), summary, e))
        else:
            hidden.append(readout(decoder.case, kind, decoder.step(e)))
    return hidden, None


def model_case(fixture, name, decode, cell="gru", layers=1, bidirectional=True, tie="none", reverse=False, **choices):
    case = Case(name, fixture)
    target = case.parameter("target_embedding.weight", TARGET_VOCABULARY, E)
    vocabulary = TARGET_VOCABULARY if tie == "all" else SOURCE_VOCABULARY
    source = target if tie == "all" else case.parameter("source_embedding.weight", vocabulary, E)

    tokens = ids("source", vocabulary, B, S)
    if reverse:
        tokens = torch.stack([torch.cat([row[:n].flip(0), row[n:]]) for row, n in zip(tokens, SOURCE_LENGTHS)])
    x = functional.embedding(tokens, source) * math.sqrt(E)
    memory, finals = encode(case, cell, "encoder.", x, layers, bidirectional)

    decoder = Decoder(case, cell, layers, memory, finals)
    embedded = functional.embedding(ids("target_in", TARGET_VOCABULARY, B, T), target) * math.sqrt(E)
    hidden, weights = decode(decoder, embedded, **choices)

    real = ~padding(TARGET_LENGTHS, T)
    hidden = torch.stack(hidden, 1)[real]
    case.result("hidden", hidden)
    if weights is not None:
        case.result("weights", torch.stack(weights, 1)[real])
    logits = linear(case, "output", hidden, TARGET_VOCABULARY, bias=True) if tie == "none" else hidden @ target.T
    cross_entropy(case, logits, ids("target_out", TARGET_VOCABULARY, B, T)[real])


def model_cases(fixture):
    model_case(fixture, "bahdanau/gru", bahdanau)
    model_case(fixture, "bahdanau/plain", bahdanau, layers=2, tie="output", kind="plain")
    model_case(fixture, "bahdanau/lstm", bahdanau, cell="lstm", tie="all")
    model_case(fixture, "bahdanau/reset_before", bahdanau, cell="gru_reset_before", bidirectional=False)
    model_case(fixture, "luong/general", luong, tie="all")
    model_case(fixture, "luong/dot", luong, cell="lstm", layers=2, tie="output", score="dot", feeding=False)
    model_case(fixture, "luong/concat", luong, layers=2, bidirectional=False, score="concat")
    model_case(fixture, "luong/monotonic", luong, score="dot", monotonic=True)
    model_case(fixture, "bottleneck/fed", bottleneck)
    model_case(fixture, "bottleneck/reversed", bottleneck, cell="lstm", layers=2, bidirectional=False, tie="output",
               reverse=True, kind="plain", feeding=False)


if __name__ == "__main__":
    write(__doc__, "rnn.safetensors", [encoder_cases, model_cases])
