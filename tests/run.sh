#!/usr/bin/env bash
# The test command: sets up the environment from the developers' lock file when it is missing, then runs everything.
# Arguments go to pytest: ./tests/run.sh tests/unit -k titles
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
. "$root/conf/environment.sh"
ensure_environment requirements-dev.lock
cd "$root"
bin="$root/.venv/bin"
if [ $# -eq 0 ]; then
    "$bin/ruff" check --cache-dir .venv/cache/ruff recsys monitor spark_jobs tests benchmarks notebooks
    "$bin/ruff" format --check --cache-dir .venv/cache/ruff recsys monitor spark_jobs tests benchmarks notebooks
    "$bin/mypy" --cache-dir .venv/cache/mypy
fi
export HYPOTHESIS_STORAGE_DIRECTORY="$root/.venv/cache/hypothesis"
# jobs wait for Spark and for one another: more processes than cores
[ $# -gt 0 ] || set -- --numprocesses 3
exec "$bin/python" -m pytest -o cache_dir=.venv/cache/pytest "$@"
