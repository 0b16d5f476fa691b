import { useSyncExternalStore } from 'react';

let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const tellers = new Set<() => void>();

function subscribe(tell: () => void): () => void {
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

/** The time, once a second for the whole page, and never while nobody looks. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}
