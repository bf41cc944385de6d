#!/usr/bin/env bash
# Start the whole stack and wait until it answers. See ./start.sh --help.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/deploy/lib.sh"
cd "$ROOT"

usage() {
  cat <<'TEXT'
Usage: ./start.sh [options]

  --docker           run the stack in containers: Docker 20.10 or newer with Compose 2.24 or newer
  --local            run the services as processes on this machine (no Docker)
  --source SOURCE    auto (default), wikimedia, replay
  --store STORE      faiss (default of --local), redis (default of --docker); --local does not start the
                     server or cluster, which is at REDIS_URL
  --llm LLM          llamacpp (default of --local), ollama (default of --docker), openai, huggingface, extractive
  --scale processor=N
                     run N processors in one consumer group over one store; N can be up to KAFKA_PARTITIONS (4).
                     With --local their metrics are on PROCESSOR_METRICS_PORT and the ports after it, their
                     logs in processor.log, processor-2.log and so on
  --help             show this

Only with --local:
  --with prometheus  also run the installed Prometheus, with the alert rules, on PROMETHEUS_PORT

Only with --docker:
  --profile PROFILE  observability (Prometheus, Grafana, Jaeger), ollama, gpu (Ollama on a GPU), lite (small limits,
                     a small model inside the api); several may be given. Default: observability and ollama, or
                     lite where the engine has too little memory for them; COMPOSE_PROFILES in .env says the same
  --scale api=N      run N apis behind the gateway
  --override FILE    one more Compose file; several may be given
  --build            build the images even if nothing has changed
  --show-credentials print the API key and Grafana's password, not only where they lie

Without --local or --docker it runs what runs already, or else in containers where a Docker engine and Compose
answer, and says so. Every other setting comes from the environment or .env; .env.example lists them all.
A second run on a running stack says so; in containers it applies what has changed in .env since.
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

# --scale NAME=NUMBER, of a name that can be scaled.
check_scale() {
  local name=${1%%=*}
  case $1 in
    processor=[1-9] | processor=[1-9][0-9] | processor=[1-9][0-9][0-9]) ;;
    api=[1-9] | api=[1-9][0-9] | api=[1-9][0-9][0-9]) ;;
    processor=* | api=*) fail "--scale $1: a number from 1 to 999 is needed" 2 ;;
    *) fail "--scale '$1' is unknown; allowed: processor=N api=N" 2 ;;
  esac
  case $name in
    api) apis=${1#*=} ;;
    processor) processors=${1#*=} ;;
  esac
}

mode=auto
processors=
apis=
beside=
only_docker=
docker_options=()
while [ $# -gt 0 ]; do
  case $1 in
    --local) mode=local ;;
    --docker) mode=docker ;;
    --source | --store | --llm | --scale | --with | --profile | --override)
      [ $# -ge 2 ] || fail "$1 needs a value" 2
      case $1 in
        --source) choose "$1" "$2" auto wikimedia replay && export SOURCE=$2 && docker_options+=("$1" "$2") ;;
        --store) choose "$1" "$2" faiss redis && export VECTOR_STORE=$2 ;;
        --llm)
          choose "$1" "$2" llamacpp ollama openai huggingface extractive && export LLM=$2 &&
            docker_options+=("$1" "$2")
          ;;
        --scale) check_scale "$2" && docker_options+=("$1" "$2") ;;
        --with) choose "$1" "$2" prometheus && beside=$2 ;;
        --profile)
          choose "$1" "$2" observability ollama gpu lite
          only_docker="$1 $2" docker_options+=("$1" "$2")
          ;;
        --override)
          [ -f "$STARTED_IN/$2" ] || [ -f "$2" ] || fail "--override $2: there is no such file" 2
          only_docker="$1 $2" docker_options+=("$1" "$(native_path "$2")")
          ;;
      esac
      shift
      ;;
    --build | --show-credentials) only_docker=$1 docker_options+=("$1") ;;
    --help | -h)
      usage
      exit 0
      ;;
    *)
      fail "unknown option '$1'; allowed: --local --docker --source --store --llm --scale --with --profile --override --build --show-credentials --help" 2
      ;;
  esac
  shift
done
[ "$mode" != local ] || [ -z "$apis" ] ||
  fail "--scale api=$apis: local mode runs one api, because its port can be bound once" 2
[ "$mode" != local ] || [ -z "$only_docker" ] || fail "$only_docker is for --docker" 2
[ "$mode" != docker ] || [ -z "$beside" ] ||
  fail "--with $beside is for --local; in containers it is part of --profile observability" 2

python=$(any_python) || exit 1
chosen=$("$python" -m deploy.running choose "$mode") || exit 1
mode=${chosen%% *}
printf 'Mode: %s (%s).\n' "$mode" "${chosen#* }"

if [ "$mode" = docker ]; then
  [ -z "$beside" ] || fail "--with $beside is for --local; in containers it is part of --profile observability" 2
  exec_docker start ${docker_options[@]+"${docker_options[@]}"}
fi
[ -z "$only_docker" ] || fail "$only_docker needs Docker: see the line above" 2
[ -z "$apis" ] || fail "--scale api=$apis: local mode runs one api, because its port can be bound once" 2
case $(uname -s) in
  MINGW* | MSYS* | CYGWIN*) fail "local mode needs Linux, macOS or WSL: its broker does not run on Windows" ;;
esac
ensure_installed local
exec "$(venv_python)" -m deploy.local start ${processors:+--processors "$processors"} ${beside:+--with "$beside"}
