"""Values that are TOML only nearly: what they were meant to be is said, and nothing is guessed silently."""

import codecs

import pytest

from modbench.core.errors import RequestError
from modbench.core.grid import load_sweep, parse_sweep
from modbench.core.paths import decoded

GRID = {"grid": [{"task": {"architecture": "mlp", "num_rules": 2}}]}
MEANT = [
    ("model.name=[modular, gt-modular]", """'model.name=["modular", "gt-modular"]'"""),
    ("model.name=modular, gt-modular", """'model.name=["modular", "gt-modular"]'"""),
    ("task.kind=[regression,'classification']", """'task.kind=["regression", "classification"]'"""),
    ("train.learning_rate=.001", "train.learning_rate=0.001"),
    ("train.learning_rate=1.", "train.learning_rate=1.0"),
    ("train.learning_rate=1e-3,1e-4", "'train.learning_rate=[1e-3, 1e-4]'"),
    ("train.learning_rate=.1,.01", "'train.learning_rate=[0.1, 0.01]'"),
    ("seed=0,1,2", "'seed=[0, 1, 2]'"),
    ("seed=(0, 1)", "'seed=[0, 1]'"),
    ("train.steps=0100", "train.steps=100"),
    ("train.steps=10,000", "train.steps=10000"),
    ("seed=True", "seed=true"),
    ("model.gate_options={temperature: 2}", "'model.gate_options={temperature = 2}'"),
    ("model.gate_options={'temperature': 2}", """'model.gate_options={"temperature" = 2}'"""),
    ("model.num_modules=None", "leave the field out"),
]


@pytest.mark.parametrize(("override", "remedy"), MEANT, ids=[override for override, _ in MEANT])
def test_a_value_that_is_nearly_toml_gets_a_hint(override, remedy):
    with pytest.raises(RequestError) as refused:
        parse_sweep(GRID, [override])
    text = override.partition("=")[2]
    assert f"{text!r} is no TOML and was taken for a text; " in str(refused.value)
    assert str(refused.value).endswith(remedy)
    assert "\n" not in str(refused.value)
    if remedy.startswith("'"):
        remedy = remedy[1:-1]
    if "=" in remedy and override != "seed=True":
        parse_sweep(GRID, [remedy])


@pytest.mark.parametrize(
    "override", ["model.name=modulr", "task.num_rules=two", "seed=1..3", "seed=[0, 1", "seed=-1"]
)
def test_what_is_plainly_wrong_gets_no_hint(override):
    with pytest.raises(RequestError) as refused:
        parse_sweep(GRID, [override])
    assert "TOML" not in str(refused.value)


def test_a_plain_word_is_a_text():
    source = parse_sweep(GRID, ["task.kind=classification", "model.scores=rule"]).source["grid"][0]
    assert (source["task"]["kind"], source["model"]["scores"]) == ("classification", "rule")
    assert {type(source["task"]["kind"]), type(source["model"]["scores"])} == {str}


TEXT = '[[grid]]\ntask.architecture = "mlp"\ntask.num_rules = 2\n'


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_a_byte_order_mark_of_utf_8_is_read_over(tmp_path, mark):
    path = tmp_path / "marked.toml"
    path.write_bytes(mark + TEXT.replace("\n", "\r\n").encode())
    assert len(load_sweep(str(path)).runs) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_another_encoding_is_said(tmp_path, encoding):
    path = tmp_path / "other.toml"
    mark = codecs.BOM_UTF16_LE if encoding == "utf-16-le" else b""
    path.write_bytes(mark + f"# é\n{TEXT}".encode(encoding))
    said = "byte 2 is none" if encoding == "latin-1" else f"got {encoding[:6].upper()}"
    with pytest.raises(
        RequestError, match=rf"cannot read sweep file .*: it must be UTF-8, .*{said}"
    ) as refused:
        load_sweep(str(path))
    assert "\n" not in str(refused.value)


def test_decoding_keeps_a_mark_inside_a_text():
    assert decoded("a\ufeffb".encode()) == "a\ufeffb"
