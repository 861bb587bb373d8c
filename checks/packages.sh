#!/usr/bin/env bash
# Wheel and sdist: built, the sdist built again into the same wheel, and each installed into an empty environment by pip
# and by uv. There a project is begun, planned and sent to the simulator.
#
#   checks/packages.sh PYTHON FOLDER      (`make check-packages`; needs the network)
set -euo pipefail
python=$1 folder=$(mkdir -p "$2" && cd "$2" && pwd)
cd "$(dirname "$0")/.."
export PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONPATH

rm -rf "${folder:?}"/{source,dist,again,pip,uv-wheel,shop-*}
mkdir -p "$folder/source"
git ls-files -z | xargs -0 cp --parents --no-dereference --target-directory "$folder/source"
[ -x "$folder/tools/bin/uv" ] || { "$python" -m venv "$folder/tools" && "$folder/tools/bin/pip" install --quiet build uv; }
"$folder/tools/bin/python" -m build --outdir "$folder/dist" "$folder/source" > "$folder/build.log"
"$folder/tools/bin/pip" wheel --quiet --no-deps --wheel-dir "$folder/again" "$folder"/dist/*.tar.gz
diff <(unzip -Z1 "$folder"/dist/*.whl | sort) <(unzip -Z1 "$folder"/again/*.whl | sort)

use() {  # VENV: from an empty folder, as a new user does
    local shop="$folder/shop-$1" bin="$folder/$1/bin"
    mkdir "$shop" && cd "$shop"
    "$bin/candu-sync" --version
    "$bin/candu-sync" init . > /dev/null
    "$bin/candu-sync" plan users/example | grep 'would send 3 messages'
    "$bin/candu-sync" demo --folder .demo | tail -1
    du --summarize --human-readable "$folder/$1" | cut -f1
}

"$python" -m venv "$folder/pip"
"$folder/pip/bin/pip" install --quiet "$folder"/dist/*.tar.gz
(use pip)
"$folder/tools/bin/uv" venv --quiet --python "$python" "$folder/uv-wheel"
"$folder/tools/bin/uv" pip install --quiet --python "$folder/uv-wheel/bin/python" "$folder"/dist/*.whl
(use uv-wheel)
