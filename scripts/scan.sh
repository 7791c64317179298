#!/bin/sh
# SCAN's simple and length splits as files that a configuration can name, a command, a TAB and its actions a line:
# OUT/{simple,length}-{train,valid,test}.tsv. SCAN has no validation set: every twentieth pair of a training file becomes one.
#
#     git clone https://github.com/brendenlake/SCAN
#     scripts/scan.sh SCAN data/scan
#
# The four files tasks_{train,test}_{simple,length}.txt lie in FROM itself, or in its simple_split and length_split.
# Nothing is written unless all of them are right.
set -eu
export LC_ALL=C

fail() { printf 'error: %s\n' "$*" >&2; exit 2; }

[ $# -eq 2 ] || fail "expected 2 arguments, got $#; usage: scripts/scan.sh FROM OUT"
from=$1 out=$2

# The path of a file of a split.
path() {
    for folder in "$from" "$from/$1_split"; do
        [ -f "$folder/tasks_$2_$1.txt" ] && printf '%s\n' "$folder/tasks_$2_$1.txt" && return
    done
    fail "no tasks_$2_$1.txt in $from or $from/$1_split"
}

# Refuses a file that is not `IN: <command> OUT: <actions>` in every line.
check() {
    wrong=$(grep -n -v -x 'IN: [a-z][a-z ]* OUT: [A-Z_][A-Z_ ]*' "$1" | head -n 1)
    [ -z "$wrong" ] || fail "$1: expected lines 'IN: <command> OUT: <actions>', got line $wrong"
    [ "$(wc -l < "$1")" -ge 20 ] || fail "$1: expected at least 20 lines, got $(($(wc -l < "$1")))"
}

pairs() { awk -F 'IN: | OUT: ' '{ print $2 "\t" $3 }' "$1"; }

for split in simple length; do
    for part in train test; do
        file=$(path "$split" "$part")
        check "$file"
    done
done

mkdir -p "$out"
for split in simple length; do
    train=$(path "$split" train)
    test=$(path "$split" test)
    pairs "$train" | awk 'NR % 20' > "$out/$split-train.tsv"
    pairs "$train" | awk 'NR % 20 == 0' > "$out/$split-valid.tsv"
    pairs "$test" > "$out/$split-test.tsv"
done
wc -l "$out"/simple-*.tsv "$out"/length-*.tsv
