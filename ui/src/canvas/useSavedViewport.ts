import { useCallback, useEffect, useRef, useState } from 'react';
import type { Viewport } from '@/api/types';
import { api } from '@/backend';
import { currentLayout } from '@/state/hooks';
import { useLive } from '@/state/live';
import { useView } from '@/state/view';

const SAVE_MS = 1_000;

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
      // (0,0,1) means never saved. A view that shows nothing was made in another window.
      const shows = viewport && currentLayout().order.some((box) => {
        const x = box.absX * viewport.zoom + viewport.x;
        const y = box.absY * viewport.zoom + viewport.y;
        return x < size.w - 40 && y < size.h - 40 && x + box.w * viewport.zoom > 40 && y + box.h * viewport.zoom > 40;
      });
      if (viewport && shows && !(viewport.x === 0 && viewport.y === 0 && viewport.zoom === 1)) {
        saved.current = JSON.stringify(viewport);
        move(viewport);
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
      api.saveViewport(viewport).catch(() => undefined);
    }, SAVE_MS);
  }, []);

  return { ready, onMoveEnd };
}
