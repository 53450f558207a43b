#!/usr/bin/env bash
# No dependency that a user of the default features builds may need a newer Rust than Cargo.toml
# names; our own use of the standard library is looked at by clippy (`incompatible_msrv`).
set -euo pipefail
cd "$(dirname "$0")/.."

ours=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
packages=$(cargo tree --locked -p micro -p micro-build -e normal,build --prefix none -f '{p}|{r}' | sort -u)
newer=0
while IFS='|' read -r package license_repository; do
    :
done <<<"$packages"
metadata=$(cargo metadata --locked --format-version 1)
names=$(cargo tree --locked -p micro -p micro-build -e normal,build --prefix none -f '{p}' | awk '{print $1, substr($2, 2)}' | sort -u)
while read -r name version; do
    needs=$(jq -r --arg name "$name" --arg version "$version" \
        '.packages[] | select(.name == $name and .version == $version) | .rust_version // ""' <<<"$metadata")
    if [ -n "$needs" ] && [ "$(printf '%s\n%s\n' "$ours" "$needs" | sort -V | tail -n 1)" != "$ours" ]; then
        echo "$name $version needs Rust $needs, and Cargo.toml promises $ours" >&2
        newer=1
    fi
done <<<"$names"
[ "$newer" = 0 ] && echo "all dependencies build with Rust $ours"
exit "$newer"
