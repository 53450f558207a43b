#!/usr/bin/env bash
# Runs the commands of examples/polyglot/README.md, in a port that is free, with a grpcurl of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/grpcurl.sh

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cargo build --locked -p example-polyglot
ci/page.py examples/polyglot/README.md "8080=$port"
