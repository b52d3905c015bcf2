# Sourced by spark-submit.sh and tests/run.sh: makes .venv from a lock file, once, with every version pinned.
# Wants $root, the folder of the checkout. Writes nothing outside $root/.venv.

# The settings of libraries go below .venv too, not into the home directory, and no bytecode into the sources. What pip
# compiled beside the libraries must be found: a PYTHONPYCACHEPREFIX would have TensorFlow compiled in every process.
export PYTHONDONTWRITEBYTECODE=1 PYTHONNOUSERSITE=1
export KERAS_HOME="$root/.venv/cache/keras" MPLCONFIGDIR="$root/.venv/cache/matplotlib"
unset PYTHONPYCACHEPREFIX MPLBACKEND # a notebook has set the latter to what it alone can draw with

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3.11 python3.12 python3.10 python3 python; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "howdah: no Python 3.10 to 3.12 with venv found: install one (Debian: apt install python3 python3-venv), or set PYTHON to it" >&2
    return 1
}

# ensure_environment LOCK: .venv holds at least what LOCK names.
ensure_environment() {
    local lock="$root/$1" venv="$root/.venv"
    # the developers' lock holds everything that the runtime's does
    if cmp -s "$lock" "$venv/$1" || { [ "$1" = requirements.lock ] && cmp -s "$lock" "$venv/runtime.lock"; }; then
        return 0
    fi
    local python
    python=$(find_python) || return 1
    echo "howdah: setting up $venv with $python from $1 (once, some minutes) ..." >&2
    mkdir -p "$venv"
    (
        if command -v flock >/dev/null; then flock 9; fi # two first calls at once: the second one waits
        if cmp -s "$lock" "$venv/$1"; then exit 0; fi
        rm -f "$venv"/*.lock
        "$python" -m venv "$venv" &&
            TMPDIR="$venv" "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir \
                --require-hashes -r "$lock" >&2 &&
            cp "$root/requirements.lock" "$venv/runtime.lock" && cp "$lock" "$venv/$1"
    ) 9>"$venv/.setup" || {
        echo "howdah: setting up $venv failed: see above; mend it and call again (it starts afresh after rm -rf $venv)" >&2
        return 1
    }
}
