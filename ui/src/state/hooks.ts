import { useMemo } from 'react';
import { useShallow } from 'zustand/react/shallow';
import type { Approval } from '@/api/types';
import { askingAgents, useLive } from './live';
import { subtree, type Org } from './org';
import { layoutOf, type Layout } from './layout';
import { lookOf, worst, type Look } from './status';

/** The oldest approval that this agent waits for. */
export function useApprovalOf(id: string): Approval | undefined {
  return useLive((state) => {
    let found: Approval | undefined;
    for (const each of Object.values(state.approvals)) {
      if (each.workspace_id === id && (!found || each.created_at < found.created_at)) found = each;
    }
    return found;
  });
}

export interface TeamSum { people: number; working: number; cents: number; worst: Look | undefined }

export function teamSum(org: Org, id: string, asking: ReadonlySet<string>): TeamSum {
  const all = subtree(org, id);
  const below = all.slice(1);
  const looks = below.map((agent) => lookOf(agent, asking.has(agent.id)));
  return {
    people: below.length,
    working: looks.filter((look) => look === 'working').length,
    cents: all.reduce((cents, agent) => cents + agent.spendCents, 0),
    worst: worst(looks),
  };
}

export const useTeamSum = (id: string): TeamSum =>
  useLive(useShallow((state) => teamSum(state.org, id, askingAgents(state.approvals))));

/** The drawing, computed once per change of what it depends on. */
let memo: { org: Org; grown: unknown; shape: string; layout: Layout } | undefined;

function shapeOf(org: Org): string {
  let shape = '';
  for (const agent of Object.values(org.agents)) {
    shape += `${agent.id}|${agent.parentId ?? ''}|${agent.x}|${agent.y}|${agent.collapsed ? 1 : 0}|${agent.x === 0 && agent.y === 0 ? agent.name : ''};`;
  }
  return shape;
}

export function currentLayout(): Layout {
  const { org, grown } = useLive.getState();
  if (memo && memo.org === org && memo.grown === grown) return memo.layout;
  const shape = shapeOf(org);
  if (memo && memo.shape === shape && memo.grown === grown) {
    memo = { ...memo, org };
    return memo.layout;
  }
  memo = { org, grown, shape, layout: layoutOf(org, grown) };
  return memo.layout;
}

export const useLayout = (): Layout => useLive(() => currentLayout());

export interface Tally { total: number; working: number; running: number; asking: number; trouble: boolean }

export function useTally(): Tally {
  return useLive(useShallow((state) => {
    const agents = Object.values(state.org.agents);
    return {
      total: agents.length,
      working: agents.filter((agent) => agent.activeTasks > 0 && (agent.status === 'online' || agent.status === 'degraded')).length,
      running: agents.filter((agent) => agent.status === 'online' || agent.status === 'degraded').length,
      asking: Object.keys(state.approvals).length,
      trouble: agents.some((agent) => agent.status === 'failed' || agent.status === 'degraded' || (agent.status === 'offline' && agent.runtime !== 'external')),
    };
  }));
}

export function useRoots(): { id: string; name: string }[] {
  const org = useLive((state) => state.org);
  return useMemo(
    () => Object.values(org.agents).filter((agent) => agent.parentId === null).map(({ id, name }) => ({ id, name })),
    [org],
  );
}
