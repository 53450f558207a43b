#!/usr/bin/env bash
# Runs the commands that the README tells its readers to run, and looks at what they see. Everything
# that is started here is stopped here, by its process id.
set -euo pipefail
cd "$(dirname "$0")/.."

logs=$(mktemp -d)
started=()
clean_up() {
    for pid in "${started[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    rm -rf "$logs"
}
trap clean_up EXIT

# The command as it stands in the README; it is an error if it does not.
readme() {
    grep -qF -- "$1" README.md || { echo "the README does not say \`$1\`" >&2; exit 1; }
    printf '%s\n' "$1"
}

# Starts a command in the background and waits until its output has a line like this.
start() {
    local name=$1 command=$2 pattern=$3
    echo "\$ $command"
    : >"$logs/$name"
    $command >"$logs/$name" 2>&1 &
    pid=$!
    started+=("$pid")
    for _ in $(seq 1200); do
        grep -q -- "$pattern" "$logs/$name" && return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.25
    done
    echo "\`$command\` did not print \`$pattern\`:" >&2
    cat "$logs/$name" >&2
    exit 1
}

# Ctrl-C: the program ends well.
interrupt() {
    kill -INT "$1"
    wait "$1" || { echo "process $1 did not end well" >&2; exit 1; }
}

expect() {
    local name=$1 pattern=$2
    grep -q -- "$pattern" "$logs/$name" || { echo "no \`$pattern\` in:" >&2; cat "$logs/$name" >&2; exit 1; }
}

start helloworld "$(readme 'cargo run --example helloworld')" 'Ctrl-C stops the service'
expect helloworld 'Hello, Ada!'
line=$(sed -n 's/^ *\(curl .*\)/\1/p' "$logs/helloworld")
echo "\$ $line"
bash -c "$line" >"$logs/curl"
expect curl '{"message":"Hello, you!"}'
interrupt "$pid"

start server "$(readme 'cargo run --example greeter-server')" 'started'
server=$pid
command=$(readme 'cargo run --example greeter-client')
echo "\$ $command"
$command >"$logs/client" 2>&1 || { cat "$logs/client" >&2; exit 1; }
expect client 'hello: Good day, Dr Ada'
expect client 'count: 3'
expect client 'sum: 6'
expect client 'chat: Good day, Dr Barbara'
interrupt "$server"

command=$(readme 'cargo run --example two_services')
echo "\$ $command"
$command >"$logs/two" 2>&1 || { cat "$logs/two" >&2; exit 1; }
expect two 'shop: that makes 21.00'

command=$(readme 'cargo run --example pubsub')
echo "\$ $command"
$command >"$logs/pubsub" 2>&1 || { cat "$logs/pubsub" >&2; exit 1; }
expect pubsub 'audit:  nobody was greeted'
expect pubsub 'mailer: a letter to Emmy, in attempt 2'
expect pubsub 'mailer: no letter to nobody, for good: not_found'

command=$(readme 'cargo run --example middleware')
echo "\$ $command"
$command >"$logs/middleware" 2>&1 || { cat "$logs/middleware" >&2; exit 1; }
expect middleware 'client: served by piggy-1, audited: yes, balance: 42'
expect middleware 'stranger: unauthenticated'

command=$(readme 'cargo run --example resilience -- --seconds 20')
echo "\$ $command"
$command >"$logs/resilience" 2>&1 || { cat "$logs/resilience" >&2; exit 1; }
expect resilience 'killed node 1'
expect resilience 'told node 2 to stop'
expect resilience ' 0 failed   100.00 %.*in all'

start axum "$(readme 'cargo run --example axum')" 'Ctrl-C stops the service'
while read -r line; do
    echo "\$ $line"
    { bash -c "$line"; echo; } >>"$logs/pages"
done < <(sed -n 's/^ *\(curl .*\)/\1/p' "$logs/axum")
expect pages 'Welcome, Ada! You are visit 1.'
expect pages '^1$'
page=$(sed -n 's|^Look at \(http://.*/\), or:|\1|p' "$logs/axum")
curl -sS "$page" >"$logs/page"
expect page '<title>Reception</title>'
interrupt "$pid"

command=$(readme 'cargo run -p example-proto')
echo "\$ $command"
$command >"$logs/proto" 2>&1 || { cat "$logs/proto" >&2; exit 1; }

echo 'the commands of the README do what it says'
