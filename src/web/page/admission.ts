/**
 * How this page becomes one that may use the console: the token of the link is exchanged for a cookie,
 * which only the browser sees, and a key, which only this page has: other servers on this host would be
 * sent the cookie too. With the key page and server know each other again.
 */
const SESSION_URL = '/console/session';

/** What the link in the address bar asks for: `#<token>[/<vm>]`. The token is taken out of it at once. */
export interface Link {
  readonly token: string;
  readonly vm: string | undefined;
}

export function takeLink(): Link | undefined {
  const [token, vm] = location.hash.slice(1).split('/');
  if (token === undefined || token === '') return undefined;
  history.replaceState(null, '', location.pathname);
  return { token, vm };
}

/** Why there is no admission, for the user. */
const refusals: Readonly<Record<string, string>> = {
  used: 'This link was used already. A link works once.',
  expired: 'This link is too old.',
  unknown: 'This link is not known here; the server may have been started anew.',
};

export type Admittance =
  | { readonly kind: 'admitted'; readonly key: string }
  | { readonly kind: 'refused'; readonly why: string };

/** Exchanges the link's token, or takes up what an earlier load of this page was given. */
export async function seekAdmission(link: Link | undefined): Promise<Admittance> {
  if (link !== undefined) {
    const answer = await fetch(SESSION_URL, { method: 'POST', body: link.token });
    const document = (await answer.json()) as { key?: string; reason?: string };
    if (answer.ok && document.key !== undefined) {
      sessionStorage.setItem('key', document.key);
      return { kind: 'admitted', key: document.key };
    }
    return { kind: 'refused', why: refusals[document.reason ?? ''] ?? 'This link is refused.' };
  }
  const key = sessionStorage.getItem('key');
  if (key === null) return { kind: 'refused', why: 'This page needs a link with a token.' };
  return { kind: 'admitted', key };
}

/**
 * Whether the server still knows this browser.
 * @param limitMs how long it may take, milliseconds
 * @throws TypeError when it does not answer, or DOMException when it takes longer
 */
export async function stillAdmitted(limitMs: number): Promise<boolean> {
  return (await fetch(SESSION_URL, { signal: AbortSignal.timeout(limitMs) })).ok;
}

/** Shows for that text that one has the key: HMAC-SHA-256, base64url. */
export async function prove(key: string, text: string): Promise<string> {
  const encoder = new TextEncoder();
  const hmac = { name: 'HMAC', hash: 'SHA-256' };
  const imported = await crypto.subtle.importKey('raw', encoder.encode(key), hmac, false, ['sign']);
  const signature = await crypto.subtle.sign('HMAC', imported, encoder.encode(text));
  return btoa(String.fromCharCode(...new Uint8Array(signature)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}
