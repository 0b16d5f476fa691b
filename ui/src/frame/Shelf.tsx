import { useMemo, useState } from 'react';
import { Button, IconButton } from '@/look/controls';
import { Nucleus } from '@/look/Nucleus';
import { decide, restartAgent } from '@/state/actions';
import { useLive } from '@/state/live';
import { useNotices, type NoticeAction } from '@/state/notices';
import { useNow } from '@/state/now';
import { ancestors } from '@/state/org';
import { useScreen } from '@/state/screen';
import type { Look } from '@/state/status';
import { elapsed, sentences } from '@/text/say';
import { expiresIn } from '@/text/approvals';

interface Shown {
  id: string;
  look: Look;
  /** Approval, error, warning, result. */
  rank: 0 | 1 | 2 | 3;
  who?: string;
  title: string;
  detail?: string;
  actions: NoticeAction[];
  dismissable: boolean;
}

const SLOW_MS = 120_000;
const SLOW_EACH_MS = 45_000;

/** The threshold of a slow start: the server's own, else 120 s; more when many start at once (50 §11.4). */
export function slowAfter(timeoutMs: number | undefined, starting: number): number {
  return (timeoutMs ?? SLOW_MS) + Math.max(0, starting - 3) * SLOW_EACH_MS;
}

function useShown(): Shown[] {
  const org = useLive((state) => state.org);
  const approvals = useLive((state) => state.approvals);
  const live = useLive((state) => state.socket.phase === 'live');
  const { list, dismissed } = useNotices();
  const panel = useScreen((state) => state.panel);
  const view = useScreen((state) => state.view);
  const show = useScreen((state) => state.show);
  const now = useNow();
  return useMemo(() => {
    const shown: Shown[] = [];
    const open = panel?.kind === 'agent' && panel.tab === 'chat' ? panel.id : null;
    if (view !== 'approvals') {
      for (const each of Object.values(approvals)) {
        // An open panel that asks already asks; the shelf never repeats it.
        if (open && (each.workspace_id === open || ancestors(org, each.workspace_id).some((lead) => lead.id === open))) continue;
        shown.push({
          id: `approval:${each.id}`, look: 'waiting', rank: 0,
          who: org.agents[each.workspace_id]?.name ?? each.workspace_name ?? 'An agent',
          title: `asks: ${each.action}`, detail: sentences(each.reason, expiresIn(each, now)),
          actions: [
            { label: 'Deny', run: () => void decide(each, 'denied') },
            { label: 'Review', run: () => show({ kind: 'review', approvalId: each.id }), primary: true },
          ],
          dismissable: false,
        });
      }
    }
    const agents = Object.values(org.agents);
    const starting = agents.filter((agent) => agent.status === 'provisioning').length;
    for (const agent of agents) {
      const failed = `failed:${agent.id}:${agent.lastError}`;
      if (agent.status === 'failed' && !dismissed[failed]) {
        shown.push({
          id: failed, look: 'failed', rank: 1, who: agent.name, title: 'could not be started', detail: agent.lastError,
          actions: [{ label: 'Restart', run: () => void restartAgent(agent.id) }], dismissable: true,
        });
      }
      const since = agent.startingSince;
      const slow = `slow:${agent.id}:${since}`;
      if (live && agent.status === 'provisioning' && since && now - since > slowAfter(agent.provisionTimeoutMs, starting) && !dismissed[slow]) {
        shown.push({
          id: slow, look: 'starting', rank: 2, who: agent.name, title: `is still starting after ${elapsed(now - since)}`,
          actions: [{ label: 'Restart', run: () => void restartAgent(agent.id) }], dismissable: true,
        });
      }
    }
    for (const notice of list) {
      shown.push({
        id: notice.id, title: notice.title, detail: notice.detail, actions: notice.actions ?? [], dismissable: true,
        look: notice.kind === 'error' ? 'failed' : notice.kind === 'warning' ? 'degraded' : 'online',
        rank: notice.kind === 'error' ? 1 : notice.kind === 'warning' ? 2 : 3,
      });
    }
    return shown.sort((a, b) => a.rank - b.rank);
  }, [org, approvals, live, list, dismissed, panel, view, show, now]);
}

/** The one place for notices: docked under the canvas, never over it (LOOK §3). */
export function Shelf() {
  const shown = useShown();
  const dismiss = useNotices((state) => state.dismiss);
  const [at, setAt] = useState<string | null>(null);
  const index = Math.max(0, shown.findIndex((each) => each.id === at));
  const notice = shown[index];
  if (!notice) return <div className="sr-only" role="status" />;
  const urgent = notice.rank < 2;
  return (
    <section className="shelf" data-region="shelf" aria-label="Notices">
      <Nucleus look={notice.look} size={20} silent />
      <div className="grow min-w-0" role={urgent ? 'alert' : 'status'}>
        <div className="cut">{notice.who && <b className="font-semibold">{notice.who} </b>}{notice.title}</div>
        {notice.detail && <div className="text-meta text-ink-3 cut" title={notice.detail}>{notice.detail}</div>}
      </div>
      {shown.length > 1 && (
        <span className="flex items-center gap-0.5 flex-none">
          <span className="text-meta text-ink-3 mr-1">{index + 1} of {shown.length}</span>
          <IconButton icon="right" label="Next notice" side="top" onClick={() => setAt(shown[(index + 1) % shown.length]?.id ?? null)} />
        </span>
      )}
      {notice.actions.map((action) => (
        <Button key={action.label} kind={action.primary ? 'pri' : 'plain'} onClick={action.run}>{action.label}</Button>
      ))}
      {notice.dismissable && <IconButton icon="x" label="Dismiss" side="top" onClick={() => dismiss(notice.id)} />}
    </section>
  );
}
