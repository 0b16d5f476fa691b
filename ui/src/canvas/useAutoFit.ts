import { useCallback, useEffect, useRef } from 'react';
import { useShallow } from 'zustand/react/shallow';
import { useLive } from '@/state/live';

const TRACK_MS = 500;
const SETTLE_MS = 300;

/**
 * Follows a deployment (50 §8.4): one fit after the last arrival, one when nothing starts any more. A movement by the
 * person after the last fit wins, unless something is there that was not there before. Two timers, never one.
 */
export function useAutoFit(fit: (ids?: string[], ms?: number) => void, ready: boolean) {
  const ids = useLive(useShallow((state) => Object.keys(state.org.agents)));
  const starting = useLive((state) => Object.values(state.org.agents).filter((agent) => agent.status === 'provisioning').length);
  const fitted = useRef<Set<string> | null>(null);
  const moved = useRef(false);
  const was = useRef(0);
  const arrived = useRef(false);
  const track = useRef<ReturnType<typeof setTimeout>>(undefined);
  const settle = useRef<ReturnType<typeof setTimeout>>(undefined);

  useEffect(() => {
    if (!ready) return;
    const known = fitted.current;
    fitted.current = new Set(ids);
    // What was there when the page opened is no arrival.
    if (!known) return;
    if (!ids.some((id) => !known.has(id))) return;
    arrived.current = true;
    clearTimeout(track.current);
    track.current = setTimeout(() => {
      moved.current = false;
      fit(undefined, 400);
    }, known.size === 0 ? 0 : TRACK_MS);
  }, [ids, ready, fit]);

  useEffect(() => {
    const before = was.current;
    was.current = starting;
    // A restart is no deployment: only what arrived settles.
    if (!ready || before === 0 || starting > 0 || !arrived.current || moved.current) return;
    arrived.current = false;
    clearTimeout(settle.current);
    settle.current = setTimeout(() => {
      if (!moved.current) fit(undefined, 1200);
    }, SETTLE_MS);
  }, [starting, ready, fit]);

  useEffect(() => () => {
    clearTimeout(track.current);
    clearTimeout(settle.current);
  }, []);

  const onUserMove = useCallback(() => {
    moved.current = true;
  }, []);
  return { onUserMove };
}
