#!/bin/sh
# Installs the engine library of the embedded ClickHouse into .cache/libchdb of the repository, unless it is
# there. --again replaces one that is there, because it is damaged. 178 MB to download, 543 MB on disk. Needs npm.
# Usage: scripts/fetch-libchdb.sh [--again] [directory]
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
    echo "no libchdb for $(uname -s) on $(uname -m): use a ClickHouse server instead" >&2
    exit 1
    ;;
esac

installed="$prefix/node_modules/$package"
if [ -z "$again" ] && [ -f "$installed/libchdb.so" ] && grep -q "\"version\": *\"$version\"" "$installed/package.json"; then
    exit 0
fi
if ! command -v npm >/dev/null 2>&1; then
    echo "npm is not installed; get libchdb.so from the npm package $package@$version another way," >&2
    echo "and set TRACE_COMPLETION_LIBCHDB to its path" >&2
    exit 1
fi
mkdir -p "$prefix"
# npm leaves a package alone that it has installed before, whatever became of its files
rm -rf "$installed"
npm install --prefix "$prefix" --no-audit --no-fund --no-save --ignore-scripts "$package@$version"
test -f "$installed/libchdb.so"
echo "$installed/libchdb.so"
