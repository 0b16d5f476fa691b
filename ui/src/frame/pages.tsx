import { copyText } from '@/look/clipboard';
import { useEffect, useState, type ReactNode } from 'react';
import type { ApiError } from '@/backend';
import { Button } from '@/look/controls';
import { Mark } from '@/look/Icon';
import { Nucleus } from '@/look/Nucleus';
import { retryNow } from '@/state/live';

function Page({ children }: { children: ReactNode }) {
  return <main className="page-center"><div className="grid gap-4 w-full max-w-130">{children}</div></main>;
}

function Command({ children }: { children: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), 1_500);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <div className="flex items-center gap-2 rounded-2 bg-sunken pl-3 pr-1 h-9" style={{ boxShadow: 'inset 0 0 0 1px var(--line)' }}>
      <code className="code grow">{children}</code>
      <Button kind="ghost" icon="copy" onClick={() => void copyText(children).then(() => setCopied(true))}>
        {copied ? 'Copied' : 'Copy'}
      </Button>
    </div>
  );
}

/** Under 200 ms nothing, then the frame's own geometry (LOOK §10). */
export function Loading() {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), 200);
    return () => clearTimeout(timer);
  }, []);
  if (!slow) return null;
  return <Page><p role="status" className="flex items-center gap-3 text-ink-2"><Mark />Opening the canvas</p></Page>;
}

/** No token, or a ticket that was used. */
export function NoSession({ used }: { used: boolean }) {
  return (
    <Page>
      <div className="flex items-center gap-3"><Mark size={28} /><span className="font-semibold">Molecule</span></div>
      <h1 className="text-hero font-semibold">{used ? 'This link was used already' : 'This window needs a link'}</h1>
      <p className="text-read text-ink-2">
        {used
          ? 'A link opens the canvas once and only for a short time. Ask for a new one in a terminal on this computer:'
          : 'The canvas opens only for you. Ask for a link in a terminal on this computer:'}
      </p>
      <Command>molecule open</Command>
      <p className="text-ink-3 text-meta">It opens this page by itself. Without a display, <code className="code">molecule open --print</code> shows the link.</p>
    </Page>
  );
}

export function ServerGone({ failure }: { failure?: ApiError }) {
  const gone = !failure || failure.offline;
  return (
    <Page>
      <div role="alert" className="grid gap-2">
        <h1 className="flex items-center gap-3 text-page font-semibold"><Nucleus look={gone ? 'offline' : 'failed'} size={28} silent />
          {gone ? 'The server does not answer' : 'The agents could not be loaded'}
        </h1>
        <p className="text-read text-ink-2">
          {gone ? 'Molecule is not running, or it listens elsewhere now. This page goes on trying and opens by itself.' : failure?.message}
        </p>
      </div>
      <Command>molecule open</Command>
      <div className="flex gap-2"><Button kind="pri" icon="retry" onClick={() => (failure ? retryNow() : location.reload())}>Retry now</Button></div>
      <p className="text-ink-3 text-meta">The log lies in the data folder, <code className="code">logs/</code>. <code className="code">molecule doctor</code> says what is wrong.</p>
    </Page>
  );
}

/** The typed failure of 50 §3.2: the server runs, its database does not. */
export function StoreDown({ failure }: { failure: ApiError }) {
  const detail = (failure.body as { detail?: string; path?: string } | null)?.detail;
  return (
    <Page>
      <div role="alert" className="grid gap-2">
        <h1 className="flex items-center gap-3 text-page font-semibold"><Nucleus look="degraded" size={28} silent />The database cannot be used</h1>
        <p className="text-read text-ink-2">{detail ?? failure.message}</p>
        <p className="text-ink-3 text-meta">The server answered 503, platform_unavailable. A full disk, a lock held by another program or a damaged file are the usual causes.</p>
      </div>
      <Command>molecule doctor</Command>
      <div className="flex gap-2"><Button kind="pri" icon="retry" onClick={retryNow}>Retry</Button></div>
    </Page>
  );
}
