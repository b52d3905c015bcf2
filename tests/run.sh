#!/usr/bin/env bash
# The test command: sets up the environment from the developers' lock file on first use, then runs all checks and tests.
#   ./tests/run.sh                          everything
#   ./tests/run.sh --fast                   all checks, and the unit tests that are quick and start no JVM
#   ./tests/run.sh tests/unit -k titles     pytest with these arguments
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
. "$root/conf/environment.sh"
use_own_settings
ensure_environment requirements-dev.lock
cd "$root"
bin="$root/.venv/bin"
export HYPOTHESIS_STORAGE_DIRECTORY="$root/.venv/cache/hypothesis"

check() {
    "$bin/ruff" check --cache-dir .venv/cache/ruff recsys monitor spark_jobs examples tests benchmarks notebooks
    "$bin/ruff" format --check --cache-dir .venv/cache/ruff recsys monitor spark_jobs examples tests benchmarks notebooks
    "$bin/mypy" --cache-dir .venv/cache/mypy
    # the site, from the sources as text; the variable silences a note on another project's plans
    PATH="$bin:$PATH" NO_MKDOCS_2_WARNING=1 "$bin/mkdocs" build --strict --quiet --site-dir .venv/cache/site
}

if [ $# -eq 0 ]; then
    check
    set -- --numprocesses 3 # jobs wait for Spark and for one another: more processes than cores
elif [ "$1" = --fast ]; then
    check
    shift
    set -- tests/unit -m "not slow" --numprocesses auto "$@"
fi
exec "$bin/python" -m pytest -o cache_dir=.venv/cache/pytest "$@"
