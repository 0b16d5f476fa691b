#!/usr/bin/env node
/**
 * A server of the contract's shapes with a lively organisation, for working on the canvas without the real one.
 *
 *   node dev/fake-server.mjs [--port 8080] [--scene demo|empty|still|sealed|many|loop]
 *
 * `demo` lives: ask the root anything. `still` is the picture of the look with every status, and does not move.
 * `empty` is a first run, `sealed` has a lost keychain, `many` has 300 agents, in `loop` two were
 * paused. It serves ui/dist too. Any token is good.
 */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';

const arg = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at > 0 ? process.argv[at + 1] : otherwise;
};
const PORT = Number(arg('port', '8080'));
const SCENE = arg('scene', 'demo');
const DIST = fileURLToPath(new URL('../dist/', import.meta.url));

const iso = (at = Date.now()) => new Date(at).toISOString().replace(/\.(\d{3})Z$/, '.$1000Z');
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

// --- State -------------------------------------------------------------------------------------------------

let seq = 18_190;
const log = [];
const sockets = new Set();
const agents = new Map();
const activity = [];
const approvals = new Map();
const inflight = new Map();
const secrets = new Map();
const waiting = new Map();
const canceled = new Set();
const uploads = new Map();
let viewport = { x: 0, y: 0, zoom: 1 };
let accepting = null;

const beats = new Set(['WORKSPACE_HEARTBEAT', 'WORKSPACE_UPDATED', 'PLATFORM_CHANGED']);

function emit(event, workspace_id, payload = {}) {
  const frame = { event, workspace_id: workspace_id ?? '', timestamp: iso(), payload };
  if (!beats.has(event)) {
    frame.seq = seq += 1;
    log.push(frame);
  }
  for (const socket of sockets) socket.send(JSON.stringify(frame));
}

function addAgent(id, name, parent, x, y, more = {}) {
  agents.set(id, {
    id, name, role: null, tier: 2, status: 'online', url: 'http://127.0.0.1:1', parent_id: parent, runtime: 'local',
    agent_card: { name, capabilities: { streaming: true } }, active_tasks: 0, max_concurrent_tasks: 1, uptime_seconds: 900,
    last_error_rate: 0, last_sample_error: '', current_task: '', workspace_dir: null, budget_limit: null, monthly_spend: 0,
    x, y, collapsed: false, last_heartbeat_at: iso(), delivery_mode: 'push', created_at: iso(Date.now() - 3_600_000), model: 'rehearsal', ...more,
  });
  return id;
}

const task = (id, current_task, active_tasks = current_task ? 1 : 0) => {
  const agent = agents.get(id);
  if (!agent) return;
  Object.assign(agent, { current_task, active_tasks });
  emit('TASK_UPDATED', id, { current_task, active_tasks });
};

function record(row) {
  const whole = {
    id: randomUUID(), status: 'ok', source_id: null, target_id: row.workspace_id, method: 'message/send', summary: '',
    error_detail: null, duration_ms: null, created_at: iso(), ...row,
  };
  activity.push(whole);
  const { created_at: _at, workspace_id: _id, ...payload } = whole;
  emit(whole.method === 'notify' ? 'AGENT_MESSAGE' : 'ACTIVITY_LOGGED', whole.workspace_id, payload);
  return whole;
}

const attached = new Map();
const ask = (messageId, text, metadata = {}) => ({
  jsonrpc: '2.0', id: messageId, method: 'message/stream',
  params: { message: { kind: 'message', role: 'user', messageId, parts: [...(text ? [{ kind: 'text', text }] : []), ...(attached.get(messageId) ?? [])] }, metadata },
});
const answer = (text, taskId, trace = [], usage = { input_tokens: 240, output_tokens: 410 }) => ({
  jsonrpc: '2.0', id: taskId,
  result: { kind: 'message', role: 'agent', messageId: randomUUID(), taskId, parts: [{ kind: 'text', text }, ...(attached.get(taskId) ?? [])], metadata: { tool_trace: trace }, usage },
});

// --- Scenes ------------------------------------------------------------------------------------------------

const ids = { lead: 'aaaaaaaa-0000-4000-8000-000000000001', research: 'aaaaaaaa-0000-4000-8000-000000000002', data: 'aaaaaaaa-0000-4000-8000-000000000003', market: 'aaaaaaaa-0000-4000-8000-000000000004', engineering: 'aaaaaaaa-0000-4000-8000-000000000005', backend: 'aaaaaaaa-0000-4000-8000-000000000006', qa: 'aaaaaaaa-0000-4000-8000-000000000007' };

const DIFF = `--- a/src/editor/sync.ts
+++ b/src/editor/sync.ts
@@ -18,9 +18,13 @@ export function openEditor(note: Note) {
   const state = load(note);
-  if (!account.synced) {
-    askForSync({ blocking: true });
-  }
+  // Nothing to sync yet: ask after the first save instead.
+  if (state.saved && !account.synced) {
+    askForSync({ blocking: false });
+  }
   render(state);
   return state;
 }
@@ -41,5 +45,8 @@ export function save(note: Note) {
   write(note);
   note.saved = true;
+  if (!account.synced) {
+    askForSync({ blocking: false });
+  }
 }
`;

