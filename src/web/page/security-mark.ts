/** The mark that says whether this console is the secure one: never by colour alone. */
import { byId } from './dom.js';

export type Security = 'secure' | 'not-secure' | 'unknown';

const marks: Readonly<Record<Security, { text: string; title: string; icon: string }>> = {
  secure: {
    text: 'Secure',
    title: 'The virtualized system neither sees this console nor can change it.',
    icon: 'M8 1.5 13.5 3.5v4c0 3.5-2.3 6-5.5 7-3.2-1-5.5-3.5-5.5-7v-4zM5.3 7.8 7.2 9.7l3.5-3.7',
  },
  'not-secure': {
    text: 'NOT SECURE',
    title:
      'COM1 of this VM is left to the virtualized system: it reads and can change all of this.',
    icon: 'M8 1.5 15 14H1zM8 6v4M8 11.7v.6',
  },
  unknown: {
    text: 'not connected',
    title: 'No console is open.',
    icon: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M5 8h6',
  },
};

export function showSecurity(security: Security, vm: string): void {
  const { text, title, icon } = marks[security];
  document.body.dataset['security'] = security;
  byId('security', HTMLParagraphElement).title = title;
  byId('security-text', HTMLSpanElement).textContent = text;
  byId('security-icon', SVGPathElement).setAttribute('d', icon);
  byId('warning', HTMLDivElement).hidden = security !== 'not-secure';
  const name = vm === '' ? 'vsbypass' : `${vm} · vsbypass`;
  document.title = security === 'not-secure' ? `NOT SECURE: ${name}` : name;
}
