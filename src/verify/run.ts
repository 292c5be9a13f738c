/**
 * Carries `vsbypass verify` out on a running testbed: plants canaries on a user VM's console and lets the
 * attacker search for them, first with the console left to L2, then shadowed.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

import { connectGateway, type GatewayLogin } from '../console/client/gateway-client.js';
import { connectOperator } from '../console/client/operator.js';
import type { Prompts } from '../console/dialogue/prompts.js';
import {
  canaryKinds,
  type ActiveEvidence,
  type CanaryKind,
  type ChannelEvidence,
  type InjectionEvidence,
  type PhaseEvidence,
  type PhaseMode,
  type SelfTestReport,
  type VerifyReport,
} from '../contract/evidence.js';
import type { EvidenceKind } from '../contract/watched.js';
import { accessToL2, type ManagementTargets } from '../state/management-targets.js';
import { runAttacks } from './active.js';
import { Attacker } from './attacker.js';
import { newCanary } from './canary.js';
import type { Channel } from './channels.js';
import { l1Ground, type L2Ground, type SoughtVm, type Subject } from './ground.js';
import { plant } from './plant.js';
import { searchBuffers, wantedOf, type Wanted } from './search.js';
import { TwoWayConsole } from './two-way-console.js';
import { judge, missedBy } from './verdict.js';

/** For undoing what the attackers have changed, whatever has happened. */
const cleanUpLimitMs = 30_000;
/** What the user VM needs to answer an injection, if it reaches it. */
const injectionSettleMs = 1500;
/** Characters that L2's UART takes in without anyone reading them; the rest stays in QEMU's socket. */
const uartFifo = 16;

export interface VerifyOptions {
  readonly vm: SoughtVm;
  readonly login: Login;
  readonly gateway: Omit<GatewayLogin, 'vm' | 'signal'>;
  readonly management: ManagementTargets;
  /** What the attacker in L2 stands on. */
  readonly ground: L2Ground;
  /** The search program, an executable. */
  readonly program: Buffer;
  /** Whether the VM's COM1 is shadowed now; it will be so again at the end. */
  readonly hooked: boolean;
  readonly setHook: (on: boolean, signal: AbortSignal) => Promise<void>;
  /** Also what an operator does who does more than look on. */
  readonly active: boolean;
  /** How often L1 has seen each kind of evidence of that, at this VM. */
  readonly seen: (signal: AbortSignal) => Promise<Readonly<Record<EvidenceKind, number>>>;
  /** Told what begins now. */
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}

/** How the user VM lets somebody in who may run a shell. */
export interface Login {
  readonly user: string;
  readonly password: Buffer | undefined;
  /** Where they are not those of the default image. */
  readonly prompts?: Prompts | undefined;
}

/**
 * The whole comparison.
 * @throws VsbError E_VERIFY, E_SSH, E_EXPECT_TIMEOUT: it could not be carried out; the signal's reason
 */
export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  const start = performance.now();
  return await atConsole(options, async (stage) => {
    const baseline = await runPhase(stage, 'baseline');
    const shadow = await runPhase(stage, 'shadow');
    const active = options.active ? { active: await runActive(stage) } : {};
    const vm = options.vm.name;
    const { verdict, reasons } = judge(stage.channels, baseline, shadow, active.active);
    const seconds = secondsSince(start);
    const phases = [baseline, shadow];
    return { schemaVersion: 1, vm, verdict, reasons, seconds, phases, ...active };
  });
}

async function runActive({ options, l2, subject, console }: Stage): Promise<ActiveEvidence[]> {
  const { seen, progress, signal } = options;
  const attacks = options.ground.attacks(subject.vm);
  const evidence = await runAttacks(attacks, {
    ...{ seen, progress, signal },
    carryOut: async (attack) => await l2.carryOut(attack, signal),
  });
  // The VM goes on.
  await console.current.run(':');
  return evidence;
}

/**
 * Whether the search finds anything at all: a canary in every channel, most of them put there on purpose.
 * @throws as verify does
 */
export async function selfTest(options: VerifyOptions): Promise<SelfTestReport> {
  const start = performance.now();
  const { signal, progress } = options;
  const vm = options.vm.name;
  return await atConsole(options, async (stage) => {
    await switchTo(stage, 'baseline');
    const canaries = new Map<CanaryKind, string>(canaryKinds.map((kind) => [kind, newCanary()]));
    const planted = newCanary();
    const attackers = [stage.l2, stage.l1];
    try {
      progress('self-test: planting canaries');
      await stage.l2.startTrace(signal);
      await plant(stage.console.current, canaries);
      for (const attacker of attackers) await attacker.plant(planted, stage.subject, signal);
      const wanted = wantedOf(new Map([...canaries, ['planted', planted]]));
      const { channels } = await searchAll(stage, wanted, 'self-test');
      const missed = missedBy(stage.channels, channels);
      const passed = missed.length === 0;
      return { schemaVersion: 1, vm, passed, missed, seconds: secondsSince(start), channels };
    } finally {
      const limit = AbortSignal.timeout(cleanUpLimitMs);
      for (const attacker of attackers)
        await attacker.unplant(stage.subject, limit).catch(() => undefined);
    }
  });
}

/** Everybody at work. */
interface Stage {
  readonly options: VerifyOptions;
  readonly l1: Attacker;
  readonly l2: Attacker;
  readonly subject: Subject;
  readonly channels: readonly Channel[];
  readonly console: TwoWayConsole;
}

