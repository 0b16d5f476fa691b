/**
 * The live world: one snapshot, one event socket, one store. Events are applied in batches, so that a burst of an
 * import or a hundred heartbeats is one drawing.
 */
import { create } from 'zustand';
import type { AppState, Approval, LiveEvent } from '@/api/types';
import { api, ApiError, messageOf, openEvents, type SocketState } from '@/backend';
import { applyExchangeEvent, applyInflight, closeExchange, openExchange, type Exchange, type Exchanges } from './exchanges';
import { applyEvent, applySnapshot, emptyOrg, lastWords, patchAgent, removeSubtree, type Agent, type Org } from './org';
import { arrange, type Size } from './layout';
import { useNotices } from './notices';
import { faultOf, responseContent } from '@/text/a2a';

const POLL_MS = 10_000;
const SILENCE_MS = 30_000;
const SHARE_MS = 1_500;
const BATCH_MS = 16;
const LEARN_MOST = 40;

interface Live {
  org: Org;
  exchanges: Exchanges;
  approvals: Record<string, Approval>;
  app: AppState | null;
  socket: SocketState;
  /** When the last good answer or event came; shown while the server is gone. */
  freshAt: number;
  /** The first load failed and is being tried again. */
  failure: ApiError | null;
  grown: Record<string, Size>;
}

export const useLive = create<Live>()(() => ({
  org: emptyOrg,
  exchanges: {},
  approvals: {},
  app: null,
  socket: { phase: 'connecting' },
  freshAt: Date.now(),
  failure: null,
  grown: {},
}));

type Listener = (event: LiveEvent) => void;
const listeners = new Set<Listener>();

