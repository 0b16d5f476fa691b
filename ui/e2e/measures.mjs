/** What of the look can be measured: regions, text sizes, and what axe finds. Each answers a list of faults. */
import { readFile } from 'node:fs/promises';

const axe = await readFile(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

/** Serious and critical findings of axe-core. */
export async function accessibility(page) {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'] });
    return violations
      .filter((each) => ['serious', 'critical'].includes(each.impact))
      .map((each) => `${each.id} (${each.nodes.length}): ${each.nodes[0].html.slice(0, 160)}`);
  });
}

/** Pairs of regions that share more than a hairline. `least` guards against a selector that finds nothing. */
export function overlaps(page, least) {
  return page.evaluate((least) => {
    const shown = [...document.querySelectorAll('[data-region]')]
      .filter((each) => each.checkVisibility({ visibilityProperty: true }))
      .map((each) => [each.dataset.region, each.getBoundingClientRect()]);
    const faults = shown.length < least ? [`only ${shown.map(([name]) => name)} found`] : [];
    shown.forEach(([a, p], at) => shown.slice(at + 1).forEach(([b, q]) => {
      const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
      const high = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
      if (wide > 1 && high > 1) faults.push(`${a} and ${b} share ${Math.round(wide)} × ${Math.round(high)} px`);
    }));
    const { scrollWidth, scrollHeight } = document.documentElement;
    if (scrollWidth > innerWidth || scrollHeight > innerHeight) faults.push(`the page scrolls: ${scrollWidth} × ${scrollHeight}`);
    return faults;
  }, least);
}

/** Text that is drawn under 12 px, with every scale of its ancestors counted in. */
export function smallText(page) {
  return page.evaluate(() => {
    const faults = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      if (!node.textContent.trim() || !element?.checkVisibility() || element.closest('.sr-only, noscript, script, style, option')) continue;
      // The layout's width is a whole number, the drawn one is not: a difference of rounding is no scale.
      const drawn = element.getBoundingClientRect().width;
      const scale = Math.abs(drawn - element.offsetWidth) <= 0.5 || !element.offsetWidth ? 1 : drawn / element.offsetWidth;
      const size = parseFloat(getComputedStyle(element).fontSize) * scale;
      if (size < 11.95) faults.push(`${size.toFixed(1)} px: ${node.textContent.trim().slice(0, 40)}`);
    }
    return faults;
  });
}
