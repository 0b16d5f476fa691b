import { useMemo, type ReactNode } from 'react';
import { useOrgTemplates, useTemplates } from '@/api/queries';
import { factsOf } from '@/canvas/facts';
import { useStartOrg } from '@/dialogs/useStartOrg';
import { Icon, type IconName } from '@/look/Icon';
import { keys } from '@/look/controls';
import { Nucleus } from '@/look/Nucleus';
import { foldTeam, stopAll } from '@/state/actions';
import { agentActions } from '@/state/agentActions';
import { askingAgents, useLive } from '@/state/live';
import { useNow } from '@/state/now';
import { ancestors } from '@/state/org';
import { useScreen } from '@/state/screen';
import { lookOf, ORDER, WORD } from '@/state/status';
import { useView } from '@/state/view';
import { loosely, rank } from './match';

export interface Entry { id: string; label: string; detail?: string; icon: ReactNode; hint?: string; run: () => void }
export interface Group { label: string; entries: Entry[] }

const icon = (name: IconName) => <Icon name={name} />;

function matching(entries: Entry[], text: string): Entry[] {
  return entries.map((entry) => ({ entry, score: rank(entry.label, text) }))
    .filter((each) => !text || each.score > 0)
    .sort((a, b) => b.score - a.score)
    .map((each) => each.entry);
}

/** What the palette lists for a query; `highlighted` decides whose actions are shown. */
export function useEntries(query: string, highlighted: string): { groups: Group[]; text: string } {
  const org = useLive((state) => state.org);
  const approvals = useLive((state) => state.approvals);
  const screen = useScreen();
  const orgs = useOrgTemplates();
  const templates = useTemplates();
  const now = useNow();
  const { start } = useStartOrg();
  const asking = useMemo(() => askingAgents(approvals), [approvals]);
  const commandsOnly = query.startsWith('>');
  const text = (commandsOnly ? query.slice(1) : query).trim();

  const found = commandsOnly ? [] : Object.values(org.agents).map((agent) => {
    const look = lookOf(agent, asking.has(agent.id));
    const facts = factsOf(agent, look, Object.values(approvals).find((each) => each.workspace_id === agent.id), now);
    const entry: Entry = {
      id: `agent:${agent.id}`,
      label: agent.name,
      icon: <Nucleus look={look} silent />,
      detail: [facts.lead, facts.task].filter(Boolean).join(' '),
      hint: WORD[look],
      run: () => {
        // A folded card is shown before it is chosen (50 §19.15).
        ancestors(org, agent.id).filter((each) => each.collapsed).forEach((each) => void foldTeam(each.id, false));
        screen.go('canvas');
        screen.openAgent(agent.id);
        setTimeout(() => screen.lookAt(agent.id), 60);
      },
    };
    return { agent, look, entry, score: Math.max(rank(agent.name, text), rank(agent.role, text) - 1, rank(WORD[look], text) - 1) };
  });
  const exact = found.filter((each) => !text || each.score > 0);
  const agents = (exact.length > 0 ? exact : found.filter((each) => loosely(each.agent.name, text)))
    .sort((a, b) => b.score - a.score || ORDER.indexOf(a.look) - ORDER.indexOf(b.look) || a.agent.name.localeCompare(b.agent.name))
    .slice(0, text ? 12 : 8)
    .map((each) => each.entry);

  const about = highlighted.startsWith('agent:') ? highlighted.slice(6) : (agents[0]?.id.slice(6) ?? screen.selected ?? '');
  const target = org.agents[about];
  const own = target && text ? matching(agentActions(org, about).map((action) => ({
    id: `own:${action.id}`, label: action.label, icon: icon(action.icon), hint: action.keys, run: action.run,
  })), text) : [];

  const busy = Object.values(org.agents).filter((agent) => agent.activeTasks > 0);
  const stop = () => (busy.length > 3 ? screen.show({ kind: 'stop-all' }) : void stopAll(busy.map((agent) => agent.id)));
  const commands = matching([
    { id: 'new', label: 'New agent', icon: icon('plus'), run: () => screen.show({ kind: 'new-agent' }) },
    { id: 'connect', label: 'Connect an agent that runs elsewhere', icon: icon('plug'), run: () => screen.show({ kind: 'new-agent', external: true }) },
    ...(busy.length > 0 ? [{ id: 'stop', label: `Stop all ${busy.length}`, icon: icon('stop'), run: stop }] : []),
    { id: 'fit', label: 'Fit everything', icon: icon('fit'), run: () => { screen.go('canvas'); useView.getState().drive?.fit(); } },
    { id: 'approvals', label: 'Go to approvals', icon: icon('hex'), run: () => screen.go('approvals') },
    { id: 'templates', label: 'Go to templates', icon: icon('grid'), run: () => screen.go('templates') },
    { id: 'activity', label: 'Go to activity', icon: icon('turns'), run: () => screen.go('activity') },
    { id: 'health', label: 'Go to health', icon: icon('pulse'), run: () => screen.go('health') },
    { id: 'secrets', label: 'Settings: secrets', icon: icon('key'), hint: keys('Mod+,'), run: () => screen.openSettings('secrets') },
    { id: 'appearance', label: 'Settings: appearance', icon: icon('gear'), run: () => screen.openSettings('appearance') },
    { id: 'sessions', label: 'Settings: sessions', icon: icon('monitor'), run: () => screen.openSettings('sessions') },
    { id: 'dark', label: 'Dark theme', icon: icon('gear'), run: () => screen.setTheme('dark') },
    { id: 'light', label: 'Light theme', icon: icon('gear'), run: () => screen.setTheme('light') },
    { id: 'contrast', label: 'High contrast theme', icon: icon('gear'), run: () => screen.setTheme('contrast') },
    { id: 'sidebar', label: 'Toggle sidebar', icon: icon('side'), run: () => screen.toggleSidebar() },
  ], text);

  const starts = commandsOnly ? [] : matching([
    ...(orgs.data ?? []).map((each): Entry => ({ id: `org:${each.dir}`, label: each.name || each.dir, detail: each.description, icon: icon('team'), hint: 'Start', run: () => void start(each) })),
    ...(templates.data ?? []).map((each): Entry => ({ id: `template:${each.id}`, label: each.name || each.id, detail: each.description, icon: icon('chip'), hint: 'Use', run: () => screen.show({ kind: 'new-agent', template: each.id }) })),
  ], text);

  const groups = [
    { label: 'Agents', entries: agents },
    { label: `Actions on ${target?.name ?? ''}`, entries: own },
    { label: 'Actions', entries: commands },
    { label: 'Start from a template', entries: starts },
  ].filter((group) => group.entries.length > 0);
  return { groups, text };
}
