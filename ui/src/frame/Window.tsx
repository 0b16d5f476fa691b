import clsx from 'clsx';
import { useEffect, useState } from 'react';
import { Canvas } from '@/canvas/Canvas';
import { EmptyCanvas } from '@/canvas/EmptyCanvas';
import { Dialogs } from '@/dialogs/Dialogs';
import { Palette } from '@/palette/Palette';
import { AgentPanel } from '@/panel/AgentPanel';
import { Settings } from '@/settings/Settings';
import { Button } from '@/look/controls';
import { Nucleus } from '@/look/Nucleus';
import { organisationName } from '@/state/actions';
import { useRoots, useTally } from '@/state/hooks';
import { retryNow, useLive } from '@/state/live';
import { useNow } from '@/state/now';
import { resolveTheme, useScreen } from '@/state/screen';
import { ActivityView } from '@/views/ActivityView';
import { ApprovalsView } from '@/views/ApprovalsView';
import { HealthView } from '@/views/HealthView';
import { TemplatesView } from '@/views/TemplatesView';
import { clockSeconds } from '@/text/say';
import { BottomBar } from './BottomBar';
import { Boundary } from './Boundary';
import { Panel, panelWidth } from './Panel';
import { Shelf } from './Shelf';
import { Rail, Sidebar } from './Sidebar';
import { Toolbar } from './Toolbar';
import { ServerGone } from './pages';
import { useKeys } from './useKeys';
import { useWindowWidth } from './useWindowWidth';

const GONE_MS = 30_000;

function Main() {
  const view = useScreen((state) => state.view);
  const loaded = useLive((state) => state.org.loaded);
  const empty = useLive((state) => Object.keys(state.org.agents).length === 0);
  if (view === 'approvals') return <ApprovalsView />;
  if (view === 'templates') return <TemplatesView />;
  if (view === 'activity') return <ActivityView />;
  if (view === 'health') return <HealthView />;
  if (loaded && empty) return <EmptyCanvas />;
  return <Canvas />;
}

/** After half a minute without the server the page says so, and what is shown is old. */
function GoneBanner() {
  const phase = useLive((state) => state.socket.phase);
  const freshAt = useLive((state) => state.freshAt);
  const now = useNow();
  const [since, setSince] = useState<number | null>(null);
  useEffect(() => {
    setSince(phase === 'live' ? null : (before) => before ?? Date.now());
  }, [phase]);
  if (since === null || now - since < GONE_MS) return null;
  return (
    <div className="banner" role="alert">
      <Nucleus look="offline" silent />
      <span className="grow cut"><b className="font-semibold">The server stopped answering.</b> What you see is from {clockSeconds(freshAt)}. Drafts are kept; the log is in the data folder.</span>
      <Button icon="retry" onClick={retryNow}>Retry now</Button>
    </div>
  );
}

export function Window() {
  const windowWidth = useWindowWidth();
  const view = useScreen((state) => state.view);
  const panel = useScreen((state) => state.panel);
  const sidebar = useScreen((state) => state.sidebar);
  const chosen = useScreen((state) => state.panelWidth);
  const theme = useScreen((state) => state.theme);
  const loaded = useLive((state) => state.org.loaded);
  const empty = useLive((state) => Object.keys(state.org.agents).length === 0);
  const development = useLive((state) => state.app?.development === true);
  const agent = useLive((state) => (panel?.kind === 'agent' ? state.org.agents[panel.id] : undefined));
  useKeys();

  useEffect(() => {
    const follow = () => { document.documentElement.dataset.theme = resolveTheme(theme); };
    follow();
    const queries = ['(prefers-color-scheme: light)', '(prefers-contrast: more)'].map((query) => window.matchMedia(query));
    queries.forEach((query) => query.addEventListener('change', follow));
    return () => queries.forEach((query) => query.removeEventListener('change', follow));
  }, [theme]);

  const roots = useRoots();
  const { asking } = useTally();
  useEffect(() => {
    document.title = `${asking > 0 ? `(${asking}) ` : ''}${organisationName(roots)}, Molecule`;
  }, [asking, roots]);

  const settings = panel?.kind === 'settings';
  const forced = windowWidth < 1100 ? 'This window is too narrow for the sidebar'
    : loaded && empty ? 'There is nothing to list yet'
      : settings && windowWidth < 1600 ? 'Settings take the room of the sidebar' : undefined;
  const rail = sidebar === 'rail' || forced !== undefined;
  const side = rail ? 56 : 232;
  const shown = panel && (settings || agent) ? panelWidth(panel.kind, chosen, windowWidth, side) : null;

  // Where the panel takes the whole width, it is what the page is about.
  const Box = shown?.filled ? 'div' : 'main';

  if (!loaded && empty) return <WindowSkeleton />;

  return (
    <div className={clsx('window', shown?.filled && 'filled')}>
      <a className="btn skip" href="#canvas" onClick={(event) => { event.preventDefault(); document.getElementById('canvas')?.focus(); }}>Skip to the canvas</a>
      <Toolbar sidebarForced={forced} />
      {rail ? <Rail /> : <Sidebar />}
      <Box className="main" aria-hidden={shown?.filled || undefined}>
        {development && <div className="banner text-meta">Development mode: several routes are open to any program on this computer.</div>}
        <GoneBanner />
        <Boundary what="This view" key={view}><Main /></Boundary>
        <Shelf />
      </Box>
      {panel && shown && (
        <Panel
          label={panel.kind === 'settings' ? 'Settings' : (agent?.name ?? 'Agent')}
          width={shown.width}
          filled={shown.filled}
          resizable={panel.kind === 'agent'}
        >
          <Boundary what="This panel" key={panel.kind === 'agent' ? panel.id : 'settings'}>
            {panel.kind === 'agent' ? <AgentPanel key={panel.id} id={panel.id} tab={panel.tab} /> : <Settings tab={panel.tab} />}
          </Boundary>
        </Panel>
      )}
      <BottomBar />
      <Palette />
      <Dialogs />
    </div>
  );
}

/** The frame without its content, from 200 ms on. */
function WindowSkeleton() {
  const [slow, setSlow] = useState(false);
  const failure = useLive((state) => state.failure);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), 200);
    return () => clearTimeout(timer);
  }, []);
  if (failure) return <ServerGone failure={failure} />;
  if (!slow) return <div className="window" />;
  return (
    <div className="window" role="status" aria-label="Opening the canvas">
      <div className="tool"><span className="skeleton h-4 w-40" /><span className="skeleton h-7 w-full" /><span className="skeleton h-7 w-24 ml-auto" /></div>
      <div className="rail">{[0, 1, 2, 3].map((each) => <span key={each} className="skeleton size-9 rounded-2!" />)}</div>
      <div className="main items-center justify-center"><span className="skeleton rounded-5!" style={{ width: 598, height: 420, maxWidth: '80%', background: 'var(--chrome)' }} /></div>
      <div className="bar"><span className="skeleton h-3 w-48" /></div>
    </div>
  );
}
