/** The real program with a data directory of its own, and a browser in front of it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = fileURLToPath(new URL('../..', import.meta.url));
const molecule = process.env.MOLECULE_BIN ?? join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'debug', 'molecule');
const browserPath = [
  process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
].find((path) => path && existsSync(path));
const START_MS = 20_000;

export const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Starts the server and waits for the link that it prints. */
export async function startServer() {
  assert.ok(existsSync(molecule), `${molecule} is not built`);
  const home = await mkdtemp(join(tmpdir(), 'molecule-e2e-'));
  const child = spawn(molecule, ['serve', '--port', '0'], {
    env: { ...process.env, MOLECULE_HOME: home, MOLECULE_KEYCHAIN: 'off', NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const gone = new Promise((done) => child.once('exit', done));
  let log = '';
  child.stderr.on('data', (chunk) => { log += chunk; });
  let stopped;
  const stop = () => { stopped ??= end(); return stopped; };
  const end = async () => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), START_MS);
    await gone;
    clearTimeout(late);
    await rm(home, { recursive: true, force: true });
  };
  const link = await new Promise((found, failed) => {
    let out = '';
    const late = setTimeout(() => failed(new Error(`no link after ${START_MS} ms\n${out}${log}`)), START_MS);
    child.stdout.on('data', (chunk) => {
      out += chunk;
      const link = out.match(/http:\S+#ticket=\S+/)?.[0];
      if (link) { clearTimeout(late); found(link); }
    });
    void gone.then(() => failed(new Error(`the server ended\n${log}`)));
  }).catch(async (error) => { await stop(); throw error; });

  const base = new URL(link).origin;
  const token = (await readFile(join(home, 'admin.token'), 'utf8')).trim();
  const api = async (method, path, body) => {
    const headers = { Authorization: `Bearer ${token}`, ...(body && { 'Content-Type': 'application/json' }) };
    const answer = await fetch(base + path, { method, headers, body: JSON.stringify(body) });
    assert.equal(answer.status, 200, `${method} ${path}`);
    return answer.json();
  };
  return {
    base, home, link, stop,
    log: () => log.split('\n').slice(-40).join('\n'),
    configs: (id, file) => join(home, 'workspaces', id, 'configs', file),
    get: (path) => api('GET', path),
    put: (path, body) => api('PUT', path, body),
    /** The process of every agent that runs, by workspace id. */
    async pids() {
      const ids = await readdir(join(home, 'workspaces'));
      const runs = await Promise.all(ids.map(async (id) => [id, JSON.parse(await readFile(join(home, 'workspaces', id, 'run.json'), 'utf8')).pid]));
      return new Map(runs);
    },
  };
}

export function startBrowser() {
  assert.ok(browserPath, 'no Chromium here: scripts/setup test installs it, or set CHROMIUM');
  return chromium.launch({
    executablePath: browserPath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** A page that remembers what went wrong in it and where it asked anything else than the server. */
export async function openPage(browser, base, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: 'dark', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const faults = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => { if (message.type() === 'error') faults.push(message.text()); });
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    if (/^(https?|wss?):$/.test(protocol) && origin.replace(/^ws/, 'http') !== base) faults.push(`asked ${request.url()}`);
  });
  return { page, faults };
}

/** A click on this agent's row in the tree: its chat opens. */
export async function openChat(page, id) {
  await page.locator(`[data-row="${id}"]`).first().click();
  await page.locator('textarea').waitFor();
}

export async function ask(page, text) {
  await page.locator('textarea').fill(text);
  await page.keyboard.press('Enter');
}
