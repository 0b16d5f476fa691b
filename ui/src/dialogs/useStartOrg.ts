import { useState } from 'react';
import { queries } from '@/api/queries';
import type { OrgTemplate, Requirement, Secret } from '@/api/types';
import { api, messageOf } from '@/backend';
import { ImportRefused, startOrg } from '@/state/actions';
import { say } from '@/state/notices';
import { useScreen } from '@/state/screen';
import { plural } from '@/text/say';

export const satisfied = (requirement: Requirement, keys: ReadonlySet<string>): boolean =>
  (typeof requirement === 'string' ? keys.has(requirement) : requirement.any_of.some((key) => keys.has(key)));

async function configured(): Promise<Set<string>> {
  try {
    const secrets = await queries.fetchQuery<Secret[]>({ queryKey: ['secrets'], queryFn: api.secrets, staleTime: 0 });
    return new Set(secrets.filter((each) => each.has_value).map((each) => each.key));
  } catch {
    return new Set();
  }
}

/** Starts an organisation, asks for its keys first where some are missing, and opens the chat with its root. */
export function useStartOrg() {
  const [starting, setStarting] = useState<string | null>(null);
  const show = useScreen((state) => state.show);
  const go = useScreen((state) => state.go);
  const openAgent = useScreen((state) => state.openAgent);

  const start = async (org: Pick<OrgTemplate, 'dir' | 'name' | 'required_env'>): Promise<void> => {
    if (starting) return;
    setStarting(org.dir);
    try {
      if (org.required_env.length > 0) {
        const keys = await configured();
        if (!org.required_env.every((each) => satisfied(each, keys))) {
          show({ kind: 'keys', dir: org.dir });
          return;
        }
      }
      const began = performance.now();
      go('canvas');
      const result = await startOrg(org.dir, org.name);
      const root = result.workspaces[0];
      say.done(`${org.name || org.dir} was created`, `${plural(result.count, 'agent')} in ${((performance.now() - began) / 1000).toFixed(1)} s`);
      if (root) openAgent(root.id, 'chat');
    } catch (error) {
      if (error instanceof ImportRefused) show({ kind: 'keys', dir: org.dir });
      else say.failed(`${org.name || org.dir} could not be started`, messageOf(error));
    } finally {
      setStarting(null);
    }
  };
  return { start, starting };
}
