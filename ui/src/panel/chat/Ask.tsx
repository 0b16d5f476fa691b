import { Button } from '@/look/controls';
import { Icon } from '@/look/Icon';
import type { Approval } from '@/api/types';
import { decide } from '@/state/actions';
import { useNow } from '@/state/now';
import { useScreen } from '@/state/screen';
import { diffCounts, expiresIn } from '@/text/approvals';
import { clock } from '@/text/say';

/** An approval inside the thread that asked. Approve lives in the review, beside the diff and the command (LOOK §7). */
export function Ask({ approval }: { approval: Approval }) {
  const show = useScreen((state) => state.show);
  const now = useNow();
  const diff = approval.context?.diff ? diffCounts(approval.context.diff) : null;
  const verb = approval.context?.diff ? 'Review diff' : approval.context?.command ? 'Review command' : 'Review';
  return (
    <div className="ask" data-approval={approval.id}>
      <div>
        <div className="font-semibold">{approval.action}</div>
        <div className="text-meta text-ink-2">
          {approval.reason}
          {approval.context?.path && <> <span className="code">{approval.context.path}</span></>}
          {diff && <> <span className="text-ok">+{diff.added}</span> <span className="text-bad">−{diff.removed}</span></>}
        </div>
      </div>
      <div className="flex items-center gap-2 flex-wrap">
        <Button kind="pri" onClick={() => show({ kind: 'review', approvalId: approval.id })}>{verb}</Button>
        <Button onClick={() => void decide(approval, 'denied')}>Deny</Button>
        <span className="text-meta text-ink-2 ml-auto">{expiresIn(approval, now)}</span>
      </div>
    </div>
  );
}

/** What was decided, where it was asked; the same after a reload. */
export function Decided({ approval }: { approval: Approval }) {
  const yes = approval.status === 'approved';
  const who = approval.decided_by === 'auto-expired' ? 'Nobody answered' : yes ? 'You approved' : 'You denied';
  return (
    <div className="fold static" data-approval={approval.id}>
      <Icon name={yes ? 'check' : 'x'} size={14} className={yes ? 'text-ok' : 'text-bad'} />
      <span className="cut">{who}: {approval.action}</span>
      {approval.decided_at && <span className="text-ink-3 ml-auto flex-none">{clock(Date.parse(approval.decided_at))}</span>}
    </div>
  );
}
