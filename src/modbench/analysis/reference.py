"""What routing that knows nothing scores, to set measured routing against."""

from functools import lru_cache

import pandas as pd

from modbench.analysis.summary import groups, planned_runs
from modbench.core.quantities import METRICS
from modbench.metrics import uniform_baseline
from modbench.store.table import Tables


@lru_cache(maxsize=256)
def random_value(quantity: str, num_rules: int, num_modules: int | None = None) -> float | None:
    """A routing metric's value for uniform routing, the paper's Random.

    Args:
        quantity: name of a quantity.
        num_rules: R, at least 2.
        num_modules: M, at least 2; R when left out.

    Returns:
        The value, or None for a quantity that is no routing metric, such as an error.
    """
    return uniform_baseline(num_rules, num_modules).get(quantity)


def random_baselines(tables: Tables) -> pd.DataFrame:
    """The metrics of uniform routing for every setting and number of rules that has a modular model.

    Returns:
        Columns `setting`, `num_rules`, `quantity`, `mean`: for as many modules as the models there have, or for R
        modules where they differ in that.
    """
    planned = planned_runs(tables)[["setting", "num_rules", "num_modules"]]
    rows = []
    for key, group in groups(planned.dropna(), ["setting", "num_rules"]):
        numbers, R = group["num_modules"].unique(), int(key["num_rules"])
        M = int(numbers[0]) if len(numbers) == 1 else None
        rows += [{**key, "quantity": name, "mean": random_value(name, R, M)} for name in METRICS]
    return pd.DataFrame(rows, columns=["setting", "num_rules", "quantity", "mean"])
