import { describe, expect, it } from 'vitest';
import { layoutOf } from '@/state/layout';
import { NOW, orgOf, row } from '@/state/fixtures';
import { factsOf, originOf } from './facts';
import { chooseThree } from './firstChoices';
import { neighbour } from './keys';
import { tilesOf } from './tiles';

describe('what a card says', () => {
  const agent = (more: Parameters<typeof row>[1]) => orgOf(row('a', more)).agents.a!;
  it('names the reason, not the code', () => {
    expect(factsOf(agent({ status: 'failed', last_sample_error: 'Exit 137\nstack' }), 'failed', undefined, NOW)).toMatchObject({ task: 'Exit 137', taskTone: 'bad', action: 'restart' });
    expect(factsOf(agent({ status: 'degraded', last_error_rate: 0.62 }), 'degraded', undefined, NOW)).toMatchObject({ foot: '62% of calls fail', footTone: 'warn' });
  });
  it('says what it needs from you', () => {
    const asks = { id: 'x', workspace_id: 'a', action: 'Merge PR #482 into main', reason: null, status: 'pending', created_at: new Date(NOW - 120_000).toISOString() };
    expect(factsOf(agent({}), 'waiting', asks, NOW)).toMatchObject({ lead: 'Needs you:', task: 'merge PR #482 into main', foot: 'Asked 2 min ago' });
  });
  it('names runtime and model once', () => {
    expect(originOf(agent({ model: 'rehearsal' }))).toBe('Local, rehearsal');
    expect(originOf(agent({ runtime: 'codex', model: 'openai/gpt-5' }))).toBe('Codex, gpt-5');
    expect(originOf(agent({ runtime: 'external' }))).toBe('External');
  });
});

describe('arrow keys', () => {
  const layout = layoutOf(orgOf(
    row('root', { x: 0, y: 1 }), row('a', { parent_id: 'root', x: 16, y: 131 }), row('b', { parent_id: 'root', x: 270, y: 131 }), row('c', { parent_id: 'root', x: 16, y: 275 }),
  ));
  it('go to the nearest card in that direction', () => {
    expect(neighbour(layout, 'a', 'ArrowRight')).toBe('b');
    expect(neighbour(layout, 'a', 'ArrowDown')).toBe('c');
    expect(neighbour(layout, 'a', 'ArrowUp')).toBe('root');
    expect(neighbour(layout, 'b', 'ArrowRight')).toBeNull();
  });
});

describe('first run', () => {
  const org = (dir: string, workspaces: number, required_env: string[] = []) => ({ dir, name: dir, description: '', workspaces, required_env, recommended_env: [] });
  it('offers the product team first, then what needs no key', () => {
    expect(chooseThree([org('keyed', 9, ['K']), org('review', 4), org('product-team', 5)]).map((each) => each.dir)).toEqual(['product-team', 'review']);
    expect(chooseThree([org('only', 3)]).map((each) => each.dir)).toEqual(['only']);
    expect(chooseThree([])).toEqual([]);
  });
});

describe('tiles', () => {
  it('stand in a column per lead of teams, worst first within', () => {
    const org = orgOf(
      row('top'), row('eng', { parent_id: 'top', name: 'Engineering' }),
      row('t1', { parent_id: 'eng', name: 'Sync', x: 1, y: 1 }), row('t2', { parent_id: 'eng', name: 'Billing', x: 1, y: 2 }),
      row('a', { parent_id: 't1' }), row('b', { parent_id: 't1', active_tasks: 1 }), row('c', { parent_id: 't2', status: 'failed' }), row('d', { parent_id: 't2', active_tasks: 1 }),
    );
    const [column] = tilesOf(org, new Set(['a']));
    expect(column).toMatchObject({ name: 'Engineering', people: 6 });
    expect(column?.tiles).toMatchObject([
      { name: 'Sync', people: 3, says: 'needs you', tone: 'warn', looks: ['waiting', 'working', 'online'] },
      { name: 'Billing', says: '1 failed', tone: 'bad', looks: ['failed', 'working', 'online'] },
    ]);
  });
});
