import { useState } from 'react';
import { queries, useLocalServers, useSecrets } from '@/api/queries';
import type { MissingSecret } from '@/api/types';
import { api, messageOf } from '@/backend';
import { Button, Nothing, SkeletonRows, Trouble } from '@/look/controls';
import { Icon } from '@/look/Icon';
import { Nucleus } from '@/look/Nucleus';
import { refreshApp, useLive } from '@/state/live';
import { say } from '@/state/notices';
import { useNow } from '@/state/now';
import { useScreen } from '@/state/screen';
import { slugOf } from '@/text/models';
import { ago, plural } from '@/text/say';
import { SecretForm } from './SecretForm';

const reload = () => Promise.all([queries.invalidateQueries({ queryKey: ['secrets'] }), refreshApp().catch(() => undefined)]);

function Where({ count }: { count: number }) {
  const vault = useLive((state) => state.app?.vault);
  const [busy, setBusy] = useState(false);
  if (!vault) return null;
  const retry = async () => {
    setBusy(true);
    try {
      await api.retryVault();
      await reload();
    } catch (error) {
      say.failed('The keychain still does not answer', messageOf(error));
    } finally {
      setBusy(false);
    }
  };
  const sealed = vault.store === 'sealed';
  const title = vault.state === 'locked' ? 'Your keychain is locked'
    : vault.state === 'replaced' ? 'This is not the keychain these secrets were kept in'
      : vault.state === 'unavailable' ? 'Secrets cannot be read'
        : sealed ? 'Kept in a sealed file' : 'Kept in your system keychain';
  const detail = vault.state !== 'ready'
    ? (vault.reason ?? 'Agents that do not need a missing secret go on running.')
    : sealed
      ? `${plural(count, 'entry', 'entries')} in secrets.sealed in the data folder. ${vault.reason ?? 'No keychain answered.'}`
      : `Service molecule-desktop, ${plural(count, 'entry', 'entries')}. The database holds names and times, never values.`;
  return (
    <div className="flex items-start gap-3.5 grow min-w-0">
      <Icon name="lock" size={20} className={vault.state === 'ready' ? undefined : 'text-warn'} />
      <div className="grid gap-0.5">
        <span className="font-semibold">{title}</span>
        <span className="text-ink-2 max-w-90">{detail}</span>
        {(vault.state === 'locked' || vault.state === 'unavailable') && (
          <button type="button" className="link justify-self-start mt-1" disabled={busy} onClick={() => void retry()}>{busy ? 'Asking the keychain…' : 'Ask the keychain again'}</button>
        )}
      </div>
    </div>
  );
}

