import { Command } from 'cmdk';
import { Dialog } from 'radix-ui';
import { useMemo, useState, type ReactNode } from 'react';
import { useOrgTemplates, useTemplates } from '@/api/queries';
import { useStartOrg } from '@/dialogs/useStartOrg';
import { Icon, type IconName } from '@/look/Icon';
import { keys } from '@/look/controls';
import { Nucleus } from '@/look/Nucleus';
import { agentActions } from '@/state/agentActions';
import { factsOf } from '@/canvas/facts';
import { askingAgents, useLive } from '@/state/live';
import { ancestors } from '@/state/org';
import { foldTeam, stopAll } from '@/state/actions';
import { useScreen } from '@/state/screen';
import { lookOf, ORDER, WORD } from '@/state/status';
import { useView } from '@/state/view';
import { useNow } from '@/state/now';
import { loosely, matchRanges, rank } from './match';

function Marked({ text, query }: { text: string; query: string }) {
  const ranges = matchRanges(text, query);
  const parts: ReactNode[] = [];
  let at = 0;
  ranges.forEach(([from, to]) => {
    parts.push(text.slice(at, from), <b key={from} className="text-accent font-semibold">{text.slice(from, to)}</b>);
    at = to;
  });
  parts.push(text.slice(at));
  return <span className="cut flex-none max-w-80">{parts}</span>;
}

interface Entry { id: string; label: string; detail?: string; icon: ReactNode; hint?: string; run: () => void }

function useEntries(query: string, highlighted: string) {
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
  const icon = (name: IconName) => <Icon name={name} />;

  const found = commandsOnly ? [] : Object.values(org.agents)
    .map((agent) => {
      const look = lookOf(agent, asking.has(agent.id));
      const asks = Object.values(approvals).find((each) => each.workspace_id === agent.id);
      const facts = factsOf(agent, look, asks, now);
      return {
        agent, look, score: Math.max(rank(agent.name, text), rank(agent.role, text) - 1, rank(WORD[look], text) - 1),
        entry: {
          id: `agent:${agent.id}`, label: agent.name, icon: <Nucleus look={look} />,
          detail: [facts.lead, facts.task].filter(Boolean).join(' '), hint: WORD[look],
          run: () => {
            // A folded card is shown before it is chosen (50 §19.15).
            ancestors(org, agent.id).filter((each) => each.collapsed).forEach((each) => void foldTeam(each.id, false));
            screen.go('canvas');
            screen.openAgent(agent.id);
            setTimeout(() => screen.lookAt(agent.id), 60);
          },
        },
      };
    });
  const exact = found.filter((each) => !text || each.score > 0);
  const agents: Entry[] = (exact.length > 0 ? exact : found.filter((each) => loosely(each.agent.name, text)))
    .sort((a, b) => b.score - a.score || ORDER.indexOf(a.look) - ORDER.indexOf(b.look) || a.agent.name.localeCompare(b.agent.name))
    .slice(0, text ? 12 : 8)
    .map((each) => each.entry);

  const keepMatching = (entries: Entry[]) => entries.map((entry) => ({ entry, score: rank(entry.label, text) }))
    .filter((each) => !text || each.score > 0).sort((a, b) => b.score - a.score).map((each) => each.entry);

  const about = highlighted.startsWith('agent:') ? highlighted.slice(6) : (agents[0]?.id.slice(6) ?? screen.selected ?? '');
  const target = org.agents[about];
  const own: Entry[] = target ? keepMatching(agentActions(org, about).map((action) => ({
    id: `own:${action.id}`, label: action.label, icon: icon(action.icon), hint: action.keys, run: action.run,
  }))) : [];

  const busy = Object.values(org.agents).filter((agent) => agent.activeTasks > 0);
  const commands = keepMatching([
    { id: 'new', label: 'New agent', icon: icon('plus'), run: () => screen.show({ kind: 'new-agent' }) },
    { id: 'connect', label: 'Connect an agent that runs elsewhere', icon: icon('plug'), run: () => screen.show({ kind: 'new-agent', external: true }) },
    ...(busy.length > 0 ? [{ id: 'stop', label: `Stop all ${busy.length}`, icon: icon('stop'), run: () => (busy.length > 3 ? screen.show({ kind: 'stop-all' }) : void stopAll(busy.map((agent) => agent.id))) }] : []),
    { id: 'fit', label: 'Fit everything', icon: icon('fit'), run: () => { screen.go('canvas'); useView.getState().drive?.fit(); } },
    { id: 'approvals', label: 'Go to approvals', icon: icon('hex'), run: () => screen.go('approvals') },
    { id: 'templates', label: 'Go to templates', icon: icon('grid'), run: () => screen.go('templates') },
    { id: 'activity', label: 'Go to activity', icon: icon('turns'), run: () => screen.go('activity') },
    { id: 'health', label: 'Go to health', icon: icon('pulse'), run: () => screen.go('health') },
    { id: 'secrets', label: 'Settings: secrets', icon: icon('key'), hint: keys('Mod+,'), run: () => screen.openSettings('secrets') },
    { id: 'appearance', label: 'Settings: appearance', icon: icon('gear'), run: () => screen.openSettings('appearance') },
    { id: 'dark', label: 'Dark theme', icon: icon('gear'), run: () => screen.setTheme('dark') },
    { id: 'light', label: 'Light theme', icon: icon('gear'), run: () => screen.setTheme('light') },
    { id: 'contrast', label: 'High contrast theme', icon: icon('gear'), run: () => screen.setTheme('contrast') },
    { id: 'sidebar', label: 'Toggle sidebar', icon: icon('side'), run: () => screen.toggleSidebar() },
  ]);

  const starts = commandsOnly ? [] : keepMatching([
    ...(orgs.data ?? []).map((each) => ({ id: `org:${each.dir}`, label: each.name || each.dir, detail: each.description, icon: icon('team'), hint: 'Start', run: () => void start(each) })),
    ...(templates.data ?? []).map((each) => ({ id: `template:${each.id}`, label: each.name || each.id, detail: each.description, icon: icon('chip'), hint: 'Use', run: () => screen.show({ kind: 'new-agent', template: each.id }) })),
  ]);
  return { agents, own, target, commands, starts, text };
}

