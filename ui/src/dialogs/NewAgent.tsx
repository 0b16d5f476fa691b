import { RadioGroup } from 'radix-ui';
import { useMemo, useState, type FormEvent } from 'react';
import { useLocalServers, useTemplates } from '@/api/queries';
import type { CreateWorkspace, LocalServer, Template } from '@/api/types';
import { api, messageOf } from '@/backend';
import { Button, Check, Dialog, Field } from '@/look/controls';
import { Icon } from '@/look/Icon';
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

interface ModelChoice { id: string; label: string; server?: LocalServer }

function modelsOf(template: Template | undefined, servers: readonly LocalServer[]): ModelChoice[] {
  const own = template?.models?.map((model) => ({ id: model.id, label: model.name && model.name !== model.id ? `${model.name}, ${model.id}` : model.id })) ?? [];
  const local = template && template.runtime !== 'local' ? [] : servers.flatMap((server) => server.models.map((model) => ({ id: model, label: `${model}, on this computer with ${server.name}`, server })));
  return [...own, ...local];
}

interface Props { parentId?: string; template?: string; external?: boolean; onClose: () => void }

/** One agent: who it is, what it is made from, where it stands, what it may touch (50 §12.1). */
export function NewAgent({ parentId: parentAsked, template: templateAsked, external: externalAsked, onClose }: Props) {
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
  const [model, setModel] = useState('');
  const [parentId, setParentId] = useState(parentAsked ?? '');
  const [tier, setTier] = useState('2');
  const [folder, setFolder] = useState('');
  const [access, setAccess] = useState<'read_only' | 'read_write'>('read_only');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const [touched, setTouched] = useState(false);

  const usable = useMemo(() => (templates.data ?? []), [templates.data]);
  const template = usable.find((each) => each.id === templateId) ?? usable.find((each) => each.runtime === 'local') ?? usable[0];
  const choices = modelsOf(template, servers.data ?? []);
  const rows = useMemo(() => treeRows({ ...org, agents: Object.fromEntries(Object.entries(org.agents).map(([id, agent]) => [id, { ...agent, collapsed: false }])) }), [org]);
  const folderFault = folder && !/^(\/|[A-Za-z]:[\\/])/.test(folder) ? 'A whole path, from the root of the disk' : folder.includes('..') ? 'A path without ..' : undefined;
  const nameFault = !name.trim() ? 'It needs a name' : /[{}[\]|>*&!]/.test(name) ? 'None of { } [ ] | > * & !' : undefined;
  const reason = nameFault ?? folderFault ?? (!external && !template ? 'There is no template to make it from' : undefined);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTouched(true);
    if (reason) return;
    setBusy(true);
    setError('');
    const server = choices.find((each) => each.id === model)?.server;
    const body: CreateWorkspace = {
      name: name.trim(),
      tier: Number(tier),
      canvas: placeFor(parentId),
      ...(role.trim() && { role: role.trim() }),
      ...(parentId && { parent_id: parentId }),
      ...(external ? { runtime: 'external' } : {
        template: template?.id,
        ...(model.trim() && { model: model.trim() }),
        ...(folder.trim() && { workspace_dir: folder.trim(), workspace_access: access }),
        // A model of this computer needs to know where its server listens.
        ...(server && { secrets: { OPENAI_BASE_URL: server.base_url } }),
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
                <select {...ids} className="input" value={template?.id ?? ''} onChange={(event) => setTemplateId(event.target.value)}>
                  {usable.map((each) => <option key={each.id} value={each.id}>{each.name || each.id}</option>)}
                </select>
              )}
            </Field>
            <Field label="Model" hint={choices.find((each) => each.id === model)?.server ? 'Runs on this computer.' : 'Empty takes the one of the template.'}>
              {(ids) => (
                <>
                  <input {...ids} className="input" list="model-names" autoComplete="off" placeholder={template?.model || 'from the template'} value={model} onChange={(event) => setModel(event.target.value)} />
                  <datalist id="model-names">{choices.map((each) => <option key={`${each.id}${each.server?.base_url ?? ''}`} value={each.id}>{each.label}</option>)}</datalist>
                </>
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
    </Dialog>
  );
}
