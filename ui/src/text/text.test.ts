import { describe, expect, it } from 'vitest';
import { passes, redact, advice, around, named, rowOf } from './activity';
import { diffCounts, expiresIn, readDiff } from './approvals';
import { faultOf, parentTaskOf, requestContent, responseContent, traceOf, usageOf } from './a2a';
import { snippetsOf, withToken } from './connect';
import { checkWords, nameFault } from './keys';
import { readSubsystems, recoveryWords } from './health';
import { ago, argument, duration, elapsed, plural, roughly, sentences } from './say';
import { matchRanges, loosely, rank } from '@/palette/match';

describe('numbers as a colleague says them', () => {
  it.each([[40, '0.1 s'], [400, '0.4 s'], [2_100, '2.1 s'], [38_000, '38 s'], [80_000, '1 min 20 s'], [60_000, '1 min'], [3_720_000, '1 h 2 min']])('%i ms', (ms, words) => expect(duration(ms)).toBe(words));
  it('ticks in whole units', () => {
    expect(elapsed(172_400)).toBe('2 min 52 s');
    expect(roughly(172_400)).toBe('2 min');
    expect(ago(1_000, 3_000)).toBe('now');
    expect(plural(1, 'agent')).toBe('1 agent');
    expect(plural(1200, 'agent')).toBe('1,200 agents');
  });
  it('reads an argument out of whole and cut JSON', () => {
    expect(argument({ path: 'a.md' })).toBe('a.md');
    expect(argument('{"query":"day 3"}')).toBe('day 3');
    expect(argument('{"query":"day 3 and mo')).toBe('day 3 and mo');
    expect(argument('plain')).toBe('plain');
    expect(argument({ n: 3 })).toBe('{"n":3}');
    expect(argument(null)).toBe('');
  });
});

describe('A2A bodies', () => {
  it('reads every shape of an answer', () => {
    expect(responseContent({ result: 'plain' }).texts).toEqual(['plain']);
    expect(responseContent({ result: { status: { message: { parts: [{ kind: 'text', text: 'in status' }] } } } }).texts).toEqual(['in status']);
    expect(responseContent({ result: { message: { parts: [{ type: 'text', text: 'in message' }] } } }).texts).toEqual(['in message']);
    expect(responseContent(undefined).texts).toEqual([]);
    expect(responseContent({ result: { parts: [null, 3, { file: { uri: '', name: 'x' } }] } })).toEqual({ texts: [], files: [] });
  });
  it('finds the question, old forms included, and the turn it came from', () => {
    expect(requestContent({ params: { message: { content: 'v0.2' } } }).texts).toEqual(['v0.2']);
    expect(parentTaskOf({ params: { metadata: { parent_task_id: 't' } } })).toBe('t');
    expect(parentTaskOf({ params: { message: { metadata: { parent_task_id: 'u' } } } })).toBe('u');
    expect(parentTaskOf(null)).toBe('');
  });
  it('tells faults from answers', () => {
    expect(faultOf({ error: { message: 'no', data: { code: 'model_quota' } } })).toEqual({ text: 'no', code: 'model_quota', retryAfter: undefined });
    expect(faultOf({ result: { status: { state: 'failed', message: { parts: [{ text: 'why' }] } } } })?.text).toBe('why');
    expect(faultOf({ result: { parts: [{ text: 'fine' }] } })).toBeUndefined();
    expect(traceOf({ result: { parts: [], metadata: { tool_trace: [{ tool: 'x' }, 'junk'] } } })).toEqual([{ tool: 'x' }]);
    expect(usageOf({ result: { parts: [], usage: { input_tokens: 3 } } })).toEqual({ input: 3, output: 0 });
  });
});

describe('approvals', () => {
  const diff = '--- a/x\n+++ b/x\n@@ -1,2 +1,3 @@\n same\n-old\n+new\n+more\n';
  it('counts and numbers the lines of a diff', () => {
    expect(diffCounts(diff)).toEqual({ added: 2, removed: 1 });
    expect(readDiff(diff).filter((line) => line.kind === 'add')).toEqual([{ kind: 'add', text: 'new', now: 2 }, { kind: 'add', text: 'more', now: 3 }]);
  });
  it('takes the server’s own end, else ten minutes', () => {
    expect(expiresIn({ created_at: '2026-01-01T00:00:00Z' }, Date.parse('2026-01-01T00:03:00Z'))).toBe('7 min left');
    expect(expiresIn({ created_at: '2026-01-01T00:00:00Z', expires_at: '2026-01-01T00:03:30Z' }, Date.parse('2026-01-01T00:03:00Z'))).toBe('30 s left');
    expect(expiresIn({ created_at: '2026-01-01T00:00:00Z' }, Date.parse('2026-01-01T01:00:00Z'))).toBe('Expires now');
  });
});

