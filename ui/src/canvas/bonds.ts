/**
 * Bonds run from nucleus to nucleus, with corners cut like a skeletal formula, never across a card or text (LOOK §6).
 * Everything here is in pixels of the screen, so that lines and gaps keep their size at every zoom. Pure.
 */
import { LEAF_W, type Layout, type Placed } from '@/state/layout';

export type Level = 'dot' | 'name' | 'task' | 'full' | 'more';

const WIDTHS: readonly { level: Level; from: number }[] = [
  { level: 'more', from: 264 },
  { level: 'full', from: 224 },
  { level: 'task', from: 160 },
  { level: 'name', from: 72 },
  { level: 'dot', from: 0 },
];
const HYSTERESIS = 8;

/** The level of a card follows its width on screen; 8 px of slack keep zooming from flickering (LOOK §4). */
export function levelAt(zoom: number, before?: Level): Level {
  const width = Math.round(LEAF_W * zoom * 100) / 100;
  const plain = WIDTHS.find((each) => width >= each.from)?.level ?? 'dot';
  if (!before || before === plain) return plain;
  const rank = (level: Level) => WIDTHS.findIndex((each) => each.level === level);
  if (rank(before) < rank(plain)) {
    // Shrinking: stay until clearly below the level's own threshold.
    const own = WIDTHS[rank(before)]?.from ?? 0;
    return width >= own - HYSTERESIS ? before : plain;
  }
  return plain;
}

export interface Point { x: number; y: number }

export interface Atom {
  id: string;
  /** The box, and the nucleus within. */
  x: number;
  y: number;
  w: number;
  h: number;
  nx: number;
  ny: number;
  r: number;
  /** Where a bond from above ends. */
  top: number;
}

const GAP = 5;
const CUT_X = 6;
const CUT_Y = 10;

export function atomOf(box: Placed, zoom: number, level: Level): Atom {
  const x = box.absX * zoom;
  const y = box.absY * zoom;
  const w = box.w * zoom;
  const h = box.h * zoom;
  const at = (nx: number, ny: number, r: number, top: number): Atom => ({ id: box.id, x, y, w, h, nx: x + nx, ny: y + ny, r, top: y + top });
  if (box.team && !box.folded) {
    if (level === 'dot') return at(14, 14, 6, 14 - 6 - GAP);
    if (level === 'name') return at(18, 17, 8, 17 - 8 - GAP);
    if (level === 'task') return at(25, 23, 11, 23 - 11 - GAP);
    return at(34, 34, 14, 34 - 14 - GAP);
  }
  if (level === 'dot') return at(w / 2, h / 2, 6, h / 2 - 6 - GAP);
  if (level === 'name') return at(15, h / 2, 7, h / 2 - 14 - 2);
  if (level === 'task') return at(18, 17, 8, -2);
  return at(22, 22, 10, -2);
}

const crossesX = (atom: Atom, x: number) => atom.x < x + 2 && atom.x + atom.w > x - 2;
const spansY = (atom: Atom, from: number, to: number) => atom.y < to && atom.y + atom.h > from;

/** Vertical channels beside the cards of the rows above, nearest first. */
function channel(parent: Atom, above: readonly Atom[], near: number): number {
  const left = Math.min(...above.map((atom) => atom.x));
  const candidates = [(parent.x + left) / 2];
  for (const atom of above) candidates.push(atom.x + atom.w + (7 * atom.w) / LEAF_W);
  return candidates
    .filter((x) => !above.some((atom) => crossesX(atom, x)))
    .sort((a, b) => Math.abs(a - near) - Math.abs(b - near))[0] ?? candidates[0] ?? near;
}

/** A run with cut corners: down the trunk, along a bus, down to the goal. */
function step(from: Point, busY: number, to: Point, cx: number, cy: number): Point[] {
  const dir = Math.sign(to.x - from.x) || 1;
  const room = Math.abs(to.x - from.x) / 2;
  const c = Math.min(cx, room);
  return [
    from,
    { x: from.x, y: Math.max(from.y, busY - cy) },
    { x: from.x + c * dir, y: busY },
    { x: to.x - c * dir, y: busY },
    { x: to.x, y: Math.min(to.y, busY + cy) },
    to,
  ];
}

