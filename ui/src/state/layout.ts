/**
 * Layout of nested teams, 50 §6. The constants equal the server's grid of 20 §12.6. Pure.
 * Storage is absolute, display is relative to the parent (L1).
 */
import { byParent, type Agent, type Org } from './org';

export const LEAF_W = 240;
export const LEAF_H = 130;
export const GUTTER = 14;
export const HEADER = 130;
export const SIDE = 16;
export const BOTTOM = 16;
export const COLUMNS = 2;
export const EMPTY_PARENT = { w: 210, h: 120 };
/** Inset of the spine arrangement, so that the bond runs straight down from the lead's nucleus (LOOK §5). */
export const SPINE_INSET = 56;
export const SPINE_GAP = 18;

export interface Size { w: number; h: number }
export interface Box extends Size { x: number; y: number }

/** L3: slot i of a team whose children have these sizes, in the team's own coordinates. */
export function slot(index: number, sizes: readonly Size[]): { x: number; y: number } {
  const columnWidth = Math.max(LEAF_W, ...sizes.map((size) => size.w));
  const row = Math.floor(index / COLUMNS);
  let y = HEADER;
  for (let r = 0; r < row; r += 1) {
    const heights = sizes.slice(r * COLUMNS, r * COLUMNS + COLUMNS).map((size) => size.h);
    y += (heights.length ? Math.max(...heights) : LEAF_H) + GUTTER;
  }
  return { x: SIDE + (index % COLUMNS) * (columnWidth + GUTTER), y };
}

/** L4: the size of a team that holds children of these sizes in the grid. */
export function gridSize(sizes: readonly Size[]): Size {
  if (sizes.length === 0) return EMPTY_PARENT;
  const columns = Math.min(COLUMNS, sizes.length);
  const columnWidth = Math.max(...sizes.map((size) => size.w));
  let rows = 0;
  let count = 0;
  for (let at = 0; at < sizes.length; at += columns) {
    rows += Math.max(...sizes.slice(at, at + columns).map((size) => size.h));
    count += 1;
  }
  return {
    w: SIDE * 2 + columnWidth * columns + GUTTER * (columns - 1),
    h: HEADER + rows + GUTTER * (count - 1) + BOTTOM,
  };
}

export function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

/** L4 and L6: a parent holds its actual children, wherever they stand. */
export function enclosing(children: readonly Box[]): Size {
  if (children.length === 0) return EMPTY_PARENT;
  return {
    w: Math.max(...children.map((box) => box.x + box.w + SIDE)),
    h: Math.max(...children.map((box) => box.y + box.h + BOTTOM)),
  };
}

/** The first grid slot that no other child occupies. */
export function freeSlot(size: Size, taken: readonly Box[]): { x: number; y: number } {
  const sizes = taken.map(({ w, h }) => ({ w, h }));
  for (let index = 0; ; index += 1) {
    const at = slot(index, [...sizes, size]);
    if (!taken.some((box) => overlap({ ...at, ...size }, box))) return at;
  }
}

export interface Placed {
  id: string;
  parentId: string | null;
  /** In the parent's coordinates. */
  x: number;
  y: number;
  absX: number;
  absY: number;
  w: number;
  h: number;
  depth: number;
  /** Has children (whether they show or not). */
  team: boolean;
  /** An ancestor is folded (L5). */
  hidden: boolean;
  folded: boolean;
}

export interface Layout {
  /** Parents before children (L12). */
  order: Placed[];
  byId: Map<string, Placed>;
}

const neverPlaced = (agent: Agent) => agent.x === 0 && agent.y === 0;

/**
 * L10: places for cards that never had one. Children of a team take the team's next free slot; roots stand side by
 * side, 320 px apart, right of what is placed. The result is absolute and is meant to be saved.
 */