function makeDemo(still) {
  addAgent(ids.lead, 'Product lead', null, 100, 100, { role: 'Takes a question, asks both teams, and answers with one plan' });
  addAgent(ids.research, 'Research lead', ids.lead, 156, 230, { role: 'Finds out what people do and say, and what it means' });
  addAgent(ids.data, 'Data analyst', ids.research, 172, 360, { role: 'Counts what happened and says how sure the count is' });
  addAgent(ids.market, 'Market analyst', ids.research, 426, 360, { runtime: 'external', model: '', role: 'Knows the other five apps' });
  addAgent(ids.engineering, 'Engineering lead', ids.lead, 156, 530, { role: 'Says what a change costs and what it could break' });
  addAgent(ids.backend, 'Backend engineer', ids.engineering, 172, 660, { role: 'Changes the server' });
  addAgent(ids.qa, 'Test engineer', ids.engineering, 426, 660, { role: 'Knows what the tests cover and what they miss' });
  if (!still) return;
  const now = Date.now();
  Object.assign(agents.get(ids.lead), { active_tasks: 1, current_task: 'Day-3 drop-off: joining findings into one plan', monthly_spend: 268 });
  Object.assign(agents.get(ids.research), { active_tasks: 1, current_task: 'Ranking 38 exit interviews by theme', monthly_spend: 47 });
  Object.assign(agents.get(ids.data), { status: 'hibernated' });
  Object.assign(agents.get(ids.market), { active_tasks: 1, current_task: 'Comparing onboarding of five competitors', monthly_spend: 22 });
  Object.assign(agents.get(ids.engineering), { active_tasks: 1, current_task: 'Waiting for you: merge the fix into main' });
  Object.assign(agents.get(ids.backend), { status: 'degraded', current_task: 'Moving the sync prompt behind first save', active_tasks: 1, last_error_rate: 0.6, last_sample_error: 'Rate limited by provider. Retry in 38 s', model: 'gpt-5', runtime: 'codex' });
  Object.assign(agents.get(ids.qa), { status: 'provisioning', agent_card: null });
  const turn = (at, ms, question, text) => {
    const id = randomUUID();
    record({ workspace_id: ids.lead, activity_type: 'a2a_receive', request_body: ask(id, question), response_body: answer(text, id), duration_ms: ms, created_at: iso(at) });
  };
  turn(now - 5_400_000, 80_000, 'Draft release note 2.3.2', 'Done. It names the crash fix first.');
  turn(now - 4_000_000, 364_000, 'Triage overnight crashes', 'Three crashes, one cause: the sync prompt on a note that was never saved.');
  turn(now - 3_000_000, 42_000, 'Who owns the onboarding copy?', 'The Market analyst wrote it, the Research lead signs it off.');
  const main = 'turn-still-1';
  const trace = [
    { tool: 'recall_memory', input: { query: 'day 3' }, output_preview: '6 hits', status: 'ok', elapsed_ms: 400 },
    { tool: 'read_file', input: { path: 'retention-2.3.md' }, output_preview: '212 lines', status: 'ok', elapsed_ms: 100 },
    { tool: 'read_file', input: { path: 'exit-interviews.csv' }, output_preview: '38 rows', status: 'ok', elapsed_ms: 1600 },
  ];
  const started = now - 172_000;
  inflight.set(main, { workspace_id: ids.lead, message_id: main, method: 'message/stream', source_id: null, started_at: iso(started), request_body: ask(main, 'Trials stop using the app on day 3. Find out why and propose what we change in 2.4.'), task_id: main });
  const sub1 = 'turn-still-2';
  inflight.set(sub1, { workspace_id: ids.engineering, message_id: sub1, method: 'message/send', source_id: ids.lead, started_at: iso(now - 58_000), request_body: ask(sub1, 'What would it cost to ask after the first save?', { parent_task_id: main, source_workspace_id: ids.lead }), task_id: sub1 });
  live.set(main, [
    { result: { kind: 'task', id: main, contextId: 'main', status: { state: 'submitted' } } },
    chunk(main, 'Two questions at once: what people tell us, and what the product does on day 3. I asked both teams.', false),
    ...trace.flatMap((entry, index) => [call(main, { ...entry, id: `t${index}`, phase: 'start' }), call(main, { ...entry, id: `t${index}`, phase: 'end' })]),
    call(main, { id: 'd1', tool: 'delegate_task', phase: 'start', target_id: ids.research, target_name: 'Research lead', input: { task: 'What do people say about day 3?' } }),
    call(main, { id: 'd2', tool: 'delegate_task', phase: 'start', target_id: ids.engineering, target_name: 'Engineering lead', input: { task: 'What would it cost to ask after the first save?' } }),
    call(main, { id: 'd1', tool: 'delegate_task', phase: 'end', status: 'ok', target_id: ids.research, output_preview: 'Strongest theme in 38 interviews: the sync prompt appears before there is anything to sync (17).', elapsed_ms: 72_000 }),
    chunk(main, 'Short version: day 3 is when the sync prompt first blocks the editor. Moving it after the first save should win back about a third', true),
  ]);
  // What comes after the turn that runs: it waits, and so do two questions of others on a card.
  const next = 'turn-still-3';
  inflight.set(next, { workspace_id: ids.lead, message_id: next, method: 'message/send', source_id: null, started_at: iso(now - 20_000), request_body: ask(next, 'And draft the release note for it.'), queued: true });
  Object.assign(agents.get(ids.lead), { queued_messages: 1 });
  Object.assign(agents.get(ids.market), { queued_messages: 2 });
  addApproval(ids.engineering, 'Merge the fix into main', 'Ask for sync after the first save', { diff: DIFF, path: 'src/editor/sync.ts', cwd: '/home/you/notes' }, sub1, now - 120_000);
}