/** The line from a lead's nucleus to one of its people's, beside the others of the team. */
export function route(parent: Atom, child: Atom, siblings: readonly Atom[], zoom: number): Point[] {
  const start = { x: parent.nx, y: parent.ny + parent.r + GAP };
  const others = siblings.filter((each) => each.id !== child.id);
  const free = !others.some((each) => (crossesX(each, start.x) && spansY(each, start.y, child.ny))
    || (spansY(each, child.ny - 1, child.ny + 1) && each.x < child.x && each.x + each.w > start.x));
  if (child.x > start.x + 12 && free && child.ny - CUT_Y > start.y) {
    return [
      start,
      { x: start.x, y: child.ny - CUT_Y },
      { x: start.x + CUT_X, y: child.ny },
      { x: child.nx - child.r - GAP, y: child.ny },
    ];
  }
  const above = others.filter((each) => each.y + each.h <= child.y + 1);
  const goal = { x: child.nx, y: child.top };
  if (above.length === 0) {
    if (Math.abs(start.x - goal.x) <= 8) return [start, { x: start.x, y: goal.y }];
    const busY = Math.max(start.y + 4, child.y - Math.min(17, 17 * Math.max(zoom, 0.5)));
    return step(start, busY, goal, CUT_X, Math.min(CUT_Y, Math.max(2, goal.y - busY)));
  }
  const rowTop = Math.min(...above.map((each) => each.y));
  const firstRow = above.filter((each) => each.y < rowTop + 2);
  const bus0 = Math.max(start.y + 4, Math.min(...firstRow.map((each) => each.y)) - Math.min(17, 17 * Math.max(zoom, 0.5)));
  const bottom = Math.max(...above.map((each) => each.y + each.h));
  const bus1 = (bottom + child.y) / 2;
  const x = channel(parent, above, goal.x);
  const down = step(start, bus0, { x, y: Math.max(bus0 + 1, bus1 - 4) }, CUT_X, CUT_Y);
  const last = step({ x, y: Math.max(bus0 + 1, bus1 - 4) }, bus1, goal, 4, 4);
  return [...down, ...last.slice(1)];
}

const EPS = 0.01;

function tidy(points: readonly Point[]): Point[] {
  return points.filter((point, index) => {
    const before = points[index - 1];
    return !before || Math.abs(before.x - point.x) > EPS || Math.abs(before.y - point.y) > EPS;
  });
}

export function pathOf(points: readonly Point[]): string {
  return tidy(points).map((point, index) => `${index ? 'L' : 'M'}${point.x.toFixed(2)} ${point.y.toFixed(2)}`).join('');
}

export function lengthOf(points: readonly Point[]): number {
  return points.reduce((sum, point, index) => {
    const before = points[index - 1];
    return before ? sum + Math.hypot(point.x - before.x, point.y - before.y) : 0;
  }, 0);
}

/** The second line of an open exchange, `by` pixels beside the first. */
export function beside(line: readonly Point[], by = 5): Point[] {
  const points = tidy(line);
  if (points.length < 2) return points;
  const normals = points.slice(1).map((point, index) => {
    const from = points[index] ?? point;
    const length = Math.hypot(point.x - from.x, point.y - from.y) || 1;
    return { x: (point.y - from.y) / length, y: -(point.x - from.x) / length };
  });
  return points.map((point, index) => {
    const a = normals[Math.max(0, index - 1)] ?? { x: 0, y: 0 };
    const b = normals[Math.min(normals.length - 1, index)] ?? a;
    const dot = a.x * b.x + a.y * b.y;
    const scale = by / Math.max(0.3, 1 + dot);
    return { x: point.x + (a.x + b.x) * scale, y: point.y + (a.y + b.y) * scale };
  });
}

export interface Bond { id: string; from: string; to: string; points: Point[] }

/** All bonds that show, parent to child. */
export function bondsOf(layout: Layout, zoom: number, level: Level): Bond[] {
  const bonds: Bond[] = [];
  const groups = new Map<string, Placed[]>();
  for (const box of layout.order) {
    if (box.hidden || !box.parentId) continue;
    const list = groups.get(box.parentId);
    if (list) list.push(box);
    else groups.set(box.parentId, [box]);
  }
  for (const [parentId, boxes] of groups) {
    const parent = layout.byId.get(parentId);
    if (!parent || parent.hidden || parent.folded) continue;
    const lead = atomOf(parent, zoom, level);
    const atoms = boxes.map((box) => atomOf(box, zoom, level));
    for (const atom of atoms) {
      bonds.push({ id: `${parentId}>${atom.id}`, from: parentId, to: atom.id, points: route(lead, atom, atoms, zoom) });
    }
  }
  return bonds;
}

/** The bonds between two agents, along the tree, as pairs of parent and child with the direction of travel. */
export function wayBetween(layout: Layout, from: string, to: string): { id: string; down: boolean }[] {
  const up = (id: string): string[] => {
    const chain: string[] = [];
    for (let at: string | null | undefined = id; at && !chain.includes(at); at = layout.byId.get(at)?.parentId) chain.push(at);
    return chain;
  };
  const a = up(from);
  const b = up(to);
  const meet = a.find((id) => b.includes(id));
  if (!meet) return [];
  const climb = a.slice(0, a.indexOf(meet)).map((id) => ({ id: `${layout.byId.get(id)?.parentId ?? ''}>${id}`, down: false }));
  const descend = b.slice(0, b.indexOf(meet)).reverse().map((id) => ({ id: `${layout.byId.get(id)?.parentId ?? ''}>${id}`, down: true }));
  return [...climb, ...descend];
}
