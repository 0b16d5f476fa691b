import { useBrokenTemplates, useOrgTemplates, useTemplates } from '@/api/queries';
import type { BrokenTemplate, OrgTemplate } from '@/api/types';
import { Button, Nothing, SkeletonRows, Trouble } from '@/look/controls';
import { Icon } from '@/look/Icon';
import { Nucleus } from '@/look/Nucleus';
import { modelName } from '@/canvas/facts';
import { useStartOrg } from '@/dialogs/useStartOrg';
import { runtimeName } from '@/state/status';
import { useScreen } from '@/state/screen';
import { plural } from '@/text/say';
import { View } from './View';

/** A folder that cannot be used, with the place of its error; it mends itself when the file is saved. */
function Broken({ each }: { each: BrokenTemplate }) {
  return (
    <li className="row-card">
      <Nucleus look="failed" size={20} silent />
      <div className="grow min-w-0 grid gap-0.5">
        <div className="text-read font-semibold cut">{each.id}</div>
        <div className="text-bad">{each.reason}</div>
        <div className="code text-ink-3 wrap-anywhere">{each.file}{each.line > 0 ? `:${each.line}:${each.column}` : ''}</div>
      </div>
      <span className="text-meta text-ink-3 flex-none">{each.kind.startsWith('org') ? 'organisation' : 'agent'}</span>
    </li>
  );
}

const needs = (template: OrgTemplate): string[] =>
  template.required_env.map((each) => (typeof each === 'string' ? each : each.any_of.join(' or ')));

/** What organisations and agents can be made from. Nothing happens until a button is pressed. */
export function TemplatesView() {
  const orgs = useOrgTemplates();
  const templates = useTemplates();
  const broken = useBrokenTemplates();
  const show = useScreen((state) => state.show);
  const { start, starting } = useStartOrg();
  return (
    <View title="Templates" says="Organisations start whole; single agents join where you put them.">
      <section className="grid gap-2" aria-label="Organisations">
        <h3 className="view-title">Organisations</h3>
        {orgs.isPending && <SkeletonRows rows={2} />}
        {orgs.isError && <Trouble text="The organisations could not be loaded." onRetry={() => void orgs.refetch()} />}
        {orgs.data?.length === 0 && <Nothing icon="team">None yet. A folder with an org.yaml in templates/orgs appears here by itself.</Nothing>}
        <ul className="rows">
          {orgs.data?.map((org, index) => (
            <li key={org.dir} className="row-card">
              <Icon name="team" size={20} className="text-ink-3" />
              <div className="grow min-w-0 grid gap-0.5">
                <div className="text-read font-semibold cut">{org.name || org.dir}</div>
                <div className="text-ink-2">{org.description}</div>
                {needs(org).length > 0 && <div className="text-meta text-ink-3">Needs <span className="code">{needs(org).join(', ')}</span></div>}
              </div>
              <span className="text-meta text-ink-3 flex-none">{plural(org.workspaces, 'agent')}</span>
              <Button
                kind={index === 0 ? 'pri' : 'plain'}
                because={starting && starting !== org.dir ? 'Another one is being started' : undefined}
                onClick={() => void start(org)}
              >
                {starting === org.dir ? 'Starting…' : 'Start'}
              </Button>
            </li>
          ))}
        </ul>
      </section>
      <section className="grid gap-2" aria-label="Agents">
        <h3 className="view-title">Agents</h3>
        {templates.isPending && <SkeletonRows rows={3} />}
        {templates.isError && <Trouble text="The templates could not be loaded." onRetry={() => void templates.refetch()} />}
        {templates.data?.length === 0 && <Nothing icon="grid">None yet. A folder with a config.yaml in templates/workspaces appears here by itself.</Nothing>}
        <ul className="rows">
          {templates.data?.map((template) => (
            <li key={template.id} className="row-card">
              <Icon name="chip" size={20} className="text-ink-3" />
              <div className="grow min-w-0 grid gap-0.5">
                <div className="flex items-baseline gap-2"><span className="text-read font-semibold cut">{template.name || template.id}</span><span className="code text-ink-3">{template.id}</span></div>
                <div className="text-ink-2">{template.description}</div>
                {template.skills.length > 0 && <div className="text-meta text-ink-3 cut">{template.skills.slice(0, 3).join(', ')}{template.skill_count > 3 ? ` and ${template.skill_count - 3} more` : ''}</div>}
              </div>
              <span className="text-meta text-ink-3 flex-none text-right">{runtimeName(template.runtime)}{template.model && <><br />{modelName(template.model)}</>}</span>
              <Button onClick={() => show({ kind: 'new-agent', template: template.id })}>Use</Button>
            </li>
          ))}
        </ul>
      </section>
      {(broken.data?.length ?? 0) > 0 && (
        <section className="grid gap-2" aria-label="Broken templates">
          <h3 className="view-title">Cannot be used</h3>
          <ul className="rows">{broken.data?.map((each) => <Broken key={`${each.kind}/${each.id}`} each={each} />)}</ul>
        </section>
      )}
    </View>
  );
}
