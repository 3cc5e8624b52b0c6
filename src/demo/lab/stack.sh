#!/bin/sh
# Prepares the server for the tests where this host has no Ansible. Starts in the work tree.
exec ./stack.sh
