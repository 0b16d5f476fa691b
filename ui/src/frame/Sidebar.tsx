import { useMemo } from 'react';
import { StatusCounts } from '@/canvas/FarView';
import { countsOf, FAR_FROM } from '@/canvas/tiles';
import { askingAgents, useLive } from '@/state/live';
import { count } from '@/text/say';
import { Tip } from '@/look/controls';
import { Icon } from '@/look/Icon';
import { useTally } from '@/state/hooks';
import { useScreen, type View } from '@/state/screen';
import { Minimap } from './Minimap';
import { NAV } from './nav';
import { Tree } from './Tree';

function useNav() {
  const view = useScreen((state) => state.view);
  const settings = useScreen((state) => state.panel?.kind === 'settings');
  const go = useScreen((state) => state.go);
  const openSettings = useScreen((state) => state.openSettings);
  const closePanel = useScreen((state) => state.closePanel);
  return {
    current: settings ? 'settings' : view,
    onView: (next: View) => {
      if (settings) closePanel();
      go(next);
    },
    onSettings: () => (settings ? closePanel() : openSettings()),
  };
}

export function Sidebar() {
  const { current, onView, onSettings } = useNav();
  const tally = useTally();
  const large = tally.total >= FAR_FROM;
  const org = useLive((state) => (large ? state.org : null));
  const approvals = useLive((state) => state.approvals);
  const counts = useMemo(() => (org ? countsOf(org, askingAgents(approvals)) : []), [org, approvals]);
  return (
    <aside className="side" data-region="sidebar" aria-label="Sidebar">
      <nav aria-label="Views">
        {NAV.map((item) => (
          <button key={item.view} type="button" className="nav-row" aria-current={current === item.view ? 'page' : undefined} onClick={() => onView(item.view)}>
            <Icon name={item.icon} />{item.label}
            {item.view === 'approvals' && tally.asking > 0 && <span className="n">{tally.asking}<span className="sr-only"> waiting</span></span>}
          </button>
        ))}
        <button type="button" className="nav-row" aria-current={current === 'settings' ? 'page' : undefined} onClick={onSettings}>
          <Icon name="gear" />Settings
        </button>
      </nav>
      {large && <><h2 className="side-title">{count(tally.total)} agents</h2><StatusCounts counts={counts} /></>}
      <h2 className="side-title" id="tree-title">Organisation</h2>
      <Tree labelledBy="tree-title" />
      <Minimap />
    </aside>
  );
}

export function Rail() {
  const { current, onView, onSettings } = useNav();
  const tally = useTally();
  const item = (view: View | 'settings', label: string, icon: (typeof NAV)[number]['icon'] | 'gear', onClick: () => void) => (
    <Tip key={view} text={label} side="right">
      <button type="button" className="rail-item" aria-label={view === 'approvals' && tally.asking > 0 ? `${label}, ${tally.asking} waiting` : label} aria-current={current === view ? 'page' : undefined} onClick={onClick}>
        <Icon name={icon} size={20} />
        {view === 'approvals' && tally.asking > 0 && <span className="pip">{tally.asking}</span>}
      </button>
    </Tip>
  );
  return (
    <nav className="rail" data-region="sidebar" aria-label="Views">
      {NAV.filter((each) => each.view !== 'health').map((each) => item(each.view, each.label, each.icon, () => onView(each.view)))}
      <span className="grow" />
      {item('health', 'Health', 'pulse', () => onView('health'))}
      {item('settings', 'Settings', 'gear', onSettings)}
    </nav>
  );
}
