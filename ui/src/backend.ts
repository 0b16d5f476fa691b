/**
 * The only file that knows how the server is reached. Everything else calls the typed functions of `api`,
 * so the same page runs in a browser tab and in the app's window.
 */
import type {
  ActivityRow, AppState, Approval, Attachment, BrokenTemplate, Connection, CreatedWorkspace, CreateWorkspace, Health, Hit, Inflight, KeyCheck, LiveEvent,
  LocalServer, OrgImportResult, OrgTemplate, Secret, Session, Template, Viewport, Workspace,
} from '@/api/types';

const TOKEN_KEY = 'molecule.session';
const DEFAULT_TIMEOUT_MS = 15_000;
const IMPORT_TIMEOUT_MS = 120_000;
/** An upload that moves nothing for so long is given up; the server itself waits a minute for an agent. */
const UPLOAD_STILL_MS = 150_000;
const RECONNECT_FIRST_MS = 1_000;
const RECONNECT_MAX_MS = 30_000;

/** A refusal by the server, with its status as a number and its stable code where it has one. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string | undefined,
    readonly body: unknown,
    readonly retryAfter: number | undefined,
  ) {
    super(message);
    this.name = 'ApiError';
  }

  /** 0: the server could not be reached at all. */
  get offline(): boolean {
    return this.status === 0;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

// --- Session -----------------------------------------------------------------------------------------------

let token: string | null = readToken();
const signedOut = new Set<() => void>();

function readToken(): string | null {
  try {
    return localStorage.getItem(TOKEN_KEY);
  } catch {
    return null;
  }
}

function keepToken(value: string | null): void {
  token = value;
  try {
    if (value) localStorage.setItem(TOKEN_KEY, value);
    else localStorage.removeItem(TOKEN_KEY);
  } catch {
    // The token then lives as long as the page does.
  }
}

export type Opening = 'ready' | 'no-token' | 'ticket-used' | 'unreachable';

export const session = {
  /** Exchanges the one-time ticket of `/#ticket=…` for a session token and takes it out of the address (R-4). */
  async open(): Promise<Opening> {
    const ticket = new URLSearchParams(location.hash.slice(1)).get('ticket');
    if (!ticket) return token ? 'ready' : 'no-token';
    history.replaceState(null, '', location.pathname + location.search);
    try {
      const answer = await request<{ token: string }>('POST', '/launch', { body: { ticket }, anonymous: true });
      keepToken(answer.token);
      return 'ready';
    } catch (error) {
      if (token) return 'ready';
      return error instanceof ApiError && error.offline ? 'unreachable' : 'ticket-used';
    }
  },
  forget(): void {
    keepToken(null);
  },
  onSignedOut(listener: () => void): () => void {
    signedOut.add(listener);
    return () => signedOut.delete(listener);
  },
};

let probing: Promise<void> | null = null;

/** One refused call must not end the session (50 §1.1): only an admin route that refuses too does. */
function confirmSignedOut(): Promise<void> {
  probing ??= send('GET', '/app/state', {})
    .then((answer) => {
      if (answer.status !== 401) return;
      keepToken(null);
      signedOut.forEach((tell) => tell());
    })
    .catch(() => undefined)
    .finally(() => {
      probing = null;
    });
  return probing;
}

// --- HTTP --------------------------------------------------------------------------------------------------

interface Options {
  body?: unknown;
  signal?: AbortSignal;
  /** Milliseconds; 0 waits for as long as the server does. */
  timeout?: number;
  anonymous?: boolean;
}

function send(method: string, path: string, { body, signal, anonymous }: Options): Promise<Response> {
  const headers: Record<string, string> = {};
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (token && !anonymous) headers.Authorization = `Bearer ${token}`;
  return fetch(path, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    signal,
    credentials: 'omit',
    cache: 'no-store',
  });
}

const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

function retryAfterOf(said: string | null, body: unknown): number | undefined {
  const header = Number(said);
  if (Number.isFinite(header) && header > 0) return header;
  const inBody = (body as { retry_after?: unknown } | null)?.retry_after;
  return typeof inBody === 'number' ? inBody : undefined;
}

async function refusal(response: Response): Promise<ApiError> {
  const raw = await response.text().catch(() => '');
  return refusalOf(response.status, raw, response.headers.get('Retry-After'));
}

