#!/usr/bin/env bash
# Put back what deploy/backup.sh has saved. See deploy/restore.sh --help.
set -euo pipefail
# shellcheck source=deploy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'TEXT'
Usage: deploy/restore.sh FILE [options]

  --yes              do not ask before the present index is replaced
  --docker, --local  which stack; default: the kind that the file says

Containers: start the stack first (./start.sh --docker); it is stopped, filled and started again.
Local: stop it first (./stop.sh) and start it afterwards.
A file that is damaged, cut off or not ours changes nothing.
TEXT
}

case " $* " in
  *' --help '* | *' -h '*)
    usage
    exit 0
    ;;
esac
MSYS_NO_PATHCONV=1 PYTHONUTF8=1 PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}" exec "$(any_python)" -m deploy.backup restore "$@"
