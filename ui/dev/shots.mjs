#!/usr/bin/env node
/**
 * Pictures of every screen, in every theme, beside the fake server.
 *
 *   node dev/shots.mjs [out-folder] [--only name,name] [--theme dark,light,contrast] [--audit]
 *
 * With --audit each screen is also checked by axe, for text under 12 px and for regions that overlap.
 */
import { spawn } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const args = process.argv.slice(2);
const flag = (name) => (args.includes(`--${name}`) ? args[args.indexOf(`--${name}`) + 1].split(',') : undefined);
const out = args[0] && !args[0].startsWith('--') ? args[0] : '/tmp/molecule-shots';
const only = flag('only');
const audit = args.includes('--audit');
const axe = audit ? await readFile(fileURLToPath(new URL('../node_modules/axe-core/axe.min.js', import.meta.url)), 'utf8') : '';
const themes = flag('theme') ?? ['dark', 'light'];
const WIDE = { width: 1440, height: 900 };
const SMALL = { width: 1024, height: 700 };
const lead = 'aaaaaaaa-0000-4000-8000-000000000001';

const open = (id) => async (page) => { await page.click(`[data-row="${id}"], [data-agent="${id}"] > button`); await page.waitForTimeout(700); };
const view = (name) => async (page) => { await page.click(`nav >> text=${name}`).catch(() => page.click(`nav [aria-label="${name}"]`)); await page.waitForTimeout(500); };

/** Files as a person picks them: a drawn chart, and two that are only a name and a size. */
async function pick(page) {
  const chart = await page.evaluate(() => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
    const brush = canvas.getContext('2d');
    brush.fillStyle = '#f4f1ea';
    brush.fillRect(0, 0, 640, 360);
    [92, 88, 41, 39, 36, 35, 33].forEach((value, day) => {
      brush.fillStyle = day === 2 ? '#b4552d' : '#3d7d74';
      brush.fillRect(40 + day * 84, 330 - value * 3, 56, value * 3);
    });
    return canvas.toDataURL('image/png').split(',')[1];
  });
  await page.setInputFiles('input[type=file]', [
    { name: 'trials by day.png', mimeType: 'image/png', buffer: Buffer.from(chart, 'base64') },
    { name: 'exit-interviews-2026-q3-raw-answers-with-comments.csv', mimeType: 'text/csv', buffer: Buffer.alloc(412_000, 'a') },
    { name: 'notes.md', mimeType: 'text/markdown', buffer: Buffer.from('# Day 3') },
  ]);
}
async function hold(page) {
  const data = await page.evaluateHandle(() => {
    const held = new DataTransfer();
    held.items.add(new File(['x'], 'x.txt'));
    return held;
  });
  await page.dispatchEvent('.chat', 'dragenter', { dataTransfer: data });
  await page.waitForTimeout(200);
}
async function slow(page) {
  const wire = await page.context().newCDPSession(page);
  await wire.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 160_000 });
}
const data = 'aaaaaaaa-0000-4000-8000-000000000003';

