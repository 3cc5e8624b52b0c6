# What every job needs on a node. Add what yours need: packages, mounts, the initiator's name.
git:
  pkg.installed

/opt/stack:
  file.directory:
    - user: stack
    - mode: '0755'
