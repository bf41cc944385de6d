# shellcheck shell=sh
# sh -c, in a container with the volume of Redis, which must not run: $1 is its data folder. Puts the tar on standard
# input in place of the append-only file, once it is known to be one.
set -eu
cd "$1"
rm -rf .restore
mkdir .restore
tar -xf - -C .restore
redis-check-aof .restore/appendonly.aof.manifest >&2
rm -rf .replaced
if [ -d appendonlydir ]; then mv appendonlydir .replaced; fi
mv .restore appendonlydir
rm -rf .replaced
