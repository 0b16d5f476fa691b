/** What a status is called, how it is drawn and in which order it counts (LOOK §2). One table for every screen. */
import type { Agent } from './org';

export type Look =
  | 'failed' | 'waiting' | 'degraded' | 'working' | 'starting' | 'awaiting' | 'online' | 'paused' | 'sleeping' | 'offline';

/** Worst first: the order of sorting, tinting and the tray icon. */
export const ORDER: readonly Look[] = [
  'failed', 'waiting', 'degraded', 'working', 'starting', 'awaiting', 'online', 'paused', 'sleeping', 'offline',
];

export const WORD: Readonly<Record<Look, string>> = {
  failed: 'Failed',
  waiting: 'Waiting for you',
  degraded: 'Degraded',
  working: 'Working',
  starting: 'Starting',
  awaiting: 'Waiting for agent',
  online: 'Online',
  paused: 'Paused',
  sleeping: 'Sleeping',
  offline: 'Offline',
};

export function lookOf(agent: Pick<Agent, 'status' | 'activeTasks'>, asksYou = false): Look {
  const reachable = agent.status === 'online' || agent.status === 'degraded';
  if (agent.status === 'failed') return 'failed';
  if (reachable && asksYou) return 'waiting';
  switch (agent.status) {
    case 'degraded': return 'degraded';
    case 'online': return agent.activeTasks > 0 ? 'working' : 'online';
    case 'provisioning': return 'starting';
    case 'awaiting_agent': return 'awaiting';
    case 'paused': return 'paused';
    case 'hibernating':
    case 'hibernated': return 'sleeping';
    default: return 'offline';
  }
}

export function worst(looks: readonly Look[]): Look | undefined {
  return ORDER.find((look) => looks.includes(look));
}

/** Work stands forward: these recede (LOOK §4). */
export const recedes = (look: Look): boolean =>
  look === 'sleeping' || look === 'paused' || look === 'starting' || look === 'offline' || look === 'awaiting';

export const RUNTIME: Readonly<Record<string, string>> = {
  local: 'Local',
  external: 'External',
  'claude-code': 'Claude Code',
  codex: 'Codex',
  hermes: 'Hermes',
  openclaw: 'OpenClaw',
};

export const runtimeName = (runtime: string): string => RUNTIME[runtime] ?? runtime;

/** 50 §5.4 asks for one vocabulary. */
export const TIER: Readonly<Record<number, { name: string; means: string }>> = {
  1: { name: 'Sandboxed', means: 'No network, no folder of yours' },
  2: { name: 'Standard', means: 'Network, its own folder' },
  3: { name: 'Privileged', means: 'Longer limits, more memory' },
  4: { name: 'Full host', means: 'Everything you can do. Asks once more' },
};
