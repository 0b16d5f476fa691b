/** Where the canvas stands. Fed by the canvas on every move, read by the minimap, the bottom bar and the keys. */
import { create } from 'zustand';
import type { Viewport } from '@/api/types';
import type { Level } from '@/canvas/bonds';

interface View {
  viewport: Viewport;
  size: { w: number; h: number };
  level: Level;
  /** Set by the canvas while it is shown. */
  drive: {
    zoomBy: (factor: number) => void;
    fit: (ids?: string[]) => void;
    center: (x: number, y: number) => void;
  } | null;
}

export const useView = create<View>()(() => ({
  viewport: { x: 0, y: 0, zoom: 1 },
  size: { w: 0, h: 0 },
  level: 'full',
  drive: null,
}));
