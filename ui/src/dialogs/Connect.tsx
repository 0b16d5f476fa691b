import { Tabs } from 'radix-ui';
import { useEffect, useState } from 'react';
import type { Connection } from '@/api/types';
import { api, messageOf } from '@/backend';
import { copyText } from '@/look/clipboard';
import { Button, Dialog, Trouble } from '@/look/controls';
import { Nucleus } from '@/look/Nucleus';
import { useLive } from '@/state/live';
import { useNow } from '@/state/now';
import { useScreen } from '@/state/screen';
import { lookOf } from '@/state/status';
import { snippetsOf } from '@/text/connect';

function useCopied() {
  const [copied, setCopied] = useState('');
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(''), 1_500);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = (id: string, text: string) => {
    const element = document.getElementById(id);
    void copyText(text).then((done) => {
      if (done) return setCopied(id);
      // No clipboard: select the text, so that it can be copied by hand.
      if (!element) return;
      const range = document.createRange();
      range.selectNodeContents(element);
      getSelection()?.removeAllRanges();
      getSelection()?.addRange(range);
    });
  };
  return { copied, copy };
}

type Copying = ReturnType<typeof useCopied>;

function Row({ name, value, copying: { copied, copy } }: { name: string; value: string; copying: Copying }) {
  const id = `field-${name.replaceAll(' ', '-')}`;
  return (
    <div className="key-row">
      <span className="text-ink-3 w-28 flex-none">{name}</span>
      <span id={id} className="code grow wrap-anywhere select-all">{value}</span>
      <Button kind="ghost" icon="copy" aria-label={`Copy ${name.toLowerCase()}`} onClick={() => copy(id, value)}>{copied === id ? 'Copied' : 'Copy'}</Button>
    </div>
  );
}

/** A base URL that carries the credential, made only where it is asked for. */
function BaseUrl({ id, copying }: { id: string; copying: Copying }) {
  const [url, setUrl] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  if (url) return <Row name="Base URL" value={url} copying={copying} />;
  const make = () => {
    setBusy(true);
    setError('');
    api.makeBaseUrl(id).then(setUrl, (failure: unknown) => setError(messageOf(failure))).finally(() => setBusy(false));
  };
  return (
    <>
      <div className="key-row">
        <span className="text-ink-3 w-28 flex-none">Base URL</span>
        <span className="grow text-ink-2">For clients that can send no token: an address with the key in it.</span>
        <Button disabled={busy} onClick={make}>{busy ? 'Making it…' : 'Make one'}</Button>
      </div>
      {error && <Trouble text={error} />}
    </>
  );
}

/** How the agent gets here. The token is shown once, so only one button closes this (LOOK §9). */
export function Connect({ name, connection, onClose }: { name: string; connection: Connection; onClose: () => void }) {
  const agent = useLive((state) => state.org.agents[connection.workspace_id]);
  const openAgent = useScreen((state) => state.openAgent);
  const now = useNow();
  const [since] = useState(() => Date.now());
  const copying = useCopied();
  const snippets = snippetsOf(connection);
  const look = agent ? lookOf(agent) : 'awaiting';
  const seconds = Math.max(0, Math.floor((now - since) / 1000));
  const here = look === 'online' || look === 'working';
  const leave = () => {
    onClose();
    const { panel } = useScreen.getState();
    const open = panel?.kind === 'agent' && panel.id === connection.workspace_id;
    if (here && !open) openAgent(connection.workspace_id, 'chat');
  };
  return (
    <Dialog
      title={`Connect ${name}`}
      says="Run one of these where the agent lives. The token is shown once."
      corner={<Nucleus look={look} size={28} />}
      firm
      onClose={onClose}
      note={here
        ? <span className="text-ok font-semibold" role="status">Connected</span>
        : `Waiting for first heartbeat, ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`}
      actions={<Button kind="pri" onClick={leave}>I have saved the token</Button>}
    >
      <Tabs.Root defaultValue={snippets[0]?.id ?? 'fields'} className="contents">
        <Tabs.List className="tabs px-4!" aria-label="Ways to connect">
          {snippets.map((each) => <Tabs.Trigger key={each.id} value={each.id} className="tab">{each.label}</Tabs.Trigger>)}
          <Tabs.Trigger value="fields" className="tab">Fields</Tabs.Trigger>
        </Tabs.List>
        {snippets.map((each) => (
          <Tabs.Content key={each.id} value={each.id} className="way" tabIndex={-1}>
            <div className="way-head">
              <p className="grow min-w-0 text-ink-2">{each.says}</p>
              <Button icon="copy" onClick={() => copying.copy(`snippet-${each.id}`, each.text)}>{copying.copied === `snippet-${each.id}` ? 'Copied' : 'Copy'}</Button>
            </div>
            {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a region that scrolls must be reachable by key */}
            <pre id={`snippet-${each.id}`} className="snippet" tabIndex={0} aria-label={`${each.label} snippet`}>{each.text}</pre>
          </Tabs.Content>
        ))}
        <Tabs.Content value="fields" className="dialog-body pt-3!" tabIndex={-1}>
          {([['Workspace id', connection.workspace_id], ['Token', connection.auth_token], ['Address', connection.platform_url], ['Register', connection.registry_endpoint], ['Heartbeat', connection.heartbeat_endpoint]] as const)
            .map(([label, value]) => <Row key={label} name={label} value={value} copying={copying} />)}
          <BaseUrl id={connection.workspace_id} copying={copying} />
        </Tabs.Content>
      </Tabs.Root>
    </Dialog>
  );
}
