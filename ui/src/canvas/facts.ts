/** What a card says: the one thing that matters, and why (LOOK §4). Pure. */
import type { Approval } from '@/api/types';
import type { Agent } from '@/state/org';
import { runtimeName, type Look } from '@/state/status';
import { ago, elapsed, money, roughly } from '@/text/say';

export type Tone = 'plain' | 'quiet' | 'warn' | 'bad' | 'start';

export interface Facts {
  /** "Local, rehearsal" */
  origin: string;
  /** Stands before the task in its colour: "Needs you:". */
  lead: string;
  task: string;
  taskTone: Tone;
  foot: string;
  footTone: Tone;
  right: string;
  /** "2 waiting": messages that come after what it does now. */
  queue: string;
  action: 'restart' | 'resume' | null;
}

const firstLine = (text: string) => text.split('\n')[0]?.trim() ?? '';
const lower = (text: string) => (/^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text);

/** A slug without its provider: "anthropic:claude-sonnet-4-5" is "claude-sonnet-4-5"; "qwen3:8b" stays. */
export const modelName = (slug: string): string => slug.replace(/^(?:anthropic|openai|openrouter|ollama|lmstudio|llamacpp|google|local)[:/]/, '').replace(/^.*\//, '');

export function originOf(agent: Agent): string {
  const runtime = runtimeName(agent.runtime);
  const model = agent.model && agent.model !== agent.runtime ? modelName(agent.model) : '';
  return [runtime, model].filter(Boolean).join(', ');
}

export function factsOf(agent: Agent, look: Look, asks: Approval | undefined, now: number): Facts {
  const facts: Facts = {
    origin: originOf(agent), lead: '', task: '', taskTone: 'plain', foot: '', footTone: 'quiet',
    right: agent.spendCents > 0 ? money(agent.spendCents) : '', queue: agent.queued > 0 ? `${agent.queued} waiting` : '', action: null,
  };
  const since = (at: number | undefined) => (at === undefined ? '' : elapsed(now - at));
  switch (look) {
    case 'failed':
      return { ...facts, task: firstLine(agent.lastError) || 'It could not be started.', taskTone: 'bad', action: 'restart' };
    case 'waiting':
      return {
        ...facts, lead: 'Needs you:', task: lower(asks?.action ?? ''),
        foot: asks ? `Asked ${ago(Date.parse(asks.created_at), now)}` : '', footTone: 'warn',
      };
    case 'degraded':
      return {
        ...facts, task: agent.currentTask || agent.lastWords || 'Answers with errors',
        foot: firstLine(agent.lastError) || `${Math.round(agent.errorRate * 100)}% of calls fail`, footTone: 'warn',
      };
    case 'working':
      return { ...facts, task: agent.currentTask || 'Working', foot: since(agent.taskSince) };
    case 'starting':
      return { ...facts, task: 'Getting ready', taskTone: 'quiet', foot: ['Starting', since(agent.startingSince)].filter(Boolean).join(', '), footTone: 'start' };
    case 'awaiting':
      return {
        ...facts, taskTone: 'quiet',
        task: agent.lastHeartbeatAt ? 'Waiting for its next heartbeat' : 'Waiting for its first heartbeat',
        foot: agent.lastHeartbeatAt ? `Last heard ${ago(Date.parse(agent.lastHeartbeatAt), now)}` : 'Not connected yet',
      };
    case 'online':
      return {
        ...facts, task: agent.lastWords || 'Ready', taskTone: agent.lastWords ? 'plain' : 'quiet',
        foot: agent.idleSince === undefined ? 'Idle' : now - agent.idleSince < 10_000 ? 'Just finished' : `Idle ${roughly(now - agent.idleSince)}`,
      };
    case 'paused':
      return { ...facts, task: agent.lastWords || 'Paused', foot: 'Paused', action: 'resume' };
    case 'sleeping':
      return { ...facts, task: agent.lastWords || 'Nothing to do', foot: 'Asleep, wakes on message' };
    default:
      return { ...facts, task: firstLine(agent.lastError) || 'Not running', foot: 'Offline', action: 'restart' };
  }
}

/** The right edge of a row in the tree: why it stands out, or nothing. */
export function markOf(agent: Agent, look: Look, now: number): { text: string; tone: 'warn' | 'bad' | 'start' | '' } {
  switch (look) {
    case 'failed': return { text: 'failed', tone: 'bad' };
    case 'waiting': return { text: 'asks', tone: 'warn' };
    case 'degraded': return { text: agent.errorRate > 0 ? `${Math.round(agent.errorRate * 100)}%` : 'errors', tone: 'warn' };
    case 'starting': return { text: 'starts', tone: 'start' };
    case 'working': return { text: agent.taskSince === undefined ? '' : roughly(now - agent.taskSince), tone: '' };
    default: return { text: agent.spendCents > 0 ? money(agent.spendCents) : '', tone: '' };
  }
}
