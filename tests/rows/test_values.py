"""What may become a trait, in which form, what is set aside and what is refused, type by type.

``TestComparingValues`` holds the cases that engines' own comparisons get wrong, ``TestDialects`` what a DuckDB gives.
"""

from __future__ import annotations

import datetime as dt
import math
import struct
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from candu_sync.rows.columns import Canonical
from candu_sync.rows.instants import NOT_AN_INSTANT, OUT_OF_RANGE, as_instants
from candu_sync.rows.keys import BLANK_KEY, NOT_WHOLE, NULL_KEY, ids, key_parts
from candu_sync.rows.kinds import ARROW, LARGEST_INTEGER, Unsendable, ValueKind, kind_of
from candu_sync.rows.values import TOO_LARGE, canonical

NAN, INFINITY = float("nan"), float("inf")
LIMIT = LARGEST_INTEGER


def numeric(*texts: str | None) -> pa.Array:
    """PostgreSQL's numeric as ADBC gives it."""
    return pa.ExtensionArray.from_storage(pa.opaque(pa.string(), "numeric", "postgresql"), pa.array(texts, pa.string()))


def decimal(text: str, precision: int, scale: int) -> pa.Array:
    return pa.array([Decimal(text)], pa.decimal128(precision, scale))


def moment(*numbers: int, unit: str = "us", zone: str | None = None) -> pa.Array:
    return pa.array(numbers, pa.timestamp(unit, zone))


def values_of(array: pa.Array, timezone: str = "UTC") -> list[Any]:
    """The canonical values, those of rows that must be set aside as None."""
    found = canonical(array, timezone)
    reasons = reasons_of(found)
    return [None if reason else value for value, reason in zip(found.values.to_pylist(), reasons, strict=True)]


def reasons_of(found: Canonical) -> list[str | None]:
    return [None] * len(found.values) if found.reasons is None else list(found.reasons.to_pylist())


class TestComparingValues:
    """The table of the notes: the same value in two types is one value, and different ones are not."""

    @pytest.mark.parametrize(("old", "new"), [
        pytest.param(pa.array([NAN]), pa.array([NAN]), id="NaN and NaN"),
        pytest.param(pa.array([0.0]), pa.array([-0.0]), id="0.0 and -0.0"),
        pytest.param(pa.array([5], pa.int64()), pa.array([5.0]), id="int64 5 and float64 5.0"),
        pytest.param(pa.array([5], pa.int8()), pa.array([5], pa.uint64()), id="int8 and uint64"),
        pytest.param(decimal("1.50", 5, 2), decimal("1.5000", 12, 4), id="decimal 1.50 and 1.5000"),
        pytest.param(decimal("1.50", 5, 2), numeric("1.50"), id="decimal and numeric as text"),
        pytest.param(pa.array([0.1], pa.float32()), pa.array([0.1]), id="REAL 0.1 and DOUBLE 0.1"),
        pytest.param(moment(1_700_000_000_000_000), moment(1_700_000_000_000_000_000, unit="ns"), id="µs and ns"),
        pytest.param(moment(1_700_000_000, unit="s", zone="UTC"), moment(1_700_000_000, unit="s", zone="Europe/Paris"),
                     id="one instant in two zones"),
        pytest.param(pa.array([dt.date(2025, 4, 22)]), moment(1_745_280_000, unit="s"), id="date and its midnight"),
        pytest.param(pa.array(["a"]), pa.array(["a"]).dictionary_encode(), id="text and dictionary"),
        pytest.param(pa.array(["a"]), pa.array(["a"], pa.string_view()), id="text and string_view"),
        pytest.param(pa.array(["a"]), pa.array(["a"], pa.large_string()), id="text and large_string"),
    ])
    def test_one_value_in_two_types_is_one_value(self, old: pa.Array, new: pa.Array) -> None:
        before, after = canonical(old).values, canonical(new).values
        assert before.type == after.type
        assert before.to_pylist() == after.to_pylist()

    def test_true_and_1_are_two_values_since_their_kinds_differ(self) -> None:
        assert kind_of(pa.bool_()) is not kind_of(pa.int64())
        assert canonical(pa.array([True])).values.type != canonical(pa.array([1])).values.type

    def test_a_negative_zero_loses_its_sign(self) -> None:
        assert math.copysign(1, canonical(pa.array([-0.0])).values[0].as_py()) == 1

    def test_neighbours_beyond_2_53_are_never_taken_for_one_another(self) -> None:
        assert values_of(pa.array([LIMIT])) == values_of(pa.array([float(LIMIT)])) == [LIMIT]
        assert reasons_of(canonical(pa.array([LIMIT + 1]))) == [TOO_LARGE]

    def test_text_stays_text_even_where_it_looks_like_a_number_or_a_date(self) -> None:
        texts = ["1.50", "2025-04-22", "true", "", "  padded "]
        assert canonical(pa.array(texts)).values.to_pylist() == texts


