"""Settings from the environment and from .env, and what is said of wrong ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from candu_sync.errors import SettingsError
from candu_sync.routes import SEGMENT
from candu_sync.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and an environment without settings."""
    for name in [name for name in os.environ if name.upper().startswith("CANDU_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(**overrides: object) -> str:
    with pytest.raises(SettingsError) as error:
        load_settings(**overrides)
    return str(error.value)


def test_the_defaults_are_the_documented_ones() -> None:
    settings = load_settings()
    assert settings.model_dump() == {
        "environment": None,
        "api_key": None, "api_url": "https://api.candu.ai/api", "route": "candu",
        "segment_write_key": None, "segment_api_url": "https://api.segment.io", "warehouse_url": None,
        "query_timeout": 0.0,
        "state_url": ".candu_sync", "sql_dir": Path("sql"), "memory": 1_000_000_000,
        "batch_size": 100, "batch_growth": True, "rate": 10.0,
        "rate_url": None, "row_hashes": "tested",
        "concurrency": 4, "timeout": 30.0, "max_attempts": 8, "message_id": True, "nulls": "send", "history": 90.0,
        "history_size": 0,
        "report_schema": None, "report_url": None, "log": "text", "alerts_url": None, "run_url": None,
        "dbt_manifest": None}
    assert settings.warnings == ()


def test_overrides_go_before_the_environment_and_that_before_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env").write_text("CANDU_BATCH_SIZE=10\nCANDU_CONCURRENCY=2\nCANDU_STATE_URL=s3://bucket/state\nOTHER=1\n")
    monkeypatch.setenv("CANDU_CONCURRENCY", "3")
    monkeypatch.setenv("CANDU_MAX_ATTEMPTS", "5")
    settings = load_settings(max_attempts=7, timeout=None)
    assert (settings.batch_size, settings.concurrency, settings.max_attempts) == (10, 3, 7)
    assert (settings.state_url, settings.timeout, settings.warnings) == ("s3://bucket/state", 30.0, ())


def test_an_override_that_is_no_setting_is_a_mistake_of_the_code() -> None:
    with pytest.raises(TypeError, match="api_ulr"):
        load_settings(api_ulr="https://x")


@pytest.mark.parametrize(("text", "size"), [
    ("1GB", 10**9), ("512MB", 512 * 10**6), ("1.5 GiB", 3 * 2**29), ("64kb", 64_000), ("2tib", 2 * 2**40)])
def test_memory_is_a_size_with_its_unit(text: str, size: int) -> None:
    assert load_settings(memory=text).memory == size
    assert load_settings(memory=size).memory == size
    assert load_settings(history_size=text).history_size == size


@pytest.mark.parametrize(("name", "wrong"), [
    ("memory", "12"), ("memory", "0MB"), ("memory", "much"), ("timeout", "0"), ("timeout", "30m"), ("timeout", "inf"),
    ("query_timeout", "-1"), ("query_timeout", "10m"),
    ("rate", "-1"), ("rate", "nan"), ("rate", "fast"), ("batch_size", "0"), ("batch_size", "1.5"),
    ("concurrency", "-4"), ("max_attempts", "many"), ("message_id", "perhaps"), ("nulls", "none"), ("state_url", "  "),
    ("history_size", "-1"), ("history_size", "12")])
def test_a_wrong_value_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, wrong: str) -> None:
    monkeypatch.setenv(f"CANDU_{name.upper()}", wrong)
    assert refusal().startswith(f"CANDU_{name.upper()} must")


def test_every_wrong_setting_is_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CANDU_MEMORY", "CANDU_RATE", "CANDU_TIMEOUT"):
        monkeypatch.setenv(name, "x")
    assert [line.split()[0] for line in refusal().splitlines()] == ["CANDU_MEMORY", "CANDU_RATE", "CANDU_TIMEOUT"]


def test_numbers_are_read_as_people_write_them() -> None:
    settings = load_settings(timeout="2.5s", rate="0", message_id="off")
    assert (settings.timeout, settings.rate, settings.message_id) == (2.5, 0.0, False)
    assert load_settings(timeout="30").timeout == 30.0
    assert [load_settings(query_timeout=text).query_timeout for text in ("0", "600", "1.5s")] == [0.0, 600.0, 1.5]


@pytest.mark.parametrize("url", [
    "https://api.candu.ai/api/", "https://eu.candu.test:8443/api", "http://127.0.0.1:8000/api", "http://127.9.9.9/",
    "http://localhost:8000/api/", "http://[::1]:8000/api"])
def test_the_key_goes_over_https_or_stays_on_this_machine(url: str) -> None:
    assert load_settings(api_url=url).api_url == url.rstrip("/")


@pytest.mark.parametrize("url", [
    "http://api.candu.ai/api", "http://localhost.evil.test/", "http://127.0.0.1.evil.test", "http://127.0.0.1@evil.test",
    "http://10.0.0.1/api", "http://0.0.0.0/api", "ftp://api.candu.ai", "api.candu.ai/api", "https://", "https://a b/",
    "https://evil.test\\@api.candu.ai/", "https://user:hunter2@api.candu.ai/api", "https://api.candu.ai:hunter2/",
    "https://[hunter2/", "https://api.candu.ai/?key=hunter2"])
def test_any_other_address_is_refused(url: str) -> None:
    message = refusal(api_url=url)
    assert message.startswith("CANDU_API_URL ")
    assert "hunter2" not in message


@pytest.mark.parametrize("key", ["hunter 2hunter", "hunter2hunter\nX-Header: 1", "hunter2hunterü"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(key: str) -> None:
    message = refusal(api_key=key)
    assert message.startswith("CANDU_API_KEY ")
    assert "hunter" not in message


def test_a_direct_reading_shows_no_value_either() -> None:
    with pytest.raises(ValidationError) as error:
        Settings.model_validate({"api_key": "hunter 2", "rate": "fast"})
    assert "hunter" not in str(error.value)
    assert "fast" not in str(error.value)


def test_secrets_stay_out_of_what_is_printed() -> None:
    settings = load_settings(api_key=" hunter2 ", warehouse_url="postgresql://reader:hunter2@db/app")
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()}"
    assert settings.require_api_key() == "hunter2"
    assert settings.require_warehouse_url() == "postgresql://reader:hunter2@db/app"


@pytest.mark.parametrize(("require", "missing"), [
    (Settings.require_api_key, "CANDU_API_KEY"), (Settings.require_warehouse_url, "CANDU_WAREHOUSE_URL")])
def test_what_is_missing_is_named_with_the_place_to_set_it(
    monkeypatch: pytest.MonkeyPatch, require: Callable[[Settings], str], missing: str
) -> None:
    monkeypatch.setenv(missing, "")
    with pytest.raises(SettingsError, match=rf"{missing} is not set; .*\.env"):
        require(load_settings())


def test_a_variable_that_is_no_setting_is_warned_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("CANDU_CONCURENCY=9\nCANDU_DBT_MANIFEST=target/manifest.json\n")
    monkeypatch.setenv("CANDU_ZZZ", "1")
    settings = load_settings()
    in_file, in_environment = settings.warnings
    assert "CANDU_CONCURENCY in .env" in in_file
    assert in_file.endswith("did you mean CANDU_CONCURRENCY?")
    assert "CANDU_ZZZ in the environment is not a setting" in in_environment
    assert (settings.concurrency, settings.dbt_manifest) == (4, Path("target/manifest.json"))


def test_a_file_in_another_encoding_is_named(folder: Path) -> None:
    (folder / ".env").write_bytes(b"CANDU_STATE_URL=caf\xe9\n")
    assert refusal() == ".env is not UTF-8; save it in that encoding"


class TestSegment:
    def test_its_variables_have_its_name(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / ".env").write_text("CANDU_ROUTE=Segment\nSEGMENT_WRITE_KEY=from-the-file\n")
        monkeypatch.setenv("SEGMENT_API_URL", "https://events.eu1.segmentapis.com/")
        settings = load_settings()
        assert settings.route == "segment"
        assert settings.require_key(SEGMENT) == "from-the-file"
        assert settings.url_of(SEGMENT) == "https://events.eu1.segmentapis.com"
        assert settings.warnings == ()
        assert load_settings(segment_write_key="given").key_of(SEGMENT) == "given"

    def test_the_write_key_is_not_printed(self) -> None:
        settings = load_settings(segment_write_key="hunter2")
        assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()}"

    def test_a_write_key_of_another_environment_is_refused(self) -> None:
        assert load_settings(environment="production", segment_write_key="production:k").key_of(SEGMENT) == "k"
        assert refusal(segment_write_key="production:hunter").startswith("SEGMENT_WRITE_KEY is the key of another")

    @pytest.mark.parametrize(("name", "value", "said"), [
        ("segment_api_url", "api.segment.io", "SEGMENT_API_URL must be a URL that starts with https://"),
        ("segment_api_url", "https://api.segment.io/v1/batch", "SEGMENT_API_URL must be without /v1 at its end"),
        ("segment_api_url", "https://api.segment.io/v1/", "SEGMENT_API_URL must be without /v1 at its end"),
        ("segment_api_url", "http://10.0.0.1", "SEGMENT_API_URL is plain http to 10.0.0.1"),
        ("segment_api_url", "https://k:hunter2@x", "the key belongs into SEGMENT_WRITE_KEY"),
        ("segment_write_key", "hunter 2", "SEGMENT_WRITE_KEY holds a space"),
        ("route", "segmnt", "CANDU_ROUTE must be candu or segment; did you mean segment?")])
    def test_what_is_wrong_is_named(self, name: str, value: str, said: str) -> None:
        message = refusal(**{name: value})
        assert said in message
        assert "hunter" not in message

    def test_a_missing_write_key_is_named(self) -> None:
        with pytest.raises(SettingsError, match=r"SEGMENT_WRITE_KEY is not set; .*\.env"):
            load_settings().require_key(SEGMENT)


@pytest.mark.parametrize("url", [
    "http://:hunter2@host", "redis://:hunter2@host:port", "redis://:hunter 2@host", "redis://", "hunter2", "unix://"])
def test_the_url_of_redis_is_not_quoted_when_it_is_wrong(url: str) -> None:
    with pytest.raises(SettingsError, match="CANDU_RATE_URL must be the URL of a Redis") as error:
        load_settings(rate_url=url)
    assert "hunter" not in str(error.value)


@pytest.mark.parametrize("url", ["redis://host", "rediss://user:hunter2@host:6380/1?socket_timeout=3",
                                 "unix:///run/redis.sock?db=1"])
def test_the_url_of_redis_is_secret(url: str) -> None:
    settings = load_settings(rate_url=url)
    assert settings.rate_url is not None
    assert settings.rate_url.get_secret_value() == url
    assert url not in f"{settings!r} {settings.model_dump()}"
