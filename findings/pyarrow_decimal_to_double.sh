#!/bin/sh
# pyarrow 26.0.1: casting decimal128 to float64 often gives the neighbour of the nearest double.
#
# A guess: 0.35 as a decimal becomes 0.35 as a double. In fact the cast is done by a multiplication with an inexact power
# of ten, so that more than one in eight amounts with two places are off by one unit in the last place. A cast by way of
# text gives the nearest double for all of them.
#
# Seen: 13929 of the 100000 amounts from 0.00 to 999.99 differ from float(text); 0.35 becomes 0.35000000000000003
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyarrow==26.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from decimal import Decimal

import pyarrow as pa

amounts = [Decimal(cents).scaleb(-2) for cents in range(100_000)]
array = pa.array(amounts, pa.decimal128(18, 2))
cast = array.cast(pa.float64()).to_pylist()
by_text = array.cast(pa.string()).cast(pa.float64()).to_pylist()
right = [float(str(amount)) for amount in amounts]
wrong = sum(a != b for a, b in zip(cast, right))
print("differ:", wrong, "of", len(right), "and 0.35 becomes", cast[35])
assert wrong == 13929
assert cast[35] == 0.35000000000000003
assert by_text == right
PYTHON
