"""Stacked PyTorch: what a good user of PyTorch writes to train many runs at once, in plain batched products.

Every parameter has a leading axis of runs, a batch is drawn by PyTorch, and one fused Adam updates everything.
"""

import time
from typing import Any

import torch

from versus.stacked_models import BODIES
from versus.stacked_tasks import TASKS
from versus.torch_device import finish, settle

LEARNING_RATE = 1e-4
CLIP_NORM = 1.0


class Stacked:
    """Runs that train as one stack.

    Args:
        request: `shape`, what `shapes.plain` says; `device` and `precision`.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self.shape, self.device = request["shape"], request["device"]
        self.versions = settle(request)

    def prepare(self, runs: int) -> dict[str, Any]:
        """See `worker.Contender.prepare`."""
        torch.manual_seed(0)
        architecture = self.shape["architecture"]
        # What an earlier, larger stack held must be gone before memory is asked for again.
        self.model = self.adam = self.task = None
        self.task = TASKS[architecture](self.shape, runs, self.device)
        self.model = BODIES[architecture](self.shape, runs).to(self.device)
        self.adam = torch.optim.Adam(self.model.parameters(), lr=LEARNING_RATE, fused=True)
        self._step()
        parameters = sum(p.numel() for p in self.model.parameters()) // runs
        return {"parameters": parameters, "versions": dict(self.versions)}

    def steps(self, count: int, threads: int) -> dict[str, float]:
        """See `worker.Contender.steps`."""
        torch.set_num_threads(threads)
        started = time.perf_counter()
        for _ in range(count):
            loss = self._step()
        finish(self.device)
        return {"seconds": time.perf_counter() - started, "loss": float(loss)}

    def _step(self) -> torch.Tensor:
        inputs, code, target = self.task.draw()
        self.adam.zero_grad()
        prediction = self.model(inputs, code)
        if self.shape["kind"] == "regression":
            losses = (prediction - target).abs()
        else:
            losses = torch.nn.functional.binary_cross_entropy_with_logits(
                prediction, target, reduction="none"
            )
        # Each run's mean, summed: no run's gradient has a part in another's.
        loss = losses.flatten(1).mean(dim=1)
        loss.sum().backward()
        if self.shape["architecture"] == "rnn":
            self._clip(len(loss))
        self.adam.step()
        return loss.detach().mean()

    def _clip(self, runs: int) -> None:
        """Clips the global norm of each run's gradient."""
        gradients = [p.grad.view(runs, -1) for p in self.model.parameters()]
        norms = torch.stack([g.norm(dim=1) for g in gradients]).norm(dim=0)
        shrink = (CLIP_NORM / (norms + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(shrink[:, None])


def make(request: dict[str, Any]) -> Stacked:
    """The contender `stacked`."""
    return Stacked(request)
