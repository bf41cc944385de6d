#!/usr/bin/env bash
# Check the running stack, or run the test suites. See ./test.sh --help.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/deploy/lib.sh"
cd "$ROOT"

usage() {
  cat <<'TEXT'
Usage: ./test.sh [SUITE] [pytest options]

  (none)        smoke test against the running stack
  check         format, lint, types, layers, shell scripts, Dockerfile, Compose
  unit, contract, integration, e2e
                one test suite
  compose       the stack in containers; needs Docker, debootstrap and root
  all           check, and every suite
  soak          the slow tests that all leaves out
TEXT
}

run() {
  printf '%s\n' "== $1"
  shift
  "$@"
}

# In .venv/bin stand the tools that pip installed.
check() {
  local bin
  bin=$(dirname "$(venv_python)")
  run "format" "$bin/ruff" format --check .
  run "lint" "$bin/ruff" check .
  run "types" "$bin/mypy"
  run "layers" "$bin/lint-imports"
  run "shell scripts" "$bin/shellcheck" -x ./*.sh deploy/*.sh deploy/docker/*/*.sh .ci/run
  run "Dockerfile" "$bin/hadolint" Dockerfile
  run "Compose" "$bin/compose-lint" --fail-on low --strict-config --skip-suppressed --no-env docker-compose.yml
  run "line endings" line_endings
}

line_endings() {
  local found
  found=$(grep -rlI --exclude-dir=.git --exclude-dir=.venv --exclude-dir=data --exclude-dir='.*_cache' \
    --exclude-dir=.hypothesis --exclude-dir=__pycache__ $'\r$' .) || return 0
  printf 'CRLF line endings in:\n%s\n' "$found" >&2
  return 1
}

suite() {
  exec "$(venv_python)" -m pytest "$@"
}

# Each in a process of its own: what one suite has loaded, such as another suite's model runtime, must not
# decide how the next one fares. All run, whatever fails. Three tests at a time, for they mostly wait; but not where
# a whole stack runs.
every_suite() {
  local suite status spread failed=()
  for suite in unit contract integration chaos e2e compose; do
    status=0 spread=(-n 0)
    case $suite in unit | contract | integration) spread=(-n 3 --dist loadfile) ;; esac
    run "tests/$suite" "$(venv_python)" -m pytest -m "not soak" "${spread[@]}" "tests/$suite" "$@" || status=$?
    # 5: none was selected, as the options may have wanted.
    if [ "$status" -ne 0 ] && { [ "$status" -ne 5 ] || [ $# -eq 0 ]; }; then
      failed+=("$suite")
    fi
  done
  [ ${#failed[@]} -eq 0 ] || fail "failed: ${failed[*]}"
}

name=${1-}
[ $# -eq 0 ] || shift
case $name in
  '')
    python=$(any_python) || exit 1
    exec "$python" -m deploy.smoke
    ;;
  --help | -h) usage ;;
  check)
    ensure_installed dev
    check
    ;;
  unit | contract | integration | e2e)
    ensure_installed dev
    suite "tests/$name" "$@"
    ;;
  compose)
    ensure_installed dev
    suite -m "not soak" tests/compose "$@"
    ;;
  soak)
    ensure_installed dev
    suite -m soak "$@"
    ;;
  all)
    ensure_installed dev
    check
    every_suite "$@"
    ;;
  *) fail "unknown suite '$name'; allowed: check unit contract integration e2e compose all soak" 2 ;;
esac
