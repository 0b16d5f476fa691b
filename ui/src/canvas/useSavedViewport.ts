import { useCallback, useEffect, useRef, useState } from 'react';
import type { Viewport } from '@/api/types';
import { api } from '@/backend';
import { currentLayout } from '@/state/hooks';
import { boundsOf } from '@/state/layout';
import { useLive } from '@/state/live';
import { keep } from '@/state/screen';
import { useView } from '@/state/view';

const SAVE_MS = 1_000;

/** How large the canvas was when this view was saved here: the same middle is shown in a canvas of another size. */
function sizeThen(viewport: string): { w: number; h: number } | null {
  try {
    const raw = JSON.parse(localStorage.getItem('molecule.viewport') ?? 'null') as { viewport: string; size: { w: number; h: number } } | null;
    return raw && JSON.stringify(JSON.parse(raw.viewport)) === viewport ? raw.size : null;
  } catch {
    return null;
  }
}

/** How much of the drawing (or, when zoomed in, of the canvas) this view fills, 0 to 1. */
function shownShare(viewport: Viewport, size: { w: number; h: number }): number {
  const bounds = boundsOf(currentLayout().order.filter((box) => !box.hidden));
  if (!bounds) return 0;
  const x = bounds.x * viewport.zoom + viewport.x;
  const y = bounds.y * viewport.zoom + viewport.y;
  const w = bounds.w * viewport.zoom;
  const h = bounds.h * viewport.zoom;
  const seenW = Math.max(0, Math.min(size.w, x + w) - Math.max(0, x));
  const seenH = Math.max(0, Math.min(size.h, y + h) - Math.max(0, y));
  return (seenW * seenH) / Math.max(1, Math.min(w, size.w) * Math.min(h, size.h));
}

/** The saved view is taken up once; it is saved a second after movement stops (50 §4). Failures are silent. */
export function useSavedViewport(move: (to: Viewport, ms?: number) => void, fit: (ids?: string[], ms?: number) => void) {
  const [ready, setReady] = useState(false);
  const loaded = useLive((state) => state.org.loaded);
  const sized = useView((state) => state.size.w > 0);
  const saved = useRef('');
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);

  useEffect(() => {
    if (!loaded || !sized || ready) return undefined;
    let gone = false;
    const settle = (viewport: Viewport | null) => {
      if (gone) return;
      const { size } = useView.getState();
      const text = JSON.stringify(viewport);
      const then = sizeThen(text);
      const here = viewport && then ? { ...viewport, x: viewport.x + (size.w - then.w) / 2, y: viewport.y + (size.h - then.h) / 2 } : viewport;
      // (0,0,1) means never saved. A view that shows too little was made in a window of another shape.
      const never = viewport?.x === 0 && viewport.y === 0 && viewport.zoom === 1;
      if (here && !never && shownShare(here, size) > (then ? 0.1 : 0.95)) {
        saved.current = text;
        move(here);
      } else {
        fit(undefined, 0);
      }
      setReady(true);
    };
    api.viewport().then(settle, () => settle(null));
    return () => {
      gone = true;
    };
  }, [loaded, sized, ready, move, fit]);

  const onMoveEnd = useCallback((_byUser: boolean, viewport: Viewport) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      const next = JSON.stringify(viewport);
      if (next === saved.current || currentLayout().order.length === 0) return;
      saved.current = next;
      keep('viewport', { viewport: next, size: useView.getState().size });
      api.saveViewport(viewport).catch(() => undefined);
    }, SAVE_MS);
  }, []);

  return { ready, onMoveEnd };
}