/** name, scene, size, what to do before the picture */
const SHOTS = [
  ['canvas-chat', 'still', WIDE, open(lead)],
  ['canvas-chat', 'still', SMALL, open(lead)],
  ['canvas', 'still', WIDE, async () => {}],
  ['canvas-300', 'many', WIDE, async () => {}],
  ['first-run', 'empty', WIDE, async () => {}],
  ['first-run', 'empty', SMALL, async () => {}],
  ['secrets', 'still', WIDE, async (page) => { await view('Settings')(page); await page.click('text=Replace >> nth=1'); await page.fill('.secret-form input', 'sk-quota-0123456789'); await page.waitForTimeout(1600); }],
  ['secrets', 'still', SMALL, view('Settings')],
  ['secrets-again', 'sealed', WIDE, view('Settings')],
  ['appearance', 'still', WIDE, async (page) => { await view('Settings')(page); await page.click('role=tab[name="Appearance"]'); await page.waitForTimeout(200); }],
  ['sessions', 'still', WIDE, async (page) => { await view('Settings')(page); await page.click('role=tab[name="Sessions"]'); await page.waitForTimeout(400); }],
  ['approvals', 'still', WIDE, view('Approvals')],
  ['templates', 'still', WIDE, view('Templates')],
  ['activity', 'still', WIDE, async (page) => { await view('Activity')(page); await page.click('.act-head >> nth=1'); await page.waitForTimeout(300); }],
  ['health', 'sealed', WIDE, view('Health')],
  ['details', 'still', WIDE, async (page) => { await open(lead)(page); await page.click('role=tab[name="Details"]'); await page.waitForTimeout(400); }],
  ['details-external', 'still', WIDE, async (page) => { await page.click('text=Market analyst'); await page.waitForTimeout(600); await page.click('role=tab[name="Details"]'); await page.click('text=Connect again…', { trial: true }); await page.waitForTimeout(300); }],
  ['agent-activity', 'still', WIDE, async (page) => { await open(lead)(page); await page.click('role=tab[name="Activity"]'); await page.waitForTimeout(400); }],
  ['agent-search', 'still', WIDE, async (page) => { await open(lead)(page); await page.click('role=tab[name="Activity"]'); await page.waitForTimeout(400); await page.fill('[role="searchbox"]', 'sync'); await page.waitForTimeout(900); }],
  ['agent-search', 'still', SMALL, async (page) => { await open(lead)(page); await page.click('role=tab[name="Activity"]'); await page.waitForTimeout(400); await page.fill('[role="searchbox"]', 'no such words'); await page.waitForTimeout(900); }],
  ['palette', 'still', WIDE, async (page) => { await page.keyboard.press('Control+k'); await page.keyboard.type('res'); await page.waitForTimeout(300); }],
  ['new-agent', 'still', WIDE, async (page) => { await page.click('text=New agent'); await page.fill('#new-agent input >> nth=0', 'Release manager'); await page.fill('input[placeholder^="/home"]', '/home/you/notes'); await page.waitForTimeout(300); }],
  ['connect', 'demo', WIDE, async (page) => { await page.click('text=New agent'); await page.fill('#new-agent input >> nth=0', 'Market scout'); await page.click('text=It runs elsewhere'); await page.click('text=Create and connect'); await page.waitForTimeout(700); }],
  ['connect', 'demo', SMALL, async (page) => { await page.click('text=New agent'); await page.fill('#new-agent input >> nth=0', 'Market scout'); await page.click('text=It runs elsewhere'); await page.click('text=Create and connect'); await page.waitForTimeout(500); await page.click('role=tab[name="a2a-sdk"]'); await page.waitForTimeout(200); }],
  ['connect-fields', 'demo', WIDE, async (page) => { await page.click('text=New agent'); await page.fill('#new-agent input >> nth=0', 'Market scout'); await page.click('text=It runs elsewhere'); await page.click('text=Create and connect'); await page.waitForTimeout(500); await page.click('role=tab[name="Fields"]'); await page.click('text=Make one'); await page.waitForTimeout(300); }],
  ['loop', 'loop', WIDE, async (page) => { await page.waitForTimeout(600); await page.click('[aria-label="Next notice"]'); await page.waitForTimeout(200); }],
  ['delete', 'still', WIDE, async (page) => { await page.click('[data-row$="5"]', { button: 'left' }); await page.click('[aria-label="More"]'); await page.click('text=Delete…'); await page.waitForTimeout(400); }],
  ['review', 'still', WIDE, async (page) => { await open(lead)(page); await page.click('text=Review diff'); await page.waitForTimeout(400); }],
  ['menu', 'still', WIDE, async (page) => { await page.click(`[data-agent="${lead}"] > button`, { button: 'right', position: { x: 200, y: 40 } }); await page.waitForTimeout(300); }],
  ['keys', 'still', WIDE, async (page) => { await view('Templates')(page); await page.click('.row-card:has-text("Release crew") button'); await page.waitForTimeout(500); }],
  ['chat-live', 'demo', WIDE, async (page) => { await open(lead)(page); await page.fill('textarea', 'Why do trials stop on day 3? Fix it.'); await page.keyboard.press('Enter'); await page.waitForTimeout(5200); }],
  ['chat-done', 'demo', WIDE, async (page) => { await open(lead)(page); await page.fill('textarea', 'Why do trials stop on day 3?'); await page.keyboard.press('Enter'); await page.waitForSelector('[data-state="done"]', { timeout: 40_000 }); await page.click('.leg-head >> nth=0'); await page.waitForTimeout(700); }],
  ...[WIDE, SMALL].flatMap((size) => [
    ['files-waiting', 'demo', size, async (page) => { await open(data)(page); await pick(page); await page.fill('textarea', 'What happens on day 3?'); await page.setInputFiles('input[type=file]', [{ name: 'session-recording.mp4', mimeType: 'video/mp4', buffer: Buffer.alloc(31 << 20) }]); await page.waitForTimeout(400); }],
    ['files-uploading', 'demo', size, async (page) => { await open(data)(page); await pick(page); await page.fill('textarea', 'What happens on day 3?'); await slow(page); await page.keyboard.press('Enter'); await page.waitForTimeout(1600); }],
    ['files-sent', 'demo', size, async (page) => { await open(data)(page); await pick(page); await page.fill('textarea', 'What happens on day 3?'); await page.keyboard.press('Enter'); await page.waitForSelector('[data-state="done"]', { timeout: 40_000 }); await page.reload(); await page.waitForSelector('.picture img'); await page.waitForTimeout(900); }],
    ['files-drop', 'demo', size, async (page) => { await open(data)(page); await hold(page); }],
  ]),
  ['chat-error', 'demo', WIDE, async (page) => { await open(lead)(page); await page.fill('textarea', 'Ask with no key'); await page.keyboard.press('Enter'); await page.waitForTimeout(900); }],
];

