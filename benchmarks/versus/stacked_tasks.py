"""The three families of rule tasks for a stack of runs in PyTorch: a fresh batch of every run's own task.

Axes: S runs, B examples, N positions, R rules. `draw` returns inputs, one-hot rule codes and targets.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot


class _Task:
    """Coefficients drawn once, one task per run."""

    def __init__(self, shape: dict[str, Any], runs: int, device: str) -> None:
        self.runs, self.size, self.length, self.device = runs, shape["batch_size"], shape["length"], device
        self.rules, self.classify = shape["num_rules"], shape["kind"] == "classification"
        self.shape = shape

    def _rule(self, *positions: int) -> tuple[Tensor, Tensor]:
        rule = torch.randint(self.rules, (self.runs, self.size, *positions), device=self.device)
        return rule, one_hot(rule, self.rules).float()

    def _labels(self, target: Tensor) -> Tensor:
        return (target >= 0).float() if self.classify else target


class Mlp(_Task):
    """y = alpha_c x1 + beta_c x2."""

    def __init__(self, shape: dict[str, Any], runs: int, device: str) -> None:
        super().__init__(shape, runs, device)
        self.coefficients = torch.randn(runs, self.rules, 2, device=device)

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """(S, B, 2), (S, B, R), (S, B)."""
        inputs = torch.randn(self.runs, self.size, 2, device=self.device)
        _, code = self._rule()
        return inputs, code, self._labels((torch.bmm(code, self.coefficients) * inputs).sum(dim=-1))


class Mha(_Task):
    """Two searches among the other tokens, under each token's own rule."""

    def __init__(self, shape: dict[str, Any], runs: int, device: str) -> None:
        super().__init__(shape, runs, device)
        self.coefficients = torch.randn(runs, self.rules, 2, device=device)
        self.pair = shape["search_version"]
        self.itself = torch.eye(self.length, dtype=torch.bool, device=device)
        self.sequence = torch.arange(runs * self.size, device=device)[:, None]

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """(S, B, N, F), (S, B, N, R), (S, B, N)."""
        form = self.runs, self.size, self.length, self.rules, 2 * self.pair + 2
        features = torch.randn(form, device=self.device)
        if self.pair == 2:
            queries = features[..., :4].unflatten(-1, (2, 2))
            features[..., :4] = (queries / queries.norm(dim=-1, keepdim=True)).flatten(-2)
        rule, code = self._rule(self.length)
        # seen[., n, i] is what token i carries for the rule of token n.
        seen = features.flatten(0, 1).transpose(1, 2)[self.sequence, rule.flatten(0, 1)]
        found = torch.stack([self._retrieve(seen, which) for which in (0, 1)], dim=-1)
        weights = torch.bmm(code.flatten(1, 2), self.coefficients)
        target = (found.view(weights.shape) * weights).sum(dim=-1).view(rule.shape)
        return features.flatten(-2), code, self._labels(target)

    def _retrieve(self, seen: Tensor, which: int) -> Tensor:
        query, value = seen[..., which * self.pair : (which + 1) * self.pair], seen[..., which - 2]
        own = query.diagonal(dim1=1, dim2=2).transpose(1, 2)[:, :, None]
        distance = (query - own).abs()[..., 0] if self.pair == 1 else -(query * own).sum(dim=-1)
        nearest = distance.masked_fill_(self.itself, torch.inf).argmin(dim=2, keepdim=True)
        return value.gather(2, nearest)[..., 0]


class Rnn(_Task):
    """s_n = s_{n-1} A[c_n] + x_n B[c_n]."""

    def __init__(self, shape: dict[str, Any], runs: int, device: str) -> None:
        super().__init__(shape, runs, device)
        self.width = shape["state_width"]
        form = runs, self.rules * self.width, self.width
        self.A, self.B = (torch.randn(form, device=device) / self.width**0.5 for _ in range(2))
        self.readout = torch.randn(runs, self.width, 1, device=device)

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """(S, N, B, d), (S, N, B, R), (S, N, B, d) or (S, N, B): time before examples, as the model's loop reads."""
        _, code = self._rule(self.length)
        code = code.transpose(1, 2).contiguous()
        inputs = torch.randn(self.runs, self.length, self.size, self.width, device=self.device)
        drive = torch.bmm(self._active(inputs, code).flatten(1, 2), self.B).view(inputs.shape)
        state, states = drive[:, 0], [drive[:, 0]]
        for n in range(1, self.length):
            state = torch.baddbmm(drive[:, n], self._active(state, code[:, n]), self.A)
            states.append(state)
        target = torch.stack(states, dim=1)
        if self.classify:
            target = torch.bmm(target.flatten(1, 2), self.readout).view(target.shape[:-1])
        return inputs, code, self._labels(target)

    def _active(self, x: Tensor, code: Tensor) -> Tensor:
        """Each row in the block of its rule, zero elsewhere, so that one product applies every rule."""
        return (code[..., :, None] * x[..., None, :]).flatten(-2)


TASKS = {"mlp": Mlp, "mha": Mha, "rnn": Rnn}
