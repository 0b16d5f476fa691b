import { DropdownMenu, Tabs } from 'radix-ui';
import { IconButton } from '@/look/controls';
import { Icon } from '@/look/Icon';
import { Nucleus } from '@/look/Nucleus';
import { originOf } from '@/canvas/facts';
import { agentActions } from '@/state/agentActions';
import { useApprovalOf } from '@/state/hooks';
import { useLive } from '@/state/live';
import { useNow } from '@/state/now';
import { useScreen, type AgentTab } from '@/state/screen';
import { lookOf, WORD } from '@/state/status';
import { elapsed } from '@/text/say';
import { ActivityTab } from './ActivityTab';
import { Chat } from './chat/Chat';
import { DetailsTab } from './DetailsTab';

const TABS: readonly { id: AgentTab; label: string }[] = [
  { id: 'chat', label: 'Chat' },
  { id: 'activity', label: 'Activity' },
  { id: 'details', label: 'Details' },
];

function More({ id }: { id: string }) {
  const org = useLive((state) => state.org);
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild><IconButton icon="more" label="More" /></DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="end" sideOffset={6}>
          {agentActions(org, id).filter((action) => action.id !== 'chat' && action.id !== 'details').map((action) => (
            <DropdownMenu.Item key={action.id} className={action.danger ? 'menu-item danger' : 'menu-item'} onSelect={action.run}>
              <Icon name={action.icon} />{action.label}
            </DropdownMenu.Item>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

/** One agent: chat first, then what it did and what it is. */
export function AgentPanel({ id, tab }: { id: string; tab: AgentTab }) {
  const agent = useLive((state) => state.org.agents[id]);
  const asks = useApprovalOf(id);
  const setTab = useScreen((state) => state.setTab);
  const closePanel = useScreen((state) => state.closePanel);
  const now = useNow();
  if (!agent) return null;
  const look = lookOf(agent, asks !== undefined);
  const since = look === 'working' && agent.taskSince ? `, ${elapsed(now - agent.taskSince)}` : '';
  return (
    <Tabs.Root className="contents" value={tab} onValueChange={(value) => setTab(value as AgentTab)}>
      <header className="panel-head">
        <Nucleus look={look} size={28} silent lively />
        <div className="grow min-w-0">
          <h2 className="text-title font-semibold cut w-fit max-w-full rounded-1" tabIndex={-1} data-panel-title>{agent.name}</h2>
          <p className="text-meta text-ink-3 cut">{WORD[look]}{since}. {originOf(agent)}</p>
        </div>
        <More id={id} />
        <IconButton icon="x" label="Close panel" onClick={() => { closePanel(); document.getElementById('canvas')?.focus({ preventScroll: true }); }} />
      </header>
      <Tabs.List className="tabs" aria-label={`${agent.name}`}>
        {TABS.map((each) => <Tabs.Trigger key={each.id} value={each.id} className="tab">{each.label}</Tabs.Trigger>)}
      </Tabs.List>
      <Tabs.Content value="chat" className="contents" tabIndex={-1}><Chat id={id} /></Tabs.Content>
      <Tabs.Content value="activity" className="panel-body" tabIndex={-1}><ActivityTab id={id} /></Tabs.Content>
      <Tabs.Content value="details" className="panel-body" tabIndex={-1}><DetailsTab key={id} id={id} /></Tabs.Content>
    </Tabs.Root>
  );
}
