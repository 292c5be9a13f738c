import { expect, test } from 'vitest';

import { hintOfKnown, nearestName } from '../../src/base/suggest.js';

test('nearestName finds a slip, and nothing that is only a little alike', () => {
  expect(nearestName('vm11', ['vm1', 'vm2'])).toBe('vm1');
  expect(nearestName('vmx', ['vm1'])).toBe('vm1');
  expect(nearestName('databse', ['database', 'web'])).toBe('database');
  expect(nearestName('mail', ['database', 'web'])).toBeUndefined();
  expect(nearestName('x', [])).toBeUndefined();
});

test('hintOfKnown says what there is', () => {
  expect(hintOfKnown('web2', ['web', 'db'])).toBe("Did you mean 'web'? There are: web, db.");
  expect(hintOfKnown('mail', ['web', 'db'])).toBe('There are: web, db.');
  expect(hintOfKnown('x', [])).toBe('There are none.');
});
