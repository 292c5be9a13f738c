/** What makes a layer manageable by SSH, the same in L1's dom0 and in L2. */
import type { CpioFile } from '../formats/cpio.js';

/** Secrets and public keys that the managed layers get; contents, not file names. */
export interface ManagementKeys {
  /** One `ssh-ed25519 AAAA...` line. */
  readonly authorizedKey: string;
  /** dropbear's own private key format. */
  readonly hostKey: Buffer;
}

/** The files that dropbear in the layer wants. */
export function managementFiles(keys: ManagementKeys): CpioFile[] {
  return [
    { path: '/etc/vsbypass/authorized_keys', content: `${keys.authorizedKey}\n`, mode: 0o600 },
    { path: '/etc/dropbear/dropbear_ed25519_host_key', content: keys.hostKey, mode: 0o600 },
  ];
}