describe('connecting', () => {
  it('puts the token where the server left room for it, once, whatever it contains', () => {
    expect(withToken('AUTH_TOKEN    = "<paste from create response>"', 'a$&b')).toBe('AUTH_TOKEN    = "a$&b"');
    expect(withToken('export WORKSPACE_AUTH_TOKEN="<paste from create response>"', 't')).toBe('export WORKSPACE_AUTH_TOKEN="t"');
    expect(withToken('MOLECULE_WORKSPACE_TOKENS=<paste auth_token from create response>', 't')).toBe('MOLECULE_WORKSPACE_TOKENS=t');
    expect(withToken('MOLECULE_WORKSPACE_TOKEN="<paste from create response>"', 't')).toBe('MOLECULE_WORKSPACE_TOKEN="t"');
  });
  it('s193: leaves no placeholder in any of the five', () => {
    const paste = '<paste from create response>';
    const connection = {
      workspace_id: 'w', platform_url: '', auth_token: 'mine', registry_endpoint: '', heartbeat_endpoint: '',
      python_snippet: `AUTH_TOKEN    = "${paste}"`, a2a_sdk_snippet: `AUTH_TOKEN = "${paste}"`, curl_register_template: `WORKSPACE_AUTH_TOKEN="${paste}"`,
      claude_code_channel_snippet: 'MOLECULE_WORKSPACE_TOKENS=<paste auth_token from create response>', universal_mcp_snippet: `MOLECULE_WORKSPACE_TOKEN="${paste}"`,
    };
    const made = snippetsOf(connection);
    expect(made.map((each) => each.label)).toEqual(['Python', 'a2a-sdk', 'Claude Code', 'MCP', 'curl']);
    expect(made.filter((each) => each.text.includes('<paste') || !each.text.includes('mine'))).toEqual([]);
  });
  it('s200: hides tabs without a snippet', () => {
    const connection = { workspace_id: 'w', platform_url: '', auth_token: 't', registry_endpoint: '', heartbeat_endpoint: '', curl_register_template: 'c', python_snippet: 'p', a2a_sdk_snippet: '', universal_mcp_snippet: ' \n' };
    expect(snippetsOf(connection).map((each) => each.id)).toEqual(['python', 'curl']);
  });
});

describe('keys', () => {
  it('checks names', () => {
    expect(nameFault('OK_1', [])).toBeUndefined();
    expect(nameFault('', [])).toBeDefined();
    expect(nameFault('lower', [])).toBeDefined();
    expect(nameFault('TAKEN', ['TAKEN'])).toBeDefined();
  });
  it('has four different sentences for four troubles', () => {
    const words = ['wrong', 'expired', 'quota', 'unreachable'].map((code) => checkWords('Anthropic', code, undefined));
    expect(new Set(words).size).toBe(4);
    words.forEach((each) => expect(each).toContain('Anthropic'));
  });
});

describe('what a search found', () => {
  it('shows the place that says it', () => {
    expect(around('Ask for Sync after the first save', 'sync')).toBe('Ask for Sync after the first save');
    expect(around('Triage what came in overnight and then look at the sync\nprompt', 'SYNC PROMPT')).toBe('… and then look at the sync prompt');
    expect(around('nothing like it', 'sync')).toBeUndefined();
    expect(around('anything', '')).toBeUndefined();
  });
  it('is a row like any other', () => {
    const at = '2026-05-02T09:14:03.120417Z';
    const memory = rowOf({ kind: 'memory', id: 'm', workspace_id: 'w', label: 'TEAM', content: 'a fact', method: null, status: null, created_at: at });
    expect([memory.activity_type, memory.status, memory.summary, memory.source_id]).toEqual(['memory', 'ok', 'a fact', null]);
    expect([passes(memory, 'tasks'), passes(memory, 'messages')]).toEqual([true, false]);
    const message = rowOf({ kind: 'activity', id: 'a', workspace_id: 'w', label: 'a2a_receive', content: null, method: 'message/send', status: 'error', created_at: at, source_id: 's', error_detail: 'why' });
    expect([message.activity_type, message.source_id, message.error_detail, passes(message, 'errors')]).toEqual(['a2a_receive', 's', 'why', true]);
  });
});

describe('activity', () => {
  const row = { id: '1', workspace_id: 'w', activity_type: 'a2a_receive', status: 'ok', created_at: '', source_id: null, target_id: null, method: null, summary: null, error_detail: null, duration_ms: null };
  it('filters', () => {
    expect(passes(row, 'messages')).toBe(true);
    expect(passes(row, 'errors')).toBe(false);
    expect(passes({ ...row, status: 'error' }, 'errors')).toBe(true);
    expect(passes({ ...row, activity_type: 'memory_write' }, 'tasks')).toBe(true);
  });
  it('hides what looks like a secret', () => {
    expect(redact('{"auth_token": "abcdef", "x": "sk-ant-0123456789abcdef"}')).toBe('{"auth_token": "…", "x": "sk-ant-…"}');
  });
  it('reads ids as names, and knows what to do about a failure', () => {
    expect(named('to 2f0e0000-0000-4000-8000-000000000001', () => 'Ann')).toBe('to Ann');
    expect(advice('request timed out')).not.toBe(advice('connection refused'));
    expect(advice('weird')).toBe('');
  });
});

describe('health', () => {
  it('reads loops, worst first', () => {
    expect(readSubsystems({ outbox: { seconds_ago: 1, panics: 0 }, liveness_sweep: { seconds_ago: 3, panics: 2 } })).toMatchObject([
      { name: 'Liveness sweep', look: 'degraded', secondsAgo: 3 }, { name: 'Outbox', look: 'online' },
    ]);
    expect(readSubsystems(undefined)).toEqual([]);
    expect(recoveryWords(['agents'])).toBe('Recovering: agents');
    expect(recoveryWords([])).toBe('');
  });
});

describe('the palette', () => {
  it('ranks beginnings over middles', () => {
    expect(rank('Research lead', 'res')).toBeGreaterThan(rank('User researcher', 'res'));
    expect(rank('User researcher', 'res')).toBeGreaterThan(rank('Address book', 'res'));
    expect(rank('Backend', 'res')).toBe(0);
    expect(loosely('Research lead', 'rlead')).toBe(true);
    expect(matchRanges('Research lead', 'SEA')).toEqual([[2, 5]]);
  });
});

it('sets one sentence behind the other, with one full stop each', () => {
  expect(sentences('It cannot be taken back.', '9 min left')).toBe('It cannot be taken back. 9 min left');
  expect(sentences('Ask for sync', undefined, '', '7 min left')).toBe('Ask for sync. 7 min left');
  expect(sentences('', '1 min left')).toBe('1 min left');
});
