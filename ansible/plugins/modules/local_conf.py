#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Writes DevStack's local.conf."""

from __future__ import annotations

DOCUMENTATION = r"""
module: local_conf
short_description: Write DevStack's local.conf
description:
  - Writes C(local.conf) from the variables that OpenDev's DevStack jobs use.
  - The localrc section has services first, then variables, then plugins, whose settings may use the variables.
  - Variables are sorted, each one after those that its value refers to.
  - Plugins are sorted by name, each one after those that it requires. A plugin's requirements are read from
    C(devstack/settings) of its tree on the node.
version_added: 1.0.0
author:
  - The authors of sos-ci (@sos-ci)
options:
  path:
    description: File to write.
    type: path
    required: true
  localrc:
    description: Shell variables of the localrc section. A value is put into double quotes unless it begins with one, so it
      may refer to other variables.
    type: dict
    default: {}
  local_conf:
    description: Settings of other files, as phase, file, section, key and value.
    type: dict
    default: {}
  services:
    description: Services to enable (true) or disable (false). C(base=false) starts without any service.
    type: dict
    default: {}
  base_services:
    description: Services that are enabled unless I(services) has C(base=false). Empty means DevStack's default.
    type: list
    elements: str
    default: []
  plugins:
    description: Plugin names and the repositories they come from, optionally followed by a branch.
    type: dict
    default: {}
  libs_from_git:
    description: Short names of the projects whose trees are on the node. Ignored if I(localrc) has LIBS_FROM_GIT.
    type: list
    elements: str
    default: []
  tempest_plugins:
    description: Short names of the Tempest plugins whose trees are on the node. Ignored if I(localrc) has TEMPEST_PLUGINS.
    type: list
    elements: str
    default: []
  base_dir:
    description: Directory with the trees on the node.
    type: path
  owner:
    description: Owner of the file.
    type: str
  group:
    description: Group of the file.
    type: str
  mode:
    description: Mode of the file.
    type: raw
"""

EXAMPLES = r"""
- name: Write local.conf
  sos_ci.openstack.local_conf:
    path: /opt/stack/devstack/local.conf
    localrc:
      ADMIN_PASSWORD: secretadmin
      CINDER_ENABLED_BACKENDS: acme:acme
    local_conf:
      post-config:
        $CINDER_CONF:
          acme:
            volume_driver: cinder.volume.drivers.acme.AcmeDriver
    services:
      horizon: false
    mode: "0640"
"""

RETURN = r"""
path:
  description: The file.
  type: str
  returned: always
"""

import os
import re
import tempfile

from ansible.module_utils.basic import AnsibleModule

NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
SERVICE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.:+-]*$")
REFERENCE = re.compile(r"\$\{?(\w+)")
DEFINES = re.compile(r"^\s*define_plugin\s+(\S+)", re.MULTILINE)
REQUIRES = re.compile(r"^\s*plugin_requires\s+(\S+)\s+(\S+)", re.MULTILINE)
# A plugin's settings are a few kB of shell. Larger files are cut: the tree comes from the change under test.
MAX_SETTINGS = 1024 * 1024


class InvalidValue(Exception):
    """A value that cannot be written to local.conf."""


def in_order(names, requires, what):
    """Returns the names sorted, each one after those that it requires. Names that are not given are left out."""
    done = []
    given = set(names)

    def visit(name, path):
        if name in path:
            raise InvalidValue("%s depend on each other: %s" % (what, " -> ".join(path[path.index(name):] + [name])))
        if name in done:
            return
        for other in sorted(requires(name)):
            if other != name and other in given:
                visit(other, path + [name])
        done.append(name)

    for name in sorted(names):
        visit(name, [])
    return done


def one_line(value, where):
    """The text of a value that must fit on one line."""
    text = "" if value is None else str(value)
    if "\n" in text or "\r" in text or "\0" in text:
        raise InvalidValue("%s contains a line break or a NUL" % where)
    return text


def variable(name, value):
    """`NAME=value`. A quoted value may span lines, but no line may start with `[[`, which begins a section."""
    if not NAME.match(name):
        raise InvalidValue("devstack_localrc: %r is not a valid name of a shell variable" % name)
    text = "" if value is None else str(value)
    if "\0" in text:
        raise InvalidValue("devstack_localrc.%s contains a NUL" % name)
    if any(line.lstrip().startswith("[[") for line in text.split("\n")[1:]):
        raise InvalidValue("devstack_localrc.%s would begin another section of local.conf" % name)
    return "%s=%s" % (name, text if text.startswith('"') else '"%s"' % text)


