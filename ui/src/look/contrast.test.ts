/** Every ratio of the look, section 2, measured in the tokens themselves (LOOK §13). */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const css = readFileSync(fileURLToPath(new URL('./tokens.css', import.meta.url)), 'utf8');

function theme(name: string): Record<string, string> {
  const block = css.slice(css.indexOf(`[data-theme="${name}"]`));
  const body = block.slice(block.indexOf('{') + 1, block.indexOf('\n}'));
  return Object.fromEntries([...body.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6})/g)].map(([, key, value]) => [key, value]));
}

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * (r ?? 0) + 0.7152 * (g ?? 0) + 0.0722 * (b ?? 0);
}

function ratio(a: string, b: string): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return ((light ?? 0) + 0.05) / ((dark ?? 0) + 0.05);
}

const PAIRS: [string, string, number][] = [
  ['text', 'surface', 4.5], ['text-2', 'surface', 4.5], ['text-2', 'chrome', 4.5], ['text-3', 'canvas', 4.5], ['text-3', 'surface', 4.5],
  ['text-3', 'raised', 4.5], ['text-3', 'hover', 4.5], ['text-3', 'accent-soft', 4.5], ['text-3', 'chrome', 4.5], ['text-3', 'sunken', 4.5],
  ['accent-ink', 'accent', 4.5], ['accent', 'accent-soft', 4.5], ['text-2', 'warn-soft', 4.5], ['warn', 'warn-soft', 4.5], ['bad', 'bad-soft', 4.5],
  ['ok', 'warn-soft', 4.5], ['bad', 'warn-soft', 4.5], ['accent', 'canvas', 3], ['control', 'chrome', 3], ['bond', 'canvas', 3], ['bond', 'field', 3],
  ...['ok', 'accent', 'start', 'warn', 'bad', 'pause', 'sleep', 'off', 'await'].flatMap((each) => ['canvas', 'field', 'surface'].map((on): [string, string, number] => [each, on, 3])),
  ['warn', 'surface', 4.5], ['bad', 'surface', 4.5], ['start', 'surface', 4.5], ['badge-ink', 'warn', 4.5], ['badge-ink', 'bad', 4.5],
];

describe.each(['dark', 'light', 'contrast'])('%s', (name) => {
  const tokens = theme(name);
  it.each(PAIRS)('%s on %s is at least %f to 1', (front, back, need) => {
    expect(ratio(tokens[front] ?? '', tokens[back] ?? '')).toBeGreaterThanOrEqual(need);
  });
});
