import clsx from 'clsx';
import { useEffect, useMemo, useRef, useState, type CSSProperties } from 'react';
import { ViewportPortal } from '@xyflow/react';
import { useLayout } from '@/state/hooks';
import { useLive } from '@/state/live';
import { useView } from '@/state/view';
import type { Exchange } from '@/state/exchanges';
import { beside, bondsOf, lengthOf, pathOf, wayBetween, type Bond } from './bonds';

const FADE_MS = 400;
const MOVING_MOST = 60;

interface Trip { key: string; bond: string; back: boolean; error: boolean; ms: number; delay: number }

const tripMs = (length: number) => Math.round(Math.min(1200, Math.max(600, length * 1.6)));

/** Where an open exchange runs, and the dots that travel. */
function useTraffic(bonds: Map<string, Bond>) {
  const exchanges = useLive((state) => state.exchanges);
  const layout = useLayout();
  const seen = useRef(new Map<string, Exchange['state'] | 'gone'>());
  const [trips, setTrips] = useState<Trip[]>([]);
  const [fading, setFading] = useState<Record<string, true>>({});

  const live = useMemo(() => {
    const ids = new Map<string, { error: boolean }>();
    for (const each of Object.values(exchanges)) {
      if (each.endedAt !== undefined) continue;
      for (const leg of wayBetween(layout, each.from, each.to)) ids.set(leg.id, { error: false });
    }
    return ids;
  }, [exchanges, layout]);

  useEffect(() => {
    const fresh: Trip[] = [];
    const ended: string[] = [];
    for (const each of Object.values(exchanges)) {
      const before = seen.current.get(each.id);
      const state = each.endedAt === undefined ? 'open' : each.state;
      if (before === state) continue;
      seen.current.set(each.id, state);
      // What was over before this page looked does not travel any more.
      const late = Date.now() - (each.endedAt ?? each.startedAt) > 3_000;
      if (late) continue;
      const way = wayBetween(layout, each.from, each.to);
      const add = (legs: typeof way, back: boolean, error: boolean, tag: string) => {
        let delay = 0;
        legs.forEach((leg, index) => {
          const bond = bonds.get(leg.id);
          if (!bond) return;
          const ms = tripMs(lengthOf(bond.points));
          fresh.push({ key: `${each.id}:${tag}:${index}`, bond: leg.id, back: leg.down === back, error, ms, delay });
          delay += ms;
        });
        if (back) ended.push(...legs.map((leg) => leg.id));
      };
      if (before === undefined && each.endedAt === undefined) add(way, false, false, 'out');
      if (each.endedAt !== undefined && each.state !== 'queued') {
        add(way.map((leg) => ({ ...leg })).reverse(), true, each.state === 'error', 'back');
      }
    }
    if (fresh.length > 0) {
      setTrips((old) => (old.length + fresh.length > MOVING_MOST ? old : [...old, ...fresh]));
      const longest = Math.max(...fresh.map((trip) => trip.ms + trip.delay));
      setTimeout(() => setTrips((old) => old.filter((trip) => !fresh.includes(trip))), longest + 100);
    }
    if (ended.length > 0) {
      setFading((old) => ({ ...old, ...Object.fromEntries(ended.map((id) => [id, true as const])) }));
      setTimeout(() => setFading((old) => Object.fromEntries(Object.entries(old).filter(([id]) => !ended.includes(id)))), 1200 + FADE_MS);
    }
  }, [exchanges, layout, bonds]);

  return { live, trips, fading };
}

const still = () => window.matchMedia('(prefers-reduced-motion: reduce)').matches;

/** All lines of the canvas, on one layer above the boxes and below nothing that can be clicked. */
export function Bonds() {
  const layout = useLayout();
  const zoom = useView((state) => state.viewport.zoom);
  const level = useView((state) => state.level);
  const external = useLive((state) => state.org.agents);
  const bonds = useMemo(() => new Map(bondsOf(layout, zoom, level).map((bond) => [bond.id, bond])), [layout, zoom, level]);
  const { live, trips, fading } = useTraffic(bonds);
  const quiet = still();

  return (
    <ViewportPortal>
      <svg className="bonds" width="1" height="1" aria-hidden="true">
        {[...bonds.values()].map((bond) => (
          <path key={bond.id} className={clsx('bond', external[bond.to]?.runtime === 'external' && 'dash')} d={pathOf(bond.points)} />
        ))}
        {[...bonds.values()].map((bond) => {
          const on = live.has(bond.id);
          if (!on && !fading[bond.id]) return null;
          return <path key={`${bond.id}:live`} className={clsx('bond live', !on && 'ending')} data-live={on || undefined} d={pathOf(beside(bond.points))} />;
        })}
        {trips.map((trip) => {
          const bond = bonds.get(trip.bond);
          if (!bond) return null;
          const line = beside(bond.points);
          if (quiet) {
            const end = trip.back ? line[0] : line.at(-1);
            return <circle key={trip.key} className={clsx('courier', trip.error && 'error')} style={{ animation: 'none' }} cx={end?.x} cy={end?.y} r="6" />;
          }
          return (
            <g
              key={trip.key}
              className={clsx('courier', trip.back && 'back', trip.error && 'error')}
              style={{ offsetPath: `path("${pathOf(line)}")`, animationDelay: `${trip.delay}ms`, '--trip': `${trip.ms}ms` } as CSSProperties}
            >
              <circle r="6" />
              {trip.error && <path d="m-2.5 -2.5 5 5m0-5-5 5" stroke="var(--canvas)" strokeWidth="1.5" strokeLinecap="round" />}
            </g>
          );
        })}
      </svg>
    </ViewportPortal>
  );
}
