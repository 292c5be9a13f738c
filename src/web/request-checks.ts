/** What is looked at before a request gets anything: pure functions of its headers. */
import type { IncomingHttpHeaders } from 'node:http';

/**
 * The names under which the server may be asked for. Any other `Host` is a foreign name that somebody
 * has made to point at this machine (DNS rebinding), whose pages would count as ours.
 */
export function acceptedHosts(port: number): readonly string[] {
  return [`127.0.0.1:${port}`, `localhost:${port}`];
}

export function hostAccepted(headers: IncomingHttpHeaders, hosts: readonly string[]): boolean {
  return headers.host !== undefined && hosts.includes(headers.host);
}

/** Whether a request was made by a page of the very server that it goes to. Without an `Origin`: no. */
export function originAccepted(headers: IncomingHttpHeaders, hosts: readonly string[]): boolean {
  return hostAccepted(headers, hosts) && headers.origin === `http://${headers.host}`;
}

/** The cookie's name has the port in it: cookies of a host name are shared by all its ports. */
export function cookieName(port: number): string {
  return `vsbypass-${port}`;
}

/** The value of a cookie (RFC 6265, 5.4); undefined if there is none, or more than one of that name. */
export function cookieValue(headers: IncomingHttpHeaders, name: string): string | undefined {
  const values = (headers.cookie ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
  return values.length === 1 ? values[0] : undefined;
}

/** For every response. No inline script or style, no eval, nothing from or to elsewhere, no frames. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self'",
    // The hash is that of nothing: xterm.js adds empty style elements before it fills them (see page/csp.ts).
    "style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy':
    'camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=(), serial=()',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Cache-Control': 'no-store',
};
