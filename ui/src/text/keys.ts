/** Names of secrets: which provider they belong to and what is wrong with a typed one. Pure. */

export interface Provider {
  id: string;
  name: string;
  key: string;
  /** Shortest sensible form of a key; nothing is sent before it has that form. */
  form?: { test: RegExp; says: string };
  page?: string;
}

export const PROVIDERS: readonly Provider[] = [
  { id: 'anthropic', name: 'Anthropic', key: 'ANTHROPIC_API_KEY', form: { test: /^sk-ant-.{20,}/, says: 'An Anthropic key starts with sk-ant- and is longer' }, page: 'https://console.anthropic.com/settings/keys' },
  { id: 'openai', name: 'OpenAI', key: 'OPENAI_API_KEY', form: { test: /^.{8,}/, says: 'Too short for a key' }, page: 'https://platform.openai.com/api-keys' },
  { id: 'openrouter', name: 'OpenRouter', key: 'OPENROUTER_API_KEY', form: { test: /^sk-or-.{20,}/, says: 'An OpenRouter key starts with sk-or- and is longer' }, page: 'https://openrouter.ai/keys' },
];

export const SUGGESTED = [...PROVIDERS.map((each) => each.key), 'OPENAI_BASE_URL', 'GITHUB_TOKEN'];

export const providerOf = (key: string): Provider | undefined => PROVIDERS.find((each) => each.key === key);

export function nameFault(key: string, taken: readonly string[]): string | undefined {
  if (!key) return 'A name is needed';
  if (!/^[A-Z][A-Z0-9_]{0,127}$/.test(key)) return 'Capital letters, digits and underscores, starting with a letter';
  if (taken.includes(key)) return 'This name is there already. Replace it in the list';
  return undefined;
}

/** Four different troubles, four different sentences that a person can act on. */
export function checkWords(provider: string, code: string | undefined, error: string | undefined): string {
  switch (code) {
    case 'wrong': return `${provider} does not know this key. Check that it was copied whole.`;
    case 'expired': return `${provider} says this key has expired or was revoked. Make a new one.`;
    case 'quota': return `${provider} knows this key, but its credit is used up. Add credit, or use another key.`;
    case 'unreachable': return `${provider} cannot be reached from this computer. The key was not tried.`;
    default: return error || `${provider} refused this key.`;
  }
}
