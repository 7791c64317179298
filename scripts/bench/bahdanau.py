"""The recurrent encoder-decoder with additive attention that `train.py --model bahdanau` times.

One layer a side: a bidirectional GRU of half the width each way, and a GRU cell that is stepped. Keys of attention and the
readout are one product each over all positions; hoisting the cell's product with the embeddings out of the loop was tried, and
is no faster.

The encoder reads padding like text (`padded`), or not at all (`packed`), which is what Regard computes and what a real run
needs: the backward direction begins at the last real token. The first is the faster by about 5 %, and so the default.
"""

import math

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Bahdanau(nn.Module):
    def __init__(self, shape):
        super().__init__()
        width = shape.d_model
        self.is_packed = shape.encoder == "packed"
        self.embedding = nn.Embedding(shape.vocabulary, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.encoder = nn.GRU(width, width // 2, bidirectional=True, batch_first=True)
        self.bridge = nn.Linear(width, width)
        self.query, self.key = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.score = nn.Parameter(torch.empty(width).uniform_(-(width**-0.5), width**-0.5))
        self.cell = nn.GRUCell(2 * width, width)
        self.readout = nn.Linear(3 * width, 2 * width)  # of state, context and embedding

    def embed(self, ids):
        return self.embedding(ids) * math.sqrt(self.embedding.embedding_dim)

    def encode(self, source, lengths):
        x = self.embed(source)
        if self.is_packed:
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            memory, final = self.encoder(packed)
            memory, _ = pad_packed_sequence(memory, batch_first=True, total_length=source.shape[1])
        else:
            memory, final = self.encoder(x)
        return memory, torch.tanh(self.bridge(torch.cat([*final], 1)))

    def forward(self, source, target, source_lengths):
        memory, state = self.encode(source, source_lengths)
        device = source.device
        blocked = torch.arange(source.shape[1], device=device) >= torch.tensor(source_lengths, device=device)[:, None]
        key = self.key(memory)
        embedded = self.embed(target)
        states, contexts = [], []
        for x in embedded.unbind(1):
            scores = (self.query(state)[:, None] + key).tanh_() @ self.score  # [B, S]
            weights = scores.masked_fill(blocked, -math.inf).softmax(1)
            context = torch.bmm(weights[:, None], memory).squeeze(1)
            state = self.cell(torch.cat([x, context], 1), state)
            states.append(state)
            contexts.append(context)
        parts = [torch.stack(states, 1), torch.stack(contexts, 1), embedded]
        pairs = self.readout(torch.cat(parts, 2)).unflatten(2, (-1, 2))
        hidden = torch.maximum(pairs[..., 0], pairs[..., 1])
        return functional.dropout(hidden, 0.1, self.training) @ self.embedding.weight.T
