import { useSyncExternalStore } from 'react';

let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const tellers = new Set<() => void>();

function subscribe(tell: () => void): () => void {
  if (tellers.size === 0) now = Date.now();
  tellers.add(tell);
  timer ??= setInterval(() => {
    if (document.hidden) return;
    now = Date.now();
    tellers.forEach((each) => each());
  }, 1_000);
  return () => {
    tellers.delete(tell);
    if (tellers.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/**
 * The time, from one clock for the whole page that stands still while nobody looks. `every` (milliseconds) is how
 * often whoever asks is drawn anew; in between the value stays the same.
 */
export function useNow(every = 1_000): number {
  return useSyncExternalStore(subscribe, () => (every <= 1_000 ? now : now - (now % every)));
}

export const MINUTE = 60_000;
