"""Writes checkpoints of PyTorch models that are built like ours, and what the models say: what `import_weights` is held to.

    python scripts/parity/weights.py

`Transformer` and `Recurrent` below are the twins to copy: their state dicts have the names of `docs/weights.md`, with PyTorch's own
layers wherever it has them. The models of `scripts/bench`, which have names of their own, are written down, too.

`crates/regard-decode/tests/fixtures/weights/` gets a checkpoint for each model, whose numbers are given by `formula.py`; small
ones of a single map in every form that `torch.save` has, and in some that are refused; and `outputs.safetensors`, with the ids of
a batch, and hidden states and logits of every real target position, computed in f64 from the numbers as they were saved.
"""

import argparse
import math
import os
import sys
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from case import causal, padding
from formula import ids, numbers
from transformer import sinusoids

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts/bench"))
import bahdanau  # noqa: E402
import train  # noqa: E402

# Distinct primes, but for widths that are made of them.
B, S, T = 3, 5, 7
HEADS, HEAD, F = 2, 3, 17  # of the transformer
H, E, A = 3, 5, 7  # of recurrent models
D = HEADS * HEAD
SOURCE_VOCABULARY, TARGET_VOCABULARY = 13, 11
SOURCE_LENGTHS, TARGET_LENGTHS = [S, 1, 3], [2, T, 1]


class Transformer(nn.Module):
    """With PyTorch's encoder and decoder. `tied`: both embeddings and the output map are one matrix."""

    def __init__(self, layers, pre_norm, tied):
        super().__init__()
        options = {"dropout": 0.0, "batch_first": True, "norm_first": pre_norm}
        final_norm = lambda: nn.LayerNorm(D) if pre_norm else None
        self.target_embedding = nn.Embedding(TARGET_VOCABULARY, D)
        self.source_embedding = nn.Embedding(TARGET_VOCABULARY if tied else SOURCE_VOCABULARY, D)
        layer = nn.TransformerEncoderLayer(D, HEADS, F, **options)
        self.encoder = nn.TransformerEncoder(layer, layers, final_norm(), enable_nested_tensor=False)
        layer = nn.TransformerDecoderLayer(D, HEADS, F, **options)
        self.decoder = nn.TransformerDecoder(layer, layers, final_norm())
        self.output = nn.Linear(D, TARGET_VOCABULARY, bias=not tied)
        if tied:
            self.source_embedding.weight = self.output.weight = self.target_embedding.weight

    def forward(self, source, target_in):
        embed = lambda map, ids: map(ids) * math.sqrt(D) + sinusoids(0, ids.shape[1], D)
        blocked = padding(SOURCE_LENGTHS, S)
        memory = self.encoder(embed(self.source_embedding, source), src_key_padding_mask=blocked)
        hidden = self.decoder(
            embed(self.target_embedding, target_in), memory, tgt_mask=causal(T), memory_key_padding_mask=blocked
        )
        return hidden, self.output(hidden)


class Additive(nn.Module):
    """Scores by a small network; `general` is Luong's product."""

    def __init__(self):
        super().__init__()
        self.query, self.key = nn.Linear(D, A, bias=False), nn.Linear(D, A, bias=False)
        self.score = nn.Linear(A, 1, bias=False)

    def forward(self, query, memory):
        return self.score(torch.tanh(self.query(query)[:, None] + self.key(memory)))[..., 0]


class General(nn.Module):
    def __init__(self):
        super().__init__()
        self.general = nn.Linear(D, D, bias=False)

    def forward(self, query, memory):
        return torch.einsum("bq,bsq->bs", query, self.general(memory))


