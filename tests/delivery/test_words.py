"""What of an answer is kept: Candu's words, and none of the values that were sent, in whatever form they come back."""

from __future__ import annotations

import html
import json
from typing import Any
from urllib.parse import quote, quote_plus

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candu_sync.delivery.words import LONGEST, Words, with_words

PERSON = {"type": "identify", "userId": "U-17", "messageId": "m",
          "traits": {"email": "Ada.Lovelace@example.com", "full name": "Ada Lovelace", "plan": "pro", "seats": 5,
                     "total billed": 1830.5, "admin": True, "note": "Zoë said: \"50%\" \\ <b>", "level": 1,
                     "since": "2025-04-22T15:58:02Z", "city": "Aix", "card": 5105105105104242}}


def words(answer: Any, sent: Any = PERSON, key: str = "secret-key") -> str:
    body = answer if isinstance(answer, bytes) else orjson.dumps(answer)
    return Words(orjson.dumps([sent]), (key,)).of(body)


@pytest.mark.parametrize(("answer", "kept"), [
    ({"success": False, "error": "traits.plan: must be one of free, team"},
     "traits.plan: must be one of free, team"),
    ({"success": False, "error": "a message was refused", "index": 0}, "error: a message was refused; index: 0"),
    ({"errors": [{"field": "plan", "code": "bad_enum"}, {"field": "email"}]},
     "errors.field: plan; errors.code: bad_enum; errors.field: email"),
    ({"success": False}, ""),
    ({"error": None, "ok": 0}, "0"),
    (b"upstream connect error", "upstream connect error"),
    (b"<html><head><title>Sign in</title><style>p {}</style></head><body>\n<p>to go on</p></body></html>",
     "Sign in to go on"),
    (b"", ""),
    (b"\xff\xfe", ""),
])
def test_what_repeats_nothing_is_kept(answer: Any, kept: str) -> None:
    assert words(answer) == kept


@pytest.mark.parametrize(("said", "kept"), [
    ("plan pro is unknown", "plan […] is unknown"),
    ("plan 'PRO' is unknown", "plan '[…]' is unknown"),
    ("user u-17 exists", "user […] exists"),
    ("ada.lovelace@example.com is not valid", "[…] is not valid"),
    ("Lovelace, Ada: name too long", "[…]: name too long"),
    ("no mail to @example.com", "no mail to @[…]"),
    ("1 of 10 seats: 5 used at level 1", "[…] of 10 seats: […] used at level […]"),
    ("1,830.5 is more than 1000", "[…] is more than 1000"),
    ("1830.50 or 1.8305e3", "[…] or […]"),
    ("admin: true", "admin: […]"),
    ("18 and 183 are no parts of 1830.5", "18 and 183 are no parts of […]"),
    ("a card that ends in 4242", "a card that ends in […]"),
    ("2025-04-22 is in the past", "[…] is in the past"),
    ("not a property of yours, improper", "not a […] of yours, […]"),
    ("the key secret-key is wrong", "the key […] is wrong"),
    ("zoe said: \"50%\"", "[…]"),
    ("Lovel… is cut off", "[…]… is cut off"),
])
def test_values_are_masked_and_the_sentence_stays(said: str, kept: str) -> None:
    assert words({"error": said}) == ("" if kept == "[…]" else kept)


MESSAGE_ID = "2f07ee53-6b01-5c4e-b9ce-4c5301c539aa"


@pytest.mark.parametrize(("said", "kept"), [
    ("error 6b01 of 5c4e, 4c53 items, identify", "error 6b01 of 5c4e, 4c53 items, identify"),
    (f"message {MESSAGE_ID} is invalid", f"message {MESSAGE_ID} is invalid"),
    (f"message {MESSAGE_ID.upper()}: plan pro", f"message {MESSAGE_ID.upper()}: plan […]"),
    (f"[{MESSAGE_ID}] user 539 of {MESSAGE_ID.replace('4e', '4f')}",
     f"[{MESSAGE_ID}] user […] of 2f07ee53-6b01-5c4f-b9ce-[…]"),
])
def test_a_message_id_is_not_masked_and_masks_nothing(said: str, kept: str) -> None:
    # The id of the user stands in the messageId by chance.
    sent = {"type": "identify", "userId": "539", "messageId": MESSAGE_ID, "traits": {"plan": "pro"}}
    assert words({"error": said}, sent) == kept


def test_a_messageId_among_the_traits_is_a_value() -> None:  # noqa: N802
    sent = {"type": "track", "userId": "u", "event": "e", "properties": {"messageId": MESSAGE_ID}}
    assert words({"error": f"message {MESSAGE_ID} is invalid"}, sent) == "message […] is invalid"


def test_the_words_of_a_large_request_are_masked_as_those_of_a_small_one() -> None:
    many = [{"type": "identify", "userId": f"user-{n}", "traits": {"city": f"Place {n} of the {'x' * (n % 9)}"}}
            for n in range(1_000)]
    said = "message of user-77 in place 77 of the zzz: Place 78 of the xxxxxx, PLACE 900 and user-1000 are not valid"
    kept = "message of […] in […] of the zzz: […] and […] are not valid"
    assert Words(orjson.dumps(many)).of(said.encode()) == kept


