"""The ways out, each to a real server: what arrives, and what is said when it does not."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from candu_sync.alerts.addresses import parse_addresses
from candu_sync.alerts.conditions import Problem, Standing
from candu_sync.alerts.notices import Notice
from candu_sync.alerts.ways_out import NotTaken, send
from tests.support.mailbox import Mailbox
from tests.support.webhook import Webhook

AT = dt.datetime(2026, 11, 28, 9, 0, tzinfo=dt.UTC)
LINK = "https://dagster.example/runs/1"


def notice(sentence: str = "failing since 09:00: Candu says <no> & <!channel>", sync: str = "users/profile") -> Notice:
    bad = Standing(None, (Problem("failing", sentence),), link=LINK)
    return Notice(sync=sync, owners=("team:growth",), bad=(bad,), well=(), at=AT)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        yield server


def deliver(url: str, what: Notice | None = None) -> None:
    [address] = parse_addresses(url)
    send(address, what or notice())


def why_not(url: str) -> str:
    with pytest.raises(NotTaken) as refused:
        deliver(url)
    assert "s3cret" not in str(refused.value)
    return str(refused.value)


def test_slack_is_sent_text_that_can_call_nobody(webhook: Webhook) -> None:
    deliver(webhook.url("services/s3cret", "slack+"))
    [(path, body)] = webhook.posted
    assert path == "/services/s3cret"
    assert body == {"text": "*users/profile is failing*\n"
                            "failing since 09:00: Candu says &lt;no&gt; &amp; &lt;!channel&gt;\n"
                            f"<{LINK}|The run>\n"
                            "candu-sync status users/profile · team:growth"}


def test_another_webhook_is_sent_an_object(webhook: Webhook) -> None:
    deliver(webhook.url())
    [body] = webhook.bodies
    assert body["text"].splitlines()[0] == body["title"] == "users/profile is failing"
    del body["text"]
    assert body == {"source": "candu-sync", "at": "2026-11-28T09:00:00+00:00", "sync": "users/profile",
                    "state": "problem", "title": "users/profile is failing", "recovered": [],
                    "problems": [{"partition": None, "code": "failing",
                                  "sentence": "failing since 09:00: Candu says <no> & <!channel>"}],
                    "owners": ["team:growth"], "link": LINK}


def test_user_and_password_of_a_webhook_are_a_header(webhook: Webhook) -> None:
    deliver(webhook.url().replace("http://", "http://user:p%40ss@"))
    assert webhook.authorizations == ["Basic dXNlcjpwQHNz"]


def test_what_is_no_acceptance(webhook: Webhook) -> None:
    webhook.status = 404
    assert why_not(webhook.url("s3cret")) == "it answered HTTP 404"
    # A page that a redirect leads to answers a GET with 200: nobody has read the notice.
    webhook.status, webhook.location = 302, webhook.url("login")
    assert why_not(webhook.url("s3cret")) == "it answered HTTP 302"
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert why_not(f"http://127.0.0.1:{port}/s3cret") == "no answer (Connection refused)"
    assert why_not("https://nowhere.invalid/s3cret").startswith("no answer (")


def test_a_letter(webhook: Webhook) -> None:
    with Mailbox() as mailbox:
        deliver(f"smtp://127.0.0.1:{mailbox.port}/?to=a@example.com,b@example.com&from=sync@example.com")
        [letter] = mailbox.letters
    assert (letter.sender, letter.to) == ("sync@example.com", ("a@example.com", "b@example.com"))
    assert letter.message["Subject"] == "[candu-sync] users/profile is failing"
    assert letter.message["Auto-Submitted"] == "auto-generated"
    body = letter.message.get_content()
    assert body.splitlines() == notice().text.splitlines()
    assert LINK in body


def test_a_letter_with_a_password_to_this_machine(webhook: Webhook) -> None:
    with Mailbox() as mailbox:
        deliver(f"smtp://ann:p%40ss@127.0.0.1:{mailbox.port}/?to=a@example.com")
        assert mailbox.letters[0].login == ("ann", "p@ss")
        assert why_not(f"smtp://ann:s3cret@127.0.0.1:{mailbox.port}/?to=a@example.com") == "it answered 535"
        mailbox.refuses.add("b@example.com")
        said = why_not(f"smtp://127.0.0.1:{mailbox.port}/?to=a@example.com&to=b@example.com")
    assert said == "it refused 1 of 2 recipients"


def test_a_password_goes_to_no_other_machine_in_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("candu_sync.alerts.ways_out._this_machine", lambda host: False)
    with Mailbox() as mailbox:
        said = why_not(f"smtp://ann:s3cret@127.0.0.1:{mailbox.port}/?to=a@example.com")
        assert mailbox.letters == []
    assert said.startswith("it offers no STARTTLS")


def test_a_server_with_starttls_is_sent_nothing_in_plain_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Mailbox(certificate(tmp_path)) as mailbox:
        url = f"smtp://ann:p%40ss@localhost:{mailbox.port}/?to=a@example.com"
        assert why_not(url).startswith("it did not take the letter (")  # nobody vouches for its certificate
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        deliver(url)
        [letter] = mailbox.letters
    assert letter.encrypted
    assert letter.login == ("ann", "p@ss")


def certificate(folder: Path) -> ssl.SSLContext:
    """A server's TLS for localhost; its certificate is ``certificate.pem``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(1).not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256()))
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


def test_a_long_error_and_many_partitions_stay_readable(webhook: Webhook) -> None:
    bad = tuple(Standing(f"k{n}", (Problem("failing", "x\n" * 5000, f"k{n}"),)) for n in range(9))
    many = Notice(sync="users/segments", owners=(), bad=bad, well=(), at=AT)
    deliver(webhook.url(form="slack+"), many)
    text = webhook.bodies[0]["text"]
    assert text.startswith("*users/segments (9 partitions) is failing*\n[k0] x")
    assert "… and 4 partitions more" in text
    assert len(text) < 11_000
