/** Where things of a user VM are in L2. */
export function l2VmPaths(name: string): {
  /** Folder of what defines it. */
  readonly definition: string;
  /** What is laid over the default user VM's initrd when it starts (KVM). */
  readonly overlay: string;
  readonly initrd: string;
  readonly ownKernel: string;
  readonly ownInitrd: string;
  /** The second disk of a VM that our GRUB starts (Xen). */
  readonly bootDisk: string;
  /** What QEMU has logged of its serial port. */
  readonly consoleLog: string;
  /** The serial port as a socket (KVM). */
  readonly consoleSocket: string;
  /** What its QEMU, or xl, says. */
  readonly log: string;
} {
  return {
    definition: `/etc/vsbypass/vms/${name}`,
    overlay: `/etc/vsbypass/vms/${name}/overlay.cpio`,
    initrd: `/run/vm/${name}/initrd`,
    ownKernel: `/srv/vms/${name}/kernel`,
    ownInitrd: `/srv/vms/${name}/initrd`,
    bootDisk: `/etc/vsbypass/vms/${name}/boot.cpio`,
    consoleLog: `/var/log/vm/${name}.console`,
    consoleSocket: `/run/vm/${name}/console.sock`,
    log: `/var/log/vm/${name}.log`,
  };
}