class Readout(nn.Module):
    """Maxout over pairs, or tanh, of the state, and of the context and the embedding where they are read."""

    def __init__(self, maxout, context, embedding):
        super().__init__()
        self.maxout = maxout
        width = 2 * E if maxout else E
        self.state = nn.Linear(D, width)
        self.context = nn.Linear(D, width, bias=False) if context else None
        self.embedding = nn.Linear(E, width, bias=False) if embedding else None

    def forward(self, state, context, embedding):
        t = self.state(state)
        t = t + self.context(context) if self.context else t
        t = t + self.embedding(embedding) if self.embedding else t
        return t.unflatten(1, (E, 2)).max(2).values if self.maxout else torch.tanh(t)


class Decoder(nn.Module):
    """The first cell reads the embedding and, behind it, what `kind` adds: context, summary or what was said last."""

    def __init__(self, kind, cell, layers):
        super().__init__()
        more = {"bahdanau": D, "bottleneck": D, "luong": E}[kind]
        self.layers = nn.ModuleList(cell(D if i else E + more, D) for i in range(layers))
        if kind != "bottleneck":
            self.attention = Additive() if kind == "bahdanau" else General()
        self.readout = Readout(kind != "luong", True, kind != "luong")


class Recurrent(nn.Module):
    """`kind` is bahdanau, luong or bottleneck; `cell` GRU or LSTM."""

    def __init__(self, kind, cell, layers, bidirectional, tie):
        super().__init__()
        self.kind, self.is_lstm, self.bidirectional = kind, cell == "LSTM", bidirectional
        self.target_embedding = nn.Embedding(TARGET_VOCABULARY, E)
        self.source_embedding = nn.Embedding(SOURCE_VOCABULARY, E)
        width = H if bidirectional else D
        self.encoder = getattr(nn, cell)(E, width, layers, bidirectional=bidirectional, batch_first=True)
        state = 2 * D if self.is_lstm else D
        self.bridge = nn.ModuleList(nn.Linear(state, state) for _ in range(layers))
        self.decoder = Decoder(kind, getattr(nn, f"{cell}Cell"), layers)
        self.output = nn.Linear(E, TARGET_VOCABULARY, bias=not tie)
        if tie:
            self.output.weight = self.target_embedding.weight

    def encode(self, source):
        x = self.source_embedding(source) * math.sqrt(E)
        packed = pack_padded_sequence(x, SOURCE_LENGTHS, batch_first=True, enforce_sorted=False)
        states, finals = self.encoder(packed)
        memory, _ = pad_packed_sequence(states, batch_first=True, total_length=S)
        parts = [part.unflatten(0, (len(self.bridge), -1)) for part in (finals if self.is_lstm else [finals])]
        finals = [torch.cat([last for part in parts for last in part[i]], 1) for i in range(len(self.bridge))]
        return memory, finals

    def forward(self, source, target_in):
        memory, finals = self.encode(source)
        blocked = padding(SOURCE_LENGTHS, S)
        states = [torch.tanh(map(last)) for map, last in zip(self.bridge, finals)]
        summary, said = finals[-1][:, :D], torch.zeros(B, E, dtype=memory.dtype)
        decoder, hidden = self.decoder, []

        def context(query):
            scores = decoder.attention(query, memory).masked_fill(blocked, -math.inf)
            return torch.einsum("bs,bsd->bd", scores.softmax(1), memory)

        for e in (self.target_embedding(target_in) * math.sqrt(E)).unbind(1):
            if self.kind == "luong":
                other = said
            else:
                other = summary if self.kind == "bottleneck" else context(states[0][:, :D])
            x = torch.cat([e, other], 1)
            for i, cell in enumerate(decoder.layers):
                if self.is_lstm:
                    states[i] = torch.cat(cell(x, tuple(states[i].chunk(2, 1))), 1)
                else:
                    states[i] = cell(x, states[i])
                x = states[i][:, :D]
            said = decoder.readout(x, context(x) if self.kind == "luong" else other, e)
            hidden.append(said)
        hidden = torch.stack(hidden, 1)
        return hidden, self.output(hidden)


def bench(model):
    """How to run a model of `scripts/bench`, which keeps its hidden states to itself."""
    model.eval()
    return lambda source, target: (None, model(source, target, SOURCE_LENGTHS))


