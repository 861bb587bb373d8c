"""YAML is read as editors read it (1.2), and each key knows its line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candu_sync.syncs.yaml_lines import YamlError, parse


@pytest.mark.parametrize(("text", "value"), [
    ("no", "no"), ("Yes", "Yes"), ("on", "on"), ("12:30", "12:30"), ("010", 10), ("-7", -7),
    ("2026-13-01", "2026-13-01"), ("true", True), ("False", False), ("1.5", 1.5), ("1e3", 1000.0),
    (".inf", float("inf")), ("~", None),
    ("null", None), ("'1'", "1"), ("0x10", "0x10"), ("1_000", "1_000"), ("<<", "<<"), ("9" * 301, float("9" * 301)),
])
def test_plain_words_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    data, _ = parse(f"key: {text}")
    assert data == {"key": value}
    assert isinstance(data, dict)
    assert type(data["key"]) is type(value)


def test_lines_are_found_for_keys_and_items() -> None:
    _, lines = parse("a: 1\nb:\n  c: {d: 2}\n  e:\n    - x\n    - y\n")
    assert lines == {(): 1, ("a",): 1, ("b",): 2, ("b", "c"): 3, ("b", "c", "d"): 3, ("b", "e"): 4, ("b", "e", 0): 5,
                     ("b", "e", 1): 6}


@pytest.mark.parametrize(("text", "line"), [
    ("a: 1\nb: *x", 2), ("a: &x [*x]", 1), ("a: 1\n---\nb: 2", 2), ("a: !!python/name:os.system x", 1),
    ("? [a]\n: 1", 1), ("a: 1\na: 2", 2), ("a: \x01", None), ("a: !!int x", None), ("a: !!timestamp 2026-13-01", None),
    ('a: 1\nb: "\\ud800"', 2), ('a: 1\n"\\ud800": 2', 2)])
def test_what_cannot_be_read_is_an_error_with_its_line(text: str, line: int | None) -> None:
    with pytest.raises(YamlError) as error:
        parse(text)
    assert error.value.line == line


# YAML takes a key of 1,024 characters at most, escapes included, without a question mark before it.
words = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=100)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4), max_leaves=12))
def test_json_reads_as_json(value: object) -> None:
    assert parse(json.dumps(value))[0] == value
