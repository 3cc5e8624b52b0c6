#!/bin/sh
# Runs the test suite, and a ticker beside it that shows whether the run was ever interrupted.
set -u
mkdir -p logs
node ticker.mjs logs/ticks.txt &
ticker=$!
node --test --test-reporter=spec --test-reporter-destination=stdout \
  --test-reporter=tap --test-reporter-destination=results.tap
code=$?
kill "$ticker"
wait "$ticker" 2>/dev/null
exit "$code"
