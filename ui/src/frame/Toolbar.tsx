import { DropdownMenu } from 'radix-ui';
import { Button, IconButton, Kbd, Tip } from '@/look/controls';
import { Icon, Mark } from '@/look/Icon';
import { organisationName, stopAll } from '@/state/actions';
import { useRoots, useTally } from '@/state/hooks';
import { useLive } from '@/state/live';
import { useScreen } from '@/state/screen';

const ASK_FROM = 3;

function Organisation() {
  const roots = useRoots();
  const lookAt = useScreen((state) => state.lookAt);
  const name = organisationName(roots);
  if (roots.length < 2) return <h1 className="cut">{name}</h1>;
  return (
    <DropdownMenu.Root modal={false}>
      <h1 className="min-w-0">
        <DropdownMenu.Trigger className="flex items-center gap-2.5 max-w-full rounded-2">
          <span className="cut">{name}</span><Icon name="down" size={14} />
        </DropdownMenu.Trigger>
      </h1>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="start" sideOffset={8}>
          <DropdownMenu.Item className="menu-item" onSelect={() => lookAt('all')}><Icon name="fit" />Everyone</DropdownMenu.Item>
          <DropdownMenu.Separator className="menu-line" />
          {roots.map((root) => (
            <DropdownMenu.Item key={root.id} className="menu-item" onSelect={() => lookAt(root.id)}>
              <Icon name="canvas" />{organisationName([root])}
            </DropdownMenu.Item>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

export function Toolbar({ sidebarForced }: { sidebarForced?: string }) {
  const tally = useTally();
  const toggleSidebar = useScreen((state) => state.toggleSidebar);
  const setPalette = useScreen((state) => state.setPalette);
  const show = useScreen((state) => state.show);

  const onStop = () => {
    if (tally.working > ASK_FROM) return show({ kind: 'stop-all' });
    const busy = Object.values(useLive.getState().org.agents).filter((agent) => agent.activeTasks > 0);
    return void stopAll(busy.map((agent) => agent.id));
  };

  return (
    <header className="tool" data-region="toolbar" aria-label="Toolbar">
      <div className="flex items-center gap-2 min-w-0">
        <IconButton icon="side" label="Toggle sidebar" hint={sidebarForced} aria-disabled={sidebarForced ? true : undefined} onClick={sidebarForced ? undefined : toggleSidebar} />
        <span className="flex items-center gap-2.5 font-semibold min-w-0"><Mark /><Organisation /></span>
      </div>
      <button type="button" className="searchbox" onClick={() => setPalette(true)}>
        <Icon name="search" size={14} />
        <span className="grow cut">Search agents and actions</span>
        <span aria-hidden="true"><Kbd combo="Mod+K" /></span>
      </button>
      <div className="flex items-center gap-2">
        {tally.working > 0 && (
          <Tip text="Cancels the tasks that run now. Agents stay online">
            <button type="button" className="btn ghost" onClick={onStop}><Icon name="stop" />Stop all {tally.working}</button>
          </Tip>
        )}
        <Button icon="plus" onClick={() => show({ kind: 'new-agent' })}>New agent</Button>
      </div>
    </header>
  );
}
