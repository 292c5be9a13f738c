import { describe, expect, it } from 'vitest';

import { forwardedPort } from '../../../src/machine/l0/forwarded-ports.js';

// As QEMU 7.2 prints it, one connection open.
const usernet = `Hub -1 (net0):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[ESTABLISHED]   21       127.0.0.1 33587       10.0.2.15    22     0     0
  TCP[HOST_FORWARD]  13       127.0.0.1 33588       10.0.2.15    22     0     0
  TCP[HOST_FORWARD]  12       127.0.0.1 33137       10.0.2.16    22     0     0
`;

describe('forwardedPort', () => {
  it('finds the port that leads to each address', () => {
    expect(forwardedPort(usernet, '10.0.2.15', 22)).toBe(33588);
    expect(forwardedPort(usernet, '10.0.2.16', 22)).toBe(33137);
  });

  it('refuses to guess', () => {
    expect(() => forwardedPort(usernet, '10.0.2.17', 22)).toThrow(
      expect.objectContaining({ code: 'E_QMP' }),
    );
  });
});
