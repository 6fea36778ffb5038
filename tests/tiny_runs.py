"""Runs small enough to train in a test."""

from modbench.core.spec import RunSpec

EVALUATION = {
    "curve_every": 10,
    "curve_batches": 2,
    "performance_batches": 2,
    "performance_batch_size": 16,
    "activation_samples": 400,
    "adaptation_distributions": 4,
    "adaptation_samples": 50,
}


def tiny(
    architecture="mlp",
    model="modular",
    kind="regression",
    num_rules=2,
    steps=20,
    seed=0,
    task=None,
    train=None,
    evaluation=None,
    **model_fields,
) -> RunSpec:
    """A run with 4-wide encoders, 16 examples a batch and a few steps."""
    fields = {"name": model} if isinstance(model, str) else dict(model)
    return RunSpec.of(
        task={"architecture": architecture, "kind": kind, "num_rules": num_rules, **(task or {})},
        model={"encoder_width": 4, **fields, **model_fields},
        train={"steps": steps, "batch_size": 16, "learning_rate": 1e-2, **(train or {})},
        evaluation={**EVALUATION, **(evaluation or {})},
        seed=seed,
    )
