#!/bin/sh
# Runs every target, or those that are named, for SECONDS each (default 60) from what earlier runs found and the seeds.
# Fails on a crash, and says how many inputs were tried.
set -eu
cd "$(dirname "$0")"

seconds=${SECONDS_EACH:-60}
targets=${*:-$(sed -n 's/^path = "targets\/\(.*\)\.rs"$/\1/p' Cargo.toml)}
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_odr_violation=0}"

if ! cargo --version | grep -q nightly; then
    echo "fuzzing needs the nightly compiler: rustup toolchain install nightly" >&2
    exit 2
fi
cargo build --quiet --release --bins
built="${CARGO_TARGET_DIR:-target}/x86_64-unknown-linux-gnu/release"

failed=
for target in $targets; do
    mkdir -p "corpus/$target" "seeds/$target"
    log=$(mktemp)
    if "$built/$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        "corpus/$target" "seeds/$target" >"$log" 2>&1; then
        count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "$target: ${count:-?} executions, nothing found"
    else
        failed="$failed $target"
        tail -40 "$log"
        echo "$target: FAILED; the input is in fuzz/"
    fi
    rm -f "$log"
done
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
