#!/bin/sh
# Builds the golden library of the newest revision of the border: tests/fixtures/plain, stripped,
# with the same bytes wherever the repository lies.
#
#   tests/golden/build.sh FILE      writes the library to FILE and prints its sha256
#
# Both crates are copied into a workspace of their own: cargo hashes the path of a crate that lies
# outside of its workspace into every symbol.
set -eu
file=$(realpath -m "$1")
root=$(cd "$(dirname "$0")/../.." && pwd)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/plugins" "$stage/tests/fixtures"
cp -r "$root/plugins/abi" "$stage/plugins/abi"
cp -r "$root/tests/fixtures/plain" "$stage/tests/fixtures/plain"
rm -rf "$stage/plugins/abi/tests" "$stage/plugins/abi/target" "$stage/tests/fixtures/plain/target"
cp "$root/tests/fixtures/plain/Cargo.lock" "$stage/Cargo.lock"
sed -e '/^members = \[/,/^\]/c members = ["plugins/abi", "tests/fixtures/plain"]' \
    -e '/^exclude = /d' "$root/Cargo.toml" > "$stage/Cargo.toml"
sed -i -e '/^\[workspace\]$/d' -e '/^\[profile.release\]$/,$d' \
    "$stage/tests/fixtures/plain/Cargo.toml"
cargo_home=${CARGO_HOME:-$HOME/.cargo}
sysroot=$(rustc --print sysroot)
export RUSTFLAGS="--remap-path-prefix=$stage=/ablate --remap-path-prefix=$cargo_home=/cargo --remap-path-prefix=$sysroot=/rust -C target-cpu=x86-64"
export CARGO_INCREMENTAL=0
export CARGO_PROFILE_RELEASE_LTO=fat
export CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1
export CARGO_PROFILE_RELEASE_OPT_LEVEL=s
export CARGO_PROFILE_RELEASE_DEBUG=0
export CARGO_PROFILE_RELEASE_STRIP=symbols
cargo build --release --offline --quiet --manifest-path "$stage/Cargo.toml" \
    --package ablate-plain --target x86_64-unknown-linux-gnu --target-dir "$stage/target"
mkdir -p "$(dirname "$file")"
cp "$stage/target/x86_64-unknown-linux-gnu/release/libablate_plain.so" "$file"
sha256sum "$file"
