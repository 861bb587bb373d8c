#!/bin/sh
# sqlalchemy 2.1.9: the execution option yield_per has no effect on partitions() of a text() statement.
#
# A guess: yield_per=1000 makes partitions() give lists of 1000 rows, as it does for select(). In fact a textual statement
# gives lists of one row, and the size must be given to partitions() itself.
#
# Seen, for 2500 rows: text(): 2500 lists of 1 row; select(): lists of 1000, 1000, 500; text() with partitions(1000): the
# same
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet sqlalchemy==2.1.9
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from sqlalchemy import column, create_engine, select, table, text

engine = create_engine("sqlite://")
with engine.connect() as connection:
    connection.execute(text("create table t (n integer)"))
    connection.execute(text("insert into t values (:n)"), [{"n": n} for n in range(2500)])
    options = connection.execution_options(yield_per=1000)
    sizes = lambda parts: [len(part) for part in parts]
    textual = sizes(options.execute(text("select n from t")).partitions())
    built = sizes(options.execute(select(column("n")).select_from(table("t"))).partitions())
    given = sizes(options.execute(text("select n from t")).partitions(1000))
print("text:", len(textual), set(textual), "select:", built, "partitions(1000):", given)
assert len(textual) == 2500 and set(textual) == {1}
assert built == given == [1000, 1000, 500]
PYTHON
