import type { Connection } from '@/api/types';

export interface Snippet { id: string; label: string; says: string; text: string }

/** The exact words that the server leaves for the token (20 §1.2); each is replaced once, so that a copy runs as it is. */
const PLACES: readonly [string, (token: string) => string][] = [
  ['AUTH_TOKEN    = "<paste from create response>"', (token) => `AUTH_TOKEN    = "${token}"`],
  ['AUTH_TOKEN = "<paste from create response>"', (token) => `AUTH_TOKEN = "${token}"`],
  ['WORKSPACE_AUTH_TOKEN="<paste from create response>"', (token) => `WORKSPACE_AUTH_TOKEN="${token}"`],
  ['MOLECULE_WORKSPACE_TOKENS=<paste auth_token from create response>', (token) => `MOLECULE_WORKSPACE_TOKENS=${token}`],
  ['MOLECULE_WORKSPACE_TOKEN="<paste from create response>"', (token) => `MOLECULE_WORKSPACE_TOKEN="${token}"`],
];

export function withToken(snippet: string, token: string): string {
  return token ? PLACES.reduce((text, [place, put]) => text.replace(place, () => put(token)), snippet) : snippet;
}

/** Tabs for the snippets that there are; an older server sends fewer (S200). */
export function snippetsOf(connection: Connection): Snippet[] {
  const all: [string, string, string, string | undefined][] = [
    ['python', 'Python', 'A script on the Molecule SDK. Change answer() into your agent.', connection.python_snippet],
    ['a2a', 'a2a-sdk', 'A script on the open A2A library. Change execute() into your agent.', connection.a2a_sdk_snippet],
    ['claude', 'Claude Code', 'Claude Code fetches the messages and answers them. It needs no address of its own.', connection.claude_code_channel_snippet],
    ['mcp', 'MCP', 'Gives any MCP client the tools of this workspace. It needs no address of its own.', connection.universal_mcp_snippet],
    ['curl', 'curl', 'Tells Molecule where an agent listens that runs already.', connection.curl_register_template],
  ];
  return all.flatMap(([id, label, says, text]) => (text?.trim() ? [{ id, label, says, text: withToken(text, connection.auth_token) }] : []));
}
