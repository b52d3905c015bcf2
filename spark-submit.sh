#!/usr/bin/env bash
# The one launcher: ./spark-submit.sh [JOB] [options] [-- spark-submit options]; see ./spark-submit.sh --help.
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
. "$root/conf/environment.sh"
ensure_environment requirements.lock
export HOWDAH_COMMAND=./spark-submit.sh # how messages name the command
# -E: Python itself ignores the PYTHON* variables; what becomes of them says spark_jobs/launcher/environment.py
exec "$root/.venv/bin/python" -EBs -X utf8 "$root/.venv/bin/howdah" "$@"
