# Creates the work tree and its dependencies from git bundles that were sent to the node. Sent over standard input to `sh -s`;
# when that is closed, it ends with all its processes. Nothing that is unpacked is executed: no hook, no filter, no submodule,
# and no other configuration than this.
#
#   TOKEN DIRECTORY    the server's directory; DIRECTORY/incoming has its id in `server`, a line `NUMBER REVISION PATH` for each
#                      tree in `plan`, and the bundles NUMBER.bundle. Prints `REVISION PATH` for each tree at its final path
#
# The trees are created in DIRECTORY/incoming and moved to their final paths at the end, so an interruption leaves no partial
# tree.
set -u
umask 077

main() {
  exec 3<&0
  { cat; kill -s TERM 0; } <&3 3<&- >/dev/null 2>&1 &
  reader=$!
  exec 3<&- 2>&1
  printf '%s\n' "$1"
  work=$2 in=$2/incoming
  # Leftover processes are killed with the server at the latest.
  read -r SOS_CI_SERVER <"$in/server"
  export SOS_CI_SERVER
  export LC_ALL=C HOME=/nonexistent GIT_TERMINAL_PROMPT=0 GIT_ATTR_NOSYSTEM=1 \
    GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_SYSTEM=/dev/null GIT_CONFIG_GLOBAL=/dev/null
  command -v git >/dev/null || leave 69
  unset $(git rev-parse --local-env-vars)
  rm -rf "$in"/*.tree
  while read -r number revision path; do unpack || leave 1; done <"$in/plan"
  rm -rf "$work/tree" "$work/dependencies"
  mkdir -p "$work/dependencies" || leave 73
  while read -r number revision path; do
    mkdir -p "$(dirname "$work/$path")" && mv "$in/$number.tree" "$work/$path" || leave 73
    printf '%s %s\n' "$revision" "$path"
  done <"$in/plan"
  rm -rf "$in"
  leave 0
}

# The bundle contains a ref named after the revision, and possibly tags.
unpack() {
  ref=refs/sos-ci/trees/$revision
  isolated_git init --quiet --template= "$in/$number.tree" &&
    cd "$in/$number.tree" &&
    isolated_git fetch --quiet --no-auto-gc "$in/$number.bundle" "+$ref:$ref" '+refs/tags/*:refs/tags/*' &&
    isolated_git checkout --quiet --force --detach --no-recurse-submodules "$revision" -- &&
    [ "$(isolated_git rev-parse --verify HEAD)" = "$revision" ] &&
    rm -f "$in/$number.bundle"
} </dev/null

isolated_git() {
  git -c core.hooksPath=/dev/null -c core.attributesFile=/dev/null -c core.excludesFile=/dev/null \
    -c core.fsmonitor=false -c submodule.recurse=false -c fetch.recurseSubmodules=false -c gc.auto=0 \
    -c maintenance.auto=false -c protocol.allow=never -c protocol.file.allow=always "$@"
}

leave() {
  kill "$reader" 2>/dev/null
  exit "$1"
}

main "$@"; exit
