#!/usr/bin/env bash
# Follow the log of one service. See ./logs.sh --help.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/deploy/lib.sh"
cd "$ROOT"

arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    -n)
      case ${2-} in
        '' | *[!0-9]*) fail "-n needs a number of lines" 2 ;;
      esac
      arguments+=(-n "$2")
      shift
      ;;
    -f) ;; # as it does by itself
    --no-follow) arguments+=("$1") ;;
    --help | -h)
      cat <<'TEXT'
Usage: ./logs.sh [SERVICE] [-f] [-n LINES] [--no-follow]

  Without a service it lists those that have a log. Of a service that runs several times, its name
  shows all of them together, and a name such as processor-2 one of them.
TEXT
      exit 0
      ;;
    -*) fail "unknown option '$1'; allowed: -f -n --no-follow --help" 2 ;;
    *) arguments+=("$1") ;;
  esac
  shift
done

python=$(any_python) || exit 1
mode=$("$python" -m deploy.running) || exit 1
[ "$mode" != docker ] || exec_docker logs ${arguments[@]+"${arguments[@]}"}
[ -x "$(venv_python)" ] || fail "there are no logs: nothing is installed yet; ./start.sh starts the stack"
exec "$(venv_python)" -m deploy.local logs ${arguments[@]+"${arguments[@]}"}
