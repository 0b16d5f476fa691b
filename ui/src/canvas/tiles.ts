/** Teams as tiles, for a large organisation seen from afar (LOOK §5). Pure. */
import { byParent, type Agent, type Org } from '@/state/org';
import { lookOf, ORDER, type Look } from '@/state/status';

/** From so many agents on the far view takes over at the dot level. */
export const FAR_FROM = 40;

export interface Tile {
  id: string;
  name: string;
  people: number;
  /** The lead and its own people, worst first. */
  looks: Look[];
  says: string;
  tone: '' | 'warn' | 'bad';
}

export interface Column { id: string; name: string; people: number; tiles: Tile[] }

function words(looks: readonly Look[]): { says: string; tone: Tile['tone'] } {
  const count = (look: Look) => looks.filter((each) => each === look).length;
  if (count('failed')) return { says: `${count('failed')} failed`, tone: 'bad' };
  if (count('waiting')) return { says: 'needs you', tone: 'warn' };
  if (count('degraded')) return { says: `${count('degraded')} degraded`, tone: 'warn' };
  if (count('working')) return { says: `${count('working')} working`, tone: '' };
  if (count('starting')) return { says: `${count('starting')} starting`, tone: '' };
  return { says: 'idle', tone: '' };
}

export function countsOf(org: Org, asking: ReadonlySet<string>): { look: Look; count: number }[] {
  const looks = Object.values(org.agents).map((agent) => lookOf(agent, asking.has(agent.id)));
  return ORDER.map((look) => ({ look, count: looks.filter((each) => each === look).length })).filter((each) => each.count > 0);
}

/** A tile per team that has people of its own; a column per lead of several such teams, the rest side by side. */
export function tilesOf(org: Org, asking: ReadonlySet<string>): Column[] {
  const children = byParent(org);
  const kids = (agent: Agent) => children.get(agent.id) ?? [];
  const isTeam = (agent: Agent) => kids(agent).length > 0;
  const look = (agent: Agent) => lookOf(agent, asking.has(agent.id));
  const columns = new Map<string, Column>();
  const put = (agent: Agent, own: readonly Agent[]) => {
    const people = [agent, ...own];
    const looks = people.map(look).sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b));
    const parent = agent.parentId ? org.agents[agent.parentId] : undefined;
    const key = parent && kids(parent).filter(isTeam).length > 1 ? parent.id : '';
    const column = columns.get(key) ?? { id: key || 'loose', name: key ? (parent?.name ?? '') : '', people: 0, tiles: [] };
    column.tiles.push({ id: agent.id, name: agent.name, people: people.length, looks, ...words(looks) });
    column.people += people.length;
    columns.set(key, column);
  };
  const place = (a: Agent, b: Agent) => a.y - b.y || a.x - b.x || a.name.localeCompare(b.name);
  const walk = (agent: Agent) => {
    const own = kids(agent).filter((kid) => !isTeam(kid));
    const teams = kids(agent).filter(isTeam).sort(place);
    // A lead of nothing but teams is the head of a column, not a tile.
    if (own.length > 0 || teams.length === 0) put(agent, own);
    teams.forEach(walk);
  };
  [...(children.get(null) ?? [])].sort(place).forEach(walk);
  return [...columns.values()];
}
