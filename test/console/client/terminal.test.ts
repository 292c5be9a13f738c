import { EventEmitter } from 'node:events';

import { expect, test, vi } from 'vitest';

import { RawTerminal, type ProcessEvents } from '../../../src/console/client/terminal.js';
import { FakeTerminal, Sink } from '../../rig/fake-terminal.js';

test('RawTerminal gives the terminal back at exit, takes it again after a stop, and once only', () => {
  const processEvents = Object.assign(new EventEmitter(), { kill: vi.fn(), pid: 1 });
  const input = new FakeTerminal();
  const output = Object.assign(new Sink(), { isTTY: true });
  const terminal = new RawTerminal(input, output, true, processEvents as unknown as ProcessEvents);
  terminal.enter();
  terminal.enter();
  processEvents.emit('SIGCONT');
  processEvents.emit('exit');
  terminal.restore();
  processEvents.emit('SIGCONT');
  expect(input.modes).toEqual([true, false, true, false]);
  expect(output.text).toContain('\x1b[?25h');
  expect(output.text).not.toContain('\x1b[?1049l');
  expect(processEvents.listenerCount('exit')).toBe(0);
});
