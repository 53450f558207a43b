#!/usr/bin/env bash
# Runs the commands of examples/polyglot/README.md, in a port that is free, with a grpcurl of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

version=v1.9.4
tools=$PWD/target/tools
if [[ ! -x $tools/grpcurl-$version/grpcurl ]]; then
    echo "installing grpcurl $version"
    GOBIN=$tools/grpcurl-$version go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$version"
fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cargo build --locked -p example-polyglot
PATH=$tools/grpcurl-$version:$PATH ci/page.py examples/polyglot/README.md "8080=$port"
