#!/usr/bin/env bash
# Stop the stack. See ./stop.sh --help.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/deploy/lib.sh"
cd "$ROOT"

for argument in "$@"; do
  case $argument in
    --clean | --yes) ;;
    --help | -h)
      cat <<'TEXT'
Usage: ./stop.sh [--clean [--yes]]

  --clean    also remove the index, the logs and the API key, after asking
  --yes      do not ask
TEXT
      exit 0
      ;;
    *) fail "unknown option '$argument'; allowed: --clean --yes --help" 2 ;;
  esac
done

[ -x "$(venv_python)" ] || { echo "Nothing is running: nothing is installed yet."; exit 0; }
exec "$(venv_python)" -m deploy.local stop "$@"