class TestNumbers:
    @pytest.mark.parametrize("array", [
        pa.array([LIMIT, -LIMIT, LIMIT + 1, -LIMIT - 1, None], pa.int64()),
        pa.array([LIMIT, -LIMIT, LIMIT + 1, -LIMIT - 1, None], pa.decimal128(38, 0)),
        pa.array([LIMIT, -LIMIT, LIMIT + 1, -LIMIT - 1, None], pa.decimal256(70, 0)),
        pa.array([LIMIT, -LIMIT, LIMIT + 1, -LIMIT - 1, None], pa.decimal128(38, 9)),
        numeric(str(LIMIT), str(-LIMIT), str(LIMIT + 1), str(-LIMIT - 1), None),
        numeric(f"{LIMIT}.00", f"{-LIMIT}.00", f"{LIMIT + 1}.00", f"{-LIMIT - 1}.00", None),
    ], ids=["int64", "decimal(38,0)", "decimal(70,0)", "decimal(38,9)", "numeric as text", "with places"])
    def test_integers_beyond_2_53_are_set_aside_and_their_neighbours_are_not(self, array: pa.Array) -> None:
        assert values_of(array) == [LIMIT, -LIMIT, None, None, None]
        assert reasons_of(canonical(array)) == [None, None, TOO_LARGE, TOO_LARGE, None]

    def test_unsigned_integers_beyond_2_53_too(self) -> None:
        found = canonical(pa.array([0, LIMIT, LIMIT + 1, 2**64 - 1], pa.uint64()))
        assert reasons_of(found) == [None, None, TOO_LARGE, TOO_LARGE]

    def test_numeric_with_hundreds_of_digits_is_set_aside_and_a_tiny_one_is_zero(self) -> None:
        assert reasons_of(canonical(numeric("1" + "0" * 400))) == [TOO_LARGE]
        assert values_of(numeric("0." + "0" * 400 + "1")) == [0.0]

    @pytest.mark.parametrize("array", [
        pa.array([NAN, INFINITY, -INFINITY, 1.5, None]),
        pa.array([NAN, INFINITY, -INFINITY, 1.5, None], pa.float32()),
        numeric("NaN", "Infinity", "-Infinity", "1.5", None),
    ], ids=["float64", "float32", "numeric as text"])
    def test_nan_and_infinity_are_null_and_counted(self, array: pa.Array) -> None:
        found = canonical(array)
        assert found.values.to_pylist() == [None, None, None, 1.5, None]
        assert (found.not_finite, found.reasons) == (3, None)

    @settings(max_examples=200)
    @given(st.data())
    def test_decimals_are_the_nearest_double_whatever_their_layout(self, data: st.DataObject) -> None:
        digits = data.draw(st.integers(1, 38))
        scale = data.draw(st.integers(0, digits))
        unscaled = data.draw(st.lists(st.integers(-(10**digits) + 1, 10**digits - 1), min_size=1, max_size=20))
        decimals = [Decimal(f"{number}E-{scale}") for number in unscaled]
        layouts = [pa.decimal128(digits, scale), pa.decimal256(digits, scale)]
        layouts += [pa.decimal64(digits, scale)] if digits <= 18 else []
        layouts += [pa.decimal32(digits, scale)] if digits <= 9 else []
        expected = [float(value) for value in decimals]
        for layout in layouts:
            assert canonical(pa.array(decimals, layout)).values.to_pylist() == expected
        assert canonical(numeric(*[f"{value:f}" for value in decimals])).values.to_pylist() == expected

    def test_a_slice_of_a_decimal_column_is_that_slice(self) -> None:
        column = pa.array([Decimal("1.1"), None, Decimal("3.3"), Decimal("4.4")], pa.decimal128(5, 1))
        assert canonical(column.slice(1, 2)).values.to_pylist() == [None, 3.3]

    @settings(max_examples=100)
    @example([3.4028234663852886e38, 1e-45, 0.1])
    @given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
    def test_a_real_is_the_double_that_its_shortest_text_says(self, numbers: list[float]) -> None:
        expected = [_shortest(number) for number in numbers]
        assert canonical(pa.array(numbers, pa.float32())).values.to_pylist() == expected


