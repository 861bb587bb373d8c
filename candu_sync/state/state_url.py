"""``CANDU_STATE_URL``, taken apart. Errors about it quote no part of it: it may hold a secret."""

from __future__ import annotations

import re
from urllib.parse import unquote

_FORMS = "use a folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"

CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role of the machine",
    "gs": "GOOGLE_SERVICE_ACCOUNT (the path of a key file), or a role of the machine",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or a role of the machine",
}


def take_apart(url: str) -> tuple[str, str]:
    """Scheme and the rest: ``("", "/data/state")`` for a folder, ``("s3", "bucket/prefix")`` for an object store.

    Raises:
        ValueError: with a sentence that names the setting and not its value.

    Example:
        >>> take_apart("S3://bucket/some/prefix/")
        ('s3', 'bucket/some/prefix')
        >>> take_apart("file:///var/lib/candu%20sync")
        ('', '/var/lib/candu sync')
    """
    scheme, found, rest = url.partition("://")
    scheme = scheme.lower()
    if not found:
        # One letter and a colon is a drive of Windows.
        if re.match(r"[A-Za-z0-9+.-]{2,}:", url):
            raise ValueError(f"is no folder and no URL that is known: {_FORMS}")
        return "", url
    if scheme == "file":
        if not rest.startswith("/"):
            raise ValueError("must have three slashes and a whole path after file:, like file:///var/lib/candu_sync")
        return "", unquote(rest)
    if scheme not in CREDENTIALS:
        raise ValueError(f"has a scheme that is not known: {_FORMS}")
    bucket = rest.partition("/")[0]
    if re.search(r"[:@]", bucket) or re.search(r"[?#]", rest):
        raise ValueError(f"must be {scheme}://bucket/prefix and nothing more. Credentials do not belong there, where "
                         f"they would be shown: give them as {CREDENTIALS[scheme]}")
    if not bucket:
        raise ValueError(f"names no bucket: it must be like {scheme}://bucket/prefix")
    return scheme, rest.rstrip("/")
