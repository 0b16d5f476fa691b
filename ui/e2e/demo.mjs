#!/usr/bin/env node
/** Done when 2: the demo organisation as a newcomer meets it, against the real server and its real agents. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { accessibility, overlaps, smallText } from './measures.mjs';
import { ask, isAlive, openChat, openPage, startBrowser, startServer } from './support.mjs';

const ONLINE_MS = 15_000;
/** One grey pixel. */
const DOT = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==';
const QUESTION = 'What should we change next?';
const SMALL = { width: 1024, height: 700 };
const LARGE = { width: 1440, height: 900 };

let passed = 0;
const done = (what) => { passed += 1; console.log(`ok ${passed} ${what}`); };

if (process.env.MOLECULE_E2E_ISOLATED) {
  const outside = Object.keys(networkInterfaces()).filter((name) => name !== 'lo');
  assert.deepEqual(outside, [], 'only loopback is there');
  done('the network is loopback and nothing else');
}

const server = await startServer();
let browser;
let failed = 0;
try {
  browser = await startBrowser();
  const { page, faults } = await openPage(browser, server.base);
  const regions = (least) => Promise.all([overlaps(page, least), smallText(page)]).then((found) => found.flat());
  const look = (colorScheme) => page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });

  await page.goto(server.link);
  await page.getByText('Who should work on it?').waitFor();
  assert.ok(!page.url().includes('ticket'), 'the ticket is gone from the address');
  done('the printed link opens the canvas');
  for (const scheme of ['light', 'dark']) {
    await look(scheme);
    assert.deepEqual(await accessibility(page), [], `first run, ${scheme}`);
  }
  assert.deepEqual(await regions(3), [], 'first run');
  await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'no-preference' });

  const clicked = Date.now();
  await page.getByRole('button', { name: /Start the demo organisation/i }).click();
  await page.getByText('5 of 5 running').waitFor({ timeout: ONLINE_MS });
  const took = Date.now() - clicked;
  const agents = await server.get('/workspaces');
  assert.deepEqual(agents.map((agent) => agent.status), Array(5).fill('online'));
  const pids = await server.pids();
  assert.equal(new Set(pids.values()).size, 5, `five processes of their own: ${[...pids.values()]}`);
  for (const pid of pids.values()) {
    assert.ok(isAlive(pid));
    if (process.platform === 'linux') assert.match(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), /molecule\0agent\0/);
  }
  done(`one click, and five agents in five processes are online after ${took} ms`);

  const named = (name) => agents.find((agent) => agent.name === name);
  const lead = named('Product lead');
  const delegates = ['Research lead', 'Engineering lead'].map((name) => ({ agent: named(name), nonce: randomUUID() }));
  for (const { agent, nonce } of delegates) {
    await writeFile(server.configs(agent.id, 'knowledge.md'), `- The word of the day is ${nonce}.\n`);
  }
  const turns = page.locator('[data-turn]');
  const ended = page.locator('[data-turn][data-state="done"]');
  const chat = async () => (await turns.allInnerTexts()).join('\n');

  await openChat(page, lead.id);
  await watch(page);
  await ask(page, QUESTION);
  await ended.first().waitFor();
  for (const { agent, nonce } of delegates) {
    assert.ok((await chat()).includes(nonce), `the answer has the words of ${agent.name}`);
    const [row] = await server.get(`/workspaces/${agent.id}/activity?type=a2a_receive&limit=1`);
    assert.equal(row.source_id, lead.id, `${agent.name} was asked by the root`);
    assert.ok(JSON.stringify(row.response_body).includes(nonce), `${agent.name} said it`);
  }
  assert.notEqual(...delegates.map(({ agent }) => pids.get(agent.id)));
  done('the answer is made of the work of two delegates in two processes, asked by the root');

  const seen = await watched(page);
  for (const { agent } of [{ agent: lead }, ...delegates]) assert.ok(seen.working.includes(agent.id), `the card of ${agent.name} showed its work`);
  for (const { agent } of delegates) assert.ok(seen.legs.some((text) => text.includes(agent.name)), `the chat showed ${agent.name} at work`);
  assert.ok(seen.bonds >= 2, `${seen.bonds} bonds were double at once`);
  done(`cards, bonds and the chat showed it live: ${seen.working.length} cards at work, ${seen.bonds} bonds double at once`);

  for (const [scheme, size] of [['dark', LARGE], ['light', LARGE], ['light', SMALL], ['dark', SMALL]]) {
    await look(scheme);
    await page.setViewportSize(size);
    await settled(page);
    assert.deepEqual(await regions(5), [], `canvas and chat, ${scheme}, ${size.width}`);
    assert.deepEqual(await accessibility(page), [], `canvas and chat, ${scheme}, ${size.width}`);
  }
  await page.setViewportSize(LARGE);
  await look('dark');
  done('no region overlaps, no text is under 12 px, axe finds nothing serious: dark and light, 1440 and 1024 px');

  const said = flat(await chat());
  await page.reload();
  await openChat(page, lead.id);
  await ended.first().waitFor();
  const again = flat(await chat());
  assert.ok(again.includes(QUESTION));
  assert.equal(again, said);
  done('a reload shows the same chat, word by word');

  const notes = Buffer.from(`# Notes\nThe day is ${randomUUID()}.\n`);
  await page.setInputFiles('input[type=file]', [
    { name: 'my notes.md', mimeType: 'text/markdown', buffer: notes },
    { name: 'dot.png', mimeType: 'image/png', buffer: Buffer.from(DOT, 'base64') },
    { name: 'wrong.txt', mimeType: 'text/plain', buffer: Buffer.from('x') },
    { name: 'film.mp4', mimeType: 'video/mp4', buffer: Buffer.alloc(25 * 1024 * 1024 + 1) },
  ]);
  await page.getByText('film.mp4 is 25.0 MB; 25 MB is the most for one file.').waitFor();
  await page.getByRole('button', { name: 'Remove wrong.txt' }).press('Enter');
  await page.getByText('wrong.txt').waitFor({ state: 'detached' });
  assert.deepEqual(await accessibility(page), [], 'files that wait');
  await ask(page, 'Read my notes');
  const withFiles = ended.filter({ hasText: 'Read my notes' });
  await withFiles.waitFor();
  const [{ request_body: sent }] = await server.get(`/workspaces/${lead.id}/activity?type=a2a_receive&source=canvas&limit=1`);
  const [words, ...files] = sent.params.message.parts;
  assert.equal(words.text, 'Read my notes');
  assert.deepEqual(files.map(({ kind, file }) => [kind, file.name, file.mimeType, file.size]), [
    ['file', 'my_notes.md', 'text/markdown', notes.length],
    ['file', 'dot.png', 'image/png', Buffer.from(DOT, 'base64').length],
  ]);
  for (const again of [false, true]) {
    if (again) {
      await page.reload();
      await openChat(page, lead.id);
    }
    await withFiles.getByRole('img', { name: 'dot.png' }).waitFor();
    assert.equal(await withFiles.getByRole('img', { name: 'dot.png' }).evaluate((picture) => picture.naturalWidth), 1, 'the picture is drawn');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      withFiles.getByRole('button', { name: /^Download ?my_notes\.md/ }).click(),
    ]);
    assert.equal(download.suggestedFilename(), 'my_notes.md');
    assert.deepEqual(await readFile(await download.path()), notes);
  }
  done('files go along with a message, are drawn or fetched back byte for byte, and are there after a reload');

  await watch(page);
  await ask(page, 'Publish the plan');
  const panel = page.locator('[data-region="panel"]');
  await panel.getByRole('button', { name: /^Review/ }).click();
  const waiting = await server.get('/approvals/pending');
  assert.deepEqual(waiting.map((each) => each.workspace_id), [lead.id]);
  await look('light');
  assert.deepEqual(await accessibility(page), [], 'review, light');
  await look('dark');
  assert.deepEqual(await accessibility(page), [], 'review, dark');
  await page.getByRole('dialog').getByRole('button', { name: /^Approve/ }).click();
  await panel.getByText('Approved and published').waitFor();
  assert.ok((await watched(page)).waiting.includes(lead.id), 'the card waited for the person');
  assert.deepEqual(await server.get('/approvals/pending'), []);
  done('an approval is asked in the chat, reviewed, and counts');

  assert.deepEqual(faults, [], 'no fault in the page, and nothing asked elsewhere');
  done('the page reports no fault and asks nobody but the server');

  await server.stop();
  assert.deepEqual([...pids.values()].filter(isAlive), []);
  done('the agents end with the server');
} catch (error) {
  failed = 1;
  console.error(error);
  console.error(server.log());
} finally {
  await browser?.close();
  await server.stop();
}
const skipped = process.env.MOLECULE_E2E_ISOLATED ? 0 : 1;
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped${skipped ? ' (the network is loopback and nothing else)' : ''}`);
process.exit(failed);

/** Text of a chat without the figures that go on counting. */
function flat(text) {
  return text.replace(/\d+(\.\d+)? ?(ms|s|min)\b/g, '').replace(/\s+/g, ' ').trim();
}

/** Keeps what the page draws from now on: an answer is faster than a look at it. */
async function watch(page) {
  await page.evaluate(() => {
    const seen = { working: new Set(), waiting: new Set(), legs: new Set(), bonds: 0 };
    const collect = () => {
      for (const look of ['working', 'waiting']) {
        for (const each of document.querySelectorAll(`[data-agent] .nucleus.s-${look}`)) seen[look].add(each.closest('[data-agent]').dataset.agent);
      }
      for (const each of document.querySelectorAll('[data-state="open"] .leg')) seen.legs.add(each.innerText);
      seen.bonds = Math.max(seen.bonds, document.querySelectorAll('.bond.live[data-live]').length);
    };
    globalThis.seenLive = seen;
    new MutationObserver(collect).observe(document.body, { subtree: true, childList: true, attributes: true });
  });
}

function watched(page) {
  return page.evaluate(() => {
    const { working, waiting, legs, bonds } = globalThis.seenLive;
    return { working: [...working], waiting: [...waiting], legs: [...legs], bonds };
  });
}

/** Waits until nothing moves that will come to rest. */
async function settled(page) {
  await page.evaluate(async () => {
    await new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next)));
    const ending = document.getAnimations().filter((each) => each.effect.getComputedTiming().endTime !== Infinity);
    await Promise.allSettled(ending.map((each) => each.finished));
  });
}
