#!/bin/sh
# Builds the Go baseline into the folder given, with nothing from the network. Fails with one
# sentence when there is no Go.
set -eu
folder=$1
here=$(cd "$(dirname "$0")" && pwd)

command -v go >/dev/null || {
    echo "go: it is missing (Debian package golang-go)" >&2
    exit 3
}
mkdir -p "$folder/cache"
GOCACHE=$folder/cache GO111MODULE=off GOPROXY=off \
    go build -o "$folder/go_micro" "$here/micro.go"
