/** Which models can be chosen, what each needs, and how it is called. Pure. */
import type { LocalServer, Template } from '@/api/types';

export interface ModelChoice {
  /** The slug that is stored; "" takes the template's own. */
  id: string;
  label: string;
  /** Keys that it needs. */
  needs: string[];
}

export interface ModelGroup { label: string; choices: ModelChoice[] }

const PREFIX: Readonly<Record<string, string>> = { Ollama: 'ollama', 'LM Studio': 'lmstudio', 'llama.cpp': 'llamacpp' };

/** The slug of a model that a server on this computer offers; the agent finds the server by its prefix. */
export function slugOf(server: LocalServer, model: string): string {
  const prefix = PREFIX[server.name];
  return prefix ? `${prefix}/${model}` : model;
}

/** What the template's own model needs: its entry's keys, else the template's. */
export function needsOf(template: Template | undefined, model: string): string[] {
  if (!template) return [];
  const slug = model || template.model;
  if (slug === 'rehearsal' || /^(ollama|lmstudio|llamacpp)[:/]/.test(slug)) return [];
  const entry = template.models?.find((each) => each.id === slug);
  if (entry) return entry.required_env ?? [];
  return model && model !== template.model ? [] : (template.required_env ?? []);
}

export function modelGroups(template: Template | undefined, servers: readonly LocalServer[]): ModelGroup[] {
  if (!template) return [];
  const groups: ModelGroup[] = [];
  const own = template.models ?? [];
  const local = template.runtime === 'local' ? servers : [];
  const offered = new Set(local.map((server) => PREFIX[server.name]).filter(Boolean));
  // A template's stand-in for a local server gives way to what that server really offers.
  const named = own.filter((model) => !offered.has(model.id.split(/[:/]/)[0]));
  if (named.length > 0) {
    groups.push({ label: 'In this template', choices: named.map((model) => ({ id: model.id, label: model.name || model.id, needs: model.required_env ?? [] })) });
  }
  for (const server of local) {
    if (server.models.length === 0) continue;
    groups.push({ label: `${server.name}, on this computer`, choices: server.models.map((model) => ({ id: slugOf(server, model), label: model, needs: [] })) });
  }
  return groups;
}

/** The template that can start now: one that asks for no missing key, and a rehearsal before one that cannot think. */
export function firstUsable(templates: readonly Template[], keys: ReadonlySet<string>): Template | undefined {
  const ready = templates.filter((each) => each.runtime === 'local' && needsOf(each, '').every((key) => keys.has(key)));
  return ready.find((each) => each.model !== 'rehearsal') ?? ready[0] ?? templates.find((each) => each.runtime === 'local') ?? templates[0];
}
