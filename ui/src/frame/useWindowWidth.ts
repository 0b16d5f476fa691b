import { useSyncExternalStore } from 'react';

function subscribe(tell: () => void): () => void {
  window.addEventListener('resize', tell);
  return () => window.removeEventListener('resize', tell);
}

export const useWindowWidth = (): number => useSyncExternalStore(subscribe, () => window.innerWidth);
