/** What the benchmark and its gateway process agree on. */

export const gatewayVm = 'vm1';
/** Typed alone it is no key but asks for a flood, whose end is told. */
export const floodKey = '\x07';
export const floodBytes = 32 * 1024 * 1024;
export const floodEnd = 'the flood is over';

/** What the process tells first. */
export interface GatewayReady {
  readonly port: number;
  readonly hostKeyLine: string;
  readonly privateKeyPem: string;
}
