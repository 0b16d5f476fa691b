import { Tabs } from 'radix-ui';
import { useEffect, useState } from 'react';
import type { Connection } from '@/api/types';
import { copyText } from '@/look/clipboard';
import { Button, Dialog } from '@/look/controls';
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
  const copy = (id: string, text: string, element: HTMLElement | null) => {
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

/** How the agent gets here. The token is shown once, so only one button closes this (LOOK §9). */
export function Connect({ name, connection, onClose }: { name: string; connection: Connection; onClose: () => void }) {
  const agent = useLive((state) => state.org.agents[connection.workspace_id]);
  const openAgent = useScreen((state) => state.openAgent);
  const now = useNow();
  const [since] = useState(() => Date.now());
  const { copied, copy } = useCopied();
  const snippets = snippetsOf(connection);
  const look = agent ? lookOf(agent) : 'awaiting';
  const seconds = Math.max(0, Math.floor((now - since) / 1000));
  const here = look === 'online' || look === 'working';
  return (
    <Dialog
      title={`Connect ${name}`}
      says="Run this where the agent lives. The token is shown once."
      corner={<Nucleus look={look} size={28} />}
      firm
      onClose={onClose}
      note={here ? <span className="text-ok font-semibold">Connected</span> : `Waiting for first heartbeat, ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`}
      actions={<Button kind="pri" onClick={() => { onClose(); if (here) openAgent(connection.workspace_id, 'chat'); }}>I have saved the token</Button>}
    >
      <Tabs.Root defaultValue={snippets[0]?.id} className="contents">
        <Tabs.List className="tabs px-4!" aria-label="Ways to connect">
          {snippets.map((each) => <Tabs.Trigger key={each.id} value={each.id} className="tab">{each.label}</Tabs.Trigger>)}
          <Tabs.Trigger value="fields" className="tab">Fields</Tabs.Trigger>
        </Tabs.List>
        {snippets.map((each) => (
          <Tabs.Content key={each.id} value={each.id} className="snippet" tabIndex={-1}>
            {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a region that scrolls must be reachable by key */}
            <pre id={`snippet-${each.id}`} tabIndex={0}>{each.text}</pre>
            <Button icon="copy" onClick={() => copy(each.id, each.text, document.getElementById(`snippet-${each.id}`))}>{copied === each.id ? 'Copied' : 'Copy'}</Button>
          </Tabs.Content>
        ))}
        <Tabs.Content value="fields" className="dialog-body pt-3!" tabIndex={-1}>
          {([['Workspace id', connection.workspace_id], ['Token', connection.auth_token], ['Address', connection.platform_url], ['Register', connection.registry_endpoint], ['Heartbeat', connection.heartbeat_endpoint]] as const).map(([label, value]) => (
            <div key={label} className="key-row">
              <span className="text-ink-3 w-28 flex-none">{label}</span>
              <span id={`field-${label}`} className="code grow wrap-anywhere select-all">{value}</span>
              <Button kind="ghost" icon="copy" onClick={() => copy(label, value, document.getElementById(`field-${label}`))}>{copied === label ? 'Copied' : 'Copy'}</Button>
            </div>
          ))}
        </Tabs.Content>
      </Tabs.Root>
    </Dialog>
  );
}
