#!/usr/bin/env bash
# The broker answers a request (ApiVersions, version 0): what kafka-broker-api-versions.sh asks, without starting a
# second Java for it every few seconds. The port is for tests.
set -euo pipefail
exec 3<>"/dev/tcp/127.0.0.1/${1:-9092}"
# Length 10, key 18, version 0, correlation id 1, no client id.
printf '\0\0\0\12\0\22\0\0\0\0\0\1\377\377' >&3
# Of the answer: its length, and the correlation id.
answer=$(timeout 4 head -c 8 <&3 | od -An -v -tx1 | tr -d ' \n')
[ "${answer:8}" = 00000001 ]
