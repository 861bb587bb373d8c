#!/bin/sh
# duckdb 2.0.0: md5_number() reads the digest from its end.
#
# A guess: it is the number that md5() shows in hexadecimal, so that its lower 64 bits are the last 16 digits, as those of
# MD5_NUMBER_LOWER64 in Snowflake. In fact the first byte of the digest is the least significant one: the lower 64 bits
# are the first 16 digits, with the bytes in reverse order.
#
# Seen: md5('a') begins with 0cc175b9c0f1b6a8, and the lower 64 bits of md5_number('a') are a8b6f1c0b975c10c
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import hashlib

import duckdb

with duckdb.connect() as connection:
    [(shown, number)] = connection.execute("select md5('a'), md5_number('a')").fetchall()
digest = hashlib.md5(b"a").digest()
print("md5:", shown, "lower 64 bits of md5_number:", f"{number % 2**64:016x}")
assert shown == digest.hex()
assert number == int.from_bytes(digest, "little") != int.from_bytes(digest, "big")
PYTHON
