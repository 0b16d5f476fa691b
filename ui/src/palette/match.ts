/** Matching by words' beginnings first, then anywhere. Pure. */

export function rank(text: string, query: string): number {
  const q = query.trim().toLowerCase();
  if (!q) return 1;
  const t = text.toLowerCase();
  if (t.startsWith(q)) return 6;
  if (t.split(/[\s,.:-]+/).some((word) => word.startsWith(q))) return 5;
  if (t.includes(q)) return 4;
  const words = q.split(/\s+/);
  if (words.length > 1 && words.every((word) => t.includes(word))) return 3;
  return 0;
}

/** Letters in order, for when nothing else matches: "rdl" finds "Research lead". */
export function loosely(text: string, query: string): boolean {
  const t = text.toLowerCase();
  let at = 0;
  for (const letter of query.toLowerCase().replace(/\s+/g, '')) {
    at = t.indexOf(letter, at) + 1;
    if (at === 0) return false;
  }
  return true;
}

/** The parts of a text that match, for drawing them in the accent. */
export function matchRanges(text: string, query: string): [number, number][] {
  const q = query.trim().toLowerCase();
  if (!q) return [];
  const at = text.toLowerCase().indexOf(q);
  if (at >= 0) return [[at, at + q.length]];
  return q.split(/\s+/).filter(Boolean).flatMap((word): [number, number][] => {
    const from = text.toLowerCase().indexOf(word);
    return from >= 0 ? [[from, from + word.length]] : [];
  }).sort((a, b) => a[0] - b[0]).filter((range, index, all) => index === 0 || range[0] >= (all[index - 1]?.[1] ?? 0));
}
