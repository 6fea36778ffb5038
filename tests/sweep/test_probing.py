import os
import sys
from types import SimpleNamespace
from unittest import mock

import pytest
from small_sweeps import sweep

from modbench.core.errors import RequestError
from modbench.sweep import probing
from modbench.sweep.cost import Probe, choose_probes
from modbench.sweep.plan import make_plan


def test_every_chosen_program_is_timed_at_its_width(monkeypatch):
    timed, told = [], []

    def probe(runs):
        timed.append(runs)
        return SimpleNamespace(seconds=0.5, evaluation=3.0, compiling=2.0)

    monkeypatch.setitem(sys.modules, "modbench.evaluation.probe", SimpleNamespace(probe=probe))
    cohorts = make_plan(sweep(["modular"], [2, 4, 8]).runs).pending
    with mock.patch.dict(os.environ, NPROC="1"):
        probes = probing.measure(cohorts, told.append)
    chosen = choose_probes(cohorts)
    assert timed == [cohort.runs[: cohort.width] for cohort in chosen]
    assert {len(runs) for runs in timed} == {3}
    assert probes == [Probe(cohort.runs[0], 0.5, 3.0, 2.0) for cohort in chosen]
    assert told[0] == "MLP regression R=2 E=32 Modular"


def test_probing_is_refused_where_it_would_mislead(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", sys.modules.get("jax", object()))
    with mock.patch.dict(os.environ, NPROC="4"), pytest.raises(RequestError, match="one thread"):
        probing.measure([])
