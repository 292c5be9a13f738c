/** Which file has the log of which layer. */
import type { InstancePaths } from '../paths.js';

export const layerNames = ['xen', 'l1', 'l2', 'qemu', 'daemon', 'audit'] as const;
export type LayerName = (typeof layerNames)[number];

export interface LogOfLayer {
  readonly path: string;
  /** Which lines of the file are the layer's. */
  readonly matches: (text: string) => boolean;
}

/** dom0's console goes through Xen, which marks its own lines. */
const isXen = (text: string): boolean => text.startsWith('(XEN)');

export function logOfLayer(paths: InstancePaths, layer: string): LogOfLayer | undefined {
  const whole = (path: string): LogOfLayer => ({ path, matches: () => true });
  switch (layer) {
    case 'xen':
      return { path: paths.l1Log, matches: isXen };
    case 'l1':
      return { path: paths.l1Log, matches: (text) => !isXen(text) };
    case 'l2':
      return whole(paths.l2Log);
    case 'qemu':
      return whole(paths.qemuLog);
    case 'daemon':
      return whole(paths.daemonLog);
    case 'audit':
      return whole(paths.auditLog);
    default:
      return undefined;
  }
}
