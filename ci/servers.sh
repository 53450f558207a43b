#!/usr/bin/env bash
# Runs a command while the servers run that the drivers are tested with, and stops them afterwards:
#
#   ci/servers.sh cargo test --workspace
#
# They are Debian's etcd, nats-server and rabbitmq-server, and a Consul agent, which is built from its Go module and
# kept below target/ (the first time takes some minutes). MICRO_TEST_SERVERS=etcd,nats takes fewer of them. Each
# listens on loopback, on ports that the system chose, and keeps its data in a folder that is removed at the end.
#
# The command finds their addresses in MICRO_TEST_ETCD, MICRO_TEST_NATS, MICRO_TEST_RABBITMQ and MICRO_TEST_CONSUL, and
# the programs, for tests that break a server of their own, in MICRO_TEST_ETCD_PROGRAM and so on. What is set already
# stays as it is: a server of yours, or a program that is not on the path. What cannot be had is said, and is an error
# where CI is set; else the tests that need it are skipped.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
consul_version=v1.20.6
# Building the agent gives up after this many seconds.
consul_patience=2400
# Fetching something does, after this many.
fetch_patience=600

[[ $# -gt 0 ]] || { echo "usage: $0 <command> [arguments]" >&2; exit 2; }

missing() {
    echo "$1 is not here: $2" >&2
    [[ -z ${CI:-} ]] || exit 1
}

# The path of a program, which a package of Debian brings where it is not there. Servers of Debian are in sbin.
program() {
    local name=$1 package=$2
    export PATH=$PATH:/usr/local/sbin:/usr/sbin
    if ! command -v "$name" >/dev/null && command -v apt-get >/dev/null; then
        local as_root=(env)
        [[ $(id -u) == 0 ]] || as_root=(sudo -n env)
        echo "installing $package" >&2
        { "${as_root[@]}" timeout "$fetch_patience" apt-get update -q &&
            "${as_root[@]}" DEBIAN_FRONTEND=noninteractive timeout "$fetch_patience" \
                apt-get install -q -y --no-install-recommends "$package"; } >&2 || true
    fi
    command -v "$name"
}

# The module has replacements in its go.mod, with which `go install` does not work. So it is built as what a module of
# ours needs, with the released versions of its parts, and with the checksums that it was released with.
consul() {
    local folder=$root/target/tools/consul-$consul_version
    if [[ ! -x $folder/consul ]]; then
        command -v go >/dev/null || return 1
        echo "building the Consul agent $consul_version" >&2
        mkdir -p "$folder/module"
        # What comes before `||` goes on after an error unless it is told not to.
        (
            cd "$folder/module" && rm -f go.mod go.sum && go mod init consul-agent &&
                timeout "$fetch_patience" go mod download "github.com/hashicorp/consul@$consul_version" &&
                install -m 644 "$(go env GOMODCACHE)/github.com/hashicorp/consul@$consul_version/go.sum" go.sum &&
                timeout "$fetch_patience" go get "github.com/hashicorp/consul@$consul_version" &&
                timeout "$consul_patience" go build -trimpath -ldflags '-s -w' -o "$folder/consul.new" \
                    github.com/hashicorp/consul &&
                mv "$folder/consul.new" "$folder/consul"
        ) >"$folder/log" 2>&1 || { tail -5 "$folder/log" >&2; return 1; }
    fi
    echo "$folder/consul"
}

# So many ports that nobody has.
ports() {
    python3 - "$1" <<'PYTHON'
import socket, sys
sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for each in sockets:
    each.bind(("127.0.0.1", 0))
print(*(each.getsockname()[1] for each in sockets))
PYTHON
}

data=$(mktemp -d)
started=()
command=
stop() {
    if [[ -n $command ]]; then
        # The whole of its group: a test runner that is told to end leaves its tests behind.
        kill -TERM -- "-$command" 2>/dev/null || true
        for _ in $(seq 50); do
            kill -0 -- "-$command" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL -- "-$command" 2>/dev/null || true
    fi
    for pid in "${started[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$data"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Starts a server and waits until `$2` succeeds.
serve() {
    local name=$1 ready=$2
    shift 2
    "$@" >"$data/$name.log" 2>&1 </dev/null &
    local pid=$!
    started+=("$pid")
    for _ in $(seq 300); do
        ! eval "$ready" 2>/dev/null || return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    echo "$name does not start:" >&2
    tail -20 "$data/$name.log" >&2
    exit 1
}

wanted=",${MICRO_TEST_SERVERS:-etcd,nats,rabbitmq,consul},"

if [[ $wanted == *,etcd,* ]]; then
    if path=${MICRO_TEST_ETCD_PROGRAM:-$(program etcd etcd-server)} && [[ -n $path ]]; then
        export MICRO_TEST_ETCD_PROGRAM=$path
        if [[ -z ${MICRO_TEST_ETCD:-} ]]; then
            read -r client peer <<<"$(ports 2)"
            export MICRO_TEST_ETCD=127.0.0.1:$client
            serve etcd "curl -fsS -m 2 http://$MICRO_TEST_ETCD/health | grep -q true" "$path" --data-dir "$data/etcd" \
                --listen-client-urls "http://$MICRO_TEST_ETCD" --advertise-client-urls "http://$MICRO_TEST_ETCD" \
                --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
                --initial-cluster "default=http://127.0.0.1:$peer" --unsafe-no-fsync
        fi
    else
        missing etcd "install Debian's etcd-server, or set MICRO_TEST_ETCD_PROGRAM"
    fi
fi

if [[ $wanted == *,nats,* ]]; then
    if path=${MICRO_TEST_NATS_PROGRAM:-$(program nats-server nats-server)} && [[ -n $path ]]; then
        export MICRO_TEST_NATS_PROGRAM=$path
        if [[ -z ${MICRO_TEST_NATS:-} ]]; then
            client=$(ports 1)
            export MICRO_TEST_NATS=127.0.0.1:$client
            serve nats "(exec 3<>/dev/tcp/127.0.0.1/$client)" "$path" --addr 127.0.0.1 --port "$client" \
                --jetstream --store_dir "$data/nats"
        fi
    else
        missing nats-server "install Debian's nats-server, or set MICRO_TEST_NATS_PROGRAM"
    fi
fi

# What Debian has on the path runs as another user, with that user's data.
rabbitmq() {
    program rabbitmq-server rabbitmq-server >/dev/null
    local script=/usr/lib/rabbitmq/bin/rabbitmq-server
    [[ -x $script ]] && command -v epmd >/dev/null && echo "$script"
}

if [[ $wanted == *,rabbitmq,* ]]; then
    if path=${MICRO_TEST_RABBITMQ_PROGRAM:-$(rabbitmq)} && [[ -n $path ]]; then
        export MICRO_TEST_RABBITMQ_PROGRAM=$path
        if [[ -z ${MICRO_TEST_RABBITMQ:-} ]]; then
            read -r client nodes names <<<"$(ports 3)"
            export MICRO_TEST_RABBITMQ=127.0.0.1:$client
            mkdir -p "$data/rabbitmq"
            # Erlang's nodes ask it where the others are. One that a node starts by itself would outlive it, so none does.
            serve epmd "(exec 3<>/dev/tcp/127.0.0.1/$names)" epmd -address 127.0.0.1 -port "$names"
            # With "input" it is the process that is started here, and not the child of a shell. Settings of the
            # machine are for another one.
            serve rabbitmq "(exec 3<>/dev/tcp/127.0.0.1/$client)" env HOME="$data/rabbitmq" \
                ERL_AFLAGS="-start_epmd false" ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$names" \
                RABBITMQ_NODENAME=test@localhost \
                RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT="$client" RABBITMQ_DIST_PORT="$nodes" \
                RABBITMQ_MNESIA_BASE="$data/rabbitmq/data" RABBITMQ_LOG_BASE="$data/rabbitmq/log" RABBITMQ_LOGS=- \
                RABBITMQ_ENABLED_PLUGINS_FILE="$data/rabbitmq/plugins" RABBITMQ_CONFIG_FILE="$data/rabbitmq/none" \
                RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_ALLOW_INPUT=1 \
                RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-noinput -kernel inet_dist_use_interface {127,0,0,1}" \
                "$path"
        fi
    else
        missing RabbitMQ "install Debian's rabbitmq-server, or set MICRO_TEST_RABBITMQ_PROGRAM"
    fi
fi

if [[ $wanted == *,consul,* ]]; then
    if path=${MICRO_TEST_CONSUL_PROGRAM:-$(consul)} && [[ -n $path ]]; then
        export MICRO_TEST_CONSUL_PROGRAM=$path
        if [[ -z ${MICRO_TEST_CONSUL:-} ]]; then
            read -r client serf server <<<"$(ports 3)"
            export MICRO_TEST_CONSUL=127.0.0.1:$client
            # The election of a leader of one takes seconds unless it is told to hurry.
            echo '{"performance": {"raft_multiplier": 1}, "disable_update_check": true}' >"$data/consul.json"
            serve consul "curl -fsS -m 2 http://$MICRO_TEST_CONSUL/v1/catalog/service/consul | grep -q Node" \
                "$path" agent -server -bootstrap-expect=1 -node=test -bind=127.0.0.1 -client=127.0.0.1 \
                -data-dir="$data/consul" -config-file="$data/consul.json" -http-port="$client" -serf-lan-port="$serf" \
                -server-port="$server" -serf-wan-port=-1 -dns-port=-1 -grpc-port=-1 -grpc-tls-port=-1
        fi
    else
        missing Consul "it is built with Go, or set MICRO_TEST_CONSUL_PROGRAM"
    fi
fi

# In the background, so that a signal is handled while it runs; and in a group of its own, so that all of it can be ended.
set -m
"$@" <&0 &
command=$!
set +m
ended=0
wait "$command" || ended=$?
command=
exit "$ended"
