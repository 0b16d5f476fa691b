import { describe, expect, it } from 'vitest';
import { orgOf, row } from './fixtures';
import { arrange, enclosing, freeSlot, gridSize, layoutOf, LEAF_H, LEAF_W, overlap, placeUnplaced, slot, standaloneSlot, toAbsolute } from './layout';

const leaf = { w: LEAF_W, h: LEAF_H };

describe('grid (must equal the server, 20 §12.6)', () => {
  it('L3: all-leaf slots', () => {
    const sizes = Array.from({ length: 5 }, () => leaf);
    expect(sizes.map((_, i) => slot(i, sizes))).toEqual([
      { x: 16, y: 130 }, { x: 270, y: 130 }, { x: 16, y: 274 }, { x: 270, y: 274 }, { x: 16, y: 418 },
    ]);
  });

  it('L3: the widest sibling sets the column, the tallest the row', () => {
    const sizes = [leaf, { w: 526, h: 276 }, leaf];
    expect(slot(1, sizes)).toEqual({ x: 16 + 526 + 14, y: 130 });
    expect(slot(2, sizes)).toEqual({ x: 16, y: 130 + 276 + 14 });
  });

  it('L4: sizes', () => {
    expect(gridSize([])).toEqual({ w: 210, h: 120 });
    expect(gridSize([leaf])).toEqual({ w: 272, h: 276 });
    expect(gridSize([leaf, leaf])).toEqual({ w: 526, h: 276 });
    expect(gridSize([leaf, leaf, leaf])).toEqual({ w: 526, h: 420 });
    expect(gridSize([{ w: 526, h: 276 }, { w: 526, h: 276 }])).toEqual({ w: 1098, h: 422 });
  });
});

describe('layout of nested teams', () => {
  const org = orgOf(
    row('root', { x: 100, y: 100 }),
    row('team', { parent_id: 'root', x: 116, y: 230 }),
    row('a', { parent_id: 'team', x: 132, y: 360 }),
    row('b', { parent_id: 'team', x: 386, y: 360 }),
  );

  it('L1: displays relative to the parent and stores through the whole chain', () => {
    const layout = layoutOf(org);
    expect(layout.byId.get('b')).toMatchObject({ x: 270, y: 130, absX: 386, absY: 360, depth: 2 });
    expect(toAbsolute(layout, 'team', { x: 270, y: 130 })).toEqual({ x: 386, y: 360 });
  });

  it('L4, L6: sizes count grandchildren', () => {
    const layout = layoutOf(org);
    expect(layout.byId.get('team')).toMatchObject({ w: 526, h: 276 });
    expect(layout.byId.get('root')).toMatchObject({ w: 16 + 526 + 16, h: 130 + 276 + 16 });
  });

  it('L5: a folded team is leaf-sized and hides everybody below, also those folded within', () => {
    const folded = orgOf(...Object.values(org.agents).map((agent) => row(agent.id, { parent_id: agent.parentId, x: agent.x, y: agent.y, collapsed: agent.id === 'root' })));
    const layout = layoutOf(folded);
    expect(layout.byId.get('root')).toMatchObject({ w: LEAF_W, h: LEAF_H, folded: true, hidden: false });
    expect(['team', 'a', 'b'].map((id) => layout.byId.get(id)?.hidden)).toEqual([true, true, true]);
  });

  it('L12: parents come before children, whatever the order of the rows', () => {
    const mixed = orgOf(row('a', { parent_id: 'team', x: 132, y: 360 }), row('team', { parent_id: 'root', x: 116, y: 230 }), row('root'));
    expect(layoutOf(mixed).order.map((box) => box.id)).toEqual(['root', 'team', 'a']);
  });

  it('L9: a child wholly outside its parent moves to a free slot; one that overlaps at all stays', () => {
    const layout = layoutOf(orgOf(
      row('root', { x: 0, y: 1 }), row('in', { parent_id: 'root', x: 16, y: 131 }),
      row('edge', { parent_id: 'root', x: 500, y: 200 }), row('out', { parent_id: 'root', x: 5000, y: 5000 }),
    ));
    expect(layout.byId.get('edge')).toMatchObject({ x: 500, y: 199 });
    expect(layout.byId.get('out')).toMatchObject({ x: 16, y: 274 });
  });

  it('L9: a parent that has grown keeps the child where the person put it', () => {
    const rows = orgOf(row('root', { x: 0, y: 1 }), row('kid', { parent_id: 'root', x: 900, y: 601 }));
    expect(layoutOf(rows, { root: { w: 1200, h: 800 } }).byId.get('kid')).toMatchObject({ x: 900, y: 600 });
  });

  it('L7: parents never shrink by themselves', () => {
    expect(layoutOf(org, { team: { w: 900, h: 700 } }).byId.get('team')).toMatchObject({ w: 900, h: 700 });
  });

  it('survives a cycle', () => {
    expect(() => layoutOf(orgOf(row('a', { parent_id: 'b' }), row('b', { parent_id: 'a' })))).not.toThrow();
  });
});