function makeMany() {
  const departments = { Research: ['Discovery', 'Interviews', 'Surveys', 'Benchmarks', 'Accessibility'], Engineering: ['Sync core', 'Editor', 'Mobile', 'Billing', 'Infrastructure', 'Quality'], Growth: ['Onboarding', 'Lifecycle', 'Pricing', 'Partnerships', 'Content'], Support: ['Tier one', 'Tier two', 'Docs', 'Community', 'Incidents'], Operations: ['Finance', 'Legal', 'Security', 'Vendors', 'People'] };
  const root = addAgent(randomUUID(), 'Northstar', null, 100, 100);
  Object.entries(departments).forEach(([department, teams], column) => {
    const head = addAgent(randomUUID(), department, root, 116 + column * 600, 230);
    teams.forEach((name, at) => {
      const x = 132 + column * 600;
      const y = 360 + at * 1080;
      const lead = addAgent(randomUUID(), name, head, x, y);
      if (name === 'Sync core') addApproval(lead, 'Merge the fix', 'Tests pass', {});
      for (let nth = 0; nth < 8 + ((at * 3 + column) % 5); nth += 1) {
        const busy = (nth + at) % 3 === 0 ? { active_tasks: 1, current_task: 'Reading' } : {};
        const odd = name === 'Pricing' && nth === 2 ? { status: 'failed', last_sample_error: 'Exit 137' } : name === 'Billing' && nth < 2 ? { status: 'degraded', last_error_rate: 0.5 } : name === 'Legal' && nth > 2 ? { status: 'hibernated' } : name === 'Infrastructure' && nth > 5 ? { status: 'provisioning' } : {};
        addAgent(randomUUID(), `${name} ${nth + 1}`, lead, x + 16 + (nth % 2) * 254, y + 130 + Math.floor(nth / 2) * 144, { ...busy, ...odd });
      }
    });
  });
}

function addApproval(workspace_id, action, reason, context, task_id, at = Date.now()) {
  const id = randomUUID();
  approvals.set(id, { id, workspace_id, workspace_name: agents.get(workspace_id)?.name, action, reason, status: 'pending', created_at: iso(at), expires_at: iso(at + 600_000), task_id: task_id ?? '', context: context ?? {}, decided_by: null, decided_at: null });
  emit('APPROVAL_REQUESTED', workspace_id, { approval_id: id, action, reason, task_id: task_id ?? '' });
  return id;
}

// --- A turn of the demo ------------------------------------------------------------------------------------

const live = new Map();
const watchers = new Map();
const status = (taskId, state, parts) => ({ result: { kind: 'status-update', taskId, contextId: 'main', final: false, status: { state, ...(parts && { message: { kind: 'message', role: 'agent', messageId: randomUUID(), parts } }) } } });
const call = (taskId, data) => status(taskId, 'working', [{ kind: 'data', data: { type: 'tool_call', ...data } }]);
const chunk = (taskId, text, append) => ({ result: { kind: 'artifact-update', taskId, contextId: 'main', append, artifact: { artifactId: 'reply', parts: [{ kind: 'text', text }] } } });

function push(taskId, frame) {
  live.get(taskId)?.push(frame);
  watchers.get(taskId)?.forEach((tell) => tell());
}

const INSIGHT = {
  [ids.research]: '**Strongest theme in 38 interviews:** the sync prompt appears before there is anything to sync (17 of 38).\n\n- 9 people called it “a wall”\n- 5 thought their note was lost',
  [ids.data]: '41 % of trials end on day 3. The last event in 7 of 10 of them is `sync.prompt.shown`. I am fairly sure: n = 1,204.',
  [ids.market]: 'Four of five competitors ask for sync only after a first document exists.',
  [ids.engineering]: 'Asking after the first save is **one afternoon**. It touches `sync.ts` and nothing else; the risk is a note that is never saved.',
  [ids.backend]: 'The server does not care when sync starts.',
  [ids.qa]: 'Two tests cover the prompt, none covers a first save. I would add one.',
};