/** Everything by name: agents, what can be done with the highlighted one, commands, templates. */
function Open({ onClose }: { onClose: () => void }) {
  const [query, setQuery] = useState('');
  const [value, setValue] = useState('');
  const { agents, own, target, commands, starts, text } = useEntries(query, value);
  const nothing = agents.length + own.length + commands.length + starts.length === 0;
  const group = (heading: string, entries: Entry[]) => (entries.length === 0 ? null : (
    <Command.Group heading={heading}>
      {entries.map((entry) => (
        <Command.Item key={entry.id} value={entry.id} className="palette-row" onSelect={() => { onClose(); entry.run(); }}>
          {entry.icon}
          <Marked text={entry.label} query={text} />
          {entry.detail && <span className="text-meta text-ink-3 cut">{entry.detail}</span>}
          {entry.hint && <span className="text-meta text-ink-3 ml-auto flex-none pl-3">{entry.hint}</span>}
        </Command.Item>
      ))}
    </Command.Group>
  ));
  return (
    <Command label="Search agents and actions" shouldFilter={false} loop value={value} onValueChange={setValue}>
      <div className="palette-query">
        <Icon name="search" />
        <Command.Input value={query} onValueChange={setQuery} autoFocus placeholder="Search agents and actions" />
        <kbd className="kbd">esc</kbd>
      </div>
      <Command.List>
        {nothing && <div className="px-5 py-4 text-ink-2">{Object.keys(useLive.getState().org.agents).length === 0 && !text ? 'No agents yet.' : `Nothing matches “${text}”.`}</div>}
        {group('Agents', agents)}
        {text !== '' && target && group(`Actions on ${target.name}`, own)}
        {group('Actions', commands)}
        {group('Start from a template', starts)}
      </Command.List>
      <div className="palette-foot"><span>↑ ↓ move</span><span>↵ open</span><span className="ml-auto">Type &gt; for commands only</span></div>
    </Command>
  );
}

export function Palette() {
  const open = useScreen((state) => state.palette);
  const setPalette = useScreen((state) => state.setPalette);
  return (
    <Dialog.Root open={open} onOpenChange={setPalette}>
      <Dialog.Portal>
        <Dialog.Overlay className="scrim" />
        <Dialog.Content className="palette" aria-describedby={undefined}>
          <Dialog.Title className="sr-only">Search agents and actions</Dialog.Title>
          <Open onClose={() => setPalette(false)} />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
