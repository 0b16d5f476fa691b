import clsx from 'clsx';
import { useState } from 'react';
import type { Approval } from '@/api/types';
import { Button, Dialog, Nothing } from '@/look/controls';
import { Nucleus } from '@/look/Nucleus';
import { decide } from '@/state/actions';
import { useLive } from '@/state/live';
import { useNow } from '@/state/now';
import { diffCounts, expiresIn, readDiff } from '@/text/approvals';
import { ago } from '@/text/say';

function Diff({ diff }: { diff: string }) {
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a region that scrolls must be reachable by key
    <div className="diff" role="region" aria-label="Change" tabIndex={0}>
      {readDiff(diff).filter((line) => line.kind !== 'file').map((line, index) => (
        <div key={index} className={clsx('diff-line', line.kind)}>
          <span className="no" aria-hidden="true">{line.old ?? ''}</span>
          <span className="no" aria-hidden="true">{line.now ?? ''}</span>
          <span className="sign">{line.kind === 'add' ? '+' : line.kind === 'del' ? '−' : ''}</span>
          <span className="text">{line.text || ' '}</span>
        </div>
      ))}
    </div>
  );
}

/** Approve lives here, beside the diff and the command. */
export function Review({ approvalId, onClose }: { approvalId: string; onClose: () => void }) {
  const live = useLive((state) => state.approvals[approvalId]);
  const [first] = useState<Approval | undefined>(live);
  const name = useLive((state) => state.org.agents[(live ?? first)?.workspace_id ?? '']?.name);
  const [busy, setBusy] = useState<'approved' | 'denied' | null>(null);
  const now = useNow();
  const approval = live ?? first;
  if (!approval) {
    return (
      <Dialog size="simple" title="This was decided already" onClose={onClose} actions={<Button onClick={onClose}>Close</Button>}>
        <div className="dialog-body"><Nothing icon="hex">It was approved, denied or has expired meanwhile.</Nothing></div>
      </Dialog>
    );
  }
  const { diff, command, path, cwd } = approval.context ?? {};
  const counts = diff ? diffCounts(diff) : null;
  const run = async (decision: 'approved' | 'denied') => {
    setBusy(decision);
    await decide(approval, decision);
    onClose();
  };
  return (
    <Dialog
      size={diff ? 'plan' : 'normal'}
      large={diff !== undefined}
      title={approval.action}
      says={<>{name ?? approval.workspace_name} asks{approval.reason ? `: ${approval.reason}` : ''}</>}
      corner={<Nucleus look="waiting" size={28} silent />}
      onClose={onClose}
      note={live ? <span className="flex gap-3"><span>{expiresIn(approval, now)}</span><span>asked {ago(Date.parse(approval.created_at), now)}</span></span> : <span className="text-warn">Decided meanwhile</span>}
      actions={(
        <>
          <Button autoFocus onClick={onClose}>Not now</Button>
          <Button because={live ? undefined : 'It was decided meanwhile'} disabled={busy !== null} onClick={() => void run('denied')}>{busy === 'denied' ? 'Denying…' : 'Deny'}</Button>
          <Button kind="pri" because={live ? undefined : 'It was decided meanwhile'} disabled={busy !== null} onClick={() => void run('approved')}>{busy === 'approved' ? 'Approving…' : 'Approve'}</Button>
        </>
      )}
    >
      <div className="dialog-body grid gap-3">
        {(path || cwd || counts) && (
          <dl className="facts">
            {path && <div className="fact"><dt>File</dt><dd><span className="code wrap-anywhere">{path}</span></dd></div>}
            {cwd && <div className="fact"><dt>Folder</dt><dd><span className="code wrap-anywhere">{cwd}</span></dd></div>}
            {counts && <div className="fact"><dt>Lines</dt><dd><span className="text-ok">+{counts.added}</span> <span className="text-bad">−{counts.removed}</span></dd></div>}
          </dl>
        )}
        {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a region that scrolls must be reachable by key */}
        {command && <pre className="raw" role="region" aria-label="Command" tabIndex={0}>{command}</pre>}
        {diff && <Diff diff={diff} />}
        {!command && !diff && <p className="text-ink-2">The agent gave no file and no command with this. Read the conversation if you are not sure.</p>}
      </div>
    </Dialog>
  );
}
