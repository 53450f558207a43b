#!/usr/bin/env bash
# No dependency that users of the default features build may need a newer Rust than Cargo.toml
# promises. Our own use of the standard library is looked at by clippy (`incompatible_msrv`).
set -euo pipefail
cd "$(dirname "$0")/.."

metadata=$(mktemp)
trap 'rm -f "$metadata"' EXIT
cargo metadata --locked --format-version 1 >"$metadata"
cargo tree --locked -p micro -p micro-build -e normal,build --prefix none -f '{p}' | python3 -c '
import json, re, sys

def number(version):
    return tuple(int(part) for part in version.split("."))

metadata = json.load(open(sys.argv[1]))
promised = re.search(r"^rust-version = \"(.*)\"", open("Cargo.toml").read(), re.M).group(1)
built = {tuple(line.split()[:2]) for line in sys.stdin if line.strip()}
newer = [
    (package["name"], package["version"], package["rust_version"])
    for package in metadata["packages"]
    if (package["name"], "v" + package["version"]) in built
    and number(package["rust_version"] or "1.0") > number(promised)
]
for name, version, needs in newer:
    print(f"{name} {version} needs Rust {needs}, and Cargo.toml promises {promised}", file=sys.stderr)
if newer:
    sys.exit(1)
print(f"{len(built)} packages build with Rust {promised}")
' "$metadata"
