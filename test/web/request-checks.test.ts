import { expect, test } from 'vitest';

import {
  acceptedHosts,
  cookieValue,
  hostAccepted,
  originAccepted,
} from '../../src/web/request-checks.js';

const hosts = acceptedHosts(8080);

test('only names of loopback with the own port are hosts', () => {
  for (const host of ['127.0.0.1:8080', 'localhost:8080']) {
    expect(hostAccepted({ host }, hosts)).toBe(true);
  }
  for (const host of ['127.0.0.1', '127.0.0.1:8081', 'evil.example:8080', 'localhost.evil:8080']) {
    expect(hostAccepted({ host }, hosts)).toBe(false);
  }
  expect(hostAccepted({}, hosts)).toBe(false);
});

test('only the very origin of the request is one', () => {
  const host = '127.0.0.1:8080';
  expect(originAccepted({ host, origin: 'http://127.0.0.1:8080' }, hosts)).toBe(true);
  for (const origin of [
    'http://localhost:8080',
    'https://127.0.0.1:8080',
    'http://a.example',
    'null',
    '',
  ]) {
    expect(originAccepted({ host, origin }, hosts)).toBe(false);
  }
  expect(originAccepted({ host }, hosts)).toBe(false);
  const foreign = { host: 'evil.example:8080', origin: 'http://evil.example:8080' };
  expect(originAccepted(foreign, hosts)).toBe(false);
});

test('a cookie is found among others, and doubt is none', () => {
  expect(cookieValue({ cookie: 'a=1; b=2;c=3' }, 'b')).toBe('2');
  expect(cookieValue({ cookie: 'ab=1; b=' }, 'b')).toBe('');
  expect(cookieValue({ cookie: 'b=1; b=2' }, 'b')).toBeUndefined();
  expect(cookieValue({ cookie: 'a=b=1' }, 'b')).toBeUndefined();
  expect(cookieValue({}, 'b')).toBeUndefined();
});
