/** Numbers and times as a colleague would say them. Pure. */

export function duration(ms: number): string {
  if (ms < 950) return `${Math.max(0.1, Math.round(ms / 100) / 10).toFixed(1)} s`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${(Math.round(seconds * 10) / 10).toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    const rest = Math.round(seconds - minutes * 60);
    return rest ? `${minutes} min ${rest} s` : `${minutes} min`;
  }
  const hours = Math.floor(minutes / 60);
  const left = minutes - hours * 60;
  return left ? `${hours} h ${left} min` : `${hours} h`;
}

/** Whole units only, for things that tick: "38 s", "2 min 18 s", "3 h". */
export function elapsed(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** One unit: "now", "12 s", "4 min", "3 h", "2 d". */
export function roughly(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h` : `${Math.floor(hours / 24)} d`;
}

export function ago(at: number, now: number): string {
  return now - at < 5_000 ? 'now' : `${roughly(now - at)} ago`;
}

export const clock = (at: number): string =>
  new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });

export const clockSeconds = (at: number): string =>
  new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });

export function day(at: number, now: number): string {
  const start = (time: number) => new Date(time).setHours(0, 0, 0, 0);
  const days = Math.round((start(now) - start(at)) / 86_400_000);
  if (days === 0) return 'Today';
  if (days === 1) return 'Yesterday';
  return new Date(at).toLocaleDateString([], { weekday: 'long', day: 'numeric', month: 'long' });
}

export const money = (cents: number): string => `$${(cents / 100).toFixed(2)}`;

export const count = (n: number): string => n.toLocaleString('en-US');

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function bytes(size: number): string {
  if (size < 1024) return `${size} B`;
  if (size < 1024 * 1024) return `${Math.round(size / 1024)} KB`;
  return `${(size / 1024 / 1024).toFixed(1)} MB`;
}

const TOOL: Readonly<Record<string, string>> = {
  list_peers: 'look up colleagues',
  recall_memory: 'search memory',
  commit_memory: 'remember',
  read_file: 'read a file',
  write_file: 'write a file',
  edit_file: 'edit a file',
  list_files: 'list files',
  search_files: 'search files',
  run_command: 'run a command',
  send_message_to_user: 'send you a message',
  check_task_status: 'check on a task',
  ask_approval: 'ask you',
  request_approval: 'ask you',
};

export const toolWords = (tool: string): string => TOOL[tool] ?? tool.replace(/[_.]+/g, ' ');

/** The argument of a call in one line. */
export function argument(input: unknown): string {
  if (input === null || input === undefined) return '';
  if (typeof input === 'string') {
    if (!input.startsWith('{')) return input;
    try {
      return argument(JSON.parse(input));
    } catch {
      return /:\s*"((?:[^"\\]|\\.)*)/.exec(input)?.[1] ?? input;
    }
  }
  if (typeof input !== 'object') return String(input);
  const values = Object.values(input as Record<string, unknown>);
  const first = values.find((value) => typeof value === 'string' && value) as string | undefined;
  return first ?? (values.length ? JSON.stringify(input) : '');
}

/** What is there, one sentence behind the other; what ends one already gets no second full stop. */
export function sentences(...parts: (string | null | undefined)[]): string {
  const said = parts.map((part) => part?.trim() ?? '').filter(Boolean);
  return said.map((part, at) => (at < said.length - 1 && !/[.!?…]$/.test(part) ? `${part}.` : part)).join(' ');
}