export function placeUnplaced(org: Org): Record<string, { x: number; y: number }> {
  const found: Record<string, { x: number; y: number }> = {};
  const children = byParent(org);
  const at = (agent: Agent) => found[agent.id] ?? { x: agent.x, y: agent.y };
  const seen = new Set<string>();
  let level = [...(children.get(null) ?? [])];
  const settled = level.filter((agent) => !neverPlaced(agent));
  let right = settled.length ? Math.max(...settled.map((agent) => agent.x)) + 320 : 100;
  for (let depth = 0; level.length > 0; depth += 1) {
    const next: Agent[] = [];
    for (const agent of [...level].sort((a, b) => a.name.localeCompare(b.name))) {
      if (seen.has(agent.id)) continue;
      seen.add(agent.id);
      if (neverPlaced(agent)) {
        const parent = agent.parentId ? org.agents[agent.parentId] : undefined;
        if (parent) {
          const origin = at(parent);
          const taken = (children.get(parent.id) ?? [])
            .filter((each) => each.id !== agent.id && (found[each.id] || !neverPlaced(each)))
            .map((each) => ({ x: at(each).x - origin.x, y: at(each).y - origin.y, w: LEAF_W, h: LEAF_H }));
          const free = freeSlot({ w: LEAF_W, h: LEAF_H }, taken);
          found[agent.id] = { x: origin.x + free.x, y: origin.y + free.y };
        } else {
          found[agent.id] = { x: right, y: 100 + depth * 200 };
          right += 320;
        }
      }
      next.push(...(children.get(agent.id) ?? []));
    }
    level = next;
  }
  return found;
}

/** The box of a team whose children stand as a spine: what L9 must take for inside, like the grid's. */
function spineSize(children: readonly Size[]): Size {
  const width = Math.max(LEAF_W, ...children.map((child) => child.w));
  const height = children.reduce((sum, child) => sum + child.h + SPINE_GAP, HEADER);
  return { w: SPINE_INSET + width + SIDE, h: height + BOTTOM };
}

/** L11: where the n-th standalone creation goes; n only ever grows. */
export function standaloneSlot(index: number): { x: number; y: number } {
  return { x: 100 + (index % 4) * 320, y: 100 + Math.floor(index / 4) * 160 };
}

/**
 * The whole drawing: sizes bottom-up, positions relative to the parent, hidden flags, parents first.
 * `grown` holds sizes that parents have reached before: they never shrink by themselves (L7).
 */
export function layoutOf(org: Org, grown: Readonly<Record<string, Size>> = {}): Layout {
  const children = byParent(org);
  const places = placeUnplaced(org);
  const positions = new Map<string, { x: number; y: number }>();
  const sizes = new Map<string, Size>();
  const position = (agent: Agent) => places[agent.id] ?? { x: agent.x, y: agent.y };
  const busy = new Set<string>();

  const measure = (agent: Agent): Size => {
    const known = sizes.get(agent.id);
    if (known) return known;
    if (busy.has(agent.id)) return { w: LEAF_W, h: LEAF_H };
    busy.add(agent.id);
    const kids = children.get(agent.id) ?? [];
    const origin = position(agent);
    const childSizes = kids.map((kid) => measure(kid));
    const own = grown[agent.id];
    const grid = gridSize(childSizes);
    const spine = spineSize(childSizes);
    const outer = { x: 0, y: 0, w: Math.max(grid.w, spine.w, own?.w ?? 0), h: Math.max(grid.h, spine.h, own?.h ?? 0) };
    const taken: Box[] = [];
    const strays: { kid: Agent; size: Size }[] = [];
    kids.forEach((kid, index) => {
      const size = childSizes[index] ?? { w: LEAF_W, h: LEAF_H };
      const at = position(kid);
      const box = { x: at.x - origin.x, y: at.y - origin.y, ...size };
      // L9: a child wholly outside its parent moves to a free slot; any overlap leaves it alone.
      if (overlap(box, outer)) {
        positions.set(kid.id, { x: box.x, y: box.y });
        taken.push(box);
      } else {
        strays.push({ kid, size });
      }
    });
    for (const { kid, size } of strays) {
      const at = freeSlot(size, taken);
      positions.set(kid.id, at);
      taken.push({ ...at, ...size });
    }
    let size: Size = { w: LEAF_W, h: LEAF_H };
    if (kids.length > 0 && !agent.collapsed) {
      const hold = enclosing(taken);
      size = { w: Math.max(hold.w, own?.w ?? 0), h: Math.max(hold.h, own?.h ?? 0) };
    }
    sizes.set(agent.id, size);
    return size;
  };

  const order: Placed[] = [];
  const byId = new Map<string, Placed>();
  const walk = (agent: Agent, parent: Placed | null, hidden: boolean) => {
    if (byId.has(agent.id)) return;
    const at = parent ? (positions.get(agent.id) ?? { x: SIDE, y: HEADER }) : position(agent);
    const size = measure(agent);
    const kids = children.get(agent.id) ?? [];
    const placed: Placed = {
      id: agent.id,
      parentId: parent?.id ?? null,
      x: at.x,
      y: at.y,
      absX: (parent?.absX ?? 0) + at.x,
      absY: (parent?.absY ?? 0) + at.y,
      w: size.w,
      h: size.h,
      depth: parent ? parent.depth + 1 : 0,
      team: kids.length > 0,
      hidden,
      folded: kids.length > 0 && agent.collapsed,
    };
    order.push(placed);
    byId.set(agent.id, placed);
    kids.forEach((kid) => walk(kid, placed, hidden || agent.collapsed));
  };
  const roots = children.get(null) ?? [];
  roots.forEach((root) => measure(root));
  roots.forEach((root) => walk(root, null, false));
  return { order, byId };
}

