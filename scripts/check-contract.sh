#!/usr/bin/env bash
# Checks the contract: its form, buf's rules, that callers of the last release are not broken, and that the
# generated code which is committed is that of the contract. Usage: scripts/check-contract.sh BUF
set -euo pipefail

cd "$(dirname "$0")/.."
buf=$(realpath "$1")

"$buf" format --diff --exit-code
"$buf" lint
# proto/baseline.binpb is the contract of the last release, by which make baseline replaces it.
"$buf" breaking --against proto/baseline.binpb

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
"$buf" generate --output "$made"
for generated in client-go/tracecompletion/v1 tests/gateway/v1; do
    if ! diff -r "$made/$generated" "$generated"; then
        echo "the generated code in $generated is not of this contract: make generate" >&2
        exit 1
    fi
done
