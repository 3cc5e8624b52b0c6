/**
 * The configuration that `sos-ci init` writes: whole and small, with a comment for each thing that is decided later. What
 * people typed gets into it as quoted YAML and nothing else.
 */

export interface FirstAnswers {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** As they are to stand in the file. */
  readonly keyFile: string;
  readonly knownHostsFile: string;
  readonly deployment: string;
  /** '' while there is none. */
  readonly wiki: string;
  readonly project: string;
  readonly job: string;
  /** Null: jobs run on this host. */
  readonly node: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly keyFile: string;
  } | null;
}

export function firstConfig(answers: FirstAnswers): string {
  const { host, port, user, keyFile, knownHostsFile, deployment, project, job } = answers;
  return `# Made by sos-ci init. Every key: sos-ci config keys. What is wrong with it: sos-ci config check, sos-ci doctor.

deployment: ${quoted(deployment)}   # on everything that we create, so that it is found again

gerrit:
  host: ${quoted(host)}
  port: ${port}
  user: ${quoted(user)}
  key: ${quoted(keyFile)}
  knownHosts: ${quoted(knownHostsFile)}   # the server's host key, once you have compared it
  # Reviews by REST instead of SSH (the password is Gerrit's HTTP password, in a file of mode 600):
  # rest: {url: ${quoted(`https://${host}`)}, password: {file: ./http-password}}

report:
${reportLines(answers)}
  # No vote is given until the project's team has agreed to one:
  # label: Verified
  # success: 1
  # failure: -1

providers:
${providerLines(answers)}

# Logs must be readable for everybody, without a login, for a month:
# logs: {dir: /srv/logs, url: "https://logs.example.org"}

# mail: {from: ci@example.org, to: [you@example.org], operator: [you@example.org], sendmail: [/usr/sbin/sendmail]}

jobs:
  ${quoted(job)}:
    project: ${quoted(project)}
    # Program and arguments; no shell reads them. Any exit code but 0 is a failed test.
    testing:
      command: [git, log, '-1', --stat]
      timeout: 10m
      exitCodeIsResult: true
`;
}

function reportLines({ wiki }: FirstAnswers): string {
  return wiki === ''
    ? '  post: true\n  # The page that says how to rerun and whom to ask; each comment must have it:\n  # wiki: https://wiki.openstack.org/wiki/ThirdPartySystems/...'
    : `  wiki: ${quoted(wiki)}`;
}

function providerLines({ node }: FirstAnswers): string {
  if (node === null) {
    return '  local:\n    type: local\n    slots: 1\n    allowUntrustedCode: true   # whoever may upload a change runs code on this host, as this user';
  }
  const { host, port, user, keyFile } = node;
  return `  nodes:
    type: static
    ssh: {user: ${quoted(user)}, key: ${quoted(keyFile)}}
    hosts:
      node1: {host: ${quoted(host)}, port: ${port}}   # its host key is pinned at first contact, for each job; hostKey: pins it for good`;
}

/** A double-quoted YAML scalar is a JSON string. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