/** Hears every event after it was applied. */
export function onLiveEvent(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

// --- Snapshot ----------------------------------------------------------------------------------------------

let loading: Promise<void> | null = null;
let loadedAt = -Infinity;

/** Events heard while a snapshot is being read: the list may be older than they are. */
let heardMeanwhile: LiveEvent[] = [];

async function read(): Promise<void> {
  heardMeanwhile = [];
  // The number is read before the list: what came after it is applied on top of the list, twice rather than never.
  const app = await api.appState();
  const [rows, pending] = await Promise.all([api.workspaces(), api.approvals().catch(() => null)]);
  useLive.setState((state) => {
    const now = Date.now();
    const seq = Math.max(state.org.seq, state.org.loaded ? 0 : app.event_seq);
    let org: Org = { ...applySnapshot(state.org, rows, now), seq };
    let approvals = pending ? Object.fromEntries(pending.map((each) => [each.id, each])) : state.approvals;
    for (const event of heardMeanwhile) {
      if (event.seq !== undefined && event.seq <= app.event_seq) continue;
      org = applyEvent(org, event, now);
      approvals = approvalsAfter(approvals, event, org);
    }
    return { app, org: stackArrivals(org), approvals, freshAt: now, failure: null };
  });
}

/** A running read is shared; one that just ended is not repeated (50 §1.2). The first is never skipped. */
export function refresh(): Promise<void> {
  if (loading) return loading;
  if (performance.now() - loadedAt < SHARE_MS) return Promise.resolve();
  loading = read().finally(() => {
    loading = null;
    loadedAt = performance.now();
  });
  return loading;
}

export async function refreshApp(): Promise<void> {
  const app = await api.appState();
  useLive.setState({ app });
}

// --- Events ------------------------------------------------------------------------------------------------

let batch: LiveEvent[] = [];
let flushing: ReturnType<typeof setTimeout> | undefined;
let heardAt = performance.now();
const asked = new Map<string, number>();

function approvalsAfter(approvals: Record<string, Approval>, event: LiveEvent, org: Org): Record<string, Approval> {
  const { payload } = event;
  const id = typeof payload.approval_id === 'string' ? payload.approval_id : '';
  if (!id) return approvals;
  if (event.event === 'APPROVAL_REQUESTED') {
    return {
      ...approvals,
      [id]: {
        id,
        workspace_id: event.workspace_id,
        workspace_name: org.agents[event.workspace_id]?.name,
        action: String(payload.action ?? ''),
        reason: typeof payload.reason === 'string' ? payload.reason : null,
        status: 'pending',
        created_at: event.timestamp,
        task_id: typeof payload.task_id === 'string' ? payload.task_id : null,
        context: (payload.context as Approval['context']) ?? null,
      },
    };
  }
  if (/^APPROVAL_(APPROVED|DENIED|DECIDED|EXPIRED)$/.test(event.event)) {
    const { [id]: _gone, ...rest } = approvals;
    return rest;
  }
  return approvals;
}

function wordsAfter(org: Org, event: LiveEvent): Org {
  if (event.event !== 'ACTIVITY_LOGGED' || event.payload.activity_type !== 'a2a_receive') return org;
  if (event.payload.status === 'error' || faultOf(event.payload.response_body)) return org;
  const words = lastWords(responseContent(event.payload.response_body).texts.join('\n\n'));
  return words ? patchAgent(org, event.workspace_id, { lastWords: words }) : org;
}

/** An import that this page asked for: its trees are stacked as spines as they arrive, in the same drawing. */
let awaiting: { known: Set<string>; moved: Record<string, { x: number; y: number }> } | null = null;

function stackArrivals(org: Org): Org {
  if (!awaiting) return org;
  const { known } = awaiting;
  let next = org;
  for (const root of Object.values(org.agents)) {
    if (root.parentId !== null || known.has(root.id)) continue;
    for (const [id, at] of Object.entries(arrange(next, root.id, 'spine'))) {
      awaiting.moved[id] = at;
      next = patchAgent(next, id, at);
    }
  }
  return next;
}

export function awaitImport(): { settle: () => Record<string, { x: number; y: number }> } {
  awaiting = { known: new Set(Object.keys(useLive.getState().org.agents)), moved: {} };
  return {
    settle: () => {
      useLive.setState((state) => ({ org: stackArrivals(state.org) }));
      const moved = awaiting?.moved ?? {};
      awaiting = null;
      return moved;
    },
  };
}

function flush(): void {
  flushing = undefined;
  const events = batch;
  batch = [];
  const now = Date.now();
  let resync = false;
  const before = useLive.getState();
  let { org, exchanges, approvals } = before;
  for (const event of events) {
    if (event.event === 'RESYNC') {
      resync = true;
      continue;
    }
    org = wordsAfter(applyEvent(org, event, now), event);
    exchanges = applyExchangeEvent(exchanges, event, now);
    approvals = approvalsAfter(approvals, event, org);
  }
  useLive.setState({ org: stackArrivals(org), exchanges, approvals, freshAt: now });
  for (const event of events) {
    listeners.forEach((tell) => tell(event));
    afterEvent(event, before.org, org);
  }
  if (resync) {
    loadedAt = -Infinity;
    useLive.setState((state) => ({ org: { ...state.org, loaded: false } }));
    void refresh().catch(() => undefined);
  }
}

/** What an event alone does not tell is read once, right then. */
function afterEvent(event: LiveEvent, before: Org, after: Org): void {
  const id = event.workspace_id;
  if (event.event === 'APPROVAL_REQUESTED') {
    // The event has no diff and no command; the row has.
    void api.approvals()
      .then((rows) => useLive.setState({ approvals: Object.fromEntries(rows.map((each) => [each.id, each])) }))
      .catch(() => undefined);
  }
  if (event.event === 'PLATFORM_CHANGED') {
    const paused = event.payload.loop_paused as { workspace_id?: string; peer_id?: string; until?: string } | undefined;
    if (paused?.workspace_id && paused.peer_id) tellOfLoop(after, paused.workspace_id, paused.peer_id, paused.until);
    else void refreshApp().catch(() => undefined);
  }
  const began = (after.agents[id]?.activeTasks ?? 0) > 0 && (before.agents[id]?.activeTasks ?? 0) === 0;
  if ((event.event === 'TASK_UPDATED' || event.event === 'WORKSPACE_HEARTBEAT') && began && after.agents[id]?.parentId) {
    void learnInflight(id);
  }
  if (event.event === 'WORKSPACE_OFFLINE' && after.agents[id]?.runtime === 'external') {
    // Written as awaiting_agent by some sweeps (20 §17): read the row.
    void api.workspace(id)
      .then((row) => useLive.setState((state) => ({ org: patchAgent(state.org, id, { status: row.status }) })))
      .catch(() => undefined);
  }
}

const PAUSE_MS = 60_000;

/** Two agents that send each other the same are paused for a minute; the person may lift it. */
export function tellOfLoop(org: Org, id: string, peer: string, until?: string): void {
  const name = (each: string) => org.agents[each]?.name ?? 'An agent';
  // The same pair, whichever of the two was stopped.
  const notice = `loop:${[id, peer].sort().join(':')}`;
  const { add, dismiss } = useNotices.getState();
  const left = until ? Date.parse(until) - Date.now() : PAUSE_MS;
  const timer = setTimeout(() => dismiss(notice), Number.isFinite(left) ? Math.max(left, 0) : PAUSE_MS);
  add({
    id: notice,
    kind: 'warning',
    title: `${name(peer)} and ${name(id)} only answered each other`,
    detail: 'They rest for a minute. Whatever else they do goes on.',
    actions: [{
      label: 'Let them talk',
      run: () => {
        const over = () => { clearTimeout(timer); dismiss(notice); };
        // 404: the minute was over already.
        api.liftPause(id, peer).then(over, (error: unknown) => {
          if (error instanceof ApiError && error.status === 404) over();
          else add({ kind: 'error', title: 'They still rest', detail: messageOf(error) });
        });
      },
    }],
  });
}

/** Who asked this agent? One small read when it starts to work, at most once a second each. */
export async function learnInflight(id: string): Promise<void> {
  const now = Date.now();
  if (now - (asked.get(id) ?? 0) < 1_000) return;
  asked.set(id, now);
  try {
    const rows = await api.inflight(id);
    const since = Math.min(...rows.filter((row) => !row.queued).map((row) => Date.parse(row.started_at)));
    useLive.setState((state) => ({
      exchanges: applyInflight(state.exchanges, id, rows, Date.now()),
      org: Number.isFinite(since) && (state.org.agents[id]?.activeTasks ?? 0) > 0 ? patchAgent(state.org, id, { taskSince: since }) : state.org,
    }));
  } catch {
    // The bond then stays at rest.
  }
}

export function noteExchange(exchange: Exchange): void {
  useLive.setState((state) => ({ exchanges: openExchange(state.exchanges, exchange) }));
}

export function endExchange(id: string, state: Exchange['state'], reply: string): void {
  const known = useLive.getState().exchanges[id];
  if (known && known.endedAt === undefined) {
    useLive.setState((now) => ({ exchanges: closeExchange(now.exchanges, id, { state, reply }, Date.now()) }));
  }
}

function hear(event: LiveEvent): void {
  heardAt = performance.now();
  batch.push(event);
  if (loading) heardMeanwhile.push(event);
  flushing ??= setTimeout(flush, BATCH_MS);
}

// --- Boot --------------------------------------------------------------------------------------------------

let started: (() => void) | null = null;
let socketHandle: ReturnType<typeof openEvents> | null = null;

/** Starts the live world once; returns what stops it. */
export function startLive(): () => void {
  if (started) return started;
  let stopped = false;
  let tries = 0;

  const boot = async (): Promise<void> => {
    while (!stopped) {
      try {
        await refresh();
        return;
      } catch (error) {
        const failure = error instanceof ApiError ? error : new ApiError(messageOf(error), 0, undefined, error, undefined);
        if (failure.status === 401) return;
        tries += 1;
        // Three quick tries (1 s, 2 s) before the screen says so, then on in the background (50 §3.1).
        if (tries >= 3) useLive.setState({ failure });
        await new Promise((done) => setTimeout(done, Math.min(tries * 1_000, 10_000)));
        loadedAt = -Infinity;
      }
    }
  };

  const connect = () => {
    socketHandle = openEvents({
      since: () => useLive.getState().org.seq,
      onEvent: hear,
      onState: (socket) => {
        const was = useLive.getState().socket.phase;
        useLive.setState({ socket });
        if (socket.phase === 'live') {
          heardAt = performance.now();
          if (was !== 'live') void refresh().catch(() => undefined);
        }
      },
    });
  };

  void boot().then(() => {
    if (stopped) return;
    connect();
    // What runs already when the page opens was started by somebody, some time ago.
    // In a large organisation nobody sees single bonds at first, and a hundred reads would be a storm (50 §15.1).
    const agents = Object.values(useLive.getState().org.agents);
    if (agents.length <= LEARN_MOST) agents.filter((agent) => agent.activeTasks > 0).forEach((agent) => void learnInflight(agent.id));
  });

  const poll = setInterval(() => {
    const { socket, org } = useLive.getState();
    if (document.hidden && socket.phase === 'live') return;
    const silent = socket.phase === 'live' && performance.now() - heardAt > SILENCE_MS;
    if (!org.loaded || (socket.phase === 'live' && !silent)) return;
    heardAt = performance.now();
    void refresh().catch(() => undefined);
  }, POLL_MS);

  started = () => {
    stopped = true;
    clearInterval(poll);
    socketHandle?.close();
    socketHandle = null;
    started = null;
  };
  return started;
}

export function retryNow(): void {
  loadedAt = -Infinity;
  socketHandle?.retryNow();
  void refresh().catch(() => undefined);
}

// --- Changes that this page makes --------------------------------------------------------------------------

export function changeAgent(id: string, patch: Partial<Agent>): void {
  useLive.setState((state) => ({ org: patchAgent(state.org, id, patch) }));
}

export function dropSubtree(id: string): void {
  useLive.setState((state) => ({ org: removeSubtree(state.org, id, Date.now()) }));
}

export function dropApproval(id: string): void {
  useLive.setState((state) => {
    const { [id]: _gone, ...approvals } = state.approvals;
    return { approvals };
  });
}

export function growTo(sizes: Record<string, Size>): void {
  useLive.setState((state) => ({ grown: { ...state.grown, ...sizes } }));
}

/** Ids of agents that wait for the person. */
export function askingAgents(approvals: Record<string, Approval>): Set<string> {
  return new Set(Object.values(approvals).map((each) => each.workspace_id));
}