async function work(id, messageId, question, from, parentTask, say) {
  const kids = [...agents.values()].filter((agent) => agent.parent_id === id && agent.status === 'online');
  const trace = [];
  const began = Date.now();
  inflight.set(messageId, { workspace_id: id, message_id: messageId, method: say ? 'message/stream' : 'message/send', source_id: from, started_at: iso(), request_body: ask(messageId, question, parentTask ? { parent_task_id: parentTask, source_workspace_id: from } : {}), task_id: messageId });
  task(id, question.length > 60 ? `${question.slice(0, 60)}…` : question);
  await wait(400);
  let text = '';
  const speak = async (words) => {
    const lead = text ? '\n\n' : '';
    for (const word of `${lead}${words}`.split(/(?<= )/)) {
      if (canceled.has(messageId)) return;
      text += word;
      say?.(chunk(messageId, word, text !== word));
      if (say) await wait(28);
    }
  };
  const use = async (tool, input, output, ms) => {
    const entry = { id: randomUUID(), tool, input, target_id: undefined };
    say?.(call(messageId, { ...entry, phase: 'start' }));
    await wait(ms);
    const done = { tool, input, output_preview: output, status: 'ok', elapsed_ms: ms, text_offset: [...text].length };
    trace.push(done);
    say?.(call(messageId, { ...entry, ...done, phase: 'end' }));
  };
  if (say) await speak(kids.length ? 'Two questions at once: what people tell us, and what the product does. I ask both teams.' : 'One moment.');
  await use('recall_memory', { query: question.slice(0, 40) }, '6 hits', 420);
  if (id === ids.engineering && /merge|fix|change/i.test(question)) {
    const approval = addApproval(id, 'Write src/editor/sync.ts', 'Ask for sync after the first save', { diff: DIFF, path: 'src/editor/sync.ts', cwd: '/home/you/notes' }, messageId);
    const verdict = await new Promise((done) => waiting.set(approval, done));
    await use('edit_file', { path: 'src/editor/sync.ts' }, verdict, 200);
  }
  if (kids.length > 0 && !canceled.has(messageId)) {
    const offset = [...text].length;
    const replies = await Promise.all(kids.map(async (kid) => {
      const callId = randomUUID();
      const started = Date.now();
      say?.(call(messageId, { id: callId, tool: 'delegate_task', phase: 'start', target_id: kid.id, target_name: kid.name, input: JSON.stringify({ to: kid.name, task: question }) }));
      const reply = await work(kid.id, randomUUID(), question, id, messageId, null);
      const done = { tool: 'delegate_task', input: { to: kid.name, task: question }, target_id: kid.id, target_name: kid.name, output_preview: reply.slice(0, 160), status: 'ok', elapsed_ms: Date.now() - started, text_offset: offset };
      trace.push(done);
      say?.(call(messageId, { ...done, id: callId, phase: 'end' }));
      return { name: kid.name, reply };
    }));
    await speak(replies.map((each) => `**${each.name}:** ${each.reply}`).join('\n\n'));
    await speak('So: ask for sync after the first save, in 2.4, behind a flag. I would look at day 3 again two weeks later.');
  } else if (!canceled.has(messageId)) {
    await wait(1200 + Math.random() * 900);
    await speak(INSIGHT[id] ?? `I thought about “${question}”. Here is a small table.\n\n| option | cost |\n|---|---|\n| now | one day |\n| later | three |\n\n\`\`\`ts\nconst plan = 'now';\n\`\`\``);
  }
  inflight.delete(messageId);
  const stopped = canceled.has(messageId);
  const body = stopped
    ? { jsonrpc: '2.0', id: messageId, result: { kind: 'task', id: messageId, status: { state: 'canceled', message: answer(text, messageId, trace).result } } }
    : answer(text, messageId, trace);
  record({ workspace_id: id, source_id: from, activity_type: 'a2a_receive', method: say ? 'message/stream' : 'message/send', summary: `message/send → ${agents.get(id)?.name}`, request_body: ask(messageId, question, parentTask ? { parent_task_id: parentTask, source_workspace_id: from } : {}), response_body: body, tool_trace: trace, duration_ms: Date.now() - began });
  task(id, '');
  say?.({ result: { kind: 'status-update', taskId: messageId, contextId: 'main', final: true, status: { state: stopped ? 'canceled' : 'completed', message: (body.result.status?.message ?? body.result) } } });
  return text;
}

// --- Routes ------------------------------------------------------------------------------------------------

const json = (response, code, body) => {
  response.writeHead(code, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(body));
};
const body = async (request) => {
  let raw = '';
  for await (const piece of request) raw += piece;
  return raw ? JSON.parse(raw) : {};
};

const TOKEN = 'mol_4k2v9tq8w7xp';
const SNIPPETS = new URL('../../src-tauri/crates/platform/src/workspaces/snippets/', import.meta.url);
const SNIPPET_FILES = {
  curl_register_template: 'curl.sh', python_snippet: 'python.py', claude_code_channel_snippet: 'channel.sh',
  universal_mcp_snippet: 'mcp.sh', a2a_sdk_snippet: 'a2a_sdk.py',
};

/** The real snippets, filled in as the server does. */
async function connectionOf(id, name) {
  const base = `http://127.0.0.1:${PORT}`;
  const fill = (text) => text.replaceAll('{{platform_url}}', base).replaceAll('{{workspace_id}}', id).replaceAll('{{agent_name}}', name);
  const snippets = Object.entries(SNIPPET_FILES).map(async ([key, file]) => [key, fill(await readFile(new URL(file, SNIPPETS), 'utf8'))]);
  return { workspace_id: id, platform_url: base, auth_token: '', registry_endpoint: `${base}/registry/register`, heartbeat_endpoint: `${base}/registry/heartbeat`, ...Object.fromEntries(await Promise.all(snippets)) };
}

