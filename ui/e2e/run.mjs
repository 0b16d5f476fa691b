#!/usr/bin/env node
/**
 * Runs the browser tests in a network namespace that has only loopback, so that nothing they show can come from
 * elsewhere (Done when 2). Where the system makes no such namespace they run without one, and say so by name; in CI
 * that is a failure.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const tests = ['./demo.mjs', './connect.mjs'].map((file) => fileURLToPath(new URL(file, import.meta.url)));
const inCi = process.env.CI === 'true' || process.env.CI === '1';
const ways = process.getuid?.() === 0 ? [['-n']] : [['-rn'], ['-Urn']];
const way = process.platform === 'linux'
  ? ways.find((each) => spawnSync('unshare', [...each, 'ip', 'link', 'set', 'lo', 'up']).status === 0)
  : undefined;
if (!way) {
  console[inCi ? 'error' : 'log']('skipped: "the network is loopback and nothing else" (no network namespace can be made here)');
  if (inCi) process.exit(1);
}
const env = { ...process.env, MOLECULE_E2E_ISOLATED: way ? '1' : '' };
const inside = ['sh', '-c', 'ip link set lo up && exec "$0" "$@"', process.execPath];
for (const test of tests) {
  const ran = way
    ? spawnSync('unshare', [...way, ...inside, test], { stdio: 'inherit', env })
    : spawnSync(process.execPath, [test], { stdio: 'inherit', env });
  if (ran.status !== 0) process.exit(ran.status ?? 1);
}
