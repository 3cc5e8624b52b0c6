#!/bin/sh
# Prepares the server for the tests: installs the one package that they need.
set -eu
echo "stacking $SOS_CI_PROJECT, change $SOS_CI_CHANGE,$SOS_CI_PATCHSET, on $(uname -s)"
exec node install.mjs array-client-1.2.0.mjs
