#!/usr/bin/env node
/**
 * Pictures of every screen, in every theme, beside the fake server.
 *
 *   node dev/shots.mjs [out-folder] [--only name,name] [--theme dark,light,contrast]
 */
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const args = process.argv.slice(2);
const flag = (name) => (args.includes(`--${name}`) ? args[args.indexOf(`--${name}`) + 1].split(',') : undefined);
const out = args[0] && !args[0].startsWith('--') ? args[0] : '/tmp/molecule-shots';
const only = flag('only');
const themes = flag('theme') ?? ['dark', 'light'];
const WIDE = { width: 1440, height: 900 };
const SMALL = { width: 1024, height: 700 };
const lead = 'aaaaaaaa-0000-4000-8000-000000000001';

const open = (id) => async (page) => { await page.click(`[data-row="${id}"], [data-agent="${id}"] > button`); await page.waitForTimeout(700); };
const view = (name) => async (page) => { await page.click(`nav >> text=${name}`).catch(() => page.click(`nav [aria-label="${name}"]`)); await page.waitForTimeout(500); };

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
  ['agent-activity', 'still', WIDE, async (page) => { await open(lead)(page); await page.click('role=tab[name="Activity"]'); await page.waitForTimeout(400); }],
  ['palette', 'still', WIDE, async (page) => { await page.keyboard.press('Control+k'); await page.keyboard.type('res'); await page.waitForTimeout(300); }],
  ['new-agent', 'still', WIDE, async (page) => { await page.click('text=New agent'); await page.fill('#new-agent input >> nth=0', 'Release manager'); await page.fill('input[placeholder^="/home"]', '/home/you/notes'); await page.waitForTimeout(300); }],
  ['connect', 'demo', WIDE, async (page) => { await page.click('text=New agent'); await page.fill('#new-agent input >> nth=0', 'Market scout'); await page.click('text=It runs elsewhere'); await page.click('text=Create and connect'); await page.waitForTimeout(700); }],
  ['delete', 'still', WIDE, async (page) => { await page.click('[data-row$="5"]', { button: 'left' }); await page.click('[aria-label="More"]'); await page.click('text=Delete…'); await page.waitForTimeout(400); }],
  ['review', 'still', WIDE, async (page) => { await open(lead)(page); await page.click('text=Review diff'); await page.waitForTimeout(400); }],
  ['menu', 'still', WIDE, async (page) => { await page.click(`[data-agent="${lead}"] > button`, { button: 'right', position: { x: 200, y: 40 } }); await page.waitForTimeout(300); }],
  ['keys', 'still', WIDE, async (page) => { await view('Templates')(page); await page.click('.row-card:has-text("Release crew") button'); await page.waitForTimeout(500); }],
  ['chat-live', 'demo', WIDE, async (page) => { await open(lead)(page); await page.fill('textarea', 'Why do trials stop on day 3? Fix it.'); await page.keyboard.press('Enter'); await page.waitForTimeout(5200); }],
  ['chat-done', 'demo', WIDE, async (page) => { await open(lead)(page); await page.fill('textarea', 'Why do trials stop on day 3?'); await page.keyboard.press('Enter'); await page.waitForSelector('[data-state="done"]', { timeout: 40_000 }); await page.click('.leg-head >> nth=0'); await page.waitForTimeout(700); }],
  ['chat-error', 'demo', WIDE, async (page) => { await open(lead)(page); await page.fill('textarea', 'Ask with no key'); await page.keyboard.press('Enter'); await page.waitForTimeout(900); }],
];

let port = 8700 + (process.pid % 200);
async function serve(scene) {
  port += 1;
  const mine = port;
  const child = spawn(process.execPath, [fileURLToPath(new URL('./fake-server.mjs', import.meta.url)), '--port', String(mine), '--scene', scene], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((done) => child.stdout.once('data', done));
  return { url: `http://127.0.0.1:${mine}`, stop: () => child.kill() };
}

await mkdir(out, { recursive: true });
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });
const noise = [];
for (const [name, scene, size, act] of SHOTS) {
  if (only && !only.includes(name)) continue;
  for (const theme of themes) {
    const server = await serve(scene);
    const context = await browser.newContext({ viewport: size, colorScheme: theme === 'light' ? 'light' : 'dark', deviceScaleFactor: 1 });
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
    await page.screenshot({ path: `${out}/${name}-${theme}-${size.width}.png` });
    await context.close();
    server.stop();
  }
}
await browser.close();
if (noise.length) console.log([...new Set(noise)].join('\n'));
