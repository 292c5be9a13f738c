/** What is being done after an event, as in "while ...": for what is cut short. */
import type { UpEvent } from './events.js';

/** @returns undefined when the event says nothing about what comes next */
export function activityAfter(event: UpEvent): string | undefined {
  if (event.type === 'phase') {
    return event.reason === 'started'
      ? `waiting for ${event.awaited} (phase ${event.phase})`
      : undefined;
  }
  if (event.type !== 'build') return undefined;
  switch (event.reason) {
    case 'started':
      return 'looking for what must be built';
    case 'progress':
      return `building the images (${event.line})`;
    case 'passed':
      return 'starting the daemon';
  }
}
