#!/usr/bin/env bash
# Checks the contract: its format, the lint rules of buf, that callers of the last release still work, and that the
# committed generated code belongs to it. Usage: scripts/check-contract.sh BUF
set -euo pipefail

cd "$(dirname "$0")/.."
buf=$(realpath "$1")

"$buf" format --diff --exit-code
"$buf" lint
# The contract of the last release. `make baseline` writes it at a release. Before the first release there is none, and
# the contract may still change in any way.
if [ -f proto/baseline.binpb ]; then
    "$buf" breaking --against proto/baseline.binpb
fi

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
"$buf" generate --output "$made"
for generated in client-go/tracecompletion/v1 tests/gateway/v1; do
    if ! diff -r "$made/$generated" "$generated"; then
        echo "the generated code in $generated does not belong to this contract: run make generate" >&2
        exit 1
    fi
done
