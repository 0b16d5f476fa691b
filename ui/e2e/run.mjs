#!/usr/bin/env node
/**
 * Runs the browser tests in a network namespace that has only loopback, so that nothing they show can come from
 * elsewhere (Done when 2). Where the system makes no such namespace the tests run without one and say so; in CI
 * that is a failure.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const test = fileURLToPath(new URL('./demo.mjs', import.meta.url));
const command = `ip link set lo up && exec "${process.execPath}" "${test}"`;
const ways = process.getuid?.() === 0 ? [['-n']] : [['-rn'], ['-Urn']];
const able = process.platform === 'linux' && ways.find((way) => spawnSync('unshare', [...way, 'ip', 'link', 'set', 'lo', 'up']).status === 0);
const env = { ...process.env, MOLECULE_E2E_ISOLATED: able ? '1' : '' };
if (!able && process.env.CI) {
  console.error('no network namespace can be made here, and CI must not skip it');
  process.exit(1);
}
if (!able) console.log('skipped: the isolation of the browser tests (no network namespace here)');
const ran = able
  ? spawnSync('unshare', [...able, 'sh', '-c', command], { stdio: 'inherit', env })
  : spawnSync(process.execPath, [test], { stdio: 'inherit', env });
process.exit(ran.status ?? 1);
