import type { Connection } from '@/api/types';

export interface Snippet { id: string; label: string; text: string }

/** The exact words that the server leaves for the token (20 §1.2); each is replaced once, so that a copy runs as it is. */
const PLACES: readonly [string, (token: string) => string][] = [
  ['AUTH_TOKEN    = "<paste from create response>"', (token) => `AUTH_TOKEN    = "${token}"`],
  ['WORKSPACE_AUTH_TOKEN="<paste from create response>"', (token) => `WORKSPACE_AUTH_TOKEN="${token}"`],
  ['MOLECULE_WORKSPACE_TOKENS=<paste auth_token from create response>', (token) => `MOLECULE_WORKSPACE_TOKENS=${token}`],
  ['MOLECULE_WORKSPACE_TOKEN="<paste from create response>"', (token) => `MOLECULE_WORKSPACE_TOKEN="${token}"`],
];

export function withToken(snippet: string, token: string): string {
  return token ? PLACES.reduce((text, [place, put]) => text.replace(place, () => put(token)), snippet) : snippet;
}

/** Tabs for the snippets that there are; an older server sends fewer. */
export function snippetsOf(connection: Connection): Snippet[] {
  const all: [string, string, string | undefined][] = [
    ['python', 'Python', connection.python_snippet],
    ['claude', 'Claude Code', connection.claude_code_channel_snippet],
    ['mcp', 'MCP', connection.universal_mcp_snippet],
    ['curl', 'curl', connection.curl_register_template],
  ];
  return all.flatMap(([id, label, text]) => (text ? [{ id, label, text: withToken(text, connection.auth_token) }] : []));
}
