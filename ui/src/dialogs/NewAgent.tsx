import { RadioGroup } from 'radix-ui';
import { useMemo, useState, type FormEvent } from 'react';
import { queries, useLocalServers, useSecrets, useTemplates } from '@/api/queries';
import type { CreateWorkspace } from '@/api/types';
import { api, messageOf } from '@/backend';
import { Button, Check, Dialog, Field } from '@/look/controls';
import { modelName } from '@/canvas/facts';
import { Icon } from '@/look/Icon';
import { Nucleus } from '@/look/Nucleus';
import { SecretForm } from '@/settings/SecretForm';
import { firstUsable, modelGroups, needsOf } from '@/text/models';
import { currentLayout } from '@/state/hooks';
import { freeSlot, LEAF_H, LEAF_W, standaloneSlot } from '@/state/layout';
import { useLive } from '@/state/live';
import { say } from '@/state/notices';
import { keep, useScreen } from '@/state/screen';
import { TIER } from '@/state/status';
import { treeRows } from '@/frame/Tree';

/** Index of the next standalone place; it only ever grows, so that two creates never share one (50 §6, L11). */
function nextIndex(): number {
  let index = 0;
  try {
    index = Number(JSON.parse(localStorage.getItem('molecule.created') ?? '0')) || 0;
  } catch {
    // Start over.
  }
  keep('created', index + 1);
  return index;
}

function placeFor(parentId: string): { x: number; y: number } {
  const layout = currentLayout();
  const parent = parentId ? layout.byId.get(parentId) : undefined;
  if (parent) {
    const free = freeSlot({ w: LEAF_W, h: LEAF_H }, layout.order.filter((box) => box.parentId === parent.id));
    return { x: parent.absX + free.x, y: parent.absY + free.y };
  }
  for (;;) {
    const at = standaloneSlot(nextIndex());
    const taken = layout.order.some((box) => box.parentId === null
      && at.x < box.absX + box.w + 20 && box.absX < at.x + LEAF_W + 20 && at.y < box.absY + box.h + 20 && box.absY < at.y + LEAF_H + 20);
    if (!taken) return at;
  }
}

const OTHER = '~other';

interface Props { parentId?: string; template?: string; model?: string; external?: boolean; onClose: () => void }

