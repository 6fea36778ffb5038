"""The bodies for a stack of runs in PyTorch, in plain batched products.

Axes: S runs, B examples, N positions, M modules, E encoder width, D model width.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu


class Linear(nn.Module):
    """A linear map of each member of a stack: weights (S, inputs, outputs)."""

    def __init__(self, stack: int, inputs: int, outputs: int, bias: bool = True, bound: float = 0) -> None:
        super().__init__()
        bound = bound or inputs**-0.5
        self.weight = nn.Parameter(torch.empty(stack, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(stack, 1, outputs).uniform_(-bound, bound)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(S, rows, inputs) to (S, rows, outputs)."""
        if self.bias is None:
            return torch.bmm(x, self.weight)
        return torch.baddbmm(self.bias, x, self.weight)


def two_layer(stack: int, inputs: int, hidden: int, outputs: int, bias: bool = True) -> nn.Sequential:
    """Linear ReLU Linear."""
    return nn.Sequential(Linear(stack, inputs, hidden, bias), nn.ReLU(), Linear(stack, hidden, outputs, bias))


class Scores(nn.Module):
    """One number per module from its features: weights (S, M, k)."""

    def __init__(self, runs: int, modules: int, features: int, bias: bool) -> None:
        super().__init__()
        bound = features**-0.5
        self.weight = nn.Parameter(torch.empty(runs, modules, features).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(runs, 1, modules).uniform_(-bound, bound)) if bias else None

    def forward(self, features: Tensor, columns: slice = slice(None)) -> Tensor:
        """(S, rows, M, k) to (S, rows, M); features of some columns only take their weights."""
        scores = (features * self.weight[:, None, :, columns]).sum(dim=-1)
        return scores if self.bias is None else scores + self.bias


