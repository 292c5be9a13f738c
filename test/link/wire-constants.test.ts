/** The numbers that both ends of the link have, in C and in TypeScript: they are the same. */
import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { evidenceKinds } from '../../src/contract/watched.js';
import { globalCountersOf, vmCountersOf } from '../../src/link/counters.js';
import { GLOBAL_SLOT, MAX_PAYLOAD } from '../../src/link/frame.js';
import { EVIDENCE_FLAG } from '../../src/link/from-l1.js';
import {
  hltPolicies,
  irqModes,
  MAX_DATA,
  PROTOCOL_VERSION,
  resultStatuses,
  type,
  vmStates,
} from '../../src/link/messages.js';

const read = (name: string): string =>
  readFileSync(new URL(`../../images/xen/src/${name}`, import.meta.url), 'utf8');

/** Macros that stand for a number, by name. */
function macros(name: string): Map<string, number> {
  const found = read(name).matchAll(
    /^#define[ \t]+(\w+)[ \t]+(0x[0-9a-f]+|\d+)u?[ \t]*(?:\/\*.*)?$/gm,
  );
  return new Map([...found].map(([, macro = '', value]) => [macro, Number(value)]));
}

/** An enumeration of vsb.h: constants in the order of their values, each of which it gives. */
function enumeration(name: string): [string, number][] {
  const body = new RegExp(`^enum ${name}\\n\\{([^}]*)\\}`, 'm').exec(read('vsb.h'))?.[1] ?? '';
  return [...body.matchAll(/(VSB_\w+) = (\d+)/g)].map(([, constant = '', value]) => [
    constant,
    Number(value),
  ]);
}

/** Counters that documents call by another name than the hypervisor does. */
const published: Readonly<Record<string, string>> = {
  rerings: 'reRings',
  probeAnswers: 'heartbeatQuirks',
  directs: 'directInterrupts',
  directsUnanswered: 'directUnanswered',
};

/** The members of a structure of vsb.h that has 64 bits in each, in their order, as TypeScript calls them. */
function members(name: string): string[] {
  const body = new RegExp(`^struct ${name}\\n\\{([^}]*)\\}`, 'm').exec(read('vsb.h'))?.[1] ?? '';
  const declared = body.replace(/\/\*[^]*?\*\//g, '').matchAll(/uint64_t ([^;]+);/g);
  return [...declared]
    .flatMap(([, names = '']) => names.split(','))
    .map((word) => word.trim().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()))
    .map((name) => published[name] ?? name);
}

const protocol = macros('protocol.c');
const frame = macros('frame.h');

describe('the protocol', () => {
  it('has the same version and sizes', () => {
    expect(protocol.get('PROTOCOL_VERSION')).toBe(PROTOCOL_VERSION);
    expect(protocol.get('MAX_DATA')).toBe(MAX_DATA);
    expect(protocol.get('NO_VM')).toBe(GLOBAL_SLOT);
    expect(frame.get('VSB_FRAME_MAX')).toBe(MAX_PAYLOAD);
  });

  it('has the same type bytes, and none that one end does not know', () => {
    const names: Record<keyof typeof type, string> = {
      ...{ hello: 'L1_HELLO', vm: 'L1_VM', output: 'L1_DATA', inputAck: 'L1_ACK' },
      ...{ counters: 'L1_COUNTERS', result: 'L1_RESULT', line: 'L1_LINE' },
      ...{ helloRequest: 'L0_HELLO', input: 'L0_DATA', outputAck: 'L0_ACK' },
      ...{ getCounters: 'L0_GET_COUNTERS', hook: 'L0_HOOK', hltPolicy: 'L0_HLT_POLICY' },
      ...{ break: 'L0_BREAK', attached: 'L0_ATTACHED', forget: 'L0_FORGET' },
      ...{ irqMode: 'L0_IRQ_MODE', hold: 'L0_HOLD' },
    };
    const here = Object.entries(names).map(([name, macro]) => [
      macro,
      type[name as keyof typeof type],
    ]);
    const there = [...protocol].filter(([macro]) => /^L[01]_/.test(macro));
    expect(new Map(there)).toEqual(new Map(here as [string, number][]));
  });

  it('has the same results', () => {
    const results = ['RESULT_OK', 'RESULT_NO_VM', 'RESULT_BAD'].map((name) => protocol.get(name));
    expect(results).toEqual(resultStatuses.map((_, value) => value));
    expect([...protocol.keys()].filter((name) => name.startsWith('RESULT_'))).toHaveLength(3);
  });

  it('has the same states, policies and modes, in the same order', () => {
    const words = (name: string, prefix: string): [string, number][] =>
      enumeration(name).map(([constant, value]) => [
        constant.replace(prefix, '').replace('_VM', '').toLowerCase(),
        value,
      ]);
    // 0 is a slot that nobody has.
    expect(words('vsb_state', 'VSB_')).toEqual([
      ['free', 0],
      ...vmStates.map((state, index) => [state, index + 1]),
    ]);
    const inOrder = (names: readonly string[]) => names.map((name, value) => [name, value]);
    expect(words('vsb_halt_policy', 'VSB_HALT_')).toEqual(inOrder(hltPolicies));
    expect(words('vsb_irq_mode', 'VSB_IRQ_')).toEqual(inOrder(irqModes));
    // The last one is their number.
    expect(words('vsb_evidence', 'VSB_').slice(0, -1)).toEqual(inOrder(evidenceKinds));
    expect(protocol.get('VM_EVIDENCE')).toBe(EVIDENCE_FLAG);
  });

  it('has the same counters: a structure goes over the link as it is', () => {
    expect(Object.keys(vmCountersOf([]))).toEqual(members('vsb_vm_counters'));
    expect(Object.keys(globalCountersOf([]))).toEqual(members('vsb_counters'));
  });
});
