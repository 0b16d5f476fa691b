import { useQuery } from '@tanstack/react-query';
import { useState, type FormEvent, type ReactNode } from 'react';
import { queries, useWorkspaceSecrets } from '@/api/queries';
import { api, messageOf } from '@/backend';
import { Button, Field, Nothing, SkeletonRows, Trouble } from '@/look/controls';
import { Nucleus } from '@/look/Nucleus';
import { changeAgent, useLive } from '@/state/live';
import { say } from '@/state/notices';
import { subtree } from '@/state/org';
import { useScreen } from '@/state/screen';
import { restartAgent } from '@/state/actions';
import { runtimeName, TIER } from '@/state/status';
import { SecretForm } from '@/settings/SecretForm';
import { ago, plural } from '@/text/say';
import { useNow } from '@/state/now';

function Section({ title, children, aside }: { title: string; children: ReactNode; aside?: ReactNode }) {
  return (
    <section className="detail">
      <div className="flex items-center gap-2 min-h-7"><h3 className="font-semibold grow">{title}</h3>{aside}</div>
      {children}
    </section>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return <div className="fact"><dt>{name}</dt><dd>{children}</dd></div>;
}

function Identity({ id }: { id: string }) {
  const agent = useLive((state) => state.org.agents[id]);
  const [name, setName] = useState(agent?.name ?? '');
  const [role, setRole] = useState(agent?.role ?? '');
  const [tier, setTier] = useState(agent?.tier ?? 2);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  if (!agent) return null;
  const changed = name.trim() !== agent.name || role.trim() !== agent.role || tier !== agent.tier;
  const save = async (event: FormEvent) => {
    event.preventDefault();
    if (!changed || !name.trim()) return;
    setBusy(true);
    setError('');
    try {
      await api.updateWorkspace(id, { name: name.trim(), role: role.trim() || null, tier });
      changeAgent(id, { name: name.trim(), role: role.trim(), tier });
      say.done(`${name.trim()} was saved`);
    } catch (failure) {
      setError(messageOf(failure));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="grid gap-3" onSubmit={(event) => void save(event)}>
      <Field label="Name">{(ids) => <input {...ids} className="input" value={name} maxLength={255} onChange={(event) => setName(event.target.value)} />}</Field>
      <Field label="Role" hint="What it is good at. Others see this when they look for help.">
        {(ids) => <textarea {...ids} className="input" rows={2} value={role} maxLength={1000} onChange={(event) => setRole(event.target.value)} />}
      </Field>
      <Field label="Access tier" hint={TIER[tier]?.means}>
        {(ids) => (
          <select {...ids} className="input" value={tier} onChange={(event) => setTier(Number(event.target.value))}>
            {[1, 2, 3, 4].map((each) => <option key={each} value={each}>{each}, {TIER[each]?.name}</option>)}
          </select>
        )}
      </Field>
      {error && <Trouble text={error} />}
      {changed && (
        <div className="flex gap-2">
          <Button kind="pri" type="submit" because={name.trim() ? undefined : 'It needs a name'} disabled={busy}>{busy ? 'Saving…' : 'Save'}</Button>
          <Button onClick={() => { setName(agent.name); setRole(agent.role); setTier(agent.tier); setError(''); }}>Cancel</Button>
        </div>
      )}
    </form>
  );
}

function Model({ id }: { id: string }) {
  const agent = useLive((state) => state.org.agents[id]);
  const model = useQuery({ queryKey: ['model', id], queryFn: () => api.model(id) });
  const [value, setValue] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  if (!agent || agent.runtime === 'external') return null;
  const stored = model.data?.model ?? '';
  const shown = value ?? stored;
  const save = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await api.putModel(id, shown.trim());
      changeAgent(id, { model: shown.trim() });
      await queries.invalidateQueries({ queryKey: ['model', id] });
      setValue(null);
      say.done(`${agent.name} restarts with ${shown.trim() || 'the model of its template'}`);
    } catch (failure) {
      say.failed('The model was not changed', messageOf(failure));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="grid gap-3" onSubmit={(event) => void save(event)}>
      <Field label="Model" hint={stored ? 'Saving restarts the agent after its current task.' : 'The one its template names. Saving another restarts the agent.'}>
        {(ids) => <input {...ids} className="input" value={shown} placeholder={agent.model || 'from its template'} onChange={(event) => setValue(event.target.value)} />}
      </Field>
      {value !== null && value.trim() !== stored && (
        <div className="flex gap-2">
          <Button kind="pri" type="submit" disabled={busy}>{busy ? 'Saving…' : 'Save and restart'}</Button>
          <Button onClick={() => setValue(null)}>Cancel</Button>
        </div>
      )}
    </form>
  );
}

function OwnSecrets({ id }: { id: string }) {
  const secrets = useWorkspaceSecrets(id);
  const [open, setOpen] = useState<string | null>(null);
  const reload = () => queries.invalidateQueries({ queryKey: ['secrets', id] });
  const remove = async (key: string) => {
    try {
      await api.deleteWorkspaceSecret(id, key);
      await reload();
      setOpen(null);
    } catch (failure) {
      say.failed(`${key} was not removed`, messageOf(failure));
    }
  };
  return (
    <Section title="Secrets" aside={<Button icon="plus" onClick={() => setOpen('')}>Add secret</Button>}>
      {secrets.isPending && <SkeletonRows rows={2} />}
      {secrets.isError && <Trouble text="The secrets could not be loaded." onRetry={() => void secrets.refetch()} />}
      {secrets.data?.length === 0 && open === null && <Nothing icon="key">It has none of its own and uses none of everyone’s.</Nothing>}
      <ul>
        {secrets.data?.map((secret) => (
          <li key={secret.key} className="key-row">
            <span className="code cut grow">{secret.key}</span>
            <span className="text-meta text-ink-3">{secret.scope === 'global' ? 'everyone’s' : 'its own'}</span>
            <Button kind="ghost" onClick={() => setOpen(secret.key)}>{secret.scope === 'global' ? 'Override' : 'Replace'}</Button>
          </li>
        ))}
      </ul>
      {open !== null && (
        <SecretForm
          key={open}
          name={open || undefined}
          taken={[]}
          save={async (key, value) => { await api.putWorkspaceSecret(id, key, value); await reload(); }}
          onDone={() => setOpen(null)}
          onDelete={secrets.data?.some((each) => each.key === open && each.scope === 'workspace') ? () => void remove(open) : undefined}
          note="The agent restarts after its current task to read it."
        />
      )}
    </Section>
  );
}

/** The token was shown once; a lost one is no reason to start over. */
function ConnectAnew({ id, name }: { id: string; name: string }) {
  const show = useScreen((state) => state.show);
  const [busy, setBusy] = useState(false);
  const connect = () => {
    setBusy(true);
    api.connectAnew(id)
      .then((connection) => show({ kind: 'connect', name, connection }), (failure: unknown) => say.failed('No token was made', messageOf(failure)))
      .finally(() => setBusy(false));
  };
  return (
    <div className="flex items-center gap-3">
      <p className="text-ink-2 grow">Lost the token, or moving it elsewhere? The old token stays valid.</p>
      <Button icon="key" disabled={busy} onClick={connect}>{busy ? 'Making a token…' : 'Connect again…'}</Button>
    </div>
  );
}

export function DetailsTab({ id }: { id: string }) {
  const agent = useLive((state) => state.org.agents[id]);
  const people = useLive((state) => subtree(state.org, id).length);
  const parent = useLive((state) => (agent?.parentId ? state.org.agents[agent.parentId]?.name : undefined));
  const show = useScreen((state) => state.show);
  const openAgent = useScreen((state) => state.openAgent);
  const now = useNow();
  if (!agent) return null;
  const trouble = agent.status === 'failed' || (agent.status === 'degraded' && agent.lastError);
  return (
    <div className="details">
      {trouble && (
        <div className="flex items-start gap-2.5" role="alert">
          <Nucleus look={agent.status === 'failed' ? 'failed' : 'degraded'} silent />
          <p className={agent.status === 'failed' ? 'text-bad grow' : 'text-warn grow'}>{agent.lastError}</p>
          <Button icon="retry" onClick={() => void restartAgent(id)}>Restart</Button>
        </div>
      )}
      <Section title="Who it is"><Identity id={id} /></Section>
      <Section title="How it runs">
        <Model id={id} />
        <dl className="facts">
          <Fact name="Runs as">{runtimeName(agent.runtime) || 'unknown'}</Fact>
          {parent && agent.parentId && <Fact name="Reports to"><button type="button" className="link" onClick={() => openAgent(agent.parentId ?? '', 'details')}>{parent}</button></Fact>}
          {agent.runtime !== 'external' && <Fact name="Folder">{agent.workspaceDir ? <span className="code wrap-anywhere">{agent.workspaceDir}</span> : 'its own, private'}</Fact>}
          {agent.runtime === 'external' && <Fact name="Messages">{agent.deliveryMode === 'poll' ? 'it fetches them' : 'sent to it'}</Fact>}
          {agent.lastHeartbeatAt && <Fact name="Last heard">{ago(Date.parse(agent.lastHeartbeatAt), now)}</Fact>}
          {agent.createdAt && <Fact name="Created">{new Date(agent.createdAt).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' })}</Fact>}
          {agent.errorRate > 0 && <Fact name="Errors">{Math.round(agent.errorRate * 100)}% of calls</Fact>}
          <Fact name="Id"><span className="code wrap-anywhere select-all">{agent.id}</span></Fact>
        </dl>
        {agent.runtime === 'external' && <ConnectAnew id={id} name={agent.name} />}
      </Section>
      {(agent.card?.skills?.length ?? 0) > 0 && (
        <Section title="What it can do">
          <ul className="grid gap-2">
            {agent.card?.skills?.map((skill, index) => (
              <li key={skill.id ?? index}><span className="font-semibold">{skill.name ?? skill.id}</span>{skill.description && <span className="text-ink-2"> {skill.description}</span>}</li>
            ))}
          </ul>
        </Section>
      )}
      <OwnSecrets id={id} />
      <Section title="Danger zone">
        <div className="flex items-center gap-3">
          <p className="text-ink-2 grow">{people > 1 ? `Deleting removes it and ${plural(people - 1, 'agent')} below it.` : 'Deleting stops it and removes its conversation from the canvas.'}</p>
          <Button kind="danger" icon="trash" onClick={() => show({ kind: 'delete', id })}>Delete…</Button>
        </div>
      </Section>
    </div>
  );
}
