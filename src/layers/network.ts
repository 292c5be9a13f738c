/** Addresses inside the testbed: QEMU's user network with L1's dom0 and L2 side by side on a bridge. */

/** L1's dom0, and L2, in the network of L0's QEMU. */
export const l1Address = '10.0.2.15';
export const l2Address = '10.0.2.16';
export const sshPort = 22;

/** Xen's OUI is 00:16:3e; both are unique in their network, which ends in QEMU. */
export const l1MacAddress = '52:54:00:00:02:15';
export const l2MacAddress = '00:16:3e:00:02:16';
