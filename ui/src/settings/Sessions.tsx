import { useState } from 'react';
import { queries, useSessions } from '@/api/queries';
import { api, messageOf } from '@/backend';
import { Button, SkeletonRows, Trouble } from '@/look/controls';
import { Icon } from '@/look/Icon';
import { refreshApp, useLive } from '@/state/live';
import { useNow } from '@/state/now';
import { say } from '@/state/notices';
import { ago, elapsed } from '@/text/say';

const ACCEPT_MINUTES = 10;

function AcceptAgents() {
  const until = useLive((state) => state.app?.accepting_agents_until);
  const now = useNow();
  const [busy, setBusy] = useState(false);
  const left = until ? Date.parse(until) - now : 0;
  const open = async () => {
    setBusy(true);
    try {
      await api.acceptAgents(ACCEPT_MINUTES);
      await refreshApp();
    } catch (error) {
      say.failed('New agents are still refused', messageOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <section className="grid gap-2">
      <div className="flex items-center gap-3">
        <div className="grow">
          <h3 className="font-semibold">New agents from this computer</h3>
          <p className="text-ink-2">An agent that the canvas does not know needs a token to join. For ten minutes it may join without one.</p>
        </div>
        {left > 0
          ? <span className="text-ok font-semibold flex-none">Open, {elapsed(left)} left</span>
          : <Button icon="plug" disabled={busy} onClick={() => void open()}>Accept for 10 min</Button>}
      </div>
    </section>
  );
}

/** Who may open the canvas: one row per window that took a link. */
export function Sessions() {
  const sessions = useSessions();
  const now = useNow();
  const end = async (id: string) => {
    try {
      await api.endSession(id);
      await queries.invalidateQueries({ queryKey: ['sessions'] });
    } catch (error) {
      say.failed('The session was not ended', messageOf(error));
    }
  };
  return (
    <div className="settings-page">
      <section className="grid gap-1">
        <h3 className="font-semibold">Windows that are signed in</h3>
        <p className="text-ink-2">A session lasts 30 days. Ending one closes that window for good.</p>
        {sessions.isPending && <div className="pt-3"><SkeletonRows rows={2} /></div>}
        {sessions.isError && <Trouble className="pt-3" text="The sessions could not be loaded." onRetry={() => void sessions.refetch()} />}
        <table className="table mt-2">
          {(sessions.data?.length ?? 0) > 0 && <thead><tr><th scope="col">Opened</th><th scope="col">Last used</th><th scope="col"><span className="sr-only">End</span></th></tr></thead>}
          <tbody>
            {sessions.data?.map((session) => (
              <tr key={session.id}>
                <td><span className="flex items-center gap-2"><Icon name="monitor" className="text-ink-3" />{new Date(session.created_at).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' })}</span></td>
                <td className="text-ink-2">{session.last_used_at ? ago(Date.parse(session.last_used_at), now) : 'never'}</td>
                <td>{session.current ? <span className="text-ink-3">This window</span> : <Button onClick={() => void end(session.id)}>End</Button>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <AcceptAgents />
    </div>
  );
}
