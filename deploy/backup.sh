#!/usr/bin/env bash
# Save a running stack into one file. See deploy/backup.sh --help.
set -euo pipefail
# shellcheck source=deploy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'TEXT'
Usage: deploy/backup.sh [options]

  --to FILE          default: backups/live-rag-TIME.tar.gz in DATA_DIR
  --wait SECONDS     how long the processors may take to work off what is in Kafka (120)
  --behind           save even if they do not; only Kafka has the rest then
  --docker, --local  which stack; default: the one in containers if it was started, else the local one

Nothing is stopped. The file holds the index, Kafka's offsets and the cursors of the source, no password and no key.
docs/backup.md says what a restore brings back.
TEXT
}

case " $* " in
  *' --help '* | *' -h '*)
    usage
    exit 0
    ;;
esac
MSYS_NO_PATHCONV=1 PYTHONUTF8=1 PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}" exec "$(any_python)" -m deploy.backup save "$@"