function refusalOf(status: number, raw: string, retryAfter: string | null): ApiError {
  let body: unknown = raw;
  try {
    body = JSON.parse(raw);
  } catch {
    // Not JSON: the status speaks.
  }
  const said = (body as { error?: unknown } | null)?.error;
  const code = (body as { code?: unknown } | null)?.code;
  if (status === 401) void confirmSignedOut();
  return new ApiError(
    typeof said === 'string' && said ? said : `The server answered ${status}.`,
    status,
    typeof code === 'string' ? code : undefined,
    body,
    retryAfterOf(retryAfter, body),
  );
}

function unreachable(error: unknown, timedOut: boolean): ApiError {
  const words = timedOut ? 'The server did not answer in time.' : 'The server cannot be reached.';
  return new ApiError(words, 0, timedOut ? 'timeout' : 'unreachable', error, undefined);
}

async function request<T>(method: string, path: string, options: Options = {}): Promise<T> {
  const limit = options.timeout ?? DEFAULT_TIMEOUT_MS;
  for (let attempt = 0; ; attempt += 1) {
    const cut = new AbortController();
    const timer = limit > 0 ? setTimeout(() => cut.abort(), limit) : undefined;
    const signal = options.signal ? AbortSignal.any([options.signal, cut.signal]) : cut.signal;
    let response: Response;
    try {
      response = await send(method, path, { ...options, signal });
      if (response.ok) return response.status === 204 ? (undefined as T) : ((await response.json()) as T);
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw unreachable(error, cut.signal.aborted);
    } finally {
      clearTimeout(timer);
    }
    const error = await refusal(response);
    // Reads wait once for the limiter; changes are never repeated (50 §1.1).
    if (response.status === 429 && method === 'GET' && attempt === 0) {
      await pause(Math.min(error.retryAfter ?? 2, 20) * 1000);
      continue;
    }
    throw error;
  }
}

/** Server-sent events of one POST: each `data:` line, parsed. */
async function* eventsOf(response: Response): AsyncGenerator<unknown> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  let buffer = '';
  try {
    for (;;) {
      const { value, done } = await reader.read();
      buffer += done ? '\n\n' : value.replace(/\r\n?/g, '\n');
      for (let end = buffer.indexOf('\n\n'); end >= 0; end = buffer.indexOf('\n\n')) {
        const data = buffer.slice(0, end).split('\n')
          .filter((line) => line.startsWith('data:'))
          .map((line) => line.slice(5).replace(/^ /, ''))
          .join('\n');
        buffer = buffer.slice(end + 2);
        if (data) yield JSON.parse(data) as unknown;
      }
      if (done) return;
    }
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}

export type A2AAnswer = { kind: 'stream'; events: AsyncGenerator<unknown> } | { kind: 'reply'; status: number; body: unknown };

