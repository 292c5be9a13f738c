import { createHmac } from 'node:crypto';

import { expect, test } from 'vitest';

import { Admission, LINK_MS, sameProof } from '../../src/web/admission.js';

function admit(admission: Admission): { cookie: string; key: string } {
  const redeemed = admission.redeem(admission.newToken());
  if (redeemed.kind !== 'admitted') throw new Error(redeemed.kind);
  return redeemed.secrets;
}

test('a token works once, for as long as its link does', () => {
  let now = 0;
  const admission = new Admission(() => now);
  const token = admission.newToken();
  const late = admission.newToken();
  expect(token).toMatch(/^[\w-]{43}$/);
  expect(admission.redeem(token).kind).toBe('admitted');
  expect(admission.redeem(token).kind).toBe('used');
  expect(admission.redeem('').kind).toBe('unknown');
  now = LINK_MS;
  expect(admission.redeem(late).kind).toBe('expired');
  expect(admission.redeem(late).kind).toBe('expired');
});

test('a proof is made with the key that was given out with the cookie', () => {
  const admission = new Admission();
  const one = admit(admission);
  const other = admit(admission);
  expect(admission.knows(one.cookie)).toBe(true);
  expect(admission.prove(one.cookie, 'text')).toBe(
    createHmac('sha256', one.key).update('text').digest('base64url'),
  );
  expect(admission.prove(one.cookie, 'text')).not.toBe(admission.prove(other.cookie, 'text'));
  for (const cookie of [undefined, '', one.key]) {
    expect(admission.prove(cookie, 'text')).toBeUndefined();
    expect(admission.knows(cookie)).toBe(false);
  }
  expect([sameProof('a', 'a'), sameProof('a', 'b'), sameProof('a', '')]).toEqual([
    true,
    false,
    false,
  ]);
});

test('the oldest browser is forgotten when there are too many', () => {
  const admission = new Admission();
  const all = Array.from({ length: 33 }, () => admit(admission));
  expect(all.map(({ cookie }) => admission.knows(cookie))).toEqual([
    false,
    ...Array.from({ length: 32 }, () => true),
  ]);
});
