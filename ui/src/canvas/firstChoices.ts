import type { OrgTemplate } from '@/api/types';

/** The demo first, then the largest other one; the third choice is a single agent. Pure. */
export function chooseThree(orgs: readonly OrgTemplate[]): OrgTemplate[] {
  const first = orgs.find((org) => org.dir === 'product-team') ?? orgs.find((org) => org.required_env.length === 0) ?? orgs[0];
  if (!first) return [];
  const second = orgs.filter((org) => org !== first)
    .sort((a, b) => a.required_env.length - b.required_env.length || b.workspaces - a.workspaces)[0];
  return second ? [first, second] : [first];
}
