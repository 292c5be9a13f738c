/** L2 as a system that the user brings: an HVM domain that boots from its own disks by its own boot loader. */
import type { Config } from '../config/schema.js';
import { xlConfig, type XlEntry } from '../formats/xl-config.js';
import { virtioDisk } from './device-model.js';
import { diskLetter } from './disks.js';
import type { L2Domain } from './l2.js';
import { l2MacAddress } from './network.js';
import { nestedDomain } from './nested-domain.js';

/** Nothing but the disks comes from outside: what the system does is its own affair. */
export const ownSystem: L2Domain = {
  images: { l1: 'l1-hvm' },
  domainConfig: (config, _accel, uuid) =>
    xlConfig([
      ...nestedDomain('hvm', config, uuid),
      ['boot', 'c'],
      ...screenEntries(config.l2.screen === true),
      ['hpet', 0],
      // As a machine: a system that is Xen itself knows nothing of the devices that L1's offers to its guests.
      ['xen_platform_pci', 0],
      ['serial', 'chardev:l2'],
      ['device_model_args_hvm', deviceModelArguments(config)],
      ['on_poweroff', 'destroy'],
      ['on_reboot', 'restart'],
      ['on_crash', 'destroy'],
    ]),
  bootFiles: () => [],
};

/** Where in L1's dom0 the picture of L2's screen can be had. */
export const screenPort = 5900;

function screenEntries(wanted: boolean): XlEntry[] {
  if (!wanted) {
    return [
      ['vga', 'none'],
      ['vnc', 0],
    ];
  }
  return [
    ['vga', 'stdvga'],
    ['vnc', 1],
    ['vnclisten', '127.0.0.1'],
    ['vncdisplay', screenPort - 5900],
    ['vncunused', 0],
  ];
}

function deviceModelArguments({ l2 }: Config): string[] {
  return [
    // What xenconsoled keeps of other domains, in the same place. It may be emptied, so each write goes to its end.
    ...['-chardev', 'file,id=l2,path=/var/log/xen/console/guest-l2.log,append=on'],
    ...(l2.disk ?? []).flatMap(({ readOnly }, index) =>
      virtioDisk({
        id: `disk${index}`,
        file: `/dev/vd${diskLetter(index)}`,
        readOnly,
        boots: index === 0,
      }),
    ),
    ...['-netdev', 'tap,id=net0,ifname=tap-l2,script=no,downscript=no'],
    ...['-device', `virtio-net-pci,netdev=net0,mac=${l2.mac ?? l2MacAddress},romfile=`],
  ];
}
