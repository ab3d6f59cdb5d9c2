"""Times optimiser steps of PyTorch on random sentences; one side of compare.py.

Arguments: width, feed-forward width, heads, layers of each stack, vocabulary, sentences, length, warm-up
steps, timed steps, threads, bits of the numbers that products multiply: 16 is autocast to bfloat16. Prints the median seconds of a step. Same model as the other side: post-norm
encoder-decoder, ReLU, target embedding tied with the output, dropout 0.1 on residuals and attention, label
smoothing 0.1, Adam. torch.nn.Transformer also drops after the activation, so that rate is set to 0 there.
"""

import math
import statistics
import sys
import time

import torch
from torch import nn

(
    width, feed_forward, heads, layers, words, sentences, length, warm_up, timed, threads, bits
) = map(int, sys.argv[1:])
torch.manual_seed(1)
torch.set_num_threads(threads)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.source = nn.Embedding(words, width)
        self.target = nn.Embedding(words, width)
        self.transformer = nn.Transformer(
            width, heads, layers, layers, feed_forward, dropout=0.1, batch_first=True
        )
        self.transformer.encoder.norm = None
        self.transformer.decoder.norm = None
        for layer in [*self.transformer.encoder.layers, *self.transformer.decoder.layers]:
            layer.dropout.p = 0.0
        self.drop = nn.Dropout(0.1)
        angles = torch.arange(length)[:, None] / 10000 ** (torch.arange(width // 2) * 2 / width)
        self.register_buffer("positions", torch.cat([angles.sin(), angles.cos()], dim=1))
        self.register_buffer("causal", nn.Transformer.generate_square_subsequent_mask(length))

    def embed(self, table, ids):
        return self.drop(table(ids) * math.sqrt(width) + self.positions)

    def forward(self, source, target):
        states = self.transformer(
            self.embed(self.source, source),
            self.embed(self.target, target),
            tgt_mask=self.causal,
            tgt_is_causal=True,
        )
        return states @ self.target.weight.T


model = Model()
optimiser = torch.optim.Adam(model.parameters(), lr=7e-4, betas=(0.9, 0.98), eps=1e-9)
loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
source = torch.randint(1, words, (sentences, length))
target = torch.randint(1, words, (sentences, length))
gold = torch.randint(1, words, (sentences, length))
seconds = []
for _ in range(warm_up + timed):
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=bits == 16):
        loss = loss_of(model(source, target).view(-1, words), gold.view(-1))
    loss.backward()
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    seconds.append(time.perf_counter() - start)
print(statistics.median(seconds[warm_up:]))