describe('places', () => {
  it('L10: never-placed roots stand side by side, right of what is placed, by name', () => {
    const places = placeUnplaced(orgOf(row('z', { x: 0, y: 0, name: 'Zoe' }), row('y', { x: 0, y: 0, name: 'Ann' }), row('old', { x: 400, y: 50 })));
    expect(places).toEqual({ y: { x: 720, y: 100 }, z: { x: 1040, y: 100 } });
  });

  it('L10: a never-placed child takes its team’s next free slot', () => {
    const places = placeUnplaced(orgOf(row('root', { x: 10, y: 10 }), row('a', { parent_id: 'root', x: 26, y: 140 }), row('b', { parent_id: 'root', x: 0, y: 0 })));
    expect(places).toEqual({ b: { x: 280, y: 140 } });
  });

  it('L11: standalone places never repeat while the index grows', () => {
    const seen = new Set(Array.from({ length: 40 }, (_, i) => JSON.stringify(standaloneSlot(i))));
    expect(seen.size).toBe(40);
    expect(standaloneSlot(5)).toEqual({ x: 420, y: 260 });
  });

  it('finds the first slot that nobody occupies', () => {
    expect(freeSlot(leaf, [{ x: 16, y: 130, ...leaf }, { x: 16, y: 274, ...leaf }])).toEqual({ x: 270, y: 130 });
  });
});

describe('arrangements', () => {
  const org = orgOf(
    row('root', { x: 100, y: 100 }),
    row('r', { parent_id: 'root', name: 'Alpha' }), row('e', { parent_id: 'root', name: 'Beta' }),
    row('r1', { parent_id: 'r', name: '1' }), row('r2', { parent_id: 'r', name: '2' }),
    row('e1', { parent_id: 'e', name: '1' }), row('e2', { parent_id: 'e', name: '2' }),
  );

  it('spine: teams stacked under the lead, 56 px in, and the picture’s own size', () => {
    const places = arrange(org, 'root', 'spine');
    expect(places.r).toEqual({ x: 156, y: 230 });
    expect(places.e).toEqual({ x: 156, y: 230 + 276 + 18 });
    expect(places.r2).toEqual({ x: 156 + 270, y: 360 });
    const moved = orgOf(...Object.values(org.agents).map((agent) => row(agent.id, { parent_id: agent.parentId, name: agent.name, ...(places[agent.id] ?? { x: agent.x, y: agent.y }) })));
    expect(layoutOf(moved).byId.get('root')).toMatchObject({ w: 598, h: 130 + 276 + 18 + 276 + 16 });
  });

  it('grid: nested sizes count, and nobody overlaps a sibling', () => {
    const places = arrange(org, 'root', 'grid');
    expect(places.e).toEqual({ x: 100 + 16 + 526 + 14, y: 230 });
    const box = (id: string) => ({ ...(places[id] ?? { x: 0, y: 0 }), w: 526, h: 276 });
    expect(overlap(box('r'), box('e'))).toBe(false);
  });

  it('encloses what it holds', () => expect(enclosing([{ x: 16, y: 130, ...leaf }])).toEqual({ w: 272, h: 276 }));
});