def write_model(out, outputs, name, model, dtype=torch.float32, run=None):
    """The checkpoint NAME.pt, and what the model says."""
    with torch.no_grad():
        for part, parameter in model.named_parameters():
            is_factor = "norm" in part and part.endswith("weight")
            parameter.copy_(is_factor + numbers(part, *parameter.shape) / 2)
        model.to(dtype)
        torch.save(model.state_dict(), out / f"{name}.pt")
        model.double()
        hidden, logits = (run or model)(outputs["source"].long(), outputs["target_in"].long())
    real = ~padding(TARGET_LENGTHS, T)
    if hidden is not None:
        outputs[f"{name}/hidden"] = hidden[real].float().contiguous()
    outputs[f"{name}/logits"] = logits[real].float().contiguous()


class Command:
    """What a pickle can do to whoever loads it carelessly."""

    def __reduce__(self):
        return os.system, ("echo run",)


def write_maps(out):
    """One map from two numbers to three: the same numbers in every form, then what is refused."""
    weight, bias = numbers("weight", 3, 2).float(), numbers("bias", 3).float()
    state = OrderedDict(weight=weight, bias=bias)
    save = lambda name, content, **options: torch.save(content, out / f"map-{name}.pt", **options)
    save("plain", state)
    save("protocol-5", state, pickle_protocol=5)
    save("parameters", {name: nn.Parameter(value) for name, value in state.items()})
    both = torch.cat([weight.T.flatten(), bias])  # one storage, and a matrix that is stored by columns
    save("views", OrderedDict(weight=both[:6].view(2, 3).T, bias=both[6:]))
    torch.serialization.set_crc32_options(False)
    save("no-checksums", state)
    torch.serialization.set_crc32_options(True)

    save("integers", OrderedDict(weight=weight, bias=torch.tensor([1, 2, 3])))
    save("double", OrderedDict(weight=weight.double(), bias=bias))
    save("not-finite", OrderedDict(weight=weight, bias=bias / 0))
    save("training", {"model": state, "epoch": 3, "rate": 0.5, "names": ["a", "b"]})
    save("list", [weight, bias])
    linear = nn.Linear(2, 3)
    with torch.no_grad():
        linear.weight.copy_(weight)
        linear.bias.copy_(bias)
    save("module", linear)
    save("command", {"weight": weight, "bias": Command()})


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", type=Path, default=ROOT / "crates/regard-decode/tests/fixtures/weights")
    out = arguments.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # one order of summation

    outputs = {
        "source": ids("source", TARGET_VOCABULARY, B, S).int(),
        "target_in": ids("target_in", TARGET_VOCABULARY, B, T).int(),
    }
    write = lambda *case, **options: write_model(out, outputs, *case, **options)
    write("transformer", Transformer(2, pre_norm=True, tied=False))
    write("transformer-tied", Transformer(1, pre_norm=False, tied=True), dtype=torch.float16)
    write("bahdanau", Recurrent("bahdanau", "GRU", 2, bidirectional=True, tie=True))
    write("luong", Recurrent("luong", "LSTM", 1, bidirectional=True, tie=False), dtype=torch.bfloat16)
    write("bottleneck", Recurrent("bottleneck", "LSTM", 2, bidirectional=False, tie=True))

    shape = SimpleNamespace(d_model=D, d_ff=F, n_heads=HEADS, layers=1, vocabulary=TARGET_VOCABULARY,
                            source_length=S, target_length=T, encoder="packed")
    for name, model in [("bench-transformer", train.Transformer(shape)), ("bench-bahdanau", bahdanau.Bahdanau(shape))]:
        write(name, model, run=bench(model))

    write_maps(out)
    save_file(outputs, out / "outputs.safetensors")
    print(f"{out}: {len(list(out.iterdir()))} files, {sum(file.stat().st_size for file in out.iterdir())} bytes")


if __name__ == "__main__":
    main()
