/** What it takes to reach the consoles of an instance. */
import type { Watched } from '../../contract/watched.js';
import type { ManagementTargets } from '../../state/management-targets.js';

/** Where a client finds one instance's console. */
export interface GatewayAccess {
  readonly host: string;
  readonly port: number;
  /** `SHA256:...`, as `ssh-keygen -l` prints it. */
  readonly hostKeyFingerprint: string;
  /** `ssh-ed25519 AAAA...`: the key type and the key as in a known_hosts line, without a host. */
  readonly hostKeyLine: string;
  /** The instance's own client key (OpenSSH private key, 0600). */
  readonly clientKeyPath: string;
}

/** The files of one instance, and its gateway while the instance runs. */
export interface InstanceAccess {
  readonly name: string;
  readonly stateDir: string;
  readonly runtimeDir: string;
  /** Names of its user VMs, in the order of its configuration. */
  readonly vms: readonly string[];
  /** The UUIDs of those of them that have one, by name. */
  readonly uuids?: ReadonlyMap<string, string>;
  readonly gateway?: GatewayAccess;
  /** Those of its user VMs whose COM1 is left to L2. */
  readonly unhooked?: readonly string[];
  /** What L1 has seen of an L2 that watches them, by name; those of which it has seen nothing are left out. */
  readonly watched?: ReadonlyMap<string, readonly Watched[]>;
  /** root of L1's dom0 and of L2, while it runs. */
  readonly management?: ManagementTargets;
}
