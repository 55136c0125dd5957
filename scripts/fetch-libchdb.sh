#!/bin/sh
# Installs the library of the embedded ClickHouse into .cache/libchdb of the repository, unless it is already there.
# With --again it replaces the library, for example because it is damaged. It needs npm, downloads 178 MB, and takes
# 543 MB on disk. Usage: scripts/fetch-libchdb.sh [--again] [directory]
set -eu

again=
if [ "${1:-}" = --again ]; then
    again=yes
    shift
fi

version=26.7.3-stable.1 # also in server/embedded/library.rs
here=$(cd "$(dirname "$0")/.." && pwd)
prefix=${1:-"$here/.cache/libchdb"}

case "$(uname -s)-$(uname -m)" in
Linux-x86_64) package=@chdb/lib-linux-x64-gnu ;;
Linux-aarch64 | Linux-arm64) package=@chdb/lib-linux-arm64-gnu ;;
*)
    echo "there is no libchdb for $(uname -s) on $(uname -m): use a ClickHouse server instead" >&2
    exit 1
    ;;
esac

installed="$prefix/node_modules/$package"
if [ -z "$again" ] && [ -f "$installed/libchdb.so" ] && grep -q "\"version\": *\"$version\"" "$installed/package.json"; then
    exit 0
fi
if ! command -v npm >/dev/null 2>&1; then
    echo "npm is not installed. Install it, or get libchdb.so from the npm package $package@$version" >&2
    echo "in another way and set TRACE_COMPLETION_LIBCHDB to its path" >&2
    exit 1
fi
mkdir -p "$prefix"
# npm does not install a package again, even if its files are damaged
rm -rf "$installed"
npm install --prefix "$prefix" --no-audit --no-fund --no-save --ignore-scripts "$package@$version"
test -f "$installed/libchdb.so"
echo "$installed/libchdb.so"
