#!/usr/bin/env bash
# Tests check-contract.sh, with the real buf, in a copy of the contract: with and without a baseline, and with each fault
# that it has to find. Usage: scripts/test-check-contract.sh BUF
set -euo pipefail

cd "$(dirname "$0")/.."
buf=$(realpath "$1")
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
contract=$copy/proto/tracecompletion/v1/trace_completion.proto

# A fresh copy of all that the check reads, without a baseline.
fresh() {
    rm -rf "${copy:?}"/*
    mkdir -p "$copy/client-go/tracecompletion" "$copy/tests/gateway"
    cp -r proto scripts buf.yaml buf.gen.yaml "$copy"
    rm -f "$copy/proto/baseline.binpb"
    cp -r client-go/tracecompletion/v1 "$copy/client-go/tracecompletion"
    cp -r tests/gateway/v1 "$copy/tests/gateway"
}

baseline() {
    (cd "$copy" && "$buf" build --exclude-source-info -o proto/baseline.binpb)
}

passes() {
    if ! "$copy/scripts/check-contract.sh" "$buf" >"$copy/output" 2>&1; then
        echo "check-contract.sh fails, but must pass: $1" >&2
        cat "$copy/output" >&2
        exit 1
    fi
}

fails() {
    if "$copy/scripts/check-contract.sh" "$buf" >"$copy/output" 2>&1; then
        echo "check-contract.sh passes, but must fail: $1" >&2
        exit 1
    fi
    if ! grep -q "$2" "$copy/output"; then
        echo "check-contract.sh does not say \"$2\": $1" >&2
        cat "$copy/output" >&2
        exit 1
    fi
}

fresh
passes "an unchanged contract without a baseline"
baseline
passes "an unchanged contract with a baseline"

# A field gets another number: callers of the release would read something else.
fresh
baseline
sed -i 's/string name = 7 \[/string name = 70 [/' "$contract"
fails "a changed field with a baseline" 'Previously present field "7"'
rm "$copy/proto/baseline.binpb"
fails "the same without a baseline, where only the generated code is old" "run make generate"

fresh
sed -i 's/^  int64 rows = 4/    int64 rows = 4/' "$contract"
fails "a wrong format" "int64 rows = 4"

fresh
sed -i '/^\/\/ The kind of an application span/d' "$contract"
fails "an enumeration without a comment" "non-empty comment"