/** Sets the stage, plays, and puts everything back as it was, also when interrupted. */
async function atConsole<T>(
  options: VerifyOptions,
  play: (stage: Stage) => Promise<T>,
): Promise<T> {
  const { vm, ground, login, management, signal, progress } = options;
  const name = `vsbypass-verify-${randomBytes(6).toString('hex')}`;
  const l1 = new Attacker(management.l1, l1Ground, name);
  const l2 = new Attacker(accessToL2(management), ground, name);
  try {
    progress('taking the search program to L1 and L2');
    for (const attacker of [l1, l2]) await attacker.enter(options.program, signal);
    const subject = await l2.lookUp(ground.lookUp(vm), signal);
    const inL1 = { ...subject, directory: l1.directory };
    const channels = [...ground.channels(subject), ...l1Ground.channels(inL1)];
    return await withConsole(options, subject, async (console) => {
      await console.current.logIn(login.password, login.user);
      return await play({ options, l1, l2, subject, channels, console });
    });
  } finally {
    const limit = AbortSignal.timeout(cleanUpLimitMs);
    // One failure must not keep the rest from being put back.
    await Promise.allSettled([l1, l2].map((attacker) => attacker.leave(limit)));
  }
}

/** Opens both consoles, and leaves them as they were found. */
async function withConsole<T>(
  options: VerifyOptions,
  subject: Subject,
  use: (console: TwoWayConsole) => Promise<T>,
): Promise<T> {
  const { ground, signal, progress } = options;
  progress('opening both consoles, logging in');
  // Once open, the connections outlive an interruption: the way home needs them.
  const ending = new AbortController();
  const interrupt = (): void => ending.abort(signal.reason);
  signal.addEventListener('abort', interrupt);
  const target = { vm: options.vm.name, signal: ending.signal };
  try {
    // Whoever else is at the console looks on meanwhile.
    const attach = { as: 'take', replay: 'none', sanitize: false } as const;
    const shadow = await connectGateway({ ...options.gateway, ...target, attach });
    const l2 = accessToL2(options.management);
    const command = ground.console?.(subject);
    const baseline = await connectOperator({ l2, ...target, command, history: 'none' });
    signal.removeEventListener('abort', interrupt);
    const console = new TwoWayConsole({
      ways: { shadow, baseline },
      home: options.hooked ? 'shadow' : 'baseline',
      setMode: (mode, limit) => options.setHook(mode === 'shadow', limit),
      prompts: options.login.prompts,
      signal,
    });
    try {
      return await use(console);
    } finally {
      progress('putting everything back');
      await console.goHome();
    }
  } finally {
    signal.removeEventListener('abort', interrupt);
    ending.abort();
  }
}

async function switchTo({ console, options }: Stage, mode: PhaseMode): Promise<void> {
  options.progress(`${mode}: the console goes ${mode === 'shadow' ? 'past L2' : 'through L2'}`);
  await console.switchTo(mode);
}

async function runPhase(stage: Stage, mode: PhaseMode): Promise<PhaseEvidence> {
  const start = performance.now();
  const { signal, progress } = stage.options;
  await switchTo(stage, mode);
  const canaries = new Map<CanaryKind, string>(canaryKinds.map((kind) => [kind, newCanary()]));
  stage.console.typists.baseline.forget();
  await stage.l2.startTrace(signal);
  progress(`${mode}: typing and printing canaries`);
  await plant(stage.console.current, canaries);
  const evidence = await searchAll(stage, wantedOf(canaries), mode);
  progress(`${mode}: injecting into L2's serial backend`);
  const injection = await inject(stage);
  return { mode, ...evidence, injection, seconds: secondsSince(start) };
}

/** Every channel, L2's and L1's. */
async function searchAll(
  { options, channels, l1, l2, console }: Stage,
  wanted: readonly Wanted[],
  name: string,
): Promise<Pick<PhaseEvidence, 'channels' | 'com1Accesses'>> {
  const { signal, progress } = options;
  const traced = await l2.stopTrace(signal);
  const parts: Record<'received' | 'traced', ReadonlyMap<string, Buffer>> = {
    received: new Map([['received', console.typists.baseline.heard()]]),
    traced: new Map([
      ['written by the user VM', traced.written],
      ['read by the user VM', traced.read],
    ]),
  };
  progress(`${name}: searching L2`);
  const found = await l2.search(wanted, channels, signal);
  progress(`${name}: searching L1's dom0`);
  found.push(...(await l1.search(wanted, channels, signal)));
  const data = traced.written.length + traced.read.length;
  return {
    com1Accesses: { data, others: traced.others },
    channels: channels.flatMap((channel): ChannelEvidence[] => {
      if (channel.collected !== undefined) {
        return [searchBuffers(channel, parts[channel.collected], wanted)];
      }
      const there = found.find((one) => isOf(one, channel));
      const absent = channel.optional === true && there?.bytesSearched === 0;
      return there === undefined || absent ? [] : [there];
    }),
  };
}

function isOf(evidence: ChannelEvidence, { layer, name }: Channel): boolean {
  return evidence.layer === layer && evidence.channel === name;
}

/** Types a command into L2's end of the serial port, and looks whether the user VM answers it. */
async function inject({ options, console }: Stage): Promise<InjectionEvidence> {
  const { signal } = options;
  const { current } = console;
  const canary = newCanary();
  // The first characters stay in the UART if nobody reads it, and are typed when it is switched: harmless ones.
  const payload = `${'\x15'.repeat(uartFifo)}echo ${canary}\r`;
  current.forget();
  console.typists.baseline.type(payload);
  await delay(injectionSettleMs, undefined, { signal });
  const consoleAnswers = await current.run(':').then(
    () => true,
    () => {
      signal.throwIfAborted();
      return false;
    },
  );
  const reached = current.heard().toString('latin1').split(canary).length - 1;
  return { bytes: payload.length, reached, consoleAnswers };
}

function secondsSince(start: number): number {
  return Math.round((performance.now() - start) / 100) / 10;
}
