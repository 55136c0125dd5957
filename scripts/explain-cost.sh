#!/bin/bash
# What an explanation costs, in instructions, which do not depend on the machine's load: one trace of 1,000 spans
# is completed without and with `explain`. Fails if a single instruction of the explanation runs when it is off.
# Needs valgrind. Usage: scripts/explain-cost.sh
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { echo "valgrind is not installed" >&2; exit 1; }
program=$(cargo bench --locked --bench engine --no-run --message-format=json |
    sed -n 's/.*"name":"engine".*"executable":"\([^"]*\)".*/\1/p' | tail -1)
counts=$(mktemp)
trap 'rm -f "$counts"' EXIT

# Instructions of all files, and of the file that explains: callgrind's lines are `position count` under the last
# file named, and the line after `calls=` is what the callee took.
total_and_explain() {
    valgrind --quiet --tool=callgrind --callgrind-out-file="$counts" "$program" --once Tree 1000 "$@" >/dev/null 2>&1
    awk '
        # a name is spelt out where it comes first, which may be where the file is called into
        /^(fl|fi|fe|cfi|cfl)=/ {
            split($0, part, /[()]/)
            if ($2 != "") name[part[2]] = $2
            if ($0 !~ /^c/) file = name[part[2]]
            next
        }
        /^calls=/ { getline; next }
        /^[0-9+*-]/ { total += $2; if (file ~ /engine\/explain\.rs$/) explain += $2 }
        END { print total + 0, explain + 0 }' "$counts"
}

read -r off off_explain < <(total_and_explain)
read -r on on_explain < <(total_and_explain --explain)
echo "explain off: $off instructions, $off_explain of them in engine/explain.rs"
echo "explain on:  $on instructions, $on_explain of them in engine/explain.rs"
if [ "$on_explain" -eq 0 ]; then
    echo "nothing was explained: the count is wrong" >&2
    exit 1
fi
[ "$off_explain" -eq 0 ]
