#!/usr/bin/env bash
# The one launcher: ./spark-submit.sh [JOB] [options] [-- spark-submit options]; see ./spark-submit.sh --help.
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
. "$root/conf/environment.sh"
ensure_environment requirements.lock
export HOWDAH_COMMAND=./spark-submit.sh # how messages name the command
exec "$root/.venv/bin/python" "$root/.venv/bin/howdah" "$@"
