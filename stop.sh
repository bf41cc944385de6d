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

  --clean    also remove all data, after asking: index, logs and API key; in containers the volumes, secrets and
             generated settings
  --yes      do not ask

It stops the mode that runs, and keeps its data. --clean removes the data of both modes.
TEXT
      exit 0
      ;;
    *) fail "unknown option '$argument'; allowed: --clean --yes --help" 2 ;;
  esac
done

clean=
for argument in "$@"; do
  [ "$argument" != --clean ] || clean=yes
done
python=$(any_python) || exit 1
modes=$("$python" -m deploy.running ${clean:+data}) || exit 1
case " $(printf '%s' "$modes" | tr '\n' ' ') " in
  *" docker local "*)
    (exec_docker stop "$@")
    ;;
  *" docker "*) exec_docker stop "$@" ;;
esac

[ -x "$(venv_python)" ] || { echo "Nothing is running."; exit 0; }
exec "$(venv_python)" -m deploy.local stop "$@"
