#!/usr/bin/env node
/** The pictures of docs/screens, taken of the real program: node e2e/pictures.mjs [folder] */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ask, openChat, openPage, startBrowser, startServer } from './support.mjs';

const folder = process.argv[2] ?? fileURLToPath(new URL('../../docs/screens', import.meta.url));
const MOST_BYTES = 300_000;
const QUESTION = 'Why do people leave on day 3?';

const server = await startServer();
const browser = await startBrowser();
try {
  const { page } = await openPage(browser, server.base, { reducedMotion: 'reduce' });
  const picture = async (name, colorScheme) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.mouse.move(0, 0);
    await page.evaluate(() => new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next))));
    await page.screenshot({ path: join(folder, `${name}.png`) });
  };
  await page.goto(server.link);
  const start = page.getByRole('button', { name: /Start the demo organisation/i });
  await start.waitFor();
  await picture('first-run-light', 'light');
  await picture('first-run-dark', 'dark');

  await start.click();
  await page.getByText('5 of 5 running').waitFor();
  const lead = (await server.get('/workspaces')).find((agent) => agent.name === 'Product lead');
  await openChat(page, lead.id);
  await ask(page, QUESTION);
  await page.locator('[data-turn][data-state="done"]').waitFor();
  // Results leave the shelf by themselves.
  await page.locator('[data-region="shelf"]').waitFor({ state: 'detached' });
  const fromTheQuestion = () => page.locator('[data-turn]').first().evaluate((turn) => turn.scrollIntoView({ block: 'start' }));
  await fromTheQuestion();
  await picture('canvas-dark', 'dark');
  await picture('canvas-light', 'light');
  await page.setViewportSize({ width: 1024, height: 700 });
  await fromTheQuestion();
  await picture('canvas-dark-1024', 'dark');
  await page.setViewportSize({ width: 1440, height: 900 });

  await ask(page, 'Publish the plan');
  const panel = page.locator('[data-region="panel"]');
  await panel.getByRole('button', { name: /^Review/ }).waitFor();
  await panel.getByRole('button', { name: /^Close/ }).first().click();
  await panel.waitFor({ state: 'detached' });
  await page.getByRole('navigation').getByText('Approvals').click();
  await page.locator('li[data-approval]').waitFor();
  await picture('approvals-light', 'light');

  for (const key of ['ANTHROPIC_API_KEY', 'GITHUB_TOKEN']) await server.put('/settings/secrets', { key, value: 'not-a-key-of-anyone' });
  await page.getByRole('navigation').getByText('Canvas').click();
  await page.getByRole('navigation').getByText('Settings').click();
  await page.getByText('GITHUB_TOKEN').first().waitFor();
  // Every agent starts again with the new keys.
  await page.getByText('5 of 5 running').waitFor();
  await page.waitForFunction(() => !document.querySelector('.courier'));
  await picture('settings-dark', 'dark');
} finally {
  await browser.close();
  await server.stop();
}
for (const name of await readdir(folder)) {
  const { size } = await stat(join(folder, name));
  console.log(`${name} ${Math.round(size / 1000)} kB`);
  if (name.endsWith('.png') && size > MOST_BYTES) process.exitCode = 1;
}
