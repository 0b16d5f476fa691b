import { useOrgTemplates } from '@/api/queries';
import type { OrgTemplate } from '@/api/types';
import { useStartOrg } from '@/dialogs/useStartOrg';
import { Button, SkeletonRows, Trouble } from '@/look/controls';
import { Icon } from '@/look/Icon';
import { Nucleus } from '@/look/Nucleus';
import { useLive } from '@/state/live';
import { useScreen } from '@/state/screen';
import type { Look } from '@/state/status';
import { plural } from '@/text/say';
import { chooseThree } from './firstChoices';
import { Molecule } from './Molecule';

function Fact({ look, title, detail }: { look: Look; title: string; detail: string }) {
  return (
    <div className="flex items-start gap-2.5">
      <Nucleus look={look} size={16} silent className="mt-px" />
      <div className="min-w-0"><div className="cut">{title}</div><div className="text-meta text-ink-3">{detail}</div></div>
    </div>
  );
}

function Facts() {
  const app = useLive((state) => state.app);
  if (!app) return null;
  const { vault, engine, models } = app;
  const server = models.local[0];
  return (
    <div className="first-facts" aria-label="This computer">
      {vault.store === 'keychain' && vault.state === 'ready'
        ? <Fact look="online" title="Keychain ready" detail="Secrets never touch the database" />
        : vault.state === 'ready'
          ? <Fact look="online" title="Secrets in a sealed file" detail={vault.reason ?? 'No keychain answered'} />
          : <Fact look="degraded" title={`Keychain ${vault.state}`} detail={vault.reason ?? 'Nothing needs a secret yet'} />}
      {engine.state === 'ready'
        ? <Fact look="online" title={engine.detail ?? 'Container engine ready'} detail="Agents can run in containers" />
        : <Fact look="offline" title="No container engine" detail="Local agents work without one" />}
      {models.keys.length > 0
        ? <Fact look="online" title={plural(models.keys.length, 'model key')} detail={models.keys.join(', ')} />
        : <Fact look="awaiting" title="No model key yet" detail={server ? `${server.name} found on this computer, ${plural(server.models.length, 'model')}` : 'A rehearsal needs none'} />}
    </div>
  );
}

/** Who should work on it? Three choices, two other doors, three facts about this computer (LOOK §10). */
export function EmptyCanvas() {
  const orgs = useOrgTemplates();
  const { start, starting } = useStartOrg();
  const show = useScreen((state) => state.show);
  const go = useScreen((state) => state.go);
  const choices = chooseThree(orgs.data ?? []);
  const card = (org: OrgTemplate, index: number) => (
    <li key={org.dir} className="first-card">
      <Molecule people={org.workspaces} index={index} />
      <h3 className="text-title font-semibold">{org.name || org.dir}</h3>
      <p className="text-ink-2 clamp-3">{org.description}</p>
      <div className="first-foot">
        <span className="text-meta text-ink-3">{plural(org.workspaces, 'agent')}</span>
        <Button
          kind={index === 0 ? 'pri' : 'plain'}
          because={starting && starting !== org.dir ? 'Another one is being started' : undefined}
          disabled={starting === org.dir}
          onClick={() => void start(org)}
        >
          {starting === org.dir ? 'Starting…' : index === 0 ? <>Try it<span className="sr-only">: start the demo organisation</span></> : 'Choose'}
        </Button>
      </div>
    </li>
  );
  return (
    <div className="first" data-region="canvas" id="canvas" tabIndex={-1}>
      <div className="first-page">
        <h2 className="text-hero font-semibold">Who should work on it?</h2>
        <p className="text-read text-ink-2 max-w-140">
          Start with a team that already knows how to work together. Nothing needs a key yet: a rehearsal runs on this computer with a scripted model, offline and free.
        </p>
        {orgs.isPending && <div className="pt-6"><SkeletonRows /></div>}
        {orgs.isError && <Trouble className="pt-6" text="The teams could not be loaded." onRetry={() => void orgs.refetch()} />}
        <ul className="first-cards">
          {choices.map(card)}
          {!orgs.isPending && (
            <li className="first-card">
              <Molecule people={1} index={2} />
              <h3 className="text-title font-semibold">One agent</h3>
              <p className="text-ink-2 clamp-3">A single one from a template or with a model of your own. Grow it into a team later.</p>
              <div className="first-foot">
                <span className="text-meta text-ink-3">1 agent</span>
                <Button onClick={() => show({ kind: 'new-agent' })}>Choose</Button>
              </div>
            </li>
          )}
        </ul>
        <div className="first-doors">
          <button type="button" className="btn ghost" onClick={() => go('templates')}><Icon name="grid" />See all templates</button>
          <button type="button" className="btn ghost" onClick={() => show({ kind: 'new-agent', external: true })}><Icon name="plug" />Connect an agent that runs elsewhere</button>
        </div>
        <Facts />
      </div>
    </div>
  );
}
