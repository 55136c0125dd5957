#!/bin/bash
# Counts the instructions that an explanation costs; unlike times, they do not depend on the load of the machine. It
# completes one trace of 1,000 spans without and with `explain`, and fails if a single instruction of the explanation runs
# when it is off. It needs valgrind. Usage: scripts/explain-cost.sh
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { echo "valgrind is not installed" >&2; exit 1; }
program=$(cargo bench --locked --bench engine --no-run --message-format=json |
    sed -n 's/.*"name":"engine".*"executable":"\([^"]*\)".*/\1/p' | tail -1)
counts=$(mktemp)
trap 'rm -f "$counts"' EXIT

# Prints the number of instructions in all files and in engine/explain.rs. In the output of callgrind, a line `position
# count` belongs to the last file that was named. The line after `calls=` counts for the called function, so it is skipped.
total_and_explain() {
    valgrind --quiet --tool=callgrind --callgrind-out-file="$counts" "$program" --once Tree 1000 "$@" >/dev/null 2>&1
    awk '
        # a file name is written out only at its first use, which may be in a line about a call
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
    echo "no instruction of the explanation was counted, so the count is wrong" >&2
    exit 1
fi
[ "$off_explain" -eq 0 ]