class TestInstants:
    def test_fractions_of_a_second_are_cut_off_downwards_before_1970_too(self) -> None:
        found = canonical(moment(-1, -1_000_000, -1_000_001, 1_999_999))
        assert found.values.cast(pa.int64()).to_pylist() == [-1, -1, -2, 1]

    def test_a_date_is_its_midnight_in_utc_whatever_the_zone_of_timestamps(self) -> None:
        assert values_of(pa.array([dt.date(2025, 4, 22), dt.date(1969, 12, 31)]), "America/New_York") == [
            dt.datetime(2025, 4, 22), dt.datetime(1969, 12, 31)]

    def test_timestamps_without_a_zone_are_in_the_syncs(self) -> None:
        noon = pa.array([dt.datetime(2026, 7, 1, 12), dt.datetime(2026, 1, 1, 12)])
        assert values_of(noon, "Europe/Paris") == [dt.datetime(2026, 7, 1, 10), dt.datetime(2026, 1, 1, 11)]
        assert values_of(noon.cast(pa.timestamp("us", "UTC")), "Europe/Paris") == noon.to_pylist()

    def test_an_hour_that_comes_twice_is_its_second(self) -> None:
        odd = pa.array([dt.datetime(2026, 10, 25, 1, 59), dt.datetime(2026, 10, 25, 2, 30), None,
                        dt.datetime(2026, 10, 25, 3)])
        assert values_of(odd, "Europe/Paris") == [
            dt.datetime(2026, 10, 24, 23, 59), dt.datetime(2026, 10, 25, 1, 30), None, dt.datetime(2026, 10, 25, 2)]

    def test_times_of_an_hour_that_is_skipped_stay_apart(self) -> None:
        odd = pa.array([dt.datetime(2026, 3, 8, 2, minute) for minute in (0, 20, 40)])
        apart = [dt.datetime(2026, 3, 8, 7, minute) for minute in (0, 20, 40)]
        assert values_of(odd, "America/New_York") == apart
        assert values_of(odd.cast(pa.string()), "America/New_York") == odd.cast(pa.string()).to_pylist()
        assert as_instants(odd.cast(pa.string()), "America/New_York").values.to_pylist() == apart

    def test_summer_time_goes_on_after_2037(self) -> None:
        summer = pa.array([dt.datetime(2040, 7, 1, 12), dt.datetime(9000, 7, 1, 12), dt.datetime(2040, 1, 1, 12)])
        assert values_of(summer, "America/New_York") == [
            dt.datetime(2040, 7, 1, 16), dt.datetime(9000, 7, 1, 16), dt.datetime(2040, 1, 1, 17)]

    @settings(max_examples=100)
    @given(st.datetimes(dt.datetime(1800, 1, 1), dt.datetime(9999, 1, 1)),
           st.sampled_from(["Europe/Paris", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]))
    def test_zones_agree_with_the_standard_librarys(self, local: dt.datetime, zone: str) -> None:
        aware = local.replace(tzinfo=ZoneInfo(zone))
        later = max(aware.replace(fold=fold).astimezone(dt.UTC) for fold in (0, 1))
        assert values_of(pa.array([local]), zone) == [_floor(later.replace(tzinfo=None))]

    @pytest.mark.parametrize("array", [
        moment(2**63 - 1, -(2**63) + 1),
        moment(2**63 - 1, -(2**63) + 1, unit="s"),
        moment(2**63 - 1, -(2**63) + 1, zone="UTC"),
        pa.array([2**31 - 1, -(2**31) + 1], pa.int32()).cast(pa.date32()),
    ], ids=["µs", "s", "with a zone", "date"])
    def test_infinity_and_other_times_out_of_range_are_set_aside(self, array: pa.Array) -> None:
        assert values_of(array) == [None, None]
        assert reasons_of(canonical(array)) == [OUT_OF_RANGE, OUT_OF_RANGE]

    def test_a_zone_that_carries_a_time_out_of_range_sets_it_aside(self) -> None:
        ends = pa.array([dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59)])
        assert reasons_of(canonical(ends, "Europe/Paris")) == [OUT_OF_RANGE, None]
        assert reasons_of(canonical(ends, "America/New_York")) == [None, OUT_OF_RANGE]
        assert values_of(ends) == [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59)]

    def test_nanoseconds_reach_to_their_own_ends_which_are_infinities(self) -> None:
        assert reasons_of(canonical(moment(2**63 - 1, -(2**63) + 1, unit="ns"))) == [OUT_OF_RANGE, OUT_OF_RANGE]
        assert values_of(moment(2**63 - 2, -(2**63) + 1_000, unit="ns")) == [
            dt.datetime(2262, 4, 11, 23, 47, 16), dt.datetime(1677, 9, 21, 0, 12, 43)]

    def test_event_times_keep_their_microseconds_and_are_read_from_text(self) -> None:
        found = as_instants(pa.array(["2026-01-05 12:30:00.5", "2026-01-05T12:30:00+02:00", "2026-01-05", None]))
        assert found.values.to_pylist() == [
            dt.datetime(2026, 1, 5, 12, 30, 0, 500_000), dt.datetime(2026, 1, 5, 10, 30), dt.datetime(2026, 1, 5), None]
        assert found.reasons is None

    def test_text_without_a_zone_is_in_the_syncs(self) -> None:
        assert as_instants(pa.array(["2026-07-01 12:00"]), "Europe/Paris").values.to_pylist() == [
            dt.datetime(2026, 7, 1, 10)]

    def test_text_that_is_no_time_is_set_aside_alone(self) -> None:
        found = as_instants(pa.array(["yesterday", "", "0001-01-01T00:00:00+05:00", "2026-01-05 12:30:00"]))
        assert reasons_of(found) == [NOT_AN_INSTANT] * 3 + [None]

    def test_a_number_is_no_time_of_an_event(self) -> None:
        with pytest.raises(Unsendable, match="not a point in time"):
            as_instants(pa.array([1_700_000_000]))


