import { describe, expect, it } from 'vitest';
import type { Template } from '@/api/types';
import { firstUsable, modelGroups, needsOf, slugOf } from './models';

const template = (id: string, more: Partial<Template> = {}): Template => ({ id, name: id, description: '', tier: 2, runtime: 'local', model: '', skills: [], skill_count: 0, ...more });
const assistant = template('assistant', {
  model: 'anthropic:claude', models: [{ id: 'anthropic:claude', required_env: ['ANTHROPIC_API_KEY'] }, { id: 'openai/gpt-5', required_env: ['OPENAI_API_KEY'] }, { id: 'ollama/llama3.2', name: 'Llama (Ollama)' }],
});
const ollama = { name: 'Ollama', base_url: 'http://127.0.0.1:11434/v1', models: ['qwen3:8b'] };

describe('models', () => {
  it('say what they need', () => {
    expect(needsOf(assistant, '')).toEqual(['ANTHROPIC_API_KEY']);
    expect(needsOf(assistant, 'openai/gpt-5')).toEqual(['OPENAI_API_KEY']);
    expect(needsOf(assistant, 'ollama/qwen3:8b')).toEqual([]);
    expect(needsOf(template('r', { model: 'rehearsal', required_env: ['X'] }), '')).toEqual([]);
    expect(needsOf(template('c', { model: 'sonnet', required_env: ['X'] }), '')).toEqual(['X']);
    expect(needsOf(undefined, '')).toEqual([]);
  });
  it('of a local server are offered by its name, in place of the template’s stand-in', () => {
    expect(slugOf(ollama, 'qwen3:8b')).toBe('ollama/qwen3:8b');
    expect(modelGroups(assistant, [ollama]).map((group) => [group.label, group.choices.map((each) => each.id)])).toEqual([
      ['In this template', ['anthropic:claude', 'openai/gpt-5']], ['Ollama, on this computer', ['ollama/qwen3:8b']],
    ]);
    expect(modelGroups(assistant, [])[0]?.choices).toHaveLength(3);
    expect(modelGroups(template('docker', { runtime: 'claude-code' }), [ollama])).toEqual([]);
  });
  it('choose a template that can start now', () => {
    const rehearsal = template('rehearsal-agent', { model: 'rehearsal' });
    const all = [template('docker', { runtime: 'claude-code' }), assistant, rehearsal];
    expect(firstUsable(all, new Set())?.id).toBe('rehearsal-agent');
    expect(firstUsable(all, new Set(['ANTHROPIC_API_KEY']))?.id).toBe('assistant');
    expect(firstUsable([all[0]!], new Set())?.id).toBe('docker');
  });
});
