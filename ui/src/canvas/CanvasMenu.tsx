import { ContextMenu } from 'radix-ui';
import { Icon, type IconName } from '@/look/Icon';
import { Nucleus } from '@/look/Nucleus';
import { agentActions } from '@/state/agentActions';
import { useApprovalOf } from '@/state/hooks';
import { useLive } from '@/state/live';
import { useScreen } from '@/state/screen';
import { lookOf, WORD } from '@/state/status';
import { useView } from '@/state/view';

function Item({ icon, label, hint, danger, onSelect, disabled }: {
  icon: IconName; label: string; hint?: string; danger?: boolean; disabled?: boolean; onSelect: () => void;
}) {
  return (
    <ContextMenu.Item className={danger ? 'menu-item danger' : 'menu-item'} onSelect={onSelect} disabled={disabled}>
      <Icon name={icon} />{label}{hint && <span className="hint">{hint}</span>}
    </ContextMenu.Item>
  );
}

/** The menu of a card, or of the plane where no card is. */
export function CanvasMenu({ id }: { id: string | null }) {
  const org = useLive((state) => state.org);
  const asks = useApprovalOf(id ?? '');
  const agent = id ? org.agents[id] : undefined;
  const look = agent ? lookOf(agent, asks !== undefined) : undefined;
  return (
    <ContextMenu.Portal container={document.querySelector<HTMLElement>('.window > .main')}>
      <ContextMenu.Content className="menu" aria-label={agent?.name ?? 'Canvas'}>
        {agent && look ? (
          <>
            <ContextMenu.Label className="menu-head" aria-hidden="true"><Nucleus look={look} silent />
              <span className="cut max-w-44">{agent.name}</span>
              <span className="text-meta text-ink-3 font-normal ml-auto">{WORD[look]}</span>
            </ContextMenu.Label>
            {agentActions(org, agent.id).map((action) => (
              <Item key={action.id} icon={action.icon} label={action.label} hint={action.keys} danger={action.danger} onSelect={action.run} />
            ))}
          </>
        ) : (
          <>
            <Item icon="plus" label="New agent" onSelect={() => useScreen.getState().show({ kind: 'new-agent' })} />
            <Item icon="fit" label="Fit everything" onSelect={() => useView.getState().drive?.fit()} />
          </>
        )}
      </ContextMenu.Content>
    </ContextMenu.Portal>
  );
}