/** Sends one A2A request. It may take as long as the agent works: no deadline, only the caller's signal (50 §13.2). */
async function a2a(id: string, body: unknown, signal?: AbortSignal): Promise<A2AAnswer> {
  let response: Response;
  try {
    response = await send('POST', `/workspaces/${id}/a2a`, { body, signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw unreachable(error, false);
  }
  if (!response.ok) throw await refusal(response);
  if (response.headers.get('Content-Type')?.startsWith('text/event-stream')) {
    return { kind: 'stream', events: eventsOf(response) };
  }
  return { kind: 'reply', status: response.status, body: await response.json() };
}

export interface Uploaded { files: Attachment[] }

/**
 * Sends files on their way to an agent. `onShare` hears how much of it is there, as a share of 1: only the older
 * kind of request tells. It may take as long as something moves.
 */
function upload(
  id: string, files: readonly { name: string; blob: Blob }[], onShare: (share: number) => void, signal: AbortSignal,
): Promise<Uploaded> {
  const form = new FormData();
  for (const file of files) form.append('files', file.blob, file.name);
  return new Promise((done, failed) => {
    const call = new XMLHttpRequest();
    let still: ReturnType<typeof setTimeout> | undefined;
    const moved = () => {
      clearTimeout(still);
      still = setTimeout(() => call.abort(), UPLOAD_STILL_MS);
    };
    const end = (settle: () => void) => {
      clearTimeout(still);
      signal.removeEventListener('abort', cancel);
      settle();
    };
    const cancel = () => call.abort();
    signal.addEventListener('abort', cancel);
    call.upload.onprogress = (event) => {
      moved();
      if (event.lengthComputable && event.total > 0) onShare(event.loaded / event.total);
    };
    call.onload = () => end(() => {
      if (call.status < 200 || call.status >= 300) return failed(refusalOf(call.status, call.responseText, call.getResponseHeader('Retry-After')));
      try {
        done(JSON.parse(call.responseText) as Uploaded);
      } catch (error) {
        failed(unreachable(error, false));
      }
    });
    call.onerror = () => end(() => failed(unreachable('upload', false)));
    call.onabort = () => end(() => failed(unreachable('upload', !signal.aborted)));
    call.open('POST', `/workspaces/${id}/chat/uploads`);
    if (token) call.setRequestHeader('Authorization', `Bearer ${token}`);
    moved();
    call.send(form);
  });
}

const enc = encodeURIComponent;

export interface ActivityQuery {
  type?: string;
  source?: 'canvas' | 'agent';
  limit?: number;
  before_ts?: string;
  since_id?: string;
  peer_id?: string;
}

function query(params: object): string {
  const pairs = Object.entries(params).filter(([, value]) => value !== undefined && value !== '');
  return pairs.length ? `?${pairs.map(([key, value]) => `${key}=${enc(String(value))}`).join('&')}` : '';
}

/** Every route that the canvas calls. */
export const api = {
  appState: () => request<AppState>('GET', '/app/state'),
  health: () => request<Health>('GET', '/health', { timeout: 5_000 }),
  buildinfo: () => request<{ git_sha: string }>('GET', '/buildinfo'),

  workspaces: () => request<Workspace[]>('GET', '/workspaces'),
  workspace: (id: string) => request<Workspace>('GET', `/workspaces/${id}`),
  createWorkspace: (body: CreateWorkspace) => request<CreatedWorkspace>('POST', '/workspaces', { body, timeout: 60_000 }),
  /** How to connect an agent of the person's own, with a fresh token; the ones given out before stay valid. */
  async connectAnew(id: string): Promise<Connection> {
    const connection = await request<Connection>('GET', `/workspaces/${id}/connection`);
    const { auth_token } = await request<{ auth_token: string }>('POST', `/workspaces/${id}/tokens`);
    return { ...connection, auth_token };
  },
  /** A base URL that is the credential itself, for clients that send none (R-32). */
  makeBaseUrl: async (id: string) => (await request<{ url: string }>('POST', `/workspaces/${id}/tokens`, { body: { kind: 'url' } })).url,
  updateWorkspace: (id: string, body: Record<string, unknown>) =>
    request<{ status: string; needs_restart?: boolean }>('PATCH', `/workspaces/${id}`, { body }),
  deleteWorkspace: (id: string) =>
    request<{ status: string; cascade_deleted: number }>('DELETE', `/workspaces/${id}?confirm=true`, { timeout: 60_000 }),
  restart: (id: string) =>
    request<{ status: string; message?: string }>('POST', `/workspaces/${id}/restart`),
  pause: (id: string) => request<{ status: string }>('POST', `/workspaces/${id}/pause`),
  resume: (id: string) => request<{ status: string }>('POST', `/workspaces/${id}/resume`),

  a2a,
  activity: (id: string, params: ActivityQuery) => request<ActivityRow[]>('GET', `/workspaces/${id}/activity${query(params)}`),
  search: (id: string, words: string) => request<Hit[]>('GET', `/workspaces/${id}/session-search${query({ q: words, limit: 100 })}`),
  allActivity: (limit: number) => request<ActivityRow[]>('GET', `/activity${query({ limit })}`),
  liftPause: (id: string, peer: string) => request<unknown>('DELETE', `/workspaces/${id}/pauses/${peer}`),
  inflight: (id: string) => request<Inflight[]>('GET', `/workspaces/${id}/inflight`),

  approvals: () => request<Approval[]>('GET', '/approvals/pending'),
  workspaceApprovals: (id: string) => request<Approval[]>('GET', `/workspaces/${id}/approvals`),
  decide: (workspaceId: string, id: string, decision: 'approved' | 'denied') =>
    request<{ status: string }>('POST', `/workspaces/${workspaceId}/approvals/${id}/decide`, {
      body: { decision, decided_by: 'human' },
    }),

  templates: () => request<Template[]>('GET', '/templates'),
  brokenTemplates: async () => (await request<{ broken: BrokenTemplate[] }>('GET', '/templates/problems')).broken,
  orgTemplates: () => request<OrgTemplate[]>('GET', '/org/templates'),
  importOrg: (dir: string) => request<OrgImportResult>('POST', '/org/import', { body: { dir }, timeout: IMPORT_TIMEOUT_MS }),

  secrets: () => request<Secret[]>('GET', '/settings/secrets'),
  putSecret: (key: string, value: string) =>
    request<{ status: string; store?: string }>('PUT', '/settings/secrets', { body: { key, value } }),
  deleteSecret: (key: string) => request<{ status: string }>('DELETE', `/settings/secrets/${enc(key)}`),
  workspaceSecrets: (id: string) => request<Secret[]>('GET', `/workspaces/${id}/secrets`),
  putWorkspaceSecret: (id: string, key: string, value: string) =>
    request<{ status: string; store?: string }>('PUT', `/workspaces/${id}/secrets`, { body: { key, value } }),
  deleteWorkspaceSecret: (id: string, key: string) =>
    request<{ status: string }>('DELETE', `/workspaces/${id}/secrets/${enc(key)}`),
  checkKey: (provider: string, key: string, base_url?: string) =>
    request<KeyCheck>('POST', '/secrets/validate', { body: { provider, key, base_url } }),
  localServers: () => request<{ servers: LocalServer[] }>('GET', '/models/local'),

  model: (id: string) => request<{ model: string; source: string }>('GET', `/workspaces/${id}/model`),
  putModel: (id: string, model: string) => request<{ status: string }>('PUT', `/workspaces/${id}/model`, { body: { model } }),

  viewport: () => request<Viewport>('GET', '/canvas/viewport'),
  saveViewport: (body: Viewport) => request<{ status: string }>('PUT', '/canvas/viewport', { body }),

  sessions: () => request<{ sessions: Session[] }>('GET', '/app/sessions'),
  endSession: (id: string) => request<unknown>('DELETE', `/app/sessions/${enc(id)}`),
  retryVault: () => request<unknown>('POST', '/app/vault/retry', { timeout: 30_000 }),
  acceptAgents: (minutes: number) => request<{ until: string }>('POST', '/app/accept-agents', { body: { minutes } }),

  upload,
  /** A file that an agent keeps, fetched with the session and handed over as a blob. */
  async download(id: string, path: string): Promise<Blob> {
    const response = await send('GET', `/workspaces/${id}/chat/download${query({ path })}`, {});
    if (!response.ok) throw await refusal(response);
    return response.blob();
  },
};

// --- Live events -------------------------------------------------------------------------------------------

export type SocketState = { phase: 'connecting' } | { phase: 'live' } | { phase: 'waiting'; retryAt: number };

interface SocketOptions {
  /** The last number seen; asked for anew at every connect. */
  since: () => number;
  onEvent: (event: LiveEvent) => void;
  onState: (state: SocketState) => void;
}

function socketUrl(since: number): string {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  return `${scheme}://${location.host}/ws?since=${since}`;
}

/** 1 s, 2 s, 4 s … 30 s, each spread by up to a fifth so that many windows do not return in one instant. */
export function backoff(attempt: number, random = Math.random()): number {
  const base = Math.min(RECONNECT_FIRST_MS * 2 ** attempt, RECONNECT_MAX_MS);
  return Math.round(base * (0.9 + random * 0.2));
}

/** One event socket for the whole page. `close` leaves no timer behind and closes late opens at once. */
export function openEvents({ since, onEvent, onState }: SocketOptions): { retryNow: () => void; close: () => void } {
  let socket: WebSocket | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let attempt = 0;
  let closed = false;

  const connect = () => {
    clearTimeout(timer);
    onState({ phase: 'connecting' });
    const mine = new WebSocket(socketUrl(since()), token ? [`molecule.bearer.${token}`] : []);
    socket = mine;
    let opened = false;
    mine.onopen = () => {
      if (closed || socket !== mine) return mine.close();
      opened = true;
      attempt = 0;
      onState({ phase: 'live' });
    };
    mine.onmessage = (frame) => {
      if (closed || socket !== mine) return;
      try {
        onEvent(JSON.parse(String(frame.data)) as LiveEvent);
      } catch {
        // A malformed frame is nobody's business (50 §1.2).
      }
    };
    mine.onclose = () => {
      if (closed || socket !== mine) return;
      socket = null;
      if (!opened) void confirmSignedOut();
      const wait = backoff(attempt);
      attempt += 1;
      onState({ phase: 'waiting', retryAt: Date.now() + wait });
      timer = setTimeout(connect, wait);
    };
  };

  connect();
  return {
    retryNow: () => {
      if (closed || socket) return;
      attempt = 0;
      connect();
    },
    close: () => {
      closed = true;
      clearTimeout(timer);
      // A socket in its handshake is closed when it opens: closing it now would only log a warning.
      if (socket && socket.readyState === WebSocket.OPEN) socket.close();
    },
  };
}
