/** What a person can do, each as one function with its own words for failure. */
import { queries, keysOf } from '@/api/queries';
import type { Approval, OrgImportResult } from '@/api/types';
import { api, ApiError, messageOf } from '@/backend';
import { arrange, type Arrangement } from './layout';
import { awaitImport, changeAgent, dropApproval, dropSubtree, refresh, useLive } from './live';
import { say } from './notices';
import { subtree } from './org';
import { keep, useScreen } from './screen';

const ARRIVAL_MS = 1_500;

const nameOf = (id: string): string => useLive.getState().org.agents[id]?.name ?? 'The agent';

export async function restartAgent(id: string): Promise<void> {
  const name = nameOf(id);
  try {
    const answer = await api.restart(id);
    if (answer.status === 'noop') say.done(`${name} was not restarted`, answer.message);
    else changeAgent(id, { status: 'provisioning', startingSince: Date.now(), restartReason: '' });
  } catch (error) {
    say.failed(`${name} could not be restarted`, messageOf(error));
  }
}

export async function pauseAgent(id: string): Promise<void> {
  try {
    await api.pause(id);
  } catch (error) {
    say.failed(`${nameOf(id)} could not be paused`, messageOf(error));
  }
}

export async function resumeAgent(id: string): Promise<void> {
  try {
    await api.resume(id);
  } catch (error) {
    say.failed(`${nameOf(id)} could not be resumed`, messageOf(error));
  }
}

/** Removes a subtree at once; later events are no news (50 §8.5). */
export async function deleteAgent(id: string): Promise<void> {
  const { org } = useLive.getState();
  const gone = subtree(org, id);
  const name = nameOf(id);
  await api.deleteWorkspace(id);
  dropSubtree(id);
  gone.forEach((agent) => useScreen.getState().forgetAgent(agent.id));
  say.done(gone.length > 1 ? `${name} and its team were deleted` : `${name} was deleted`);
}

export async function decide(approval: Approval, decision: 'approved' | 'denied'): Promise<void> {
  try {
    await api.decide(approval.workspace_id, approval.id, decision);
    dropApproval(approval.id);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) {
      dropApproval(approval.id);
      say.failed('This was decided already', 'It may have expired.');
    } else {
      say.failed('The decision was not saved', messageOf(error));
    }
  }
  void queries.invalidateQueries({ queryKey: keysOf.decided(approval.workspace_id) });
}

/** Saves positions in parallel; what fails comes back with the next list. */
async function savePlaces(places: Record<string, { x: number; y: number }>): Promise<void> {
  await Promise.allSettled(Object.entries(places).map(([id, at]) => api.updateWorkspace(id, at)));
}

export async function moveAgent(id: string, at: { x: number; y: number }): Promise<void> {
  const { org } = useLive.getState();
  const agent = org.agents[id];
  if (!agent) return;
  const dx = at.x - agent.x;
  const dy = at.y - agent.y;
  const places: Record<string, { x: number; y: number }> = {};
  // Storage is absolute: what lies inside moves with it (L1).
  for (const each of subtree(org, id)) places[each.id] = { x: each.x + dx, y: each.y + dy };
  for (const [each, place] of Object.entries(places)) changeAgent(each, place);
  await savePlaces(places);
}

export async function arrangeTeam(id: string, how: Arrangement): Promise<void> {
  const places = arrange(useLive.getState().org, id, how);
  for (const [each, at] of Object.entries(places)) changeAgent(each, at);
  await savePlaces(places);
}

export async function foldTeam(id: string, collapsed: boolean): Promise<void> {
  changeAgent(id, { collapsed });
  try {
    await api.updateWorkspace(id, { collapsed });
  } catch (error) {
    changeAgent(id, { collapsed: !collapsed });
    say.failed(`${nameOf(id)} could not be ${collapsed ? 'folded' : 'unfolded'}`, messageOf(error));
  }
}

export class ImportRefused extends Error {
  constructor(message: string, readonly missing: string[]) {
    super(message);
  }
}

/** Starts an organisation. Its trees arrive by events while the request runs and are stacked as spines. */
export async function startOrg(dir: string, title: string): Promise<OrgImportResult> {
  const arrivals = awaitImport();
  try {
    const result = await api.importOrg(dir);
    if (result.error) throw new Error(`${result.error} (created ${result.count})`);
    const short = () => result.workspaces.some((each) => !useLive.getState().org.agents[each.id]);
    // Arrivals come by event; the list is read only if some still miss after a while (50 §12.4).
    for (let waited = 0; short() && waited < ARRIVAL_MS; waited += 100) await new Promise((done) => setTimeout(done, 100));
    if (short()) await refresh();
    await savePlaces(arrivals.settle());
    const root = result.workspaces[0];
    if (root) keep(`org.${root.id}`, result.org || title);
    return result;
  } catch (error) {
    arrivals.settle();
    if (error instanceof ApiError && error.status === 412) {
      const missing = (error.body as { missing_env?: unknown[] }).missing_env ?? [];
      throw new ImportRefused('Some keys are missing.', missing.flatMap((each) =>
        typeof each === 'string' ? [each] : ((each as { any_of?: string[] }).any_of ?? [])));
    }
    throw error;
  }
}

/** Stops every task of every working agent; says what did not stop. */
export async function stopAll(ids: string[]): Promise<void> {
  const results = await Promise.allSettled(ids.map(async (id) => {
    const running = (await api.inflight(id)).filter((each) => !each.queued);
    await Promise.all(running.map((each) => api.a2a(id, {
      jsonrpc: '2.0', id: crypto.randomUUID(), method: 'tasks/cancel',
      params: { id: each.task_id ?? each.message_id, metadata: { message_id: each.message_id } },
    })));
    return running.length;
  }));
  const failed = ids.filter((_, index) => results[index]?.status === 'rejected');
  if (failed.length > 0) say.failed(`${failed.length} of ${ids.length} did not stop`, failed.map(nameOf).join(', '));
  else say.done(ids.length === 1 ? `${nameOf(ids[0] ?? '')} was told to stop` : `${ids.length} agents were told to stop`);
}

export function organisationName(roots: { id: string; name: string }[]): string {
  const [only] = roots;
  if (!only) return 'New organisation';
  if (roots.length > 1) return `${roots.length} organisations`;
  try {
    const known: unknown = JSON.parse(localStorage.getItem(`molecule.org.${only.id}`) ?? 'null');
    if (typeof known === 'string' && known) return known;
  } catch {
    // Fall through to the root's own name.
  }
  return only.name;
}
