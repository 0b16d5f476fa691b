/** What can be done with one agent: the card's menu, the panel's menu and the palette show the same list. */
import type { IconName } from '@/look/Icon';
import { arrangeTeam, foldTeam, pauseAgent, restartAgent, resumeAgent } from './actions';
import { childrenOf, type Org } from './org';
import { useScreen } from './screen';
import { useView } from './view';

export interface AgentAction {
  id: string;
  label: string;
  icon: IconName;
  keys?: string;
  danger?: boolean;
  run: () => void;
}

export function agentActions(org: Org, id: string): AgentAction[] {
  const agent = org.agents[id];
  if (!agent) return [];
  const screen = useScreen.getState();
  const kids = childrenOf(org, id);
  const nested = kids.some((kid) => childrenOf(org, kid.id).length > 0);
  const actions: AgentAction[] = [
    { id: 'chat', label: 'Chat', icon: 'chat', run: () => screen.openAgent(id, 'chat') },
    { id: 'details', label: 'Details', icon: 'file', run: () => screen.openAgent(id, 'details') },
  ];
  if (kids.length > 0) {
    actions.push(
      { id: 'zoom', label: 'Zoom to team', icon: 'fit', keys: 'Z', run: () => { screen.go('canvas'); useView.getState().drive?.fit([id]); } },
      { id: 'fold', label: agent.collapsed ? 'Unfold team' : 'Fold team', icon: agent.collapsed ? 'plus' : 'minus', run: () => void foldTeam(id, !agent.collapsed) },
      { id: 'grid', label: 'Arrange as grid', icon: 'grid', run: () => void arrangeTeam(id, 'grid') },
    );
    if (nested) actions.push({ id: 'spine', label: 'Arrange as spine', icon: 'spine', run: () => void arrangeTeam(id, 'spine') });
  }
  actions.push({ id: 'add', label: 'New agent in this team', icon: 'plus', run: () => screen.show({ kind: 'new-agent', parentId: id }) });
  if (agent.status === 'paused') {
    actions.push({ id: 'resume', label: 'Resume', icon: 'play', run: () => void resumeAgent(id) });
  } else if (agent.runtime !== 'external') {
    actions.push({ id: 'pause', label: 'Pause', icon: 'pause', run: () => void pauseAgent(id) });
  }
  if (agent.runtime !== 'external') actions.push({ id: 'restart', label: 'Restart', icon: 'retry', run: () => void restartAgent(id) });
  actions.push({ id: 'delete', label: 'Delete…', icon: 'trash', keys: 'Del', danger: true, run: () => screen.show({ kind: 'delete', id }) });
  return actions;
}
