import { describe, expect, it } from 'vitest';
import { layoutOf } from '@/state/layout';
import { orgOf, row } from '@/state/fixtures';
import { atomOf, beside, bondsOf, levelAt, lengthOf, pathOf, wayBetween } from './bonds';

describe('levels', () => {
  it('follow the width on screen', () => {
    expect([0.2, 0.4, 0.7, 0.95, 1.2].map((zoom) => levelAt(zoom))).toEqual(['dot', 'name', 'task', 'full', 'more']);
  });
  it('do not flicker: 8 px of slack when shrinking, none when growing', () => {
    expect(levelAt(220 / 240, 'full')).toBe('full');
    expect(levelAt(215 / 240, 'full')).toBe('task');
    expect(levelAt(220 / 240, 'task')).toBe('task');
    expect(levelAt(224 / 240, 'task')).toBe('full');
    expect(levelAt(0.1, 'full')).toBe('dot');
  });
});

/** The picture canvas-chat: teams stacked on the lead's spine. Its numbers are those of the drawing. */
const spine = layoutOf(orgOf(
  row('root', { x: 0, y: 0.0001 }), row('r', { parent_id: 'root', x: 56, y: 130 }), row('e', { parent_id: 'root', x: 56, y: 430 }),
  row('r1', { parent_id: 'r', x: 72, y: 266 }), row('r2', { parent_id: 'r', x: 326, y: 266 }), row('e1', { parent_id: 'e', x: 72, y: 566 }), row('e2', { parent_id: 'e', x: 326, y: 566 }),
));
const bond = (id: string) => bondsOf(spine, 1, 'full').find((each) => each.id === id)?.points.map((point) => [Math.round(point.x), Math.round(point.y)]);

describe('bonds', () => {
  it('run down the spine and turn with a cut corner', () => {
    expect(bond('root>e')).toEqual([[34, 53], [34, 454], [40, 464], [71, 464]]);
    expect(bond('root>r')).toEqual([[34, 53], [34, 154], [40, 164], [71, 164]]);
  });

  it('reach cards from above: straight, or along a bus', () => {
    expect(bond('r>r1')).toEqual([[90, 183], [90, 264]]);
    expect(bond('r>r2')).toEqual([[90, 183], [90, 239], [96, 249], [342, 249], [348, 259], [348, 264]]);
  });

  it('never cross a card, in grids of any size and at any zoom', () => {
    for (const count of [1, 2, 3, 4, 5, 8]) {
      const rows = [row('p', { x: 0, y: 0.0001 }), ...Array.from({ length: count }, (_, i) => row(`c${i}`, { parent_id: 'p', x: 16 + (i % 2) * 254, y: 130 + Math.floor(i / 2) * 144 }))];
      const layout = layoutOf(orgOf(...rows));
      for (const zoom of [0.5, 0.75, 1, 1.6]) {
        const level = levelAt(zoom);
        const cards = layout.order.filter((box) => box.parentId).map((box) => atomOf(box, zoom, level));
        for (const each of bondsOf(layout, zoom, level)) {
          for (let i = 1; i < each.points.length; i += 1) {
            const a = each.points[i - 1] as { x: number; y: number };
            const b = each.points[i] as { x: number; y: number };
            for (let k = 0; k <= 20; k += 1) {
              const x = a.x + ((b.x - a.x) * k) / 20;
              const y = a.y + ((b.y - a.y) * k) / 20;
              // At the name level a card is its 28 px chip.
              const hit = cards.find((card) => {
                const top = level === 'name' ? card.y + card.h / 2 - 14 : card.y;
                const bottom = level === 'name' ? top + 28 : card.y + card.h;
                return x > card.x + 1 && x < card.x + card.w - 1 && y > top + 1 && y < bottom - 1;
              });
              expect(hit && `${each.id} crosses ${hit.id} at ${Math.round(x)},${Math.round(y)} (${count} cards, zoom ${zoom})`).toBeUndefined();
            }
          }
        }
      }
    }
  });

  it('draw nothing into a folded team', () => {
    const folded = layoutOf(orgOf(row('p', { collapsed: true }), row('c', { parent_id: 'p' })));
    expect(bondsOf(folded, 1, 'full')).toEqual([]);
  });

  it('put the second line 5 px beside the first, on the side of the drawing', () => {
    const line = beside([{ x: 34, y: 53 }, { x: 34, y: 154 }, { x: 40, y: 164 }, { x: 71, y: 164 }]);
    expect(line[0]).toEqual({ x: 39, y: 53 });
    expect(line.at(-1)).toEqual({ x: 71, y: 159 });
    expect(pathOf(line)).toMatch(/^M39\.00 53\.00L39\.00 /);
    expect(lengthOf([{ x: 0, y: 0 }, { x: 3, y: 4 }])).toBe(5);
  });

  it('find the way between two agents along the tree', () => {
    expect(wayBetween(spine, 'root', 'r1')).toEqual([{ id: 'root>r', down: true }, { id: 'r>r1', down: true }]);
    expect(wayBetween(spine, 'r1', 'e')).toEqual([{ id: 'r>r1', down: false }, { id: 'root>r', down: false }, { id: 'root>e', down: true }]);
    expect(wayBetween(spine, 'r1', 'stranger')).toEqual([]);
  });
});
