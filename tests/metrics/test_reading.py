"""What users hand over: numbers of any library, and arrays that cannot leave theirs."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from modbench import metrics
from modbench.metrics import (
    DistributionError,
    adaptation,
    collapse_avg,
    dirichlet_rule_distributions,
    joint,
    joint_from_trace,
    perfect_baseline,
    perfect_routing,
    routing_metrics,
    sampling_floor,
    uniform_routing,
)

# --- whole numbers

NUMBERS = {
    "num_rules": lambda value: uniform_routing(value),
    "num_modules": lambda value: perfect_routing(2, value),
    "count": lambda value: perfect_baseline(2, count=value),
    "num_samples": lambda value: sampling_floor(2, value, draws=2),
    "draws": lambda value: sampling_floor(2, 10, draws=value),
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "True"),
        (np.True_, "np.True_"),
        (4.0, "4.0"),
        (np.float32(4), "np.float32(4.0)"),
        ("4", "'4'"),
        (-3, "-3"),
        (np.int8(-3), "np.int8(-3)"),
        (np.array([4, 5]), "array([4, 5])"),
        (np.arange(4).reshape(2, 2), "array([[0, 1], [2, 3]])"),
        (-(10**5000), "a number of 16610 bits"),
    ],
    ids=lambda given: type(given).__name__,
)
def test_what_is_no_count(name, value, shown):
    with pytest.raises(DistributionError) as refused:
        NUMBERS[name](value)
    assert re.fullmatch(
        rf"{name} must be a whole number of at least [12], got {re.escape(shown)}", str(refused.value)
    )


@pytest.mark.parametrize("name", ["num_rules", "num_modules", "count"])
@pytest.mark.parametrize("value", [10**10, np.uint64(2**63), 2**70, 10**5000], ids="abcd")
def test_a_count_beyond_all_memory(name, value):
    with pytest.raises(DistributionError) as refused:
        NUMBERS[name](value)
    assert "must be at most" in str(refused.value)
    assert len(str(refused.value)) < 200


def test_a_number_of_samples_beyond_64_bits():
    with pytest.raises(
        DistributionError, match=r"^num_samples must be at most 9223372036854775807, got 1000"
    ):
        sampling_floor(2, 10**30)
    assert 0 <= sampling_floor(2, 10**15, count=2, draws=2).mean < 1e-6


@pytest.mark.parametrize("number", [np.int8, np.uint8, np.int64, np.array, jnp.int32])
def test_integers_of_any_library_are_counts(number):
    assert np.array_equal(uniform_routing(number(100), number(3)), uniform_routing(100, 3))
    assert np.array_equal(perfect_routing(number(100), number(90)), perfect_routing(100, 90))
    assert np.array_equal(
        dirichlet_rule_distributions(number(3), number(100)), dirichlet_rule_distributions(3, 100)
    )
    assert sampling_floor(number(3), number(100), number(90), number(2)) == sampling_floor(3, 100, 90, 2)


def test_perfect_routing_over_many_modules_needs_no_square():
    A = perfect_routing(2, 10**6)
    assert A.shape == (2, 10**6)
    assert (A[0, 0], A[1, 1], A.sum()) == (1, 1, 2)


# --- arrays that cannot become NumPy's

CALLS = {
    "A": joint,
    "J": routing_metrics,
    "gates": lambda given: joint_from_trace([0, 1], given),
    "rules": lambda given: joint_from_trace(given, np.eye(2)),
    "rule_probabilities": lambda given: joint(np.eye(2), given),
    "module_distributions": lambda given: adaptation(np.eye(2), given),
    "chosen": lambda given: metrics.joint_from_topk([0, 1], given, num_modules=2),
    "weights": lambda given: metrics.joint_from_topk([0, 1], [[0], [1]], given, num_modules=2),
}


class Unreadable:
    """Answers NumPy as arrays of other libraries do."""

    def __init__(self, error):
        self.error = error

    def __array__(self, dtype=None, copy=None):
        raise self.error


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("error", "advice"),
    [
        # The texts are PyTorch's, TensorFlow's and CuPy's own.
        (TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host "
                   "memory first."), "Use Tensor.cpu() to copy the tensor to host memory first."),
        (RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."),
         "Use tensor.detach().numpy() instead."),
        (TypeError("Got unsupported ScalarType BFloat16"), "ScalarType BFloat16; cast to float32 first"),
        (NotImplementedError("numpy() is only available when eager execution is enabled."), "eager execution"),
        (TypeError("Implicit conversion to a NumPy array is not allowed.\nPlease use `.get()`."), "use `.get()`."),
        (KeyError("column"), "'column'"),
        (RuntimeError(), "RuntimeError"),
    ],
)  # fmt: skip
def test_the_advice_of_an_array_library_is_kept(name, error, advice):
    with pytest.raises(DistributionError) as refused:
        CALLS[name](Unreadable(error))
    text = str(refused.value)
    assert text.startswith(f"{name} must be an array of numbers, got a Unreadable that is none: ")
    assert advice in text
    assert "\n" not in text


def test_a_long_message_is_cut():
    with pytest.raises(DistributionError) as refused:
        joint(Unreadable(ValueError("word " * 1000)))
    assert str(refused.value).endswith("word ...")
    assert len(str(refused.value)) < 400


def test_the_machines_trouble_is_not_the_arrays():
    with pytest.raises(MemoryError):
        joint(Unreadable(MemoryError("cannot allocate")))


@pytest.mark.parametrize("transform", [jax.jit, jax.vmap, jax.grad])
def test_inside_a_transformation_of_jax(transform):
    with pytest.raises(DistributionError) as refused:
        transform(collapse_avg)(jnp.ones((2, 2)) / 4)
    assert "called on traced array with shape float32[" in str(refused.value)
    assert str(refused.value).endswith("; call it outside of jax.jit, jax.vmap and jax.grad")


@pytest.mark.parametrize("name", ["A", "J", "gates", "rule_probabilities", "module_distributions", "weights"])
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float8_e4m3fn])
def test_types_that_numpy_does_not_count_with(name, dtype):
    with pytest.raises(DistributionError) as refused:
        CALLS[name](jnp.ones((2, 2), dtype) / 2)
    expected = f"{name} must be an array of real numbers, got dtype {jnp.dtype(dtype)}; cast to float32 first"
    assert str(refused.value) == expected


@pytest.mark.parametrize("name", ["A", "J", "gates"])
@pytest.mark.parametrize(
    "given", [np.eye(2) * 1j, np.eye(2).astype(object), scipy.sparse.eye(2), {"a": 1}, [["1", "0"], ["0", "1"]],
              np.eye(2).astype("timedelta64[s]"), pd.DataFrame({"a": [1, None], "b": ["x", "y"]})],
    ids=lambda given: type(given).__name__,
)  # fmt: skip
def test_arrays_of_no_numbers(name, given):
    with pytest.raises(
        DistributionError, match=f"^{name} must be an array of real numbers, got dtype [^\n]+$"
    ):
        CALLS[name](given)


# --- masked arrays, tables


def test_masked_entries_are_not_read_as_if_they_counted():
    masked = np.ma.masked_array(np.eye(2), [[False, True], [False, False]])
    for given in (masked, list(masked)):
        with pytest.raises(
            DistributionError, match=r"^A must have no masked entries, got 1; leave such samples out$"
        ):
            joint(given)
    assert np.array_equal(joint(np.ma.masked_array(np.eye(2))), np.eye(2) / 2)


def test_columns_of_a_table_are_arrays():
    table = pd.DataFrame({"class": [0, 1, 1], "a": [1.0, 0.5, 0.0], "b": [0.0, 0.5, 1.0]})
    expected = joint_from_trace([0, 1, 1], [[1.0, 0], [0.5, 0.5], [0, 1]])
    for labels in (table["class"], table["class"].astype("Int64"), table["class"].astype("int8")):
        assert np.array_equal(joint_from_trace(labels, table[["a", "b"]]), expected)


@pytest.mark.parametrize(
    "labels",
    [
        ["de", "fr"],
        pd.Series(["de", "fr"]),
        pd.Series(["de", "fr"], dtype="category"),
    ],
    ids=["list", "text", "category"],
)
def test_labels_that_are_no_numbers(labels):
    with pytest.raises(DistributionError) as refused:
        joint_from_trace(labels, np.eye(2))
    assert str(refused.value).startswith("rules must be an array of integers, got dtype ")
    assert str(refused.value).endswith(
        "; number them first, as np.unique(values, return_inverse=True)[1] does"
    )