/** One screen for what must be entered again: locked, replaced, or from another computer (issue 2, 12). */
function Missing({ missing }: { missing: readonly MissingSecret[] }) {
  const [open, setOpen] = useState<string | null>(null);
  const idOf = (each: MissingSecret) => `${each.workspace_id ?? ''}/${each.key}`;
  return (
    <section className="grid gap-2" aria-label="Secrets to enter again">
      <div className="flex items-center gap-2.5"><Nucleus look="degraded" silent />
        <h3 className="font-semibold">{plural(missing.length, 'secret')} to enter again</h3>
      </div>
      <p className="text-ink-2">Their names are known, their values are not on this computer any more. Agents that do not need them run meanwhile.</p>
      <ul>
        {missing.map((each) => (
          <li key={idOf(each)}>
            <div className="key-row">
              <span className="code cut">{each.key}</span>
              <span className="text-meta text-ink-3 grow">{each.scope === 'global' ? 'Everyone' : (each.workspace_name ?? 'one agent')}</span>
              <Button onClick={() => setOpen(idOf(each))}>Enter</Button>
            </div>
            {open === idOf(each) && (
              <SecretForm
                name={each.key}
                taken={[]}
                save={async (key, value) => {
                  if (each.workspace_id) await api.putWorkspaceSecret(each.workspace_id, key, value);
                  else await api.putSecret(key, value);
                  await reload();
                }}
                onDone={() => setOpen(null)}
              />
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function LocalModels() {
  const servers = useLocalServers();
  const show = useScreen((state) => state.show);
  return (
    <section className="grid gap-1" aria-label="Models on this computer">
      <h3 className="font-semibold">Models on this computer</h3>
      {servers.isPending && <div className="pt-2"><SkeletonRows rows={1} /></div>}
      {servers.isError && <Trouble text="Looking for local model servers failed." onRetry={() => void servers.refetch()} />}
      {servers.data?.length === 0 && <Nothing icon="chip">No local model server was found. Ollama, LM Studio and llama.cpp are looked for on their usual ports.</Nothing>}
      <ul>
        {servers.data?.map((server) => (
          <li key={server.base_url} className="key-row tall">
            <Icon name="chip" />
            <div className="grow min-w-0">
              <div><span className="font-semibold">{server.name}</span> <span className="text-ink-3 code">{server.base_url}</span></div>
              <div className="text-meta text-ink-2 cut" title={server.models.join(', ')}>{server.models.length ? server.models.join(', ') : 'no model loaded'}</div>
            </div>
            <Button
              because={server.models.length === 0 ? `Load a model in ${server.name} first` : undefined}
              onClick={() => show({ kind: 'new-agent', model: slugOf(server, server.models[0] ?? '') })}
            >
              New agent with it
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function Secrets() {
  const secrets = useSecrets();
  const vault = useLive((state) => state.app?.vault);
  const [open, setOpen] = useState<string | null>(null);
  const now = useNow();
  const keys = secrets.data?.map((each) => each.key) ?? [];
  const missing = vault?.missing ?? [];
  const lost = new Set(missing.filter((each) => each.scope === 'global').map((each) => each.key));
  const save = async (key: string, value: string) => {
    const answer = await api.putSecret(key, value);
    await reload();
    if (answer.store === 'sealed' && vault?.store === 'keychain') say.done(`${key} lies in the sealed file for now`, 'The keychain did not answer. It moves there later.');
  };
  const remove = async (key: string) => {
    try {
      await api.deleteSecret(key);
      await reload();
      setOpen(null);
      say.done(`${key} was deleted`);
    } catch (error) {
      say.failed(`${key} was not deleted`, messageOf(error));
    }
  };
  return (
    <div className="settings-page">
      <div className="flex items-start gap-3">
        <Where count={keys.length} />
        <Button icon="plus" onClick={() => setOpen('')}>Add secret</Button>
      </div>
      {missing.length > 0 && <Missing missing={missing} />}
      {open === '' && <SecretForm taken={keys} save={save} onDone={() => setOpen(null)} note="A known key is tried at once. It is sent to its own provider and nowhere else." />}
      {secrets.isPending && <SkeletonRows />}
      {secrets.isError && <Trouble text="The secrets could not be loaded." onRetry={() => void secrets.refetch()} />}
      {secrets.data?.length === 0 && open === null && <Nothing icon="key">No secrets yet. A rehearsal needs none.</Nothing>}
      {(secrets.data?.length ?? 0) > 0 && (
        <table className="table">
          <thead><tr><th scope="col">Name</th><th scope="col">For</th><th scope="col">Changed</th><th scope="col">State</th></tr></thead>
          <tbody>
            {secrets.data?.map((secret) => (
              open === secret.key ? (
                <tr key={secret.key}>
                  <td colSpan={4} className="form-cell">
                    <SecretForm
                      name={secret.key}
                      taken={[]}
                      save={save}
                      onDone={() => setOpen(null)}
                      onDelete={() => void remove(secret.key)}
                      note="Agents that use it restart after their current task, because they read the old value at start."
                    />
                  </td>
                </tr>
              ) : (
                <tr key={secret.key}>
                  <td className="code">{secret.key}</td>
                  <td className="text-ink-2">Everyone</td>
                  <td className="text-ink-3">{ago(Date.parse(secret.updated_at), now)}</td>
                  <td>
                    <span className="inline-flex items-center gap-2">
                      {lost.has(secret.key)
                        ? <><Nucleus look="degraded" silent /><span className="text-warn">Enter again</span></>
                        : <><Nucleus look="online" silent /><span className="text-ink-2">{secret.store === 'sealed' ? 'In the sealed file' : secret.store === 'keychain' ? 'In the keychain' : 'Stored'}</span></>}
                      <Button kind="ghost" onClick={() => setOpen(secret.key)} aria-label={`Replace ${secret.key}`}>Replace</Button>
                    </span>
                  </td>
                </tr>
              )
            ))}
          </tbody>
        </table>
      )}
      <LocalModels />
    </div>
  );
}
