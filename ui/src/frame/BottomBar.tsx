import { useNow } from '@/state/now';
import { Icon } from '@/look/Icon';
import { Nucleus } from '@/look/Nucleus';
import { Tip } from '@/look/controls';
import { useTally } from '@/state/hooks';
import { retryNow, useLive } from '@/state/live';
import { useScreen } from '@/state/screen';
import { useView } from '@/state/view';
import { clockSeconds, count, money, plural } from '@/text/say';

function Connection() {
  const socket = useLive((state) => state.socket);
  const seq = useLive((state) => state.org.seq);
  const freshAt = useLive((state) => state.freshAt);
  const now = useNow();
  if (socket.phase === 'live') {
    return (
      <>
        <span className="g"><Nucleus look="online" size={14} silent />Live</span>
        <span className="text-ink-3 wide-only">event {count(seq)}</span>
      </>
    );
  }
  const left = socket.phase === 'waiting' ? Math.max(0, Math.ceil((socket.retryAt - now) / 1000)) : 0;
  return (
    <Tip text={`What you see is from ${clockSeconds(freshAt)}. Click to try now`} side="top">
      <button type="button" className="g text-warn" onClick={retryNow}>
        <Nucleus look={socket.phase === 'waiting' ? 'offline' : 'starting'} size={14} silent />
        {socket.phase === 'waiting' ? `Reconnecting, ${left} s` : 'Connecting'}
      </button>
    </Tip>
  );
}

const VAULT = {
  keychain: 'Keychain',
  sealed: 'Sealed file',
} as const;

function Vault() {
  const vault = useLive((state) => state.app?.vault);
  const openSettings = useScreen((state) => state.openSettings);
  if (!vault) return null;
  const missing = vault.missing.length;
  const trouble = missing > 0 || vault.state !== 'ready';
  const word = missing > 0 ? `${plural(missing, 'secret')} to enter again`
    : vault.state === 'locked' ? 'Keychain locked'
      : vault.state === 'replaced' ? 'Keychain replaced'
        : vault.state === 'unavailable' ? 'Secrets unavailable' : VAULT[vault.store];
  return (
    <Tip text={vault.reason ?? (vault.store === 'keychain' ? 'Secrets are kept in the system keychain' : 'Secrets are kept in a sealed file: no keychain answered')} side="top">
      <button type="button" className={trouble ? 'g text-warn font-semibold' : 'g'} onClick={() => openSettings('secrets')}>
        <Icon name="lock" size={14} />{word}
      </button>
    </Tip>
  );
}

export function BottomBar() {
  const app = useLive((state) => state.app);
  const tally = useTally();
  const cents = useLive((state) => Object.values(state.org.agents).reduce((sum, agent) => sum + agent.spendCents, 0));
  const zoom = useView((state) => state.viewport.zoom);
  const drive = useView((state) => state.drive);
  const go = useScreen((state) => state.go);
  return (
    <footer className="bar" data-region="bar" aria-label="Status">
      <Connection />
      <span className="vsep" />
      <Vault />
      <span className="vsep wide-only" />
      <span className="g wide-only">{app?.engine.state === 'ready' ? (app.engine.detail || 'Container engine ready') : 'No container engine'}</span>
      <span className="vsep" />
      <span className="g">{tally.total === 0 ? 'No agents' : `${tally.running} of ${tally.total} running`}</span>
      <span className="ml-auto" />
      {tally.asking > 0 && (
        <>
          <button type="button" className="g text-warn font-semibold" onClick={() => go('approvals')}>
            <Nucleus look="waiting" size={14} silent />{plural(tally.asking, 'approval')}
          </button>
          <span className="vsep" />
        </>
      )}
      {cents > 0 && <><span className="g"><span className="text-ink">{money(cents)}</span> this month</span><span className="vsep" /></>}
      <span className="zoom">
        <button type="button" aria-label="Zoom out" disabled={!drive} onClick={() => drive?.zoomBy(1 / 1.25)}><Icon name="minus" size={14} /></button>
        <span className="level">{Math.round(zoom * 100)}%</span>
        <button type="button" aria-label="Zoom in" disabled={!drive} onClick={() => drive?.zoomBy(1.25)}><Icon name="plus" size={14} /></button>
        <button type="button" aria-label="Fit everything" disabled={!drive} onClick={() => drive?.fit()}><Icon name="fit" size={14} /></button>
      </span>
    </footer>
  );
}
