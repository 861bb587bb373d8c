#!/bin/sh
# duckdb 2.0.0: trim(text) takes the no-break space away, and trim(text, ' ') does not; PostgreSQL's trim(text) does not.
#
# A guess: without characters to remove, trim() removes spaces (U+0020), as PostgreSQL documents and does. In fact DuckDB
# removes Unicode's spaces, though no tabs and no zero width spaces: what was tried out there leaves them elsewhere.
#
# Seen, as lengths of what is left: of no-break space and a letter 1, with ' ' 2; of a tab and a letter 2
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb

with duckdb.connect() as connection:
    [found] = connection.execute("""
        select length(trim(chr(160) || 'a')), length(trim(chr(160) || 'a', ' ')), length(trim(chr(9) || 'a')),
            length(trim(chr(8203) || 'a'))""").fetchall()
print("no-break space:", found[0], "with ' ':", found[1], "tab:", found[2], "zero width space:", found[3])
assert found == (1, 2, 2, 2)
PYTHON