const vaultState = () => (SCENE === 'sealed'
  ? { store: 'sealed', state: 'replaced', reason: 'The keychain of this computer is not the one these secrets were kept in.', missing: [{ scope: 'global', key: 'ANTHROPIC_API_KEY' }, { scope: 'workspace', workspace_id: ids.backend, workspace_name: 'Backend engineer', key: 'GITHUB_TOKEN' }] }
  : { store: 'keychain', state: 'ready', missing: [] });
const servers = [{ name: 'Ollama', base_url: 'http://127.0.0.1:11434/v1', models: ['qwen3:8b', 'llama3.2:3b', 'gemma3:12b'] }];

const TEMPLATES = [
  { id: 'local-assistant', name: 'Assistant', description: 'A general helper that works in a folder of yours and asks before it changes anything.', tier: 2, runtime: 'local', model: 'claude-sonnet-4-5', models: [{ id: 'claude-sonnet-4-5', name: 'Claude Sonnet', required_env: ['ANTHROPIC_API_KEY'] }, { id: 'gpt-5', name: 'GPT-5', required_env: ['OPENAI_API_KEY'] }], skills: ['files', 'commands', 'memory'], skill_count: 3 },
  { id: 'local-researcher', name: 'Researcher', description: 'Reads, compares and cites. Writes nothing but its answer.', tier: 1, runtime: 'local', model: 'claude-sonnet-4-5', skills: ['search', 'read'], skill_count: 2 },
  { id: 'local-reviewer', name: 'Reviewer', description: 'Reads a change from one angle and says what it would not merge.', tier: 1, runtime: 'local', model: 'rehearsal', skills: [], skill_count: 0 },
  { id: 'claude-code-default', name: 'Claude Code', description: 'The coding agent in a container.', tier: 3, runtime: 'claude-code', model: 'sonnet', required_env: ['ANTHROPIC_API_KEY'], skills: [], skill_count: 0 },
];
const ORGS = [
  { dir: 'code-review', name: 'Code review crew', description: 'Reads a change from three angles and agrees on one verdict.', workspaces: 4, required_env: [], recommended_env: [] },
  { dir: 'product-team', name: 'Product team', description: 'A product lead with research and engineering behind her, on one question.', workspaces: 7, required_env: [], recommended_env: [] },
  { dir: 'release-crew', name: 'Release crew', description: 'Takes a tag to the shops. Needs a key.', workspaces: 3, required_env: ['GITHUB_TOKEN', { any_of: ['ANTHROPIC_API_KEY', 'OPENAI_API_KEY'] }], recommended_env: ['SLACK_BOT_TOKEN'] },
];

function fileOf(url) {
  const path = normalize(decodeURIComponent(url.pathname)).replace(/^(\.\.[/\\])+/, '');
  return join(DIST, path === '/' ? 'index.html' : path);
}
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const CSP = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'";

async function startDemo(dir) {
  const made = [];
  const arrive = (id, name, parent, x, y, relX, relY, role) => {
    addAgent(id, name, parent, x, y, { status: 'provisioning', agent_card: null, role });
    made.push({ id, name, tier: 2 });
    emit('WORKSPACE_PROVISIONING', id, { name, tier: 2, runtime: 'local', x: relX, y: relY, ...(parent && { parent_id: parent }) });
  };
  arrive(ids.lead, 'Product lead', null, 100, 100, 100, 100, 'Takes a question, asks both teams, and answers with one plan');
  arrive(ids.research, 'Research lead', ids.lead, 116, 230, 16, 130, 'Finds out what people do and say, and what it means');
  arrive(ids.data, 'Data analyst', ids.research, 132, 360, 16, 130, 'Counts what happened');
  arrive(ids.engineering, 'Engineering lead', ids.lead, 402, 230, 302, 130, 'Says what a change costs');
  arrive(ids.qa, 'Test engineer', ids.engineering, 418, 360, 16, 130, 'Knows what the tests cover');
  made.forEach(({ id, name }, at) => setTimeout(() => {
    Object.assign(agents.get(id), { status: 'online', agent_card: { name, capabilities: { streaming: true } } });
    emit('WORKSPACE_ONLINE', id, { url: 'http://127.0.0.1:1', agent_card: { name, capabilities: { streaming: true } } });
  }, 900 + at * 350));
  return { org: ORGS.find((org) => org.dir === dir)?.name ?? dir, workspaces: made, count: made.length };
}

