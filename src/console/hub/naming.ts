/**
 * Which VM may have which name.
 *
 * A label (SMBIOS UUID) is set by the virtualized system and is no proof. So a name is given once: never
 * to a VM whose label is doubtful, or that had another one; never while another VM has it that runs or may
 * run; never to one in another domain, while that in which the name was given is there. Such a VM is known
 * by its slot and generation.
 */
import type { VmRecord } from '../../link/index.js';
import { longName, shortName, slotName } from '../../config/vm-names.js';
import type { VmConsole } from './vm-console.js';

export class Naming {
  readonly #configured: (vm: VmRecord) => string | undefined;
  readonly #consoles: ReadonlyMap<string, VmConsole>;

  /**
   * @param configured the name that a VM's label has in the configuration
   * @param consoles by the names that they have now
   */
  constructor(
    configured: (vm: VmRecord) => string | undefined,
    consoles: ReadonlyMap<string, VmConsole>,
  ) {
    this.#configured = configured;
    this.#consoles = consoles;
  }

  configured(vm: VmRecord): string | undefined {
    return this.#configured(vm);
  }

  /** The name that this VM may have now. */
  freeName(vm: VmRecord, nameless = false): string {
    const own = slotName(vm);
    if (vm.uuid === undefined || vm.doubtful || nameless) return own;
    const wanted = this.#wantedName(vm, vm.uuid);
    const holder = this.#consoles.get(wanted);
    return holder === undefined || this.#yields(holder, vm) ? wanted : own;
  }

  /** Whether the name that a console has is still the one that its VM's label stands for. */
  holds({ name }: VmConsole, vm: VmRecord): boolean {
    if (vm.uuid === undefined || vm.doubtful) return false;
    const configured = this.#configured(vm);
    if (configured !== undefined) return name === configured;
    return name === shortName(vm.uuid) || name === longName(vm.uuid);
  }

  #wantedName(vm: VmRecord, uuid: string): string {
    const configured = this.#configured(vm);
    if (configured !== undefined) return configured;
    const other = this.#consoles.get(shortName(uuid))?.vm?.uuid;
    return other === undefined || other === uuid ? shortName(uuid) : longName(uuid);
  }

  /** Whether the VM behind a name lets this one have it. */
  #yields(holder: VmConsole, vm: VmRecord): boolean {
    const had = holder.vm;
    if (had === undefined) return true;
    if (had.slot === vm.slot && had.generation === vm.generation) return had.domid === vm.domid;
    if (had.uuid !== vm.uuid || holder.state === 'running' || holder.state === 'lost') return false;
    return had.domid === vm.domid || this.#isOver(had.domid);
  }

  /** Whether no VM of that domain is left. */
  #isOver(domid: number): boolean {
    return [...this.#consoles.values()].every(
      ({ vm, state }) => vm?.domid !== domid || state === 'gone',
    );
  }
}

/** Or that of its slot alone. */
export function hasOwnName({ name, vm }: VmConsole): boolean {
  return vm === undefined || name !== slotName(vm);
}

/** For each console, as which slots other VMs run with the label of its own. */
export function rivalsOf(consoles: readonly VmConsole[]): Map<VmConsole, string[]> {
  const running = consoles.filter(({ state, vm }) => state === 'running' && vm?.doubtful !== true);
  return new Map(
    consoles.map((console) => {
      const uuid = running.includes(console) ? console.vm?.uuid : undefined;
      const rivals = running.flatMap((other) =>
        uuid !== undefined && other !== console && other.vm?.uuid === uuid
          ? [slotName(other.vm)]
          : [],
      );
      return [console, rivals];
    }),
  );
}