/** The chain of L1: a position in a parent's coordinates, as it is stored. */
export function toAbsolute(layout: Layout, parentId: string | null, at: { x: number; y: number }): { x: number; y: number } {
  const parent = parentId ? layout.byId.get(parentId) : undefined;
  return { x: at.x + (parent?.absX ?? 0), y: at.y + (parent?.absY ?? 0) };
}

export type Arrangement = 'grid' | 'spine';

/**
 * Absolute positions that arrange everything below `rootId`. `grid` is L3 with real sizes (L15 without its defect);
 * `spine` stacks a team's children under its lead where one of them is a team itself.
 */
export function arrange(org: Org, rootId: string, how: Arrangement): Record<string, { x: number; y: number }> {
  const children = byParent(org);
  const result: Record<string, { x: number; y: number }> = {};
  const root = org.agents[rootId];
  if (!root) return result;
  const sizes = new Map<string, Size>();
  const slots = new Map<string, { x: number; y: number }>();
  const sorted = (id: string) => [...(children.get(id) ?? [])].sort((a, b) => a.name.localeCompare(b.name));

  const measure = (agent: Agent): Size => {
    const kids = sorted(agent.id);
    const kidSizes = kids.map((kid) => measure(kid));
    let size: Size = { w: LEAF_W, h: LEAF_H };
    if (kids.length > 0) {
      const nested = kids.some((kid) => (children.get(kid.id) ?? []).length > 0);
      if (how === 'spine' && nested) {
        let y = HEADER;
        let w = 0;
        kids.forEach((kid, index) => {
          const kidSize = kidSizes[index] ?? { w: LEAF_W, h: LEAF_H };
          slots.set(kid.id, { x: SPINE_INSET, y });
          y += kidSize.h + SPINE_GAP;
          w = Math.max(w, kidSize.w);
        });
        size = { w: SPINE_INSET + w + SIDE, h: y - SPINE_GAP + BOTTOM };
      } else {
        kids.forEach((kid, index) => slots.set(kid.id, slot(index, kidSizes)));
        size = gridSize(kidSizes);
      }
    }
    sizes.set(agent.id, size);
    return size;
  };
  measure(root);

  const settle = (agent: Agent, origin: { x: number; y: number }) => {
    for (const kid of sorted(agent.id)) {
      const at = slots.get(kid.id) ?? { x: SIDE, y: HEADER };
      result[kid.id] = { x: origin.x + at.x, y: origin.y + at.y };
      settle(kid, result[kid.id] ?? origin);
    }
  };
  const start = neverPlaced(root) ? { x: 100, y: 100 } : { x: root.x, y: root.y };
  settle(root, start);
  return result;
}

export function boundsOf(boxes: readonly { absX: number; absY: number; w: number; h: number }[]): Box | null {
  if (boxes.length === 0) return null;
  const x = Math.min(...boxes.map((box) => box.absX));
  const y = Math.min(...boxes.map((box) => box.absY));
  return {
    x,
    y,
    w: Math.max(...boxes.map((box) => box.absX + box.w)) - x,
    h: Math.max(...boxes.map((box) => box.absY + box.h)) - y,
  };
}