def localrc_lines(localrc, libs, tempest_plugins, base_dir):
    values = dict((str(name), value) for name, value in localrc.items())

    def references(name):
        return REFERENCE.findall("" if values[name] is None else str(values[name]))

    lines = [variable(name, values[name]) for name in in_order(list(values), references, "variables of devstack_localrc")]
    if libs and "LIBS_FROM_GIT" not in values:
        lines.append("LIBS_FROM_GIT=%s" % ",".join(service(name, "libs_from_git") for name in libs))
    if tempest_plugins and "TEMPEST_PLUGINS" not in values:
        trees = [os.path.join(base_dir or "", service(name, "tempest_plugins")) for name in tempest_plugins]
        lines.append('TEMPEST_PLUGINS="%s"' % " ".join(trees))
    return lines


def service(name, where):
    if not SERVICE.match(str(name)):
        raise InvalidValue("%s: %r is not a valid name" % (where, name))
    return str(name)


def service_lines(base, services):
    wanted = dict(services)
    lines = []
    if wanted.pop("base", True) is False:
        lines.append("disable_all_services")
    elif base:
        lines.append("ENABLED_SERVICES=%s" % ",".join(service(name, "devstack_base_services") for name in base))
    for name, value in wanted.items():
        if value is True or value is False:
            verb = "enable_service" if value else "disable_service"
            lines.append("%s %s" % (verb, service(name, "devstack_services")))
    return lines


def plugin_lines(plugins, base_dir):
    wanted = dict((str(name), one_line(url, "devstack_plugins.%s" % name)) for name, url in plugins.items() if url)
    required = plugin_requirements(base_dir)
    order = in_order(list(wanted), lambda name: required.get(name, ()), "plugins")
    return ["enable_plugin %s %s" % (service(name, "devstack_plugins"), wanted[name]) for name in order]


def plugin_requirements(base_dir):
    found = {}
    for tree in sorted(os.listdir(base_dir)) if base_dir and os.path.isdir(base_dir) else ():
        text = settings(os.path.join(base_dir, tree, "devstack", "settings"))
        for name in DEFINES.findall(text)[:1]:
            found[name] = set(other for plugin, other in REQUIRES.findall(text) if plugin == name)
    return found


def settings(path):
    """Reads a regular file and nothing else: a pipe or a device in the tree would block or never end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        if not os.path.isfile("/proc/self/fd/%d" % descriptor):
            return ""
        return file.read(MAX_SETTINGS).decode("utf-8", "replace")


def section_lines(local_conf):
    lines = []
    for phase, files in local_conf.items():
        for name, sections in mapping(files, phase).items():
            lines.append("[[%s|%s]]" % (one_line(phase, "a phase"), one_line(name, phase)))
            for section, values in mapping(sections, name).items():
                lines.append("[%s]" % one_line(section, name))
                for key, value in mapping(values, section).items():
                    where = "devstack_local_conf %s.%s" % (section, key)
                    lines.append("%s = %s" % (one_line(key, where), one_line(value, where)))
                lines.append("")
    return lines


def mapping(value, where):
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidValue("devstack_local_conf: %s must be a dictionary" % where)
    return value


def text_of(params):
    lines = ["[[local|localrc]]"]
    lines += service_lines(params["base_services"] or [], params["services"] or {})
    lines += localrc_lines(params["localrc"] or {}, params["libs_from_git"], params["tempest_plugins"], params["base_dir"])
    lines += plugin_lines(params["plugins"] or {}, params["base_dir"])
    lines.append("")
    lines += section_lines(params["local_conf"] or {})
    return "\n".join(lines).rstrip("\n") + "\n"


def current(path):
    try:
        with open(path, "r", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "localrc": {"type": "dict", "default": {}},
            "local_conf": {"type": "dict", "default": {}},
            "services": {"type": "dict", "default": {}},
            "base_services": {"type": "list", "elements": "str", "default": []},
            "plugins": {"type": "dict", "default": {}},
            "libs_from_git": {"type": "list", "elements": "str", "default": []},
            "tempest_plugins": {"type": "list", "elements": "str", "default": []},
            "base_dir": {"type": "path"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "mode": {"type": "raw"},
        },
        supports_check_mode=True,
    )
    path = module.params["path"]
    # By default Ansible prints all parameters, including passwords. With no_log it would hide the error, too.
    shown = {"module_args": {"path": path}}
    try:
        text = text_of(module.params)
    except InvalidValue as error:
        module.fail_json(msg=str(error), invocation=shown)
    changed = current(path) != text
    if changed and not module.check_mode:
        descriptor, temporary = tempfile.mkstemp(dir=module.tmpdir)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        module.atomic_move(temporary, path)
    if os.path.exists(path):
        attributes = module.load_file_common_arguments(module.params, path)
        changed = module.set_fs_attributes_if_different(attributes, changed)
    module.exit_json(changed=changed, path=path, invocation=shown)


if __name__ == "__main__":
    main()