let port = 18_000 + (process.pid % 2_000);
async function serve(scene) {
  port += 1;
  const mine = port;
  const child = spawn(process.execPath, [fileURLToPath(new URL('./fake-server.mjs', import.meta.url)), '--port', String(mine), '--scene', scene], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((done, failed) => {
    child.stdout.once('data', done);
    child.once('exit', () => failed(new Error('the fake server did not start')));
  });
  return { url: `http://127.0.0.1:${mine}`, stop: () => child.kill() };
}

/** What LOOK §13 says is measured by test. */
async function inspect(page) {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const found = [];
    const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'] });
    for (const each of violations) found.push(`axe ${each.impact} ${each.id}: ${each.nodes.slice(0, 2).map((node) => node.html.slice(0, 140)).join(' | ')}`);
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      if (!node.textContent.trim() || !element?.checkVisibility() || element.closest('.sr-only, noscript, script, style, option')) continue;
      if (parseFloat(getComputedStyle(element).fontSize) < 12) found.push(`text under 12 px: ${node.textContent.trim().slice(0, 40)}`);
    }
    const regions = [...document.querySelectorAll('[data-region]')].filter((each) => each.checkVisibility({ visibilityProperty: true })).map((each) => [each.dataset.region, each.getBoundingClientRect()]);
    regions.forEach(([a, x], at) => regions.slice(at + 1).forEach(([b, y]) => {
      if (x.left < y.right - 1 && y.left < x.right - 1 && x.top < y.bottom - 1 && y.top < x.bottom - 1) found.push(`regions overlap: ${a} and ${b}`);
    }));
    return found;
  });
}

await mkdir(out, { recursive: true });
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });
const noise = [];
for (const [name, scene, size, act] of SHOTS) {
  if (only && !only.includes(name)) continue;
  for (const theme of themes) {
    const server = await serve(scene);
    const context = await browser.newContext({ bypassCSP: audit, viewport: size, colorScheme: theme === 'light' ? 'light' : 'dark', deviceScaleFactor: 1 });
    await context.addInitScript((choice) => { localStorage.setItem('molecule.theme', choice); }, theme);
    const page = await context.newPage();
    page.on('console', (line) => { if (['error', 'warning'].includes(line.type())) noise.push(`${name}: ${line.text()}`); });
    page.on('pageerror', (error) => noise.push(`${name}: ${error.message}`));
    try {
      await page.goto(`${server.url}/#ticket=fake`);
      await page.waitForTimeout(1500);
      await act(page);
    } catch (error) {
      noise.push(`${name}-${theme}: ${error.message.split('\n')[0]}`);
    }
    if (audit) for (const found of await inspect(page)) noise.push(`${name}-${theme}-${size.width}: ${found}`);
    await page.screenshot({ path: `${out}/${name}-${theme}-${size.width}.png` });
    await context.close();
    server.stop();
  }
}
await browser.close();
if (noise.length) console.log([...new Set(noise)].join('\n'));
