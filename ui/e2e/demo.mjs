#!/usr/bin/env node
/** Done when 2: the demo organisation, driven as a newcomer would, against the real server with real agents. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = fileURLToPath(new URL('../..', import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');
const molecule = process.env.MOLECULE ?? join(target, 'debug', 'molecule');
const browserPath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'].find(existsSync);
const screens = process.env.SCREENS;
const axe = await readFile(fileURLToPath(new URL('../node_modules/axe-core/axe.min.js', import.meta.url)), 'utf8');
let passed = 0;
const done = (what) => { passed += 1; console.log(`ok ${passed} ${what}`); };

if (process.env.MOLECULE_E2E_ISOLATED) {
  const outside = Object.keys(networkInterfaces()).filter((name) => name !== 'lo');
  assert.deepEqual(outside, [], 'only loopback is there');
  done('the network is loopback and nothing else');
}

const home = await mkdtemp(join(tmpdir(), 'molecule-e2e-'));
const server = spawn(molecule, ['serve', '--port', '0'], { env: { ...process.env, MOLECULE_HOME: home, MOLECULE_KEYCHAIN: 'off', NO_COLOR: '1' }, stdio: ['ignore', 'pipe', 'pipe'] });
let log = '';
server.stderr.on('data', (chunk) => { log += chunk; });
const link = await new Promise((found, failed) => {
  let out = '';
  server.stdout.on('data', (chunk) => { out += chunk; const at = out.match(/http:\S+#ticket=\S+/); if (at) found(at[0]); });
  server.on('exit', () => failed(new Error(`the server ended\n${log}`)));
});
const base = new URL(link).origin;
const token = (await readFile(join(home, 'admin.token'), 'utf8')).trim();
const api = async (path) => {
  const answer = await fetch(base + path, { headers: { Authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 200, path);
  return answer.json();
};
const browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
let code = 1;
try {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: 'dark', reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const faults = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => { if (message.type() === 'error') faults.push(message.text()); });
  const picture = async (name) => { if (screens) await page.screenshot({ path: join(screens, name) }); };

  await page.goto(link);
  await page.getByText('Who should work on it?').waitFor();
  assert.ok(!page.url().includes('ticket'), 'the ticket is gone from the address');
  await picture('first-run-dark.png');
  await audit(page, 'first run, dark');
  const before = Date.now();
  await page.getByRole('button', { name: /Try it|Start the demo/ }).first().click();
  await page.getByText('5 of 5 running').waitFor();
  console.log(`five agents online after ${Date.now() - before} ms`);
  const folders = await readdir(join(home, 'workspaces'));
  const pids = await Promise.all(folders.map(async (id) => JSON.parse(await readFile(join(home, 'workspaces', id, 'run.json'), 'utf8')).pid));
  assert.equal(new Set(pids).size, 5, `five processes of their own: ${pids}`);
  pids.forEach((pid) => process.kill(pid, 0));
  done('one click starts five separate agent processes, and all are online');

  const agents = await api('/workspaces');
  const named = (name) => agents.find((agent) => agent.name === name);
  const lead = named('Product lead');
  const nonces = ['Research lead', 'Engineering lead'].map((name) => ({ agent: named(name), nonce: randomUUID() }));
  for (const { agent, nonce } of nonces) {
    await writeFile(join(home, 'workspaces', agent.id, 'configs', 'knowledge.md'), `- The word of the day is ${nonce}.\n`);
  }
  await page.locator(`[data-row="${lead.id}"]`).first().click();
  await page.locator('textarea').fill('What should we change next?');
  await page.keyboard.press('Enter');
  await page.locator('.bond.live').first().waitFor({ state: 'attached' });
  await page.locator('.leg').first().waitFor();
  done('bonds and the chat show the delegation while it happens');
  await page.locator('[data-turn][data-state="done"]').first().waitFor();
  const chat = async () => (await page.locator('[data-turn]').allInnerTexts()).join('\n');
  for (const { nonce } of nonces) assert.ok((await chat()).includes(nonce), 'the answer has the words of both delegates');
  for (const { agent, nonce } of nonces) {
    const [row] = await api(`/workspaces/${agent.id}/activity?type=a2a_receive&limit=1`);
    assert.equal(row.source_id, lead.id, 'the root asked');
    assert.ok(JSON.stringify(row.response_body).includes(nonce));
  }
  done('the answer is made of the work of two delegates, asked by the root');
  await picture('canvas-dark.png');
  await audit(page, 'canvas with chat, dark');
  await regions(page);

  const flat = (text) => text.replace(/\d+(\.\d+)? (ms|s|min)\b/g, '').replace(/\s+/g, ' ').trim();
  const said = flat(await chat());
  await page.reload();
  await page.locator(`[data-row="${lead.id}"]`).first().click();
  await page.locator('[data-turn][data-state="done"]').first().waitFor();
  const again = flat(await chat());
  for (const { nonce } of nonces) assert.ok(again.includes(nonce));
  assert.ok(again.includes('What should we change next?'));
  assert.equal(again.length > 200, said.length > 200);
  done('a reload shows the same chat');

  await page.locator('textarea').fill('Publish the plan');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: /Review/ }).first().click();
  await page.getByRole('dialog').getByRole('button', { name: /^Approve/ }).click();
  await page.getByText('Approved and published').first().waitFor();
  done('an approval is asked in the chat, reviewed, and counts');

  await page.emulateMedia({ colorScheme: 'light' });
  await page.waitForTimeout(300);
  await picture('canvas-light.png');
  await audit(page, 'canvas with chat, light');
  await page.setViewportSize({ width: 1024, height: 700 });
  await page.waitForTimeout(300);
  await picture('canvas-light-1024.png');
  await regions(page);
  assert.deepEqual(faults, [], 'the page reports no fault');
  done('no fault in the page, no serious finding, no overlap, nothing under 12 px');
  code = 0;
} catch (error) {
  console.error(error);
  console.error(log.split('\n').slice(-30).join('\n'));
} finally {
  await browser.close();
  server.kill('SIGTERM');
  await new Promise((ended) => (server.exitCode === null ? server.on('exit', ended) : ended()));
  await rm(home, { recursive: true, force: true });
}
console.log(`${passed} passed, ${code} failed`);
process.exit(code);

/** No serious accessibility finding. */
async function audit(page, what) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  const serious = found.violations.filter((each) => ['serious', 'critical'].includes(each.impact));
  assert.deepEqual(serious.map((each) => `${each.id}: ${each.nodes[0].html.slice(0, 160)}`), [], what);
}

/** LOOK §13: no two regions intersect, and no text is smaller than 12 px. */
async function regions(page) {
  const wrong = await page.evaluate(() => {
    const box = (element) => element.getBoundingClientRect();
    const marks = [...document.querySelectorAll('header, nav, main, aside, footer, [role="complementary"], [role="contentinfo"]')];
    const shown = marks.filter((each) => box(each).width > 0 && box(each).height > 0);
    const faults = [];
    for (const a of shown) {
      for (const b of shown) {
        if (a === b || a.contains(b) || b.contains(a)) continue;
        const [p, q] = [box(a), box(b)];
        const over = Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1 && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 1;
        if (over) faults.push(`${a.tagName}.${a.className} meets ${b.tagName}.${b.className}`);
      }
    }
    for (const each of document.querySelectorAll('body *')) {
      const own = [...each.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
      if (own && box(each).width > 0 && parseFloat(getComputedStyle(each).fontSize) < 12) faults.push(`small text: ${each.textContent.slice(0, 40)}`);
    }
    return faults;
  });
  assert.deepEqual(wrong, []);
}
