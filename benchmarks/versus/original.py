"""The original implementation: its models and its data, from a checkout, in its training step.

Nothing of it is copied. Its own script trains on CUDA alone and cannot be imported, so the step is made here of what
it calls: a NumPy batch, tensors of it on the device, forward, loss, backward, for the RNN clipping, Adam.
"""

import importlib
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from versus.torch_device import finish, settle

FOLDERS = {"mlp": "MLP", "mha": "MHA", "rnn": "RNN"}
MODELS = {
    "monolithic": ("Monolithic", {}),
    "modular": ("Modular", {"joint": True}),
    "modular-op": ("Modular", {"op": True}),
    "gt-modular": ("GT_Modular", {}),
}
"""Our name of a model -> the original's, and its flags; only its MLP has a flag for joint scores."""
TASK_SEED = 0


class Original:
    """One run of the original.

    Args:
        request: `original`, the path of a checkout; `shape`, what `shapes.plain` says; `device` and `precision`.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self.shape, self.device = request["shape"], request["device"]
        self.versions = settle(request) | {"numpy": np.__version__}
        kind = self.shape["kind"].capitalize()
        sys.path.insert(0, str(Path(request["original"]) / FOLDERS[self.shape["architecture"]] / kind))
        self.models, self.task = importlib.import_module("model"), importlib.import_module("data")
        if self.device == "cpu":
            # The RNN asks for CUDA inside its model.
            torch.Tensor.cuda = lambda tensor, *_, **__: tensor  # type: ignore[method-assign]

    def prepare(self, runs: int) -> dict[str, Any]:
        """See `worker.Contender.prepare`."""
        assert runs == 1
        torch.manual_seed(0)
        np.random.seed(0)
        self.model = self._model().to(self.device).train()
        self.adam = torch.optim.Adam(self.model.parameters(), lr=1e-4)
        regression = self.shape["kind"] == "regression"
        self.criterion = torch.nn.L1Loss() if regression else torch.nn.BCEWithLogitsLoss()
        self._step()
        parameters = sum(p.numel() for p in self.model.parameters())
        return {"parameters": parameters, "versions": dict(self.versions)}

    def steps(self, count: int, threads: int) -> dict[str, float]:
        """See `worker.Contender.steps`."""
        torch.set_num_threads(threads)
        started = time.perf_counter()
        for _ in range(count):
            loss = self._step()
        finish(self.device)
        return {"seconds": time.perf_counter() - started, "loss": float(loss)}

    def _model(self) -> torch.nn.Module:
        shape = self.shape
        rules, e, d = shape["num_rules"], shape["encoder_width"], shape["model_width"]
        name, flags = MODELS[shape["model"]]
        match shape["architecture"]:
            case "mlp" if name == "Monolithic":
                return self.models.Monolithic(rules, e, d)
            case "mlp":
                return getattr(self.models, name)(rules, e, d, rules, **flags)
            case "mha":
                return self.models.Model(
                    dim=e,
                    att_dim=d,
                    num_heads=2 * rules if name == "Monolithic" else 2,
                    in_dim=rules * (5 if shape["search_version"] == 1 else 7),
                    model=name,
                    num_rules=rules,
                    op=flags.get("op", False),
                )
        return self.models.Model(
            in_dim=shape["state_width"] + rules,
            enc_dim=e,
            hid_dim=d,
            out_dim=shape["state_width"] if shape["kind"] == "regression" else 1,
            num_rules=rules,
            model=name,
            op=flags.get("op", False),
        )

    def _batch(self) -> tuple[np.ndarray, ...]:
        shape = self.shape
        size, length, rules = shape["batch_size"], shape["length"], shape["num_rules"]
        match shape["architecture"]:
            case "mlp":
                return self.task.data_v2(size, rules, TASK_SEED)
            case "mha":
                return self.task.rules(size, length, rules, 2, shape["search_version"], TASK_SEED)
        return self.task.rules(size, length, rules, 1, shape["state_width"], TASK_SEED)

    def _step(self) -> torch.Tensor | float:
        self.model.zero_grad()
        inputs, label, *rule_codes = (torch.Tensor(array).to(self.device) for array in self._batch())
        prediction, _ = self.model(inputs, *rule_codes)
        loss = self.criterion(prediction, label)
        if self.shape["kind"] == "classification":
            accuracy = torch.eq(prediction >= 0.0, label).double().mean()
        loss.backward()
        if self.shape["architecture"] == "rnn":
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.adam.step()
        if self.shape["kind"] == "classification":
            accuracy.item()
            return loss.item()
        return loss


def make(request: dict[str, Any]) -> Original:
    """The contender `original`."""
    return Original(request)
