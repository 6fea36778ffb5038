import pytest

from modbench.core.text import harmless, one_line

HOSTILE = {
    "a\x1b]0;owned\x07b": "a\ufffd]0;owned\ufffdb",
    "\x00\x7f": "\ufffd\ufffd",
    "c1 \x9b2J": "c1 \ufffd2J",
    "\u202eright to left\u2066": "\ufffdright to left\ufffd",
    "\u200finvisible\u200b\ufeff": "\ufffdinvisible\ufffd\ufffd",
    "no UTF-8: \udcff": "no UTF-8: \ufffd",
    "tab\tand\rreturn\x85\u2028": "tab and return  ",
}
ORDINARY = [
    "",
    "Modular · R = 2, … 0 ≤ x",
    "שלום",
    "\u0645\u06cc\u200c\u062e\u0648",
    "日本語",
    "two\nlines",
    "[red]markup[/red]",
]


@pytest.mark.parametrize(("text", "shown"), HOSTILE.items())
def test_what_a_terminal_would_obey_is_replaced(text, shown):
    assert harmless(text) == shown


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_texts_stay(text):
    assert harmless(text) == text


def test_a_line_has_no_breaks_and_keeps_its_indentation():
    assert one_line("  first\n    second\r\n\nthird") == "  first second third"
    assert one_line(3) == "3"
