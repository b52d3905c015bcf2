# Sourced by spark-submit.sh and tests/run.sh. Makes .venv from a lock file on first use, with every version pinned, and
# installs this checkout into it. Needs $root, the folder of the checkout. Writes nothing outside $root/.venv.

# For pip and the tests; jobs get theirs from spark_jobs/launcher/environment.py. Libraries keep their settings below
# .venv, not in the home directory. Sources get no bytecode beside them. pip's bytecode stays in use: with a
# PYTHONPYCACHEPREFIX every process would compile TensorFlow. MPLBACKEND may name a backend that only a notebook has.
use_own_settings() {
    export PYTHONDONTWRITEBYTECODE=1 PYTHONNOUSERSITE=1 KERAS_BACKEND=tensorflow
    export KERAS_HOME="$root/.venv/cache/keras" MPLCONFIGDIR="$root/.venv/cache/matplotlib"
    unset PYTHONPYCACHEPREFIX PYTHONPATH PYTHONHOME PYTHONOPTIMIZE PYTHONSTARTUP PYTHONINSPECT PYTHONWARNINGS MPLBACKEND
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3.11 python3.12 python3.10 python3 python; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "howdah: Python 3.10 to 3.12 with venv is needed: install it (Debian: apt install python3 python3-venv), or set PYTHON to it" >&2
    return 1
}

# Whether .venv holds what LOCK names. The developers' lock holds everything that the runtime's does.
has_packages() {
    cmp -s "$root/$1" "$root/.venv/$1" || { [ "$1" = requirements.lock ] && cmp -s "$root/$1" "$root/.venv/runtime.lock"; }
}

# What an editable install takes from pyproject.toml: version, commands and entry points.
describe_checkout() {
    sed -n '/^version = /p; /^\[project\.scripts\]/,/^$/p; /^\[project\.entry-points/,/^$/p' "$root/pyproject.toml"
}

has_checkout() {
    [ -f "$root/.venv/checkout" ] && [ "$(<"$root/.venv/checkout")" = "$(describe_checkout)" ]
}

# install_packages LOCK
install_packages() {
    local python
    python=$(find_python) || return 1
    echo "howdah: setting up $root/.venv with $python from $1 (once, some minutes) ..." >&2
    rm -f "$root"/.venv/*.lock "$root/.venv/checkout"
    "$python" -m venv "$root/.venv" &&
        TMPDIR="$root/.venv" "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir \
            --require-hashes -r "$root/$1" >&2 &&
        cp "$root/requirements.lock" "$root/.venv/runtime.lock" && cp "$root/$1" "$root/.venv/$1"
}

# An editable install: recsys, monitor, spark_jobs and the commands howdah and howdah-monitor. pip writes the checkout's
# path as it is now. A path relative to .venv also holds after the checkout is moved, and where checkouts share .venv.
# For these the commands name the Python of .venv by its real path.
install_checkout() {
    local link bin
    bin=$(readlink -f "$root/.venv/bin")
    TMPDIR="$root/.venv" "$bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir \
        --no-index --no-deps --no-build-isolation --config-settings editable_mode=compat -e "$root" >&2 || return 1
    for link in "$root"/.venv/lib/python3.*/site-packages/__editable__.howdah-*.pth; do
        echo ../../../.. >"$link"
    done
    describe_checkout >"$root/.venv/checkout"
}

# ensure_environment LOCK: .venv holds at least what LOCK names, and this checkout.
ensure_environment() {
    if has_packages "$1" && has_checkout; then return 0; fi
    mkdir -p "$root/.venv"
    (
        use_own_settings
        if command -v flock >/dev/null; then flock 9; fi # of two first calls at once the second waits
        { has_packages "$1" || install_packages "$1"; } && { has_checkout || install_checkout; }
    ) 9>"$root/.venv/.setup" || {
        echo "howdah: setting up $root/.venv failed, see above: correct that and call again (rm -rf $root/.venv starts afresh)" >&2
        return 1
    }
}