def test_short_values_mask_whole_words_alone() -> None:
    sent = {"type": "identify", "userId": "1", "traits": {"a": "a", "n": 0, "yes": True, "code": "it"}}
    said = "10 of 101 items in a batch: it is invalid, true or untrue, item 0 and 1"
    assert words({"error": said}, sent) == (
        "10 of 101 items in […] batch: […] is invalid, […] or […], item […] and […]")


def test_names_of_fields_in_the_answer_are_masked_too() -> None:
    assert words({"errors": {"Ada.Lovelace@example.com": "not valid", "plan": "not valid"}}) == (
        "errors.[…]: not valid; errors.plan: not valid")


@pytest.mark.parametrize("form", [
    json.dumps, lambda v: json.dumps(json.dumps(v)), lambda v: json.dumps({"v": v}), html.escape, quote, quote_plus,
    repr, str.upper, str.title, lambda v: "".join(f"\\u{ord(c):04x}" for c in v), lambda v: f"«{v}»",
    lambda v: "".join(f"&#{ord(c)};" for c in v)])
@pytest.mark.parametrize("value", [v for v in PERSON["traits"].values() if isinstance(v, str)])  # type: ignore[attr-defined]
def test_a_value_in_another_form_is_masked(value: str, form: Any) -> None:
    for answer in ({"error": f"unknown {form(value)} here"}, f"unknown {form(value)} here".encode()):
        kept = words(answer)
        assert kept.startswith("unknown")
        assert kept.endswith("here")
        assert not [word for word in ("ada", "love", "zo", "pro", "aix", "2025", "50") if word in kept.lower()]


def test_at_most_two_kilobytes_are_kept_and_no_half_value() -> None:
    for answer in ({"error": "é " * 10_000}, b"long " * 5_000, {"errors": [f"number {n}" for n in range(10_000)]}):
        assert 0.9 * LONGEST < len(words(answer).encode()) <= LONGEST
    for blanks in range(1_980, 2_001):
        assert "ada" not in words(b"x" * blanks + b" Ada.Lovelace@example.com").lower()
    for blanks in range(7_960, 8_001):
        assert "ada" not in words(b"Ada " * 1_000 + b"x " * ((blanks - 4_000) // 2) + b"Ada Lovelace").lower()


def test_a_sentence_quotes_a_part() -> None:
    assert with_words("Candu refused it", "no") == 'Candu refused it and said "no"'
    assert len(with_words("Candu refused it", "no " * 500)) < 350


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.one_of(texts, st.integers(-2**53, 2**53), st.floats(allow_nan=False, allow_infinity=False), st.booleans(),
                   st.sampled_from(["pro", "Ada Lovelace", "ada@example.com", "[…]", "…", "error", "must be", "a", "1",
                                    "2026-01-01T00:00:00Z", "x" * 300, "\\u0041bc", "50%25", "&amp;lt;", '"q"', "ﬁne",
                                    "İstanbul", "e\u0301te", "a\u200bbc", "true", "- - -", "; error: "]))
forms = st.sampled_from([str, json.dumps, html.escape, quote, repr, str.upper, str.lower,
                         lambda v: json.dumps({"field": v, v: [v]})])
fillers = st.one_of(texts, st.sampled_from(["must be a string", "error", "…", '"', "\\", "\\u00", "%", "&", " ", "; "]))


@st.composite
def answers(draw: st.DrawFn) -> tuple[dict[str, Any], bytes]:
    """A message, and an answer that repeats its values in all sorts of forms."""
    traits = draw(st.dictionaries(texts, values, min_size=1, max_size=4))
    message = {"type": "identify", "userId": draw(texts), "traits": traits}
    parts = [draw(fillers)]
    for value in [message["userId"], *traits.values(), *traits]:
        parts += [draw(forms)(value if isinstance(value, str) else json.dumps(value)), draw(fillers)]
    said = "".join(parts)
    shapes: list[Any] = [{"error": said}, {"errors": [{said: 1}, said, said[1:]]}, [said, *traits.values()], said]
    body = draw(st.sampled_from([*map(orjson.dumps, shapes), said.encode(), f"<p>{said}</p>".encode()]))
    return message, body


@settings(max_examples=300)
@given(answers())
def test_no_value_of_three_characters_or_more_is_kept(drawn: tuple[dict[str, Any], bytes]) -> None:
    message, body = drawn
    sent = orjson.dumps([message])
    kept = Words(sent).of(body)
    assert len(kept.encode()) <= LONGEST
    for value in (message["userId"], *message["traits"].values()):
        text = value if isinstance(value, str) else json.dumps(value)
        for form in {text, text.lower(), text.upper(), text.casefold(), " ".join(text.split())}:
            assert len(form) < 3 or form not in kept


@settings(max_examples=100)
@given(st.lists(st.sampled_from(["invalid", "plan", "must", "be", "a", "string", "at", "most", "unknown"]),
                min_size=1), st.dictionaries(texts, st.text("qxzj", max_size=8), max_size=4))
def test_words_that_no_value_has_are_kept(said: list[str], traits: dict[str, str]) -> None:
    message = {"type": "identify", "userId": "qq", "traits": traits}
    assert words({"error": " ".join(said)}, message) == " ".join(said)
