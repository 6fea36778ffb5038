"""What is asked of the same tables again: computed once, and forgotten with them."""

import gc
import weakref
from dataclasses import replace

import synthetic_results
from modbench.analysis.remembered import remembered
from modbench.analysis.summary import planned_runs


class Answer:
    """Something that can be told to be gone."""


def test_once_for_the_same_tables_and_arguments(tmp_path):
    tables = synthetic_results.tables(tmp_path / "store", synthetic_results.specs(rules=(2,)))
    asked = []

    @remembered
    def answer(tables, *arguments):
        asked.append(arguments)
        return Answer()

    assert answer(tables, "last") is answer(tables, "last")
    assert answer(tables, "best") is not answer(tables, "last")
    other = replace(tables)
    assert answer(other, "last") is not answer(tables, "last")
    assert asked == [("last",), ("best",), ("last",)]
    gone = weakref.ref(answer(other, "last"))
    del other
    gc.collect()
    assert gone() is None


def test_tables_with_other_runs_are_other_tables(tmp_path):
    tables = synthetic_results.tables(tmp_path / "store", synthetic_results.specs(rules=(2,)))
    half = replace(tables, runs=tables.runs.iloc[: len(tables.runs) // 2])
    assert len(planned_runs(half)) == len(planned_runs(tables)) // 2