class TestText:
    def test_uuids_enums_and_times_of_day_are_text(self) -> None:
        uuid = UUID("1ffdef90-759a-47e5-ba1b-27aa2c2e7309")
        assert values_of(pa.array([uuid.bytes, None], pa.uuid())) == [str(uuid), None]
        assert values_of(pa.array(["pro", None, "pro"]).dictionary_encode()) == ["pro", None, "pro"]
        assert values_of(pa.array([dt.time(10, 30), dt.time(10, 30, 0, 120_000)], pa.time64("us"))) == [
            "10:30:00", "10:30:00.12"]
        assert values_of(pa.array([dt.time(10, 30)], pa.time32("s"))) == ["10:30:00"]

    def test_a_dictionary_of_numbers_is_numbers(self) -> None:
        assert values_of(pa.array([5, LIMIT + 1, None]).dictionary_encode()) == [5.0, None, None]

    def test_booleans_stay_booleans(self) -> None:
        assert canonical(pa.array([True, None, False])).values.to_pylist() == [True, None, False]

    def test_a_column_of_nothing_but_nulls_has_no_kind_yet(self) -> None:
        assert kind_of(pa.null()) is ValueKind.EMPTY


class TestRefusals:
    @pytest.mark.parametrize(("type_", "hint"), [
        (pa.binary(), "encode it as text"), (pa.large_binary(), "encode it as text"),
        (pa.binary(16), "encode it as text"), (pa.binary_view(), "encode it as text"),
        (pa.duration("s"), "length as a number"), (pa.month_day_nano_interval(), "length as a number"),
        (pa.list_(pa.int64()), "an array"), (pa.large_list(pa.int64()), "an array"),
        (pa.list_(pa.int64(), 2), "an array"),
        (pa.struct([("a", pa.int64())]), "an object"), (pa.map_(pa.string(), pa.int64()), "an object"),
        (pa.opaque(pa.binary(), "geometry", "postgresql"), "geometry"),
        (pa.dictionary(pa.int8(), pa.binary()), "encode it as text"),
    ], ids=str)
    def test_what_cannot_be_a_value_is_refused_with_a_way_out(self, type_: pa.DataType, hint: str) -> None:
        with pytest.raises(Unsendable, match=hint):
            kind_of(type_)

    def test_every_kind_is_its_own_canonical_type(self) -> None:
        assert {kind: kind_of(type_) for kind, type_ in ARROW.items()} == {kind: kind for kind in ARROW}


