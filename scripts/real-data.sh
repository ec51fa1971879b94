#!/bin/sh
# Imports real enrolment data into a local cluster, calm and under kills, and compares with the files' own counts.
#
#   scripts/real-data.sh ASSENT DATA
#
# ASSENT is the program; DATA holds carter/*.stu with *.crs, and oulad/studentRegistration.csv. Under kills, while each
# import runs a coordinator and a participant are killed with SIGKILL (and started again), and so is the import itself,
# which is then run again. Ends with 0 only if every count agrees and the final verification is clean.
set -eu
assent=$1
data=$2
clients=${CLIENTS:-16}
work=$(mktemp -d)
trap '"$assent" cluster down --dir "$work/calm" >/dev/null 2>&1 || true
      "$assent" cluster down --dir "$work/killed" >/dev/null 2>&1 || true
      rm -rf "$work"' EXIT

# One import as a command line, without the program: "carter NAME" or "oulad".
import() {
    if [ "$1" = oulad ]; then
        "$assent" import oulad --registrations "$data/oulad/studentRegistration.csv" --clients "$clients"
    else
        "$assent" import carter --students "$data/carter/$2.stu" --courses "$data/carter/$2.crs" --clients "$clients"
    fi
}

datasets() {
    for file in "$data"/carter/*.stu; do
        echo "carter $(basename "$file" .stu)"
    done
    echo oulad
}

for mode in calm killed; do
    echo "== $mode"
    "$assent" cluster up --dir "$work/$mode" >/dev/null
    export ASSENT_CLUSTER="$work/$mode/cluster.toml"
    datasets | while read -r dataset; do
        if [ "$mode" = killed ]; then
            # shellcheck disable=SC2086
            if [ "${dataset#carter }" != "$dataset" ]; then
                name=${dataset#carter }
                "$assent" import carter --students "$data/carter/$name.stu" --courses "$data/carter/$name.crs" \
                    --clients "$clients" >/dev/null 2>&1 &
            else
                "$assent" import oulad --registrations "$data/oulad/studentRegistration.csv" --clients "$clients" \
                    >/dev/null 2>&1 &
            fi
            running=$!
            sleep 0.4
            "$assent" cluster kill coordinator-1 --dir "$work/killed" >/dev/null
            "$assent" cluster kill students-1 --dir "$work/killed" >/dev/null
            sleep 0.3
            "$assent" cluster start students-1 --dir "$work/killed" >/dev/null
            sleep 0.2
            if kill -9 "$running" 2>/dev/null; then
                echo "$dataset: killed coordinator-1, students-1 and the import; running it again"
            else
                echo "$dataset: killed coordinator-1 and students-1; the import was done already; running it again"
            fi
            wait "$running" 2>/dev/null || true
            "$assent" cluster start coordinator-1 --dir "$work/killed" >/dev/null
        fi
        # shellcheck disable=SC2086
        import $dataset 2>/dev/null || { echo "$dataset: exit status $?"; exit 1; }
    done
    "$assent" verify --quiet-cluster
done
echo "every count agrees with the files, calm and under kills"