/** One agent: who it is, what it is made from, where it stands, what it may touch (50 §12.1). */
export function NewAgent({ parentId: parentAsked, template: templateAsked, model: modelAsked, external: externalAsked, onClose }: Props) {
  const templates = useTemplates();
  const servers = useLocalServers();
  const org = useLive((state) => state.org);
  const show = useScreen((state) => state.show);
  const openAgent = useScreen((state) => state.openAgent);
  const lookAt = useScreen((state) => state.lookAt);
  const [name, setName] = useState('');
  const [role, setRole] = useState('');
  const [external, setExternal] = useState(externalAsked === true);
  const [templateId, setTemplateId] = useState(templateAsked ?? '');
  const [model, setModel] = useState(modelAsked ?? '');
  const [typed, setTyped] = useState('');
  const [keyFor, setKeyFor] = useState<string | null>(null);
  const [parentId, setParentId] = useState(parentAsked ?? '');
  const [tier, setTier] = useState('2');
  const [folder, setFolder] = useState('');
  const [access, setAccess] = useState<'read_only' | 'read_write'>('read_only');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const [touched, setTouched] = useState(false);

  const secrets = useSecrets();
  const usable = templates.data ?? [];
  const keys = useMemo(() => new Set((secrets.data ?? []).filter((each) => each.has_value).map((each) => each.key)), [secrets.data]);
  // A model of this computer can be run by any local template that is not bound to a script.
  const template = usable.find((each) => each.id === templateId)
    ?? (modelAsked ? usable.find((each) => each.runtime === 'local' && each.model !== 'rehearsal') : undefined) ?? firstUsable(usable, keys);
  const groups = modelGroups(template, servers.data ?? []);
  const slug = model === OTHER ? typed.trim() : model;
  const missing = external ? [] : needsOf(template, slug).filter((key) => !keys.has(key));
  const rows = useMemo(() => treeRows({ ...org, agents: Object.fromEntries(Object.entries(org.agents).map(([id, agent]) => [id, { ...agent, collapsed: false }])) }), [org]);
  const folderFault = folder && !/^(\/|[A-Za-z]:[\\/])/.test(folder) ? 'A whole path, from the root of the disk' : folder.includes('..') ? 'A path without ..' : undefined;
  const nameFault = !name.trim() ? 'It needs a name' : /[{}[\]|>*&!]/.test(name) ? 'None of { } [ ] | > * & !' : undefined;
  const reason = nameFault ?? folderFault ?? (!external && !template ? 'There is no template to make it from' : undefined)
    ?? (missing.length > 0 ? `${missing.join(' and ')} comes first` : undefined);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTouched(true);
    if (reason) return;
    setBusy(true);
    setError('');
    const body: CreateWorkspace = {
      name: name.trim(),
      tier: Number(tier),
      canvas: placeFor(parentId),
      ...(role.trim() && { role: role.trim() }),
      ...(parentId && { parent_id: parentId }),
      ...(external ? { runtime: 'external' } : {
        template: template?.id,
        ...(slug && { model: slug }),
        ...(folder.trim() && { workspace_dir: folder.trim(), workspace_access: access }),
      }),
    };
    try {
      const made = await api.createWorkspace(body);
      onClose();
      if (made.connection) {
        show({ kind: 'connect', name: body.name, connection: made.connection });
      } else {
        say.done(`${body.name} was created`);
        openAgent(made.id, 'chat');
      }
      lookAt(made.id);
    } catch (failure) {
      setError(messageOf(failure));
      setBusy(false);
    }
  };

  return (
    <Dialog
      title={external ? 'Connect an agent' : 'New agent'}
      says={external ? 'It runs elsewhere and joins with a token.' : 'It starts at once on this computer.'}
      onClose={onClose}
      note={error ? <span className="text-bad" role="alert">{error}</span> : touched && reason ? reason : undefined}
      actions={(
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="pri" type="submit" form="new-agent" disabled={busy} because={reason}>{busy ? 'Creating…' : external ? 'Create and connect' : 'Create agent'}</Button>
        </>
      )}
    >
      <form id="new-agent" className="dialog-body grid gap-4" onSubmit={(event) => void submit(event)}>
        <div className="form-two">
          <Field label="Name" error={touched ? nameFault : undefined}>
            {(ids) => <input {...ids} className="input" autoFocus autoComplete="off" maxLength={255} value={name} onChange={(event) => setName(event.target.value)} />}
          </Field>
          <Field label="Reports to">
            {(ids) => (
              <select {...ids} className="input" value={parentId} onChange={(event) => setParentId(event.target.value)}>
                <option value="">Nobody, it stands alone</option>
                {rows.map(({ agent, depth }) => <option key={agent.id} value={agent.id}>{'\u2003'.repeat(depth)}{agent.name}</option>)}
              </select>
            )}
          </Field>
        </div>
        <Field label="Role" hint="What it is good at, in a sentence. Others choose by it.">
          {(ids) => <input {...ids} className="input" autoComplete="off" maxLength={1000} value={role} onChange={(event) => setRole(event.target.value)} />}
        </Field>
        {!external && (
          <div className="form-two">
            <Field label="Made from" hint={template?.description || (templates.isError ? 'The templates could not be loaded.' : undefined)}>
              {(ids) => (
                <select {...ids} className="input" value={template?.id ?? ''} onChange={(event) => { setTemplateId(event.target.value); setModel(''); }}>
                  {usable.map((each) => <option key={each.id} value={each.id}>{each.name || each.id}</option>)}
                </select>
              )}
            </Field>
            <Field label="Model" hint={groups.length > 0 || !template?.model ? undefined : 'The one of its template.'}>
              {(ids) => (
                <div className="grid gap-2">
                  <select {...ids} className="input" value={model} onChange={(event) => setModel(event.target.value)}>
                    <option value="">{template?.model ? modelName(template.model) : 'From the template'}</option>
                    {groups.map((group) => (
                      <optgroup key={group.label} label={group.label}>
                        {group.choices.filter((each) => each.id !== template?.model).map((each) => <option key={each.id} value={each.id}>{each.label}</option>)}
                      </optgroup>
                    ))}
                    {template?.model !== 'rehearsal' && <option value={OTHER}>Another one…</option>}
                  </select>
                  {model === OTHER && <input className="input code" aria-label="Name of the model" autoComplete="off" spellCheck={false} placeholder="provider/model" value={typed} onChange={(event) => setTyped(event.target.value)} />}
                </div>
              )}
            </Field>
          </div>
        )}
        {!external && (
          <div className="grid gap-2">
            <Field label="Folder on this computer" error={folder ? folderFault : undefined} hint="It works inside this folder and cannot leave it. Empty gives it a private one.">
              {(ids) => (
                <div className="flex gap-2 items-center">
                  <Icon name="folder" className="text-ink-3" />
                  <input {...ids} className="input code" autoComplete="off" spellCheck={false} placeholder="/home/you/project" value={folder} onChange={(event) => setFolder(event.target.value)} />
                </div>
              )}
            </Field>
            {folder && (
              <RadioGroup.Root className="flex gap-5" aria-label="What it may do there" value={access} onValueChange={(value) => setAccess(value as 'read_only' | 'read_write')}>
                {([['read_only', 'Read only'], ['read_write', 'Read and write, each change asks you']] as const).map(([value, label]) => (
                  <div key={value} className="flex items-center gap-2">
                    <RadioGroup.Item id={`access-${value}`} value={value} className="check radio" /><label htmlFor={`access-${value}`}>{label}</label>
                  </div>
                ))}
              </RadioGroup.Root>
            )}
          </div>
        )}
        {!external && (
          <fieldset className="grid gap-1.5">
            <legend className="text-meta text-ink-2 font-semibold mb-1.5">Access tier</legend>
            <RadioGroup.Root className="tiers" value={tier} onValueChange={setTier} aria-label="Access tier">
              {['1', '2', '3', '4'].map((each) => (
                <label key={each} className="tier" data-on={tier === each || undefined} htmlFor={`tier-${each}`}>
                  <span className="flex items-center gap-2"><RadioGroup.Item id={`tier-${each}`} value={each} className="check radio" /><span className="font-semibold">{TIER[Number(each)]?.name}</span></span>
                  <span className="text-meta text-ink-3">{TIER[Number(each)]?.means}</span>
                </label>
              ))}
            </RadioGroup.Root>
          </fieldset>
        )}
        <Check checked={external} onChange={setExternal} label="It runs elsewhere and connects by itself" />
      </form>
      {missing.length > 0 && (
        <div className="needs">
          {missing.map((key) => (
            <div key={key}>
              <div className="flex items-center gap-2.5 min-h-8">
                <Nucleus look="degraded" silent />
                <span className="grow">It needs <span className="code">{key}</span>, which is not stored yet.</span>
                <Button onClick={() => setKeyFor(keyFor === key ? null : key)}>Enter it</Button>
              </div>
              {keyFor === key && (
                <SecretForm name={key} taken={[]} onDone={() => setKeyFor(null)} save={async (name, value) => {
                  await api.putSecret(name, value);
                  await queries.invalidateQueries({ queryKey: ['secrets'] });
                }} />
              )}
            </div>
          ))}
        </div>
      )}
    </Dialog>
  );
}
