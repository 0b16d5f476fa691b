import { Button, Nothing } from '@/look/controls';
import { Nucleus } from '@/look/Nucleus';
import { decide } from '@/state/actions';
import { ancestors } from '@/state/org';
import { useLive } from '@/state/live';
import { useNow } from '@/state/now';
import { useScreen } from '@/state/screen';
import { diffCounts, expiresIn } from '@/text/approvals';
import { ago } from '@/text/say';
import { View } from './View';

export function ApprovalsView() {
  const approvals = useLive((state) => state.approvals);
  const org = useLive((state) => state.org);
  const show = useScreen((state) => state.show);
  const openAgent = useScreen((state) => state.openAgent);
  const now = useNow();
  const list = Object.values(approvals).sort((a, b) => a.created_at.localeCompare(b.created_at));
  return (
    <View title="Approvals" says="What agents may not do without you. Nobody’s answer within ten minutes is a no.">
      {list.length === 0 && <Nothing icon="hex">Nothing waits for you.</Nothing>}
      <ul className="rows">
        {list.map((each, index) => {
          const diff = each.context?.diff ? diffCounts(each.context.diff) : null;
          const chain = [each.workspace_id, ...ancestors(org, each.workspace_id).map((agent) => agent.id)]
            .map((id) => org.agents[id]?.name).filter(Boolean).reverse();
          return (
            <li key={each.id} className="row-card" data-approval={each.id}>
              <Nucleus look="waiting" size={20} silent />
              <div className="grow min-w-0 grid gap-0.5">
                <div className="flex items-baseline gap-2">
                  <button type="button" className="font-semibold cut rounded-1 hover:underline" onClick={() => openAgent(each.workspace_id, 'chat')}>
                    {org.agents[each.workspace_id]?.name ?? each.workspace_name ?? 'An agent'}
                  </button>
                  <span className="text-meta text-ink-3 cut">{chain.slice(0, -1).join(', ')}</span>
                </div>
                <div className="text-read">{each.action}</div>
                <div className="text-ink-2 text-meta">
                  {each.reason}
                  {each.context?.command && <> <span className="code">{each.context.command.split('\n')[0]}</span></>}
                  {diff && <> {each.context?.path && <span className="code">{each.context.path} </span>}<span className="text-ok">+{diff.added}</span> <span className="text-bad">−{diff.removed}</span></>}
                </div>
              </div>
              <div className="text-meta text-ink-3 text-right flex-none grid gap-0.5"><span className="text-warn">{expiresIn(each, now)}</span><span>asked {ago(Date.parse(each.created_at), now)}</span></div>
              <Button onClick={() => void decide(each, 'denied')}>Deny</Button>
              <Button kind={index === 0 ? 'pri' : 'plain'} onClick={() => show({ kind: 'review', approvalId: each.id })}>Review</Button>
            </li>
          );
        })}
      </ul>
    </View>
  );
}
