import { useState } from 'react';
import { messageOf } from '@/backend';
import { Button, Check, Dialog } from '@/look/controls';
import { Nucleus } from '@/look/Nucleus';
import { deleteAgent } from '@/state/actions';
import { askingAgents, useLive } from '@/state/live';
import { subtree, ancestors } from '@/state/org';
import { lookOf, type Look } from '@/state/status';
import { plural } from '@/text/say';

function loss(look: Look, tasks: number): { text: string; warn: boolean } {
  if (look === 'waiting') return { text: '1 approval will be denied', warn: true };
  if (tasks > 0) return { text: `${plural(tasks, 'task')} will be cancelled`, warn: true };
  if (look === 'starting') return { text: 'its start will stop', warn: false };
  return { text: '', warn: false };
}

/** The cascade as a tree with the loss per row, and one check box for teams (LOOK §9). */
export function DeleteAgent({ id, onClose }: { id: string; onClose: () => void }) {
  const org = useLive((state) => state.org);
  const approvals = useLive((state) => state.approvals);
  const [understood, setUnderstood] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const agent = org.agents[id];
  if (!agent) return null;
  const all = subtree(org, id);
  const team = all.length > 1;
  const asking = askingAgents(approvals);
  const depth0 = ancestors(org, id).length;
  const run = async () => {
    setBusy(true);
    setError('');
    try {
      await deleteAgent(id);
      onClose();
    } catch (failure) {
      setError(messageOf(failure));
      setBusy(false);
    }
  };
  return (
    <Dialog
      size="simple"
      title={team ? `Delete ${agent.name} and its team?` : `Delete ${agent.name}?`}
      says={team ? 'They stop now and leave the canvas. This cannot be undone.' : 'It stops now and leaves the canvas. This cannot be undone.'}
      onClose={onClose}
      note={error ? <span className="text-bad" role="alert">{error}</span> : undefined}
      actions={(
        <>
          <Button autoFocus onClick={onClose}>Cancel</Button>
          <Button kind="danger-fill" because={team && !understood ? 'Tick the box first' : undefined} disabled={busy} onClick={() => void run()}>
            {busy ? 'Deleting…' : `Delete ${plural(all.length, 'agent')}`}
          </Button>
        </>
      )}
    >
      <div className="dialog-body grid gap-3">
        <ul>
          {all.map((each) => {
            const look = lookOf(each, asking.has(each.id));
            const lost = loss(look, each.activeTasks);
            return (
              <li key={each.id} className="flex items-center gap-2.5 min-h-8" style={{ paddingLeft: (ancestors(org, each.id).length - depth0) * 24 }}>
                <Nucleus look={look} />
                <span className={each.id === id ? 'font-semibold cut' : 'cut'}>{each.name}</span>
                <span className={lost.warn ? 'text-meta text-warn ml-auto flex-none' : 'text-meta text-ink-3 ml-auto flex-none'}>{lost.text}</span>
              </li>
            );
          })}
        </ul>
        {team && <Check checked={understood} onChange={setUnderstood} label={`I understand that ${plural(all.length, 'agent')} go`} />}
      </div>
    </Dialog>
  );
}
