# Makes the work tree and its dependencies from git bundles that were put on the node. Comes over standard input, to `sh -s`;
# when that is closed, it ends with all that it has started. Nothing of what is unpacked is executed: no hook, no filter, no
# submodule, and no configuration but this.
#
#   TOKEN DIRECTORY    the server's; in DIRECTORY/incoming: its id in `server`, a line `NUMBER REVISION PATH` for each tree
#                      in `plan`, and the bundles NUMBER.bundle. Says `REVISION PATH` for each that is in its place
#
# The trees are made beside their places and put there in the end, so what was cut off leaves no half of one.
set -u
umask 077

main() {
  exec 3<&0
  { cat; kill -s TERM 0; } <&3 3<&- >/dev/null 2>&1 &
  reader=$!
  exec 3<&- 2>&1
  printf '%s\n' "$1"
  work=$2 in=$2/incoming
  # What is left of it goes with the server at the latest.
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

# The bundle holds one ref whose name follows from the revision, and the tags of its history.
unpack() {
  ref=refs/sos-ci/trees/$revision
  ours init --quiet --template= "$in/$number.tree" &&
    cd "$in/$number.tree" &&
    ours fetch --quiet --no-auto-gc "$in/$number.bundle" "+$ref:$ref" '+refs/tags/*:refs/tags/*' &&
    ours checkout --quiet --force --detach --no-recurse-submodules "$revision" -- &&
    [ "$(ours rev-parse --verify HEAD)" = "$revision" ] &&
    rm -f "$in/$number.bundle"
} </dev/null

ours() {
  git -c core.hooksPath=/dev/null -c core.attributesFile=/dev/null -c core.excludesFile=/dev/null \
    -c core.fsmonitor=false -c submodule.recurse=false -c fetch.recurseSubmodules=false -c gc.auto=0 \
    -c maintenance.auto=false -c protocol.allow=never -c protocol.file.allow=always "$@"
}

leave() {
  kill "$reader" 2>/dev/null
  exit "$1"
}

main "$@"; exit
