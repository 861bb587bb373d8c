#!/bin/sh
# sqlalchemy 2.1.9 with SQLite: `%(name)s` within a literal is replaced, where a parameter of that name is bound.
#
# A guess: a string literal in text() is left alone, but for a colon. In fact the statement is first written with
# %(name)s for each parameter, and then each %(name)s that stands anywhere becomes a `?`: the literal changes, and the
# number of values is wrong. create_engine(paramstyle="named") leaves it alone.
#
# Seen: select '?', ? with the values (1, 1): "uses 1, and there are 2 supplied"; with paramstyle named: ('%(since)s', 1)
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet sqlalchemy==2.1.9
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError

statement, values = text("select '%(since)s', :since"), {"since": 1}
with create_engine("sqlite://", paramstyle="named").connect() as connection:
    named = connection.execute(statement, values).fetchall()
sent = None
with create_engine("sqlite://").connect() as connection:
    try:
        connection.execute(statement, values)
    except ProgrammingError as error:
        sent = (error.statement, error.params)
print("named:", named, "by default:", sent)
assert named == [("%(since)s", 1)]
assert sent == ("select '?', ?", (1, 1))
PYTHON
