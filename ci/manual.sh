#!/usr/bin/env bash
# Runs the commands that the manual shows its readers, curl's and grpcurl's, against a service with the
# contracts of its examples. The service is stopped here, by its process id.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/grpcurl.sh

cargo build --locked -p micro-proto-tests --example manual
log=$(mktemp)
MICRO_SERVER_ADDRESS=127.0.0.1:0 target/debug/examples/manual >"$log" 2>&1 &
service=$!
trap 'kill "$service" 2>/dev/null || true; wait "$service" || true; rm -f "$log"' EXIT
for _ in $(seq 200); do
    address=$(head -1 "$log")
    [[ -z $address ]] || break
    kill -0 "$service" 2>/dev/null || break
    sleep 0.1
done
[[ $address == 127.0.0.1:* ]] || { echo 'the service does not start:' >&2; cat "$log" >&2; exit 1; }

count=0
while IFS= read -r command; do
    echo "\$ $command"
    # A port in a page is an example.
    command=$(sed -E "s/127\.0\.0\.1:(8080|PORT)/$address/" <<<"$command")
    answer=$(bash -c "$command" 2>/dev/null) || { echo "it fails: $answer" >&2; exit 1; }
    # All of them are about a greeting, the greeter, or its health, and none about an error.
    if ! grep -qE 'Ada|greeter\.v1\.Greeter|"SERVING"' <<<"$answer" || grep -qi '"code"\|^micro-error' <<<"$answer"; then
        echo "it prints: $answer" >&2
        exit 1
    fi
    count=$((count + 1))
done < <(grep -hE '^(curl|grpcurl) ' docs/manual/*.md)
[[ $count -ge 8 ]] || { echo "only $count commands were found in the manual" >&2; exit 1; }
echo "$count commands of the manual do what it says"
