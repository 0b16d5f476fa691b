import { useState } from 'react';
import { queries, useOrgTemplates, useSecrets } from '@/api/queries';
import type { Requirement } from '@/api/types';
import { api } from '@/backend';
import { Button, Dialog } from '@/look/controls';
import { Nucleus } from '@/look/Nucleus';
import { SecretForm } from '@/settings/SecretForm';
import { satisfied, useStartOrg } from './useStartOrg';
import { plural } from '@/text/say';

/** What an organisation needs before it can start; each key is saved where it stands (50 §12.4). */
export function Keys({ dir, onClose }: { dir: string; onClose: () => void }) {
  const orgs = useOrgTemplates();
  const secrets = useSecrets();
  const { start, starting } = useStartOrg();
  const [open, setOpen] = useState<string | null>(null);
  const org = orgs.data?.find((each) => each.dir === dir);
  if (!org) return null;
  const keys = new Set((secrets.data ?? []).filter((each) => each.has_value).map((each) => each.key));
  const missing = org.required_env.filter((each) => !satisfied(each, keys)).length;
  const save = async (key: string, value: string) => {
    await api.putSecret(key, value);
    await queries.invalidateQueries({ queryKey: ['secrets'] });
  };
  const row = (requirement: Requirement, required: boolean) => {
    const names = typeof requirement === 'string' ? [requirement] : requirement.any_of;
    const done = satisfied(requirement, keys);
    return (
      <li key={names.join()}>
        {names.length > 1 && <p className="text-meta text-ink-3 pt-2">Any one of these</p>}
        {names.map((name) => (
          <div key={name}>
            <div className="key-row">
              <Nucleus look={keys.has(name) ? 'online' : required && !done ? 'degraded' : 'offline'} silent />
              <span className="code cut grow">{name}</span>
              {keys.has(name)
                ? <span className="text-meta text-ink-3">stored</span>
                : <><span className={required && !done ? 'text-meta text-warn font-semibold' : 'text-meta text-ink-3'}>{required ? (done ? 'not needed' : 'missing') : 'optional'}</span>
                    <Button onClick={() => setOpen(open === name ? null : name)}>Enter</Button></>}
            </div>
            {open === name && <SecretForm name={name} taken={[]} save={save} onDone={() => setOpen(null)} />}
          </div>
        ))}
      </li>
    );
  };
  return (
    <Dialog
      title={`Start “${org.name || org.dir}”`}
      says="Nothing has been created yet. These keys come first."
      onClose={onClose}
      note={missing > 0 ? <span className="text-warn flex items-center gap-1.5"><Nucleus look="degraded" size={14} silent />{missing === 1 ? 'One required key is missing' : `${missing} required keys are missing`}</span> : undefined}
      actions={(
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="pri" because={missing > 0 ? 'A required key is missing' : undefined} disabled={starting !== null} onClick={() => { onClose(); void start(org); }}>
            Create {plural(org.workspaces, 'agent')}
          </Button>
        </>
      )}
    >
      <div className="dialog-body"><ul>{org.required_env.map((each) => row(each, true))}{org.recommended_env.map((each) => row(each, false))}</ul></div>
    </Dialog>
  );
}