async function route(request, response, url) {
  const path = url.pathname;
  const key = `${request.method} ${path}`;
  const [, room, id, what, sub, verb] = path.split('/');
  switch (key) {
    case 'POST /launch': {
      const { ticket } = await body(request);
      return ticket === 'used' ? json(response, 410, { error: 'this ticket was used', code: 'ticket_used' }) : json(response, 200, { token: 'fake-token', expires_at: iso(Date.now() + 30 * 86_400_000) });
    }
    case 'GET /app/state':
      return json(response, 200, { version: '0.1.0', installation_id: 'fake', event_seq: seq, platform_url: `http://127.0.0.1:${PORT}`, vault: vaultState(), engine: { state: 'absent' }, models: { keys: [...secrets.keys()].filter((each) => each.endsWith('_API_KEY')), local: servers }, development: false, accepting_agents_until: accepting, recovering: [] });
    case 'GET /health':
      return json(response, 200, { status: 'ok', version: '0.1.0', vault: vaultState(), subsystems: Object.fromEntries(['approvals', 'liveness', 'outbox', 'provisioning', 'supervisor'].map((name, at) => [name, { last_tick_at: iso(), seconds_ago: at, panics: name === 'outbox' && SCENE === 'sealed' ? 1 : 0 }])) });
    case 'GET /buildinfo': return json(response, 200, { git_sha: 'dev' });
    case 'GET /workspaces': return json(response, 200, [...agents.values()]);
    case 'POST /workspaces': {
      const asked = await body(request);
      const made = randomUUID();
      const external = asked.runtime === 'external';
      addAgent(made, asked.name, asked.parent_id ?? null, asked.canvas?.x ?? 0, asked.canvas?.y ?? 0, { role: asked.role ?? null, tier: asked.tier ?? 3, runtime: external ? 'external' : 'local', model: asked.model ?? (external ? '' : 'rehearsal'), status: external ? 'awaiting_agent' : 'provisioning', agent_card: null, workspace_dir: asked.workspace_dir ?? null, last_heartbeat_at: null, delivery_mode: external ? 'poll' : 'push' });
      const parent = agents.get(asked.parent_id);
      emit('WORKSPACE_PROVISIONING', made, { name: asked.name, tier: asked.tier ?? 3, runtime: external ? 'external' : 'local', x: (asked.canvas?.x ?? 0) - (parent?.x ?? 0), y: (asked.canvas?.y ?? 0) - (parent?.y ?? 0), ...(asked.parent_id && { parent_id: asked.parent_id }) });
      if (external) {
        emit('WORKSPACE_AWAITING_AGENT', made, { name: asked.name, external: true });
        return json(response, 201, { id: made, external: true, status: 'awaiting_agent', connection: { ...await connectionOf(made, asked.name), auth_token: TOKEN } });
      }
      setTimeout(() => { Object.assign(agents.get(made) ?? {}, { status: 'online', agent_card: { name: asked.name } }); emit('WORKSPACE_ONLINE', made, {}); }, 2_500);
      return json(response, 201, { id: made, status: 'provisioning', awareness_namespace: `workspace:${made}`, workspace_access: asked.workspace_access ?? 'none' });
    }
    case 'GET /approvals/pending': return json(response, 200, [...approvals.values()].filter((each) => each.status === 'pending'));
    case 'GET /templates': return json(response, 200, TEMPLATES);
    case 'GET /templates/problems': return json(response, 200, { broken: SCENE === 'still' ? [{ kind: 'workspace', id: 'my-writer', file: 'templates/workspaces/my-writer/config.yaml', line: 7, column: 3, reason: 'unknown key “modle”, did you mean “model”?' }] : [] });
    case 'GET /org/templates': return json(response, 200, ORGS);
    case 'POST /org/import': {
      const { dir } = await body(request);
      await wait(250);
      return json(response, 201, await startDemo(dir));
    }
    case 'GET /settings/secrets':
      return json(response, 200, [...secrets.keys()].sort().map((each) => ({ key: each, has_value: true, scope: 'global', created_at: secrets.get(each), updated_at: secrets.get(each), store: SCENE === 'sealed' ? 'sealed' : 'keychain' })));
    case 'PUT /settings/secrets': {
      const { key: name } = await body(request);
      secrets.set(name, iso());
      return json(response, 200, { status: 'saved', key: name, scope: 'global' });
    }
    case 'POST /secrets/validate': {
      const { key: value } = await body(request);
      await wait(700);
      const code = /expired/.test(value) ? 'expired' : /quota/.test(value) ? 'quota' : /unreach/.test(value) ? 'unreachable' : /wrong/.test(value) ? 'wrong' : undefined;
      return json(response, 200, code ? { valid: false, code, error: code } : { valid: true });
    }
    case 'GET /models/local': return json(response, 200, { servers });
    case 'GET /canvas/viewport': return json(response, 200, viewport);
    case 'PUT /canvas/viewport': viewport = await body(request); return json(response, 200, { status: 'saved' });
    case 'GET /app/sessions': return json(response, 200, { sessions: [{ id: 's1', created_at: iso(Date.now() - 86_400_000), last_used_at: iso(), current: true }, { id: 's2', created_at: iso(Date.now() - 9 * 86_400_000), last_used_at: iso(Date.now() - 7_200_000), current: false }] });
    case 'POST /app/accept-agents': accepting = iso(Date.now() + 600_000); return json(response, 200, { until: accepting });
    case 'GET /activity': return json(response, 200, [...activity].reverse().slice(0, 200));
    default:
  }
  if (room === 'settings' && request.method === 'DELETE') {
    secrets.delete(sub ?? what);
    return json(response, 200, { status: 'deleted' });
  }
  if (room !== 'workspaces') return undefined;
  const agent = agents.get(id);
  if (!agent) return json(response, 404, { error: 'workspace not found' });
  switch (`${request.method} ${what ?? ''}`) {
    case 'GET ': return json(response, 200, agent);
    case 'PATCH ': {
      const patch = await body(request);
      Object.assign(agent, patch);
      emit('WORKSPACE_UPDATED', id, patch);
      return json(response, 200, { status: 'updated' });
    }
    case 'DELETE ': {
      const below = (of) => [...agents.values()].filter((each) => each.parent_id === of).flatMap((each) => [...below(each.id), each.id]);
      for (const gone of [...below(id), id]) {
        agents.delete(gone);
        emit('WORKSPACE_REMOVED', gone, {});
      }
      return json(response, 200, { status: 'removed', cascade_deleted: 0 });
    }
    case 'POST restart':
    case 'POST resume':
      Object.assign(agent, { status: 'provisioning', active_tasks: 0 });
      emit('WORKSPACE_PROVISIONING', id, { name: agent.name, tier: agent.tier, runtime: agent.runtime });
      setTimeout(() => { agent.status = 'online'; emit('WORKSPACE_ONLINE', id, {}); }, 2_000);
      return json(response, 200, { status: 'provisioning' });
    case 'GET connection': return json(response, 200, await connectionOf(id, agent.name));
    case 'POST tokens': {
      const { kind } = await body(request);
      return json(response, 201, kind === 'url' ? { url: `http://127.0.0.1:${PORT}/as/${TOKEN}` } : { auth_token: TOKEN });
    }
    case 'DELETE pauses': return json(response, 200, { status: 'lifted' });
    case 'POST chat': {
      // A form as browsers write it; every file is kept as it came.
      const pieces = [];
      for await (const piece of request) pieces.push(piece);
      const raw = Buffer.concat(pieces);
      if (raw.length > 50 * 1024 * 1024) return json(response, 413, { error: 'the upload is larger than 50 MiB', code: 'upload_too_large' });
      await wait(300);
      const boundary = `--${/boundary=(.+)$/.exec(request.headers['content-type'])[1]}`;
      const files = [];
      for (let from = raw.indexOf(boundary); from >= 0;) {
        const end = raw.indexOf(boundary, from + 1);
        if (end < 0) break;
        const head = raw.indexOf('\r\n\r\n', from);
        const about = raw.subarray(from, head).toString();
        const name = /filename="([^"]*)"/.exec(about)?.[1]?.replace(/[^A-Za-z0-9._-]/g, '_') || 'file';
        const type = /content-type: (.+)/i.exec(about)?.[1]?.trim();
        const path = `/workspace/.molecule/chat-uploads/${randomUUID().replaceAll('-', '')}-${name}`;
        const bytes = raw.subarray(head + 4, end - 2);
        uploads.set(path, { bytes, type });
        files.push({ uri: `workspace:${path}`, name, mimeType: type, size: bytes.length });
        from = end;
      }
      return json(response, 200, { files });
    }
    case 'GET chat': {
      const found = uploads.get(url.searchParams.get('path'));
      if (!found) return json(response, 404, { error: 'file not found' });
      response.writeHead(200, { 'Content-Type': found.type ?? 'application/octet-stream' });
      return response.end(found.bytes);
    }
    case 'POST pause':
      agent.status = 'paused';
      emit('WORKSPACE_PAUSED', id, { name: agent.name });
      return json(response, 200, { status: 'paused' });
    case 'GET activity': {
      const peer = url.searchParams.get('peer_id');
      const rows = activity.filter((row) => row.workspace_id === id
        && (!url.searchParams.get('type') || row.activity_type === url.searchParams.get('type'))
        && (url.searchParams.get('source') !== 'canvas' || row.source_id === null)
        && (!peer || row.source_id === peer || row.target_id === peer));
      return json(response, 200, rows.slice(-(Number(url.searchParams.get('limit')) || 100)).reverse());
    }
    case 'GET session-search': {
      const words = (url.searchParams.get('q') ?? '').trim().toLowerCase();
      const rows = activity.filter((row) => row.workspace_id === id && JSON.stringify([row.summary, row.method, row.activity_type, row.status, row.request_body, row.response_body]).toLowerCase().includes(words));
      const hits = rows.map(({ activity_type, summary, tool_trace: _trace, ...row }) => ({ kind: 'activity', label: activity_type, content: summary, ...row }));
      const memory = 'People call the sync prompt a wall: ask after the first save.';
      if (memory.toLowerCase().includes(words)) hits.push({ kind: 'memory', id: 'memory-1', workspace_id: id, label: 'TEAM', content: memory, method: null, status: null, created_at: iso() });
      return json(response, 200, hits.slice(-100).reverse());
    }
    case 'GET inflight': return json(response, 200, [...inflight.values()].filter((row) => row.workspace_id === id).map(({ workspace_id: _id, ...row }) => row));
    case 'GET approvals': return json(response, 200, [...approvals.values()].filter((each) => each.workspace_id === id).reverse());
    case 'POST approvals': {
      const { decision } = await body(request);
      const approval = approvals.get(sub);
      if (verb !== 'decide' || approval?.status !== 'pending') return json(response, 404, { error: 'approval not found or already decided' });
      Object.assign(approval, { status: decision, decided_by: 'human', decided_at: iso() });
      emit(decision === 'approved' ? 'APPROVAL_APPROVED' : 'APPROVAL_DENIED', id, { approval_id: sub, decision, decided_by: 'human' });
      waiting.get(sub)?.(decision);
      return json(response, 200, { status: decision, approval_id: sub, approved: decision === 'approved' });
    }
    case 'GET secrets': return json(response, 200, [...secrets.keys()].map((each) => ({ key: each, has_value: true, scope: 'global', created_at: iso(), updated_at: iso() })));
    case 'PUT secrets': return json(response, 200, { status: 'saved' });
    case 'GET model': return json(response, 200, { model: '', source: 'default' });
    case 'PUT model': return json(response, 200, { status: 'saved' });
    case 'POST a2a': return message(request, response, agent);
    default: return json(response, 404, { error: 'not found' });
  }
}

