#!/usr/bin/env node
/** How a person brings an agent of her own: the dialog, its tabs and copies, and the agent that comes (S193, S194, S200). */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import { accessibility, overlaps, smallText } from './measures.mjs';
import { openPage, startBrowser, startServer } from './support.mjs';

let passed = 0;
const done = (what) => { passed += 1; console.log(`ok ${passed} ${what}`); };

const server = await startServer();
const agent = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => { body += chunk; }).on('end', () => {
    const { id } = JSON.parse(body);
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ jsonrpc: '2.0', id, result: { kind: 'message', role: 'agent', messageId: 'a', parts: [{ kind: 'text', text: 'I came.' }] } }));
  });
});
await new Promise((listening) => agent.listen(0, '127.0.0.1', listening));
let browser;
let failed = 0;
try {
  browser = await startBrowser();
  const { page, faults } = await openPage(browser, server.base);
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.base });
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  await page.goto(server.link);
  await page.getByRole('button', { name: 'New agent' }).first().click();

  const dialog = page.getByRole('dialog');
  const fields = ['Made from', 'Model', 'Folder on this computer'];
  for (const field of fields) await dialog.getByText(field, { exact: true }).waitFor();
  await dialog.getByText('It runs elsewhere and connects by itself').click();
  for (const field of fields) assert.equal(await dialog.getByText(field, { exact: true }).count(), 0, field);
  await dialog.getByLabel('Name').fill('Scout');
  const posted = page.waitForRequest((request) => request.method() === 'POST' && new URL(request.url()).pathname === '/workspaces');
  await dialog.getByRole('button', { name: 'Create and connect' }).click();
  const asked = (await posted).postDataJSON();
  assert.equal(asked.runtime, 'external');
  assert.ok(!('template' in asked) && !('model' in asked), JSON.stringify(asked));
  done('S194: what does not matter elsewhere is not asked, and runtime external is posted');

  await page.getByText('Connect Scout').waitFor();
  const labels = await dialog.getByRole('tab').allInnerTexts();
  assert.deepEqual(labels, ['Python', 'a2a-sdk', 'Claude Code', 'MCP', 'curl', 'Fields']);
  await dialog.getByRole('tab', { name: 'Fields' }).click();
  const token = await page.locator('#field-Token').innerText();
  assert.match(token, /^[A-Za-z0-9_-]{43}$/);
  for (const label of labels.slice(0, -1)) {
    await dialog.getByRole('tab', { name: label }).click();
    const shown = await dialog.locator('pre:visible').innerText();
    assert.ok(shown.includes(token) && !shown.includes('<paste'), label);
    await dialog.getByRole('button', { name: 'Copy' }).click();
    await dialog.getByRole('button', { name: 'Copied' }).waitFor();
    assert.equal((await clipboard()).trim(), shown.trim(), label);
  }
  done('S193: each tab shows a snippet with the token in it, and copies it as it is shown');

  for (const scheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    assert.deepEqual(await accessibility(page), [], scheme);
  }
  assert.deepEqual([...await overlaps(page, 0), ...await smallText(page)], []);
  await page.keyboard.press('Escape');
  await page.mouse.click(4, 4);
  await page.keyboard.press('Control+k');
  await page.keyboard.press('Escape');
  await page.getByText('Connect Scout').waitFor();
  done('S193: only its own button closes what is shown once');

  await dialog.getByRole('tab', { name: 'curl' }).click();
  const curl = await dialog.locator('pre:visible').innerText();
  const ran = spawnSync('sh', ['-c', curl], { env: { ...process.env, AGENT_URL: `http://127.0.0.1:${agent.address().port}` }, encoding: 'utf8' });
  assert.equal(ran.status, 0, ran.stderr);
  await dialog.getByText('Connected').waitFor();
  await dialog.getByRole('button', { name: 'I have saved the token' }).click();
  await page.locator('textarea').fill('Are you there?');
  await page.keyboard.press('Enter');
  await page.getByText('I came.').first().waitFor();
  done('the snippet, run as it is shown, brings the agent, and it answers in the chat');

  await page.getByRole('tab', { name: 'Details' }).click();
  await page.getByRole('button', { name: 'Connect again…' }).click();
  await dialog.getByRole('tab', { name: 'Fields' }).click();
  assert.notEqual(await page.locator('#field-Token').innerText(), token);
  await dialog.getByRole('button', { name: 'Make one' }).click();
  const base = await page.locator('#field-Base-URL').innerText();
  assert.equal((await fetch(`${base}/registry/${(await server.get('/workspaces'))[0].id}/peers`)).status, 200);
  done('a lost token is no loss: another one is made, and a base URL that needs none');

  // S200: a server that has fewer snippets has fewer tabs.
  await dialog.getByRole('button', { name: 'I have saved the token' }).click();
  await page.route('**/connection', async (route) => {
    const answer = await route.fetch();
    const { a2a_sdk_snippet, universal_mcp_snippet, ...rest } = await answer.json();
    assert.ok(a2a_sdk_snippet && universal_mcp_snippet);
    await route.fulfill({ response: answer, json: { ...rest, universal_mcp_snippet: '' } });
  });
  await page.getByRole('button', { name: 'Connect again…' }).click();
  await page.getByText('Connect Scout').waitFor();
  assert.deepEqual(await dialog.getByRole('tab').allInnerTexts(), ['Python', 'Claude Code', 'curl', 'Fields']);
  done('S200: no tab without its snippet');
  assert.deepEqual(faults, []);
} catch (error) {
  failed = 1;
  console.error(error);
  console.error(server.log());
} finally {
  await browser?.close();
  agent.close();
  await server.stop();
}
process.exit(failed);
