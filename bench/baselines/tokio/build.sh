#!/bin/sh
# Builds the tokio baselines into the folder given, with Debian's compiler and Debian's crates and
# nothing from the network. Fails with one sentence when the packages are not installed.
set -eu
folder=$1
here=$(cd "$(dirname "$0")" && pwd)
registry=/usr/share/cargo/registry

missing() {
    echo "tokio: $1 is missing (Debian packages cargo, rustc and librust-tokio-dev)" >&2
    exit 3
}
[ -x /usr/bin/cargo ] || missing /usr/bin/cargo
[ -x /usr/bin/rustc ] || missing /usr/bin/rustc
[ -n "$(find "$registry" -maxdepth 1 -name 'tokio-1.*' 2>/dev/null)" ] || missing "the crate tokio"

mkdir -p "$folder/source" "$folder/home"
cp -p "$here/Cargo.toml" "$here/echo.rs" "$here/micro.rs" "$folder/source/"
cat >"$folder/home/config.toml" <<CONFIG
[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "$registry"
[net]
offline = true
CONFIG
cd "$folder/source"
CARGO_HOME=$folder/home RUSTC=/usr/bin/rustc CARGO_TARGET_DIR=$folder \
    /usr/bin/cargo build --release --offline
