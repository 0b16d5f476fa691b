/** Where an arrow key leads: to the nearest card in that direction. Pure. */
import type { Layout, Placed } from '@/state/layout';

export type Arrow = 'ArrowUp' | 'ArrowDown' | 'ArrowLeft' | 'ArrowRight';

/** A team counts as its header, where its name is; a card as its middle. */
function spot(box: Placed): { x: number; y: number } {
  return box.team && !box.folded ? { x: box.absX + 120, y: box.absY + 40 } : { x: box.absX + box.w / 2, y: box.absY + box.h / 2 };
}

export function neighbour(layout: Layout, from: string, arrow: Arrow): string | null {
  const start = layout.byId.get(from);
  if (!start) return null;
  const a = spot(start);
  let best: string | null = null;
  let least = Infinity;
  for (const box of layout.order) {
    if (box.hidden || box.id === from) continue;
    const b = spot(box);
    const dx = b.x - a.x;
    const dy = b.y - a.y;
    const along = arrow === 'ArrowRight' ? dx : arrow === 'ArrowLeft' ? -dx : arrow === 'ArrowDown' ? dy : -dy;
    const across = Math.abs(arrow === 'ArrowRight' || arrow === 'ArrowLeft' ? dy : dx);
    if (along <= 4) continue;
    const cost = along + across * 2;
    if (cost < least) {
      least = cost;
      best = box.id;
    }
  }
  return best;
}
