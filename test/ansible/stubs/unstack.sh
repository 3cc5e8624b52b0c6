#!/bin/bash
set -eu
cd "$(dirname "$0")"
echo unstacked >> ../logs/runs
rm .localrc.auto
