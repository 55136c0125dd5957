#!/usr/bin/env bash
# Runs a single test. It fails if there is no such test. Usage, with one of the three variables:
#   RUST=name         a Rust test, or all whose path contains this: a module such as engine::rule, a recorded case
#   GO=TestName       a Go test or example, or a subtest: TestName/subtest
#   JAVA=Class#method a Java test, or all tests of a class: JAVA=Class
set -euo pipefail

cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# The options of cargo for the targets that have this test: those with such a function, module or recorded case. None,
# which means all targets, if there is nothing of the kind.
rust_targets() {
    {
        grep -rlE "fn ${1##*::}\b" --include='*.rs' server tests
        path=${1//::/\/}
        compgen -G "server/$path*"
        compgen -G "tests/golden/cases/*/$1*"
        compgen -G "tests/conformance/$1*"
    } | while read -r file; do
        target=${file#tests/}
        target=${target%%/*}
        target=${target%.rs}
        case $file in
        server/*) echo --lib ;;
        *) if [ -f "tests/$target.rs" ] || [ -f "tests/$target/main.rs" ]; then echo --test "$target"; fi ;;
        esac
    done | sort -u
}

rust() {
    # shellcheck disable=SC2046 # each option is a word
    cargo test --locked $(rust_targets "$1" || true) -- "$1" 2>&1 | tee "$log"
    if ! grep -qE '^test .* \.\.\. ok$' "$log"; then
        echo "no Rust test has a path that contains $1" >&2
        exit 1
    fi
}

go_() {
    name=${1%%/*}
    # Each module is tested in its own folder.
    files=$(grep -rlE "^func $name\(" --include='*_test.go' client-go tests/gateway || true)
    if [ -z "$files" ]; then
        echo "no Go test is called $name" >&2
        exit 1
    fi
    for file in $files; do
        (cd "$(dirname "$file")" && go test -race -count=1 -timeout 5m -v -run "^${1//\//\$/^}\$" .) | tee "$log"
        if ! grep -qE '^ *--- (PASS|SKIP): '"$1" "$log"; then
            echo "$name has no subtest ${1#*/}" >&2
            exit 1
        fi
    done
}

java() {
    (cd client-java && mvn --batch-mode --no-transfer-progress test "-Dtest=$1") | tee "$log"
    # Surefire fails by itself if there is no such class, but not if the class has no such method.
    if ! grep -qE 'Tests run: [1-9]' "$log"; then
        echo "no Java test is called $1" >&2
        exit 1
    fi
}

case ${RUST:+r}${GO:+g}${JAVA:+j} in
r) rust "$RUST" ;;
g) go_ "$GO" ;;
j) java "$JAVA" ;;
*)
    echo "usage: make test-one RUST=name, make test-one GO=TestName or make test-one JAVA=Class#method" >&2
    exit 2
    ;;
esac