async function message(request, response, agent) {
  const asked = await body(request);
  if (asked.method === 'tasks/cancel') {
    canceled.add(asked.params.id);
    return json(response, 200, { jsonrpc: '2.0', id: asked.id, result: { kind: 'task', id: asked.params.id, status: { state: 'canceled' } } });
  }
  const messageId = asked.method === 'tasks/resubscribe' ? asked.params.id : asked.params.message.messageId;
  const question = asked.params.message?.parts?.map((part) => part.text ?? '').join('\n').trim() ?? '';
  const files = asked.params.message?.parts?.filter((part) => part.kind === 'file') ?? [];
  if (files.length > 0) attached.set(messageId, files);
  if (asked.method === 'message/stream' && !live.has(messageId)) {
    if (/no key/i.test(question)) {
      const text = 'No key for Anthropic is stored. Add ANTHROPIC_API_KEY in Settings, then send this again.';
      const failed = { jsonrpc: '2.0', id: messageId, result: { kind: 'status-update', taskId: messageId, final: true, status: { state: 'failed', message: { ...answer(text, messageId).result, metadata: { error: { code: 'model_key_missing' } } } } } };
      record({ workspace_id: agent.id, activity_type: 'a2a_receive', method: 'message/stream', request_body: ask(messageId, question), response_body: failed, status: 'error', error_detail: text, duration_ms: 120 });
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      return response.end(`data: ${JSON.stringify(failed)}\n\n`);
    }
    live.set(messageId, []);
    push(messageId, { result: { kind: 'task', id: messageId, contextId: 'main', status: { state: 'submitted' } } });
    void work(agent.id, messageId, question, null, null, (frame) => push(messageId, frame));
  }
  const frames = live.get(messageId);
  if (!frames) return json(response, 200, { jsonrpc: '2.0', id: asked.id, error: { code: -32001, message: 'Task not found' } });
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
  let at = 0;
  const flush = () => {
    for (; at < frames.length; at += 1) {
      response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', id: asked.id, ...frames[at] })}\n\n`);
      if (frames[at].result.final) {
        response.end();
        watchers.get(messageId)?.delete(flush);
      }
    }
  };
  if (!watchers.has(messageId)) watchers.set(messageId, new Set());
  watchers.get(messageId).add(flush);
  response.on('close', () => watchers.get(messageId)?.delete(flush));
  flush();
  return undefined;
}

