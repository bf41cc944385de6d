# shellcheck shell=sh
# sh -c, inside the container of Redis: $1 is its data folder. Writes the append-only file as a tar to standard output.
#
# A base file never changes and the newest increment only grows, so links and a prefix are one moment's state. A rewrite
# may replace them meanwhile, and a prefix may end inside a command: then again.
set -eu
cd "$1"
copy=.backup
trap 'rm -rf "$copy"' EXIT

take() {
  while read -r _ name _ _ _ type _; do
    case $type in
      b) ln "appendonlydir/$name" "$copy/$name" ;;
      i) head -c "$(wc -c <"appendonlydir/$name")" "appendonlydir/$name" >"$copy/$name" ;;
    esac || return 1
  done <"$copy/appendonly.aof.manifest"
  cmp -s appendonlydir/appendonly.aof.manifest "$copy/appendonly.aof.manifest" &&
    redis-check-aof "$copy/appendonly.aof.manifest" >&2
}

attempt=1
while :; do
  rm -rf "$copy"
  mkdir "$copy"
  cp appendonlydir/appendonly.aof.manifest "$copy/"
  take && break
  [ "$attempt" -lt 10 ] || exit 1
  attempt=$((attempt + 1))
  sleep 1
done
tar -cf - -C "$copy" .
