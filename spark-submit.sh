#!/usr/bin/env bash
# The one launcher: ./spark-submit.sh [JOB] [options] [-- spark-submit options]; ./spark-submit.sh --help tells more.
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
. "$root/conf/environment.sh"
ensure_environment requirements.lock
# -P and an explicit path: whatever lies in the caller's directory is not imported
PYTHONPATH="$root" exec "$root/.venv/bin/python" -c 'import sys; sys.path.remove("") if "" in sys.path else None; from spark_jobs.launcher.launch import main; sys.exit(main(sys.argv[1:]))' "$@"
