import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic_store import cohort, record, spec

from modbench.core.quantities import QUANTITIES
from modbench.core.spec import RunSpec
from modbench.store.record import CohortRecord, decode, encode, pack_matrix, spec_columns, spec_text, to_table
from modbench.store.schema import RUNS, SCHEMA_VERSION, SPEC_COLUMNS, TABLES, VERSION_KEY

MIXED = pa.schema(
    [
        pa.field("text", pa.string()),
        pa.field("small", pa.int32()),
        pa.field("large", pa.int64()),
        pa.field("number", pa.float64()),
        pa.field("matrix", pa.list_(pa.float64())),
    ]
)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=64)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.none() | st.text(),
            "small": st.none() | st.integers(-(2**31), 2**31 - 1),
            "large": st.none() | st.integers(-(2**63), 2**63 - 1),
            "number": st.none() | NUMBERS,
            "matrix": st.none() | st.lists(NUMBERS, max_size=4),
        }
    ),
    max_size=6,
)


def same(left, right):
    """Equal, with NaN equal to NaN and to nothing else: None is not NaN."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    return type(left) is type(right) and left == right


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS)
def test_every_column_type_survives_a_round_trip_with_null_and_nan_apart(rows):
    back = decode(encode(to_table(rows, MIXED)), MIXED)
    assert back.schema.equals(MIXED)
    assert all(
        same(wrote[name], read[name])
        for wrote, read in zip(rows, back.to_pylist(), strict=True)
        for name in MIXED.names
    )


def test_a_column_that_is_all_null_keeps_its_type():
    rows = [dict.fromkeys(MIXED.names)] * 2
    assert pq.read_schema(pa.BufferReader(encode(to_table(rows, MIXED)))).equals(MIXED)


def test_numpy_values_are_welcome():
    row = {"text": "a", "small": np.int32(3), "large": np.int64(4), "number": np.float32(0.5)}
    (read,) = to_table([{**row, "matrix": np.array([1.0, np.nan])}], MIXED).to_pylist()
    expected = {"text": "a", "small": 3, "large": 4, "number": 0.5, "matrix": [1.0, math.nan]}
    assert all(same(read[name], expected[name]) for name in MIXED.names)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wandb": 1}, r"missing \[\], unknown \['wandb'\]"),
        ({"small": 2**31}, "column 'small' must be int32"),
        ({"small": "three"}, "column 'small' must be int32"),
        ({"large": 0.5}, "column 'large' must be int64"),
        ({"small": np.float64(2.5)}, "column 'small' must be int32"),
        ({"number": "fast"}, "column 'number' must be double"),
    ],
)
def test_a_row_that_does_not_fit_is_refused(change, message):
    row = {"text": "a", "small": 1, "large": 1, "number": 1.0, "matrix": []}
    with pytest.raises(ValueError, match=message):
        to_table([{**row, **change}], MIXED)


def test_a_forgotten_column_is_refused_not_filled_with_null():
    with pytest.raises(ValueError, match=r"missing \['matrix', 'number'\]"):
        to_table([{"text": "a", "small": 1, "large": 1}], MIXED)


def test_a_column_that_must_have_a_value_takes_no_null():
    row = {**record(cohort()).runs[0], "num_parameters": None}
    with pytest.raises(ValueError, match="column 'num_parameters' must have a value"):
        to_table([row], RUNS)


@pytest.mark.parametrize("field", ["curves", "performance", "activations"])
def test_rows_of_a_run_that_is_not_in_the_record_are_refused(field):
    whole = record(cohort())
    parts = {name: list(getattr(whole, name)) for name in TABLES}
    parts[field][0] = {**parts[field][0], "run_id": "stranger"}
    with pytest.raises(ValueError, match=f"{field}: every row must belong to a run .* 'stranger'"):
        list(CohortRecord(**parts).tables())


def test_a_run_that_is_there_twice_is_refused():
    runs = record(cohort()).runs
    with pytest.raises(ValueError, match="must differ"):
        list(CohortRecord([*runs, runs[0]]).tables())


def test_a_matrix_of_another_size_than_its_shape_is_refused():
    whole = record(cohort(rules=4))
    short = [{**whole.activations[0], "matrix": [1.0] * 15}]
    with pytest.raises(ValueError, match="matrix must be 4 x 4, got 15 entries"):
        list(CohortRecord(whole.runs, activations=short).tables())


def test_a_matrix_along_training_of_another_size_than_its_runs_is_refused():
    whole = record(cohort(rules=4))
    with pytest.raises(ValueError, match="curves: matrix must have 16 bytes, got 3"):
        list(CohortRecord(whole.runs, [{**whole.curves[0], "matrix": b"abc"}]).tables())


@pytest.mark.parametrize("value", [0.0, 0.25, 0.5, 1.0])
def test_a_byte_is_within_half_of_a_255th(value):
    (byte,) = pack_matrix(np.array([[value]]))
    assert abs(byte / 255 - value) <= 0.5 / 255


@pytest.mark.parametrize("architecture", ["mlp", "mha", "rnn"])
@pytest.mark.parametrize("model", ["monolithic", "gt-modular"])
def test_the_spec_columns_say_what_the_specification_says(architecture, model):
    run = spec(architecture, model, rules=4, task_seed=3, seed=5)
    columns = spec_columns(run)
    assert tuple(columns) == SPEC_COLUMNS
    assert (columns["search_version"] is None) == (architecture != "mha")
    assert (columns["order"] is None) == (architecture != "rnn")
    assert (columns["variant"] is None) == (architecture == "rnn")
    assert columns["num_modules"] == (None if model == "monolithic" else 4)
    assert columns["length"] == (1 if architecture == "mlp" else 10)
    assert (columns["model"], columns["task_seed"], columns["seed"], columns["steps"]) == (model, 3, 5, 20)
    assert RunSpec.parse(json.loads(spec_text(run))) == run


def test_pages_carry_checksums_and_reading_checks_them():
    content = bytearray(encode(to_table([{**dict.fromkeys(MIXED.names), "number": 1.0 / 3}] * 50, MIXED)))
    noticed = 0
    for position in range(4, 200):
        content[position] ^= 0xFF
        try:
            back = decode(bytes(content), MIXED)
        except ValueError:
            noticed += 1
        else:
            assert back["number"].to_pylist() == [1.0 / 3] * 50  # a flip outside of what is read
        content[position] ^= 0xFF
    assert noticed > 50


def test_a_file_without_a_newer_quantity_reads_as_not_measured():
    name = f"last_{next(iter(QUANTITIES))}"
    old = to_table(record(cohort()).runs, RUNS).drop_columns([name])
    back = decode(encode(old), RUNS)
    assert back.schema.equals(RUNS)
    assert back[name].null_count == len(back)


def test_a_file_that_lacks_what_it_must_have_or_has_another_type_is_refused():
    table = to_table(record(cohort()).runs, RUNS)
    with pytest.raises(ValueError, match="column 'seed' is missing"):
        decode(encode(table.drop_columns(["seed"])), RUNS)
    position = table.column_names.index("seed")
    other = table.set_column(position, "seed", table["seed"].cast(pa.int32()))
    with pytest.raises(ValueError, match="column 'seed' must be int64"):
        decode(encode(other), RUNS)


def test_the_schema_version_is_in_every_file_and_every_quantity_has_its_columns():
    for name, table in record(cohort()).tables():
        metadata = pq.read_schema(pa.BufferReader(encode(table))).metadata
        assert metadata[VERSION_KEY] == str(SCHEMA_VERSION).encode(), name
    assert {f"{c}_{q}" for c in ("last", "best") for q in QUANTITIES} <= set(RUNS.names)
