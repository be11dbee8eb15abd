# shellcheck shell=dash
# Debian packages of another suite or architecture, without touching this machine's apt.
#
# Sourced by tests/kernel/run.sh and tests/aarch64/run.sh. The mirrors are the ones this machine
# already uses: its own sources are read (into a private copy of the package lists), and only the
# suite's name is replaced. Signatures are verified as always. Everything lands under one cache
# folder, so removing that folder undoes it all.
#
#   packages_open CACHE SUITE ARCH    choose where from; SUITE empty: the machine's own release
#   packages_fetch FOLDER PACKAGE...  download the .deb files into FOLDER
#   packages_dependency PACKAGE GLOB  the first dependency of PACKAGE that matches GLOB

packages_die() {
    echo "packages: $*" >&2
    exit 2
}

# apt with private lists and caches, one set per suite and architecture.
packages_apt() {
    packages_tool=$1
    shift
    "$packages_tool" -q \
        -o Dir::State::lists="$packages_state/lists" \
        -o Dir::State::status=/dev/null \
        -o Dir::Cache="$packages_state/cache" \
        -o Dir::Etc::sourcelist="$packages_state/sources.list" \
        -o Dir::Etc::sourceparts=/dev/null \
        -o APT::Architecture="$packages_arch" \
        -o APT::Architectures="$packages_arch" \
        -o APT::Sandbox::User= \
        -o Acquire::Languages=none \
        "$@"
}

# Prints "REPOSITORY RELEASE" for each Debian source this machine has. apt only tells about sources
# whose lists it has fetched, hence the update into lists of our own.
packages_own_sources() {
    own=$1/own
    mkdir -p "$own/lists/partial" "$own/cache"
    set -- -q -o Dir::State::lists="$own/lists" -o Dir::Cache="$own/cache" \
        -o APT::Sandbox::User= -o Acquire::Languages=none
    apt-get "$@" update >"$own/update.log" 2>&1 ||
        packages_die "apt-get update failed: $(tail -n 3 "$own/update.log")"
    # shellcheck disable=SC2016  # apt's own variables
    apt-get "$@" indextargets --format '$(ORIGIN) $(COMPONENT) $(REPO_URI) $(RELEASE)' \
        'Created-By: Packages' | sed -n 's/^Debian main //p' | sort -u
}

# The release this machine runs, as its sources name it: bookworm, or the suite "stable".
packages_base_release() {
    while read -r _ release; do
        case $release in
        *-security | *-updates | *-backports | */updates) ;;
        *) echo "$release" && return ;;
        esac
    done
}

# Writes the sources of a suite: the machine's own lines with the release's name replaced.
packages_write_sources() {
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    options=
    [ -r "$keyring" ] && options="[signed-by=$keyring]"
    while read -r repository release; do
        case $release in
        "$packages_base" | "$packages_base-security") ;;
        "$packages_base-updates") [ "$packages_suite" = "$packages_base" ] || continue ;;
        *) continue ;;
        esac
        echo "deb $options $repository $packages_suite${release#"$packages_base"} main"
    done
}

packages_open() {
    packages_cache=$1/apt
    packages_arch=$3
    packages_lines=$(packages_own_sources "$packages_cache") || exit 2
    packages_base=$(echo "$packages_lines" | packages_base_release)
    [ -n "$packages_base" ] || packages_die "this machine's apt has no Debian source to start from"
    packages_suite=${2:-$packages_base}
    packages_state=$packages_cache/$packages_suite-$packages_arch
    mkdir -p "$packages_state/lists/partial" "$packages_state/cache"
    echo "$packages_lines" | packages_write_sources >"$packages_state/sources.list"
    # A missing -security or -updates suite must not spoil the rest: apt says so and goes on.
    packages_apt apt-get update >"$packages_state/update.log" 2>&1 ||
        sed 's/^/packages: /' "$packages_state/update.log" >&2
}

packages_fetch() {
    mkdir -p "$1"
    folder=$(cd "$1" && pwd)
    shift
    if ! (cd "$folder" && packages_apt apt-get download "$@") >"$packages_state/log" 2>&1; then
        rmdir "$folder" 2>/dev/null
        packages_die "not to be had from $packages_suite ($packages_arch): $*
$(tail -n 4 "$packages_state/log")"
    fi
}

packages_dependency() {
    packages_apt apt-cache show --no-all-versions "$1" 2>/dev/null |
        sed -n 's/^Depends: //p' | tr ',' '\n' | sed 's/^ *//; s/ .*//' |
        while read -r name; do
            # shellcheck disable=SC2254  # the glob is meant as one
            case $name in
            $2) echo "$name" && break ;;
            esac
        done
}
