import { Tabs } from 'radix-ui';
import { IconButton, Kbd } from '@/look/controls';
import { useScreen, type SettingsTab } from '@/state/screen';
import { Appearance } from './Appearance';
import { Secrets } from './Secrets';
import { Sessions } from './Sessions';

const TABS: readonly { id: SettingsTab; label: string }[] = [
  { id: 'secrets', label: 'Secrets' },
  { id: 'appearance', label: 'Appearance' },
  { id: 'sessions', label: 'Sessions' },
];

export function Settings({ tab }: { tab: SettingsTab }) {
  const openSettings = useScreen((state) => state.openSettings);
  const closePanel = useScreen((state) => state.closePanel);
  return (
    <Tabs.Root className="contents" value={tab} onValueChange={(value) => openSettings(value as SettingsTab)}>
      <header className="panel-head pl-6! pr-3!">
        <div className="grow"><h2 className="text-title font-semibold w-fit rounded-1" tabIndex={-1} data-panel-title>Settings</h2></div>
        <Kbd combo="Mod+," />
        <IconButton icon="x" label="Close settings" onClick={closePanel} />
      </header>
      <Tabs.List className="tabs px-4!" aria-label="Settings">
        {TABS.map((each) => <Tabs.Trigger key={each.id} value={each.id} className="tab">{each.label}</Tabs.Trigger>)}
      </Tabs.List>
      <Tabs.Content value="secrets" className="panel-body" tabIndex={-1}><Secrets /></Tabs.Content>
      <Tabs.Content value="appearance" className="panel-body" tabIndex={-1}><Appearance /></Tabs.Content>
      <Tabs.Content value="sessions" className="panel-body" tabIndex={-1}><Sessions /></Tabs.Content>
    </Tabs.Root>
  );
}