if (SCENE === 'demo') makeDemo(false);
if (SCENE === 'still' || SCENE === 'sealed') makeDemo(true);
if (SCENE === 'many') makeMany();
if (SCENE === 'loop') makeDemo(true);
if (SCENE === 'still') ['ANTHROPIC_API_KEY', 'OPENAI_API_KEY', 'GITHUB_TOKEN'].forEach((key, at) => secrets.set(key, iso(Date.now() - at * 5_000_000)));
if (SCENE === 'sealed') ['ANTHROPIC_API_KEY', 'OPENAI_API_KEY'].forEach((key) => secrets.set(key, iso(Date.now() - 5_000_000)));

const server = createServer((request, response) => {
  const url = new URL(request.url, `http://127.0.0.1:${PORT}`);
  route(request, response, url).then(async (done) => {
    if (done !== undefined || response.headersSent) return;
    const file = fileOf(url);
    try {
      const content = await readFile(file);
      response.writeHead(200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream', 'Content-Security-Policy': CSP });
      response.end(content);
    } catch {
      json(response, 404, { error: 'not found' });
    }
  }, (error) => {
    console.error(error);
    if (!response.headersSent) json(response, 500, { error: 'the fake fell over' });
  });
});

const wss = new WebSocketServer({ server, path: '/ws', handleProtocols: (protocols) => [...protocols][0] ?? false });
if (SCENE === 'loop') {
  const [lead, , third] = agents.values();
  const loop_paused = { workspace_id: lead.id, peer_id: third.id, until: iso(Date.now() + 60_000) };
  wss.on('connection', () => setTimeout(() => emit('PLATFORM_CHANGED', lead.id, { loop_paused }), 500));
}
wss.on('connection', (socket, request) => {
  const since = Number(new URL(request.url, 'http://x').searchParams.get('since') ?? seq);
  log.filter((frame) => frame.seq > since).forEach((frame) => socket.send(JSON.stringify(frame)));
  sockets.add(socket);
  socket.on('close', () => sockets.delete(socket));
});
setInterval(() => {
  for (const agent of agents.values()) if (agent.status === 'online') emit('WORKSPACE_HEARTBEAT', agent.id, { active_tasks: agent.active_tasks, uptime_seconds: agent.uptime_seconds });
}, 10_000).unref();

server.listen(PORT, '127.0.0.1', () => console.log(`http://127.0.0.1:${PORT}/#ticket=fake   scene: ${SCENE}`));
