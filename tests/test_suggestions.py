"""Names that are one letter away from another: not those that are meant to differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candu_sync.suggestions import one_letter_apart, pairs_one_letter_apart


@pytest.mark.parametrize(("one", "other"), [
    ("email", "emial"), ("email", "E-mail"), ("email", "emai"), ("email", "emaill"), ("plan_tier", "plan tier"),
    ("plan_tier", "plantier"), ("plan_tier", "PlanTier"), ("seats", "seat"), ("company_size", "company_sise"),
    ("last_login", "last_logn"), ("total billed", "total_billed"),
])
def test_near(one: str, other: str) -> None:
    assert one_letter_apart(one, other)
    assert one_letter_apart(other, one)


@pytest.mark.parametrize(("one", "other"), [
    ("email", "email"), ("email", "Email"), ("mrr", "arr"), ("address_1", "address_2"), ("address1", "address2"),
    ("address", "address2"), ("score_a", "score_b"), ("opt_in", "opt_on"), ("plan", "tier"), ("seats", "seating"),
    ("first_seen", "last_seen"), ("d7_logins", "d8_logins"), ("", "a"), ("logins", "nigols"),
])
def test_not_near(one: str, other: str) -> None:
    assert not one_letter_apart(one, other)
    assert not one_letter_apart(other, one)


@given(st.text("abc", min_size=4, max_size=7), st.text("abc", min_size=4, max_size=7))
def test_it_is_a_distance_of_one(one: str, other: str) -> None:
    assert one_letter_apart(one, other) == (other in neighbours(one))


def neighbours(name: str) -> set[str]:
    """Every name of these letters that is one step away."""
    cuts = [(name[:n], name[n:]) for n in range(len(name) + 1)]
    missing = {a + b[1:] for a, b in cuts if b}
    wrong = {a + letter + b[1:] for a, b in cuts if b for letter in "abc"}
    more = {a + letter + b for a, b in cuts for letter in "abc"}
    swapped = {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    return (missing | wrong | more | swapped) - {name}


NAMES = st.lists(st.text(alphabet="aAbßı_1", max_size=7) | st.sampled_from(
    ["x" * n for n in range(198, 203)] + ["x" * n + "abc" for n in range(195, 200)]), max_size=12)


@given(NAMES, NAMES)
def test_pairs_are_those_that_one_by_one_are_near(ones: list[str], others: list[str]) -> None:
    assert pairs_one_letter_apart(ones, others) == sorted(
        {(one, other) for one in ones for other in others if one_letter_apart(one, other)})
