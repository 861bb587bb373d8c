"""``CANDU_ALERTS_URL``: which addresses there are, whose they are; a wrong one is refused without its value."""

from __future__ import annotations

import pytest

from candu_sync.alerts.addresses import addresses_for, login_of, parse_addresses, server_of
from candu_sync.errors import SettingsError
from candu_sync.settings import load_settings

SLACK = "https://hooks.slack.com/services/T0/B0/s3cret"
JSON = "https://example.com/hook?token=s3cret,with=comma"
MAIL = "smtp://user:p%40ss@mail.example.com/?to=a@example.com,b@example.com&from=sync@example.com"


def test_each_form_is_known_by_its_url() -> None:
    slack, other, plain, mail = parse_addresses(f"{SLACK} slack+https://chat.example/hooks/1, {JSON}\n{MAIL}")
    assert [a.way for a in (slack, other, plain, mail)] == ["slack", "slack", "json", "smtp"]
    assert (other.url, plain.url) == ("https://chat.example/hooks/1", JSON)
    assert (mail.to, mail.sender) == (("a@example.com", "b@example.com"), "sync@example.com")
    assert server_of(mail) == ("mail.example.com", 25)
    assert login_of(mail.url) == ("user", "p@ss")
    assert server_of(parse_addresses("smtps://mail.example.com?to=a@b.c")[0])[1] == 465


def test_owners_choose() -> None:
    found = parse_addresses(f"team:growth={SLACK} ann@example.com={MAIL} *=https://all.example/ https://rest.example/")
    growth, ann, every, rest = found
    assert addresses_for(found, ("team:growth",)) == [growth, every]
    assert addresses_for(found, ("ann@example.com", "team:growth")) == [growth, ann, every]
    assert addresses_for(found, ("team:other",)) == [rest, every]
    assert addresses_for(found, ()) == [rest, every]
    twice = parse_addresses(f"team:a={SLACK} team:b={SLACK}")
    assert len(addresses_for(twice, ("team:a", "team:b"))) == 1


def test_nothing_that_is_shown_has_a_secret() -> None:
    for address in parse_addresses(f"{SLACK} {JSON} team:a={MAIL} https://u:s3cret@example.com/x"):
        for text in (repr(address), address.described, address.id):
            assert "s3cret" not in text
            assert "p%40ss" not in text
            assert "p@ss" not in text


def test_another_password_is_the_same_address() -> None:
    [before], [after] = parse_addresses(MAIL), parse_addresses(MAIL.replace("p%40ss", "other"))
    assert before.id == after.id
    assert before.id != parse_addresses(SLACK)[0].id


@pytest.mark.parametrize(("text", "said"), [
    ("hooks.slack.com/s3cret", "what is no URL (the address)"),
    (f"{SLACK} s3cret", "what is no URL (the address)"),
    (f"{SLACK} ftp://s3cret.example/", "of a kind that is not supported (address 2 of 2)"),
    ("https:///s3cret", "what is no URL"),
    ("https://example.com:s3cret/", "what is no URL"),
    ("smtp://user:s3cret@mail.example.com/", "without a right to="),
    ("smtp://mail.example.com/?to=s3cret", "without a right to="),
    ("smtp://mail.example.com/?to=a@b.c&tls=s3cret", "without a right to="),
    ("smtp://mail.example.com/?to=a@b.c%0d%0aBcc:s3cret@b.c", "without a right to="),
])
def test_a_wrong_one_is_refused_without_its_value(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(alerts_url=text)
    assert str(refused.value).startswith("CANDU_ALERTS_URL holds")
    assert said in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_the_settings_do_not_show_it() -> None:
    settings = load_settings(alerts_url=SLACK, run_url="https://ci.example/jobs/17")
    assert "s3cret" not in repr(settings)
    assert [address.way for address in settings.alert_addresses] == ["slack"]
    with pytest.raises(SettingsError, match="CANDU_RUN_URL must be the URL of a page"):
        load_settings(run_url="job 17")
