/** Arguments that xl passes on to a domain's QEMU (xl.cfg(5), device_model_args_hvm). */

export interface VirtioDisk {
  readonly id: string;
  /** A raw image or block device in the domain that QEMU runs in. */
  readonly file: string;
  readonly readOnly: boolean;
  /** Whether the firmware starts from it. */
  readonly boots?: boolean;
}

/** A virtio disk: firmware, boot loader and kernel read it by DMA, so that an access costs few exits. */
export function virtioDisk({ id, file, readOnly, boots = false }: VirtioDisk): string[] {
  return [
    ...['-drive', `if=none,id=${id},format=raw,file=${file},readonly=${readOnly ? 'on' : 'off'}`],
    ...['-device', `virtio-blk-pci,drive=${id}${boots ? ',bootindex=0' : ''}`],
  ];
}
