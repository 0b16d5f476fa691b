import { copyText } from '@/look/clipboard';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useHealth } from '@/api/queries';
import { api } from '@/backend';
import { Button, SkeletonRows, Trouble } from '@/look/controls';
import { Nucleus } from '@/look/Nucleus';
import { useLive } from '@/state/live';
import { useTally } from '@/state/hooks';
import { useScreen } from '@/state/screen';
import type { Look } from '@/state/status';
import { count, elapsed, plural } from '@/text/say';
import { readSubsystems, recoveryWords } from '@/text/health';
import { View } from './View';

function Line({ look, name, children, action }: { look: Look; name: string; children: ReactNode; action?: ReactNode }) {
  return (
    <li className="health-row">
      <Nucleus look={look} />
      <span className="font-semibold w-45 flex-none cut">{name}</span>
      <span className="text-ink-2 grow min-w-0">{children}</span>
      {action}
    </li>
  );
}

/** What runs, what keeps it, and what is wrong, each with a way on. */
export function HealthView() {
  const health = useHealth();
  const build = useQuery({ queryKey: ['buildinfo'], queryFn: api.buildinfo, staleTime: Infinity });
  const app = useLive((state) => state.app);
  const socket = useLive((state) => state.socket.phase);
  const seq = useLive((state) => state.org.seq);
  const tally = useTally();
  const openSettings = useScreen((state) => state.openSettings);
  const subsystems = readSubsystems(health.data?.subsystems);
  const recovering = recoveryWords(health.data?.recovering);
  const vault = app?.vault;
  const details = JSON.stringify({ health: health.data, app: app && { ...app, vault: { ...app.vault, missing: app.vault.missing.length } }, build: build.data, socket, seq }, null, 2);
  return (
    <View
      title="Health"
      says={app ? `Molecule ${app.version}${build.data ? `, build ${build.data.git_sha.slice(0, 10)}` : ''}` : undefined}
      aside={<Button icon="copy" onClick={() => void copyText(details)}>Copy diagnostics</Button>}
    >
      {health.isError && <Trouble text="The server does not answer the health check." onRetry={() => void health.refetch()} />}
      <section className="grid gap-2">
        <h3 className="view-title">This computer</h3>
        <ul>
          <Line look={health.isError ? 'failed' : recovering ? 'starting' : health.data?.status === 'ok' ? 'online' : 'degraded'} name="Server">
            {health.isError ? 'Not answering' : recovering || (health.data?.status === 'ok' ? 'Answers' : (health.data?.status ?? 'Asking…'))}
          </Line>
          <Line look={socket === 'live' ? 'online' : 'degraded'} name="Live events">
            {socket === 'live' ? `Connected, event ${count(seq)}` : 'Reconnecting. The list of agents is read every ten seconds meanwhile'}
          </Line>
          {vault && (
            <Line
              look={vault.state !== 'ready' || vault.missing.length > 0 ? 'degraded' : 'online'}
              name="Secrets"
              action={vault.missing.length > 0 || vault.state !== 'ready' ? <Button onClick={() => openSettings('secrets')}>Open secrets</Button> : undefined}
            >
              {vault.store === 'keychain' ? 'In the system keychain' : 'In a sealed file'}
              {vault.state !== 'ready' && `, ${vault.state}`}
              {vault.reason && `. ${vault.reason.replace(/\.$/, '')}`}
              {vault.missing.length > 0 && `. ${plural(vault.missing.length, 'name')} to enter again`}
            </Line>
          )}
          {app && (
            <Line look={app.engine.state === 'ready' ? 'online' : 'offline'} name="Container engine">
              {app.engine.state === 'ready' ? (app.engine.detail ?? 'Ready') : (app.engine.detail || 'None. Local agents work without one')}
            </Line>
          )}
          {app && (
            <Line look={app.models.keys.length > 0 || app.models.local.length > 0 ? 'online' : 'awaiting'} name="Models"
              action={<Button onClick={() => openSettings('secrets')}>Set up</Button>}>
              {app.models.keys.length > 0 ? app.models.keys.join(', ') : 'No key yet'}
              {app.models.local.map((server) => `. ${server.name} on this computer, ${plural(server.models.length, 'model')}`).join('')}
            </Line>
          )}
          <Line look={tally.trouble ? 'degraded' : tally.total === 0 ? 'offline' : 'online'} name="Agents">{tally.total === 0 ? 'None' : `${tally.running} of ${tally.total} running, ${tally.working} working`}</Line>
        </ul>
      </section>
      <section className="grid gap-2">
        <h3 className="view-title">Background work</h3>
        {health.isPending && <SkeletonRows />}
        {health.isSuccess && subsystems.length === 0 && <p className="text-ink-3">The server names none.</p>}
        <ul>
          {subsystems.map((each) => (
            <Line key={each.name} look={each.look} name={each.name}>
              {each.says && each.says.charAt(0).toUpperCase() + each.says.slice(1)}{each.secondsAgo !== undefined && `${each.says ? ', last' : 'Last'} ran ${each.secondsAgo < 2 ? 'just now' : `${elapsed(each.secondsAgo * 1000)} ago`}`}
            </Line>
          ))}
        </ul>
      </section>
      <p className="text-meta text-ink-3">The canvas is drawn with React Flow.</p>
    </View>
  );
}
