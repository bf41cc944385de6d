#!/usr/bin/env bash
# Start the whole stack and wait until it answers. See ./start.sh --help.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/deploy/lib.sh"
cd "$ROOT"

usage() {
  cat <<'TEXT'
Usage: ./start.sh [options]

  --local            run the services as processes on this machine (no Docker)
  --docker           run them in containers (not part of this version)
  --source SOURCE    auto (default), wikimedia, replay
  --store STORE      faiss (default); redis: the server or cluster at REDIS_URL, which is not started
  --llm LLM          llamacpp (default), ollama, openai, huggingface, extractive
  --scale processor=N
                     run N processors in one consumer group over one store; their metrics are on
                     PROCESSOR_METRICS_PORT and the ports after it, their logs in processor.log,
                     processor-2.log and so on. N can be up to KAFKA_PARTITIONS (4)
  --with prometheus  also run the installed Prometheus, with the alert rules, on PROMETHEUS_PORT
  --help             show this

Without --local or --docker it looks whether a Docker engine answers, and says what it runs.
Every other setting comes from the environment or .env; .env.example lists them all.
A second run on a running stack says so and changes nothing.
TEXT
}

# choose NAME VALUE ALLOWED...: VALUE, if it is allowed.
choose() {
  local name=$1 value=$2 allowed
  shift 2
  for allowed in "$@"; do
    [ "$value" != "$allowed" ] || return 0
  done
  fail "$name '$value' is unknown; allowed: $*" 2
}

mode=auto
processors=
beside=
while [ $# -gt 0 ]; do
  case $1 in
    --local) mode=local ;;
    --docker) mode=docker ;;
    --source | --store | --llm)
      [ $# -ge 2 ] || fail "$1 needs a value" 2
      case $1 in
        --source) choose "$1" "$2" auto wikimedia replay && export SOURCE=$2 ;;
        --store) choose "$1" "$2" faiss redis && export VECTOR_STORE=$2 ;;
        --llm) choose "$1" "$2" llamacpp ollama openai huggingface extractive && export LLM=$2 ;;
      esac
      shift
      ;;
    --scale)
      [ $# -ge 2 ] || fail "$1 needs a value" 2
      case $2 in
        processor=[1-9] | processor=[1-9][0-9] | processor=[1-9][0-9][0-9]) processors=${2#processor=} ;;
        processor=*) fail "--scale $2: a number from 1 to 999 is needed" 2 ;;
        api=*) fail "--scale $2: local mode runs one api, because its port can be bound once" 2 ;;
        *) fail "--scale '$2' is unknown; allowed: processor=N" 2 ;;
      esac
      shift
      ;;
    --with)
      [ $# -ge 2 ] || fail "$1 needs a value" 2
      choose "$1" "$2" prometheus && beside=$2
      shift
      ;;
    --help | -h)
      usage
      exit 0
      ;;
    *) fail "unknown option '$1'; allowed: --local --docker --source --store --llm --scale --with --help" 2 ;;
  esac
  shift
done

case $mode in
  docker) fail "--docker: the Compose stack is not part of this version; use --local" 2 ;;
  local) echo "Mode: local (--local)." ;;
  auto)
    if command -v docker >/dev/null 2>&1 && docker version >/dev/null 2>&1; then
      echo "Mode: local (a Docker engine answers, but the Compose stack is not part of this version)."
    else
      echo "Mode: local (no Docker engine answers)."
    fi
    ;;
esac
case $(uname -s) in
  MINGW* | MSYS* | CYGWIN*) fail "local mode needs Linux, macOS or WSL: its broker does not run on Windows" ;;
esac

ensure_installed local
exec "$(venv_python)" -m deploy.local start ${processors:+--processors "$processors"} ${beside:+--with "$beside"}