class TestIds:
    def test_text_is_taken_as_it_is_case_and_spaces_included(self) -> None:
        assert ids(pa.array(["U1", " u1 ", "é", "ü@x"])).values.to_pylist() == ["U1", " u1 ", "é", "ü@x"]

    @pytest.mark.parametrize("array", [
        pa.array([2399229, 0, -7]), pa.array([2399229.0, 0.0, -7.0]), numeric("2399229", "0", "-7"),
        numeric("2399229.00", "0.00", "-7.00"),
        pa.array([Decimal(2399229), Decimal(0), Decimal(-7)], pa.decimal128(38, 0)),
        pa.array([Decimal(2399229), Decimal(0), Decimal(-7)], pa.decimal128(38, 10)),
    ], ids=["int", "float", "numeric", "numeric with a scale", "decimal", "decimal with a scale"])
    def test_whole_numbers_are_decimal_digits(self, array: pa.Array) -> None:
        assert ids(array).values.to_pylist() == ["2399229", "0", "-7"]
        assert ids(array).reasons is None

    def test_ids_may_have_more_digits_than_a_double(self) -> None:
        assert ids(pa.array([2**63 - 1])).values.to_pylist() == [str(2**63 - 1)]
        assert ids(pa.array([Decimal(10**37 + 1)], pa.decimal128(38, 0))).values.to_pylist() == [str(10**37 + 1)]

    def test_null_empty_and_blank_ids_have_their_reasons(self) -> None:
        assert reasons_of(ids(pa.array([None, "", " ", "\t\n", "u"]))) == [NULL_KEY, *[BLANK_KEY] * 3, None]
        assert reasons_of(ids(pa.array([None, 1]))) == [NULL_KEY, None]

    def test_fractions_nan_and_inexact_floats_are_no_ids(self) -> None:
        assert reasons_of(ids(pa.array([1.5, NAN, INFINITY, 1e300]))) == [NOT_WHOLE] * 4
        assert reasons_of(ids(numeric("1.5", "NaN"))) == [NOT_WHOLE] * 2

    @pytest.mark.parametrize("type_", [pa.bool_(), pa.timestamp("us"), pa.date32(), pa.binary(), pa.list_(pa.int64())],
                             ids=str)
    def test_other_types_cannot_be_ids(self, type_: pa.DataType) -> None:
        with pytest.raises(Unsendable):
            ids(pa.nulls(1, type_))

    def test_parts_of_a_key_may_be_instants_and_booleans(self) -> None:
        assert key_parts(pa.array([dt.date(2026, 1, 1), None])).values.to_pylist() == [
            "2026-01-01T00:00:00.000000Z", None]
        assert key_parts(pa.array([True, False])).values.to_pylist() == ["true", "false"]
        assert reasons_of(key_parts(pa.array([True, None]))) == [None, NULL_KEY]


class TestDialects:
    @pytest.mark.parametrize(("sql", "value"), [
        ("sum(5::bigint)", 5.0), ("5::hugeint", 5.0), ("5::uhugeint", 5.0), ("1.5::decimal(18, 3)", 1.5),
        ("5::utinyint", 5.0), ("0.1::real", 0.1), ("'a'::enum('a', 'b')", "a"),
        ("'1ffdef90-759a-47e5-ba1b-27aa2c2e7309'::uuid", "1ffdef90-759a-47e5-ba1b-27aa2c2e7309"),
        ("time '10:30:00.5'", "10:30:00.5"), ("true", True), ("null", None), ("null::integer", None),
        ("date '2025-04-22'", dt.datetime(2025, 4, 22)),
        ("timestamptz '2025-04-22 12:00+02'", dt.datetime(2025, 4, 22, 10)),
        ("timestamp_ns '1969-12-31 23:59:59.999999999'", dt.datetime(1969, 12, 31, 23, 59, 59)),
        ("timestamp_s '2025-04-22 12:00:00'", dt.datetime(2025, 4, 22, 12)),
    ])
    def test_what_duckdb_gives(self, sql: str, value: object) -> None:
        assert values_of(_duckdb(sql)) == [value]

    @pytest.mark.parametrize(("sql", "reason"), [
        ("170141183460469231731687303715884105727::hugeint", TOO_LARGE), ("18446744073709551615::ubigint", TOO_LARGE),
        ("'infinity'::timestamp", OUT_OF_RANGE), ("'-infinity'::timestamptz", OUT_OF_RANGE),
        ("'infinity'::date", OUT_OF_RANGE), ("'-infinity'::timestamp_ns", OUT_OF_RANGE),
    ])
    def test_what_duckdb_gives_and_nobody_can_take(self, sql: str, reason: str) -> None:
        assert reasons_of(canonical(_duckdb(sql))) == [reason]

    @pytest.mark.parametrize("sql", ["[1]", "{'a': 1}", "map {'a': 1}", "'a'::blob", "interval 1 day", "'101'::bit"])
    def test_what_of_duckdb_is_refused(self, sql: str) -> None:
        with pytest.raises(Unsendable):
            canonical(_duckdb(sql))


def _duckdb(sql: str) -> pa.Array:
    with duckdb.connect() as connection:
        return connection.sql(f"select {sql}").to_arrow_table().column(0).chunk(0)


def _shortest(number: float) -> float:
    """The double of the shortest text that reads back to the same REAL."""
    texts = (f"{number:.{digits}g}" for digits in range(1, 10))
    return next(float(text) for text in texts if struct.pack("f", float(text)) == struct.pack("f", number))


def _floor(value: dt.datetime) -> dt.datetime:
    return value.replace(microsecond=0)
