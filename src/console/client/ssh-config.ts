/**
 * The configuration with which stock OpenSSH reaches the consoles of an instance:
 * `ssh -F FILE <vm>`.
 */
import { hostKeyAlias } from '../../formats/keys/key-files.js';

export interface SshConfigInput {
  readonly instance: string;
  readonly vms: readonly string[];
  /** The name by which ssh knows the console of a VM; by default the VM's. */
  readonly hostOf?: (vm: string) => string;
  readonly host: string;
  readonly port: number;
  /** Absolute paths. */
  readonly identityFile: string;
  readonly knownHostsFile: string;
}

/**
 * What the user's own `Host *` or `Match` would say otherwise: ways around the host key, ways to another place, what is
 * done beside the session, and algorithms that the gateway does not speak. Only keywords that any OpenSSH in use knows:
 * one that it does not know ends it for all hosts.
 */
const notInherited = [
  'NoHostAuthenticationForLocalhost no',
  'VerifyHostKeyDNS no',
  'PubkeyAuthentication yes',
  'AddKeysToAgent no',
  'AddressFamily any',
  'CanonicalizeHostname no',
  'ProxyCommand none',
  'ProxyJump none',
  'RemoteCommand none',
  'PermitLocalCommand no',
  'ControlMaster no',
  'ControlPath none',
  'Tunnel no',
  'ForwardAgent no',
  'ForwardX11 no',
  'ClearAllForwardings yes',
  'Compression no',
  'KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org',
  'Ciphers chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com',
  'MACs hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com',
  'VisualHostKey no',
] as const;

/** Quotes a path for ssh_config(5): inside double quotes only `\` and `"` are special, and `%` is a token. */
function quoted(path: string): string {
  return `"${path.replace(/["\\]/g, '\\$&').replaceAll('%', '%%')}"`;
}

/**
 * Renders the file: one `Host` for each VM.
 * @throws RangeError when a path has a line break, which ssh_config cannot express
 */
export function renderSshConfig(input: SshConfigInput): string {
  for (const path of [input.identityFile, input.knownHostsFile]) {
    if (/[\r\n]/.test(path)) throw new RangeError('a line break in a path');
  }
  const { hostOf = (vm: string): string => vm } = input;
  const blocks = input.vms.map((vm) =>
    [
      `Host ${hostOf(vm)}`,
      `  HostName ${input.host}`,
      `  Port ${input.port}`,
      `  User ${vm}`,
      `  IdentityFile ${quoted(input.identityFile)}`,
      '  IdentitiesOnly yes',
      `  UserKnownHostsFile ${quoted(input.knownHostsFile)}`,
      '  GlobalKnownHostsFile none',
      `  HostKeyAlias ${hostKeyAlias(input.instance)}`,
      '  HostKeyAlgorithms ssh-ed25519',
      '  StrictHostKeyChecking yes',
      '  UpdateHostKeys no',
      '  PreferredAuthentications publickey',
      ...notInherited.map((line) => `  ${line}`),
      '  RequestTTY force',
      '  EscapeChar ~',
      '  LogLevel ERROR',
      '',
    ].join('\n'),
  );
  return [
    `# The consoles of the vsbypass instance '${input.instance}': ssh -F <this file> <vm>\n`,
    ...blocks,
  ].join('\n');
}