class Mixture(nn.Module):
    """A linear map per module, summed by gates: one product of the gated hidden units, no output of each module."""

    def __init__(self, runs: int, modules: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(runs, modules * inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(runs, modules, outputs).uniform_(-bound, bound))

    def forward(self, hidden: Tensor, gates: Tensor) -> Tensor:
        """(S, rows, M, inputs) and (S, rows, M) to (S, rows, outputs)."""
        gated = (hidden * gates[..., None]).flatten(-2)
        return torch.baddbmm(torch.bmm(gates, self.bias), gated, self.weight)


class _Body(nn.Module):
    def __init__(self, shape: dict[str, Any], runs: int) -> None:
        super().__init__()
        self.router, self.rules = shape["model"], shape["num_rules"]
        self.modular, self.joint = self.router != "monolithic", self.router == "modular"
        self.runs, self.hidden_width = runs, shape["hidden_width"]
        self.make(shape["encoder_width"], shape["model_width"], shape)

    def make(self, e: int, d: int, shape: dict[str, Any]) -> None:
        raise NotImplementedError

    def gates(self, hidden: Tensor, code: Tensor, rule: Tensor) -> Tensor:
        """The router's gates (S, rows, M).

        Args:
            hidden: of the modules, (S, rows, M, k), which joint scores read.
            code: (S, rows, R) one-hot.
            rule: what the rule-only scorer reads.
        """
        if self.router == "gt-modular":
            return code
        return self.scorer(hidden if self.joint else rule).softmax(dim=-1)


class Mlp(_Body):
    """Encoders of the numbers and of the rule, modules or one body, decoder."""

    def make(self, e: int, d: int, shape: dict[str, Any]) -> None:
        """Draws the parameters."""
        s, m, h = self.runs, self.rules, self.hidden_width
        self.encode_number, self.encode_rule = two_layer(s, 1, e, e), two_layer(s, self.rules, e, e)
        self.decode = two_layer(s, d, e, 1)
        if not self.modular:
            self.body = two_layer(s, 3 * e, d, d)
            return
        self.hidden, self.out = Linear(s, 3 * e, m * h), Mixture(s, m, h, d)
        if self.joint:
            self.scorer = Scores(s, m, h, bias=True)
        elif self.router == "modular-op":
            self.scorer = Linear(s, e, m)

    def forward(self, inputs: Tensor, code: Tensor) -> Tensor:
        """(S, B, 2) and (S, B, R) to (S, B)."""
        numbers = self.encode_number(inputs.reshape(self.runs, -1, 1)).reshape(*inputs.shape[:2], -1)
        rule = self.encode_rule(code)
        encoded = torch.cat([numbers, rule], dim=-1)
        if self.modular:
            hidden = relu(self.hidden(encoded)).unflatten(-1, (self.rules, -1))
            body = self.out(hidden, self.gates(hidden, code, rule))
        else:
            body = self.body(encoded)
        return self.decode(body)[..., 0]


class Mha(_Body):
    """Token encoder, attention to the other tokens, modules or one body, decoder."""

    def make(self, e: int, d: int, shape: dict[str, Any]) -> None:
        """Draws the parameters; a head is as wide in both kinds of model, as there are 2 per module or rule."""
        s, m, h = self.runs, self.rules, self.hidden_width
        self.heads, self.length = 2 * m, shape["length"]
        width = d // self.heads
        self.encode = two_layer(s, shape["input_width"] + self.rules, e, e)
        self.decode = two_layer(s, e, e, 1)
        self.attention = Linear(s, e, 3 * self.heads * width)
        self.own_token = nn.Buffer(torch.eye(self.length, dtype=torch.bool))
        if not self.modular:
            self.itself = Linear(s, e, width)
            self.body = two_layer(s, width * (self.heads + 1), 2 * e, e)
            return
        self.itself = Linear(s, e, m * width)
        self.hidden, self.out = Linear(s * m, 3 * width, h), Mixture(s, m, h, e)
        if self.joint:
            self.scorer = Scores(s, m, h, bias=True)
        elif self.router == "modular-op":
            self.scorer = two_layer(s, self.rules, width, m)

    def forward(self, inputs: Tensor, code: Tensor) -> Tensor:
        """(S, B, N, F) and (S, B, N, R) to (S, B, N)."""
        shape = inputs.shape[:3]
        code = code.flatten(1, 2)
        tokens = self.encode(torch.cat([inputs.flatten(1, 2), code], dim=-1))
        seen = (
            self.attention(tokens)
            .unflatten(-1, (3, self.heads, -1))
            .unflatten(1, (-1, self.length))
            .flatten(0, 1)
        )
        query, key, value = seen.permute(2, 0, 3, 1, 4)
        # PyTorch's own attention takes twice as long on so short sequences.
        weights = (query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5).masked_fill(
            self.own_token, -torch.inf
        )
        found = weights.softmax(dim=-1) @ value
        found = found.transpose(1, 2).reshape(*tokens.shape[:2], -1)
        if self.modular:
            parts = [x.unflatten(-1, (self.rules, -1)) for x in (found, self.itself(tokens))]
            seen = torch.cat(parts, dim=-1).transpose(1, 2).flatten(0, 1)
            hidden = relu(self.hidden(seen)).unflatten(0, (self.runs, -1)).transpose(1, 2)
            body = self.out(hidden, self.gates(hidden, code, code))
        else:
            body = self.body(torch.cat([found, self.itself(tokens)], dim=-1))
        return self.decode(body).view(shape)


class Rnn(_Body):
    """Encoder, one LSTM cell or gated cells that share their state, decoder."""

    def make(self, e: int, d: int, shape: dict[str, Any]) -> None:
        """Draws the parameters."""
        s, m, h = self.runs, self.rules, self.hidden_width
        outputs = shape["state_width"] if shape["kind"] == "regression" else 1
        self.encode = two_layer(s, shape["state_width"] + self.rules, e, e)
        self.decode = two_layer(s, h, h, outputs)
        if not self.modular:
            self.from_input = Linear(s, e, 4 * h, bound=h**-0.5)
            self.from_hidden = Linear(s, h, 4 * h)
            return
        self.from_input, self.from_hidden = Linear(s, e, m * 4 * h, False), Linear(s, h, m * 4 * h, False)
        if self.joint:
            self.scorer = Scores(s, m, 8 * h, bias=False)
        elif self.router == "modular-op":
            self.scorer = two_layer(s, self.rules, h, m, bias=False)

    def forward(self, inputs: Tensor, code: Tensor) -> Tensor:
        """(S, N, B, d) and (S, N, B, R) to (S, N, B, d) or (S, N, B)."""
        runs, length, size, _ = inputs.shape
        encoded = self.encode(torch.cat([inputs, code], dim=-1).flatten(1, 2))
        drives = self.from_input(encoded)
        early: Sequence[Tensor | None] = [None] * length
        if self.modular:
            # What does not depend on the state needs no loop: the gates, or the drive's part of the joint scores.
            drives, code = drives.unflatten(-1, (self.rules, -1)), code.flatten(1, 2)
            if self.joint:
                known = self.scorer(relu(drives), slice(4 * self.hidden_width))
            else:
                known = self.gates(drives, code, code)
            early = known.unflatten(1, (length, size)).unbind(dim=1)
        hidden, cell = (inputs.new_zeros(runs, size, self.hidden_width) for _ in range(2))
        states = []
        for drive, seen in zip(drives.unflatten(1, (length, size)).unbind(dim=1), early, strict=True):
            hidden, cell = self._step(drive, seen, hidden, cell)
            states.append(hidden)
        prediction = self.decode(torch.stack(states, dim=1).flatten(1, 2)).unflatten(1, (length, size))
        return prediction if prediction.shape[-1] > 1 else prediction[..., 0]

    def _step(
        self, drive: Tensor, early: Tensor | None, hidden: Tensor, cell: Tensor
    ) -> tuple[Tensor, Tensor]:
        recurrent = self.from_hidden(hidden)
        if early is None:
            return _lstm(drive + recurrent, cell)
        recurrent = recurrent.view(drive.shape)
        gates = early
        if self.joint:
            gates = (early + self.scorer(relu(recurrent), slice(4 * self.hidden_width, None))).softmax(dim=-1)
        new_hidden, new_cell = _lstm(drive + recurrent, cell[:, :, None])
        weights = gates[..., None]
        return (new_hidden * weights).sum(dim=2), (new_cell * weights).sum(dim=2)


def _lstm(blocks: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """C' = f c + i g, h' = o tanh(c')."""
    i, f, o, g = blocks.chunk(4, dim=-1)
    cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


BODIES = {"mlp": Mlp, "mha": Mha, "rnn": Rnn}
