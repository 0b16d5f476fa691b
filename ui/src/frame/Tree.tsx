import clsx from 'clsx';
import { useMemo, useRef, type KeyboardEvent } from 'react';
import { Nucleus } from '@/look/Nucleus';
import { markOf } from '@/canvas/facts';
import { foldTeam } from '@/state/actions';
import { askingAgents, useLive } from '@/state/live';
import { MINUTE, useNow } from '@/state/now';
import { byParent, type Agent, type Org } from '@/state/org';
import { useScreen } from '@/state/screen';
import { lookOf, WORD } from '@/state/status';

interface Row {
  agent: Agent;
  depth: number;
  /** For each depth above: whether a line runs on below this row. */
  stems: boolean[];
  last: boolean;
  kids: number;
  index: number;
  siblings: number;
}

export function treeRows(org: Org): Row[] {
  const children = byParent(org);
  const rows: Row[] = [];
  const walk = (parent: string | null, depth: number, stems: boolean[]) => {
    // As they stand on the canvas: by row, then by column.
    const kids = [...(children.get(parent) ?? [])].sort((a, b) => a.y - b.y || a.x - b.x || a.name.localeCompare(b.name));
    kids.forEach((agent, index) => {
      const last = index === kids.length - 1;
      rows.push({ agent, depth, stems, last, kids: children.get(agent.id)?.length ?? 0, index, siblings: kids.length });
      if (!agent.collapsed) walk(agent.id, depth + 1, depth === 0 ? [] : [...stems, !last]);
    });
  };
  walk(null, 0, []);
  return rows;
}

/** The organisation as a real tree, mirroring the canvas (LOOK §3, §11). */
export function Tree({ labelledBy }: { labelledBy: string }) {
  const org = useLive((state) => state.org);
  const approvals = useLive((state) => state.approvals);
  const selected = useScreen((state) => state.selected);
  const focused = useScreen((state) => state.focused);
  const openAgent = useScreen((state) => state.openAgent);
  const focus = useScreen((state) => state.focus);
  const busy = useLive((state) => Object.values(state.org.agents).some((agent) => agent.activeTasks > 0));
  const now = useNow(busy ? 1_000 : MINUTE);
  const list = useRef<HTMLDivElement>(null);
  const rows = useMemo(() => treeRows(org), [org]);
  const asking = useMemo(() => askingAgents(approvals), [approvals]);
  const stop = rows.some((row) => row.agent.id === focused) ? focused : (rows[0]?.agent.id ?? null);

  const onKeyDown = (event: KeyboardEvent) => {
    const at = rows.findIndex((row) => row.agent.id === stop);
    const row = rows[at];
    if (!row) return;
    const go = (index: number) => {
      const next = rows[index];
      if (!next) return;
      focus(next.agent.id);
      list.current?.querySelector<HTMLElement>(`[data-row="${next.agent.id}"]`)?.focus();
    };
    const keys: Record<string, () => void> = {
      ArrowDown: () => go(at + 1),
      ArrowUp: () => go(at - 1),
      Home: () => go(0),
      End: () => go(rows.length - 1),
      ArrowRight: () => {
        if (row.kids > 0 && row.agent.collapsed) void foldTeam(row.agent.id, false);
        else if (row.kids > 0) go(at + 1);
      },
      ArrowLeft: () => {
        if (row.kids > 0 && !row.agent.collapsed) void foldTeam(row.agent.id, true);
        else go(rows.findIndex((each) => each.agent.id === row.agent.parentId));
      },
      Enter: () => openAgent(row.agent.id, undefined, true),
      ' ': () => openAgent(row.agent.id, undefined, true),
    };
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };

  if (rows.length === 0) return <p className="tree px-4! text-ink-3">No agents yet.</p>;
  return (
    <div ref={list} className="tree" role="tree" tabIndex={-1} aria-labelledby={labelledBy} onKeyDown={onKeyDown}>
      {rows.map(({ agent, depth, stems, last, kids, index, siblings }) => {
        const look = lookOf(agent, asking.has(agent.id));
        const mark = markOf(agent, look, now);
        const left = 8 + depth * 18;
        return (
          // eslint-disable-next-line jsx-a11y/click-events-have-key-events -- the tree handles its keys
          <div
            key={agent.id}
            role="treeitem"
            data-row={agent.id}
            className="tree-row"
            style={{ paddingLeft: left }}
            tabIndex={agent.id === stop ? 0 : -1}
            aria-level={depth + 1}
            aria-posinset={index + 1}
            aria-setsize={siblings}
            aria-selected={selected === agent.id}
            aria-expanded={kids > 0 ? !agent.collapsed : undefined}
            onClick={() => openAgent(agent.id)}
            onFocus={() => focus(agent.id)}
          >
            {depth > 0 && (
              <>
                {stems.map((on, level) => on && <span key={level} className="stem" style={{ left: 15 + level * 18 }} />)}
                <span className="elbow" style={{ left: 15 + (depth - 1) * 18, top: index === 0 ? -4 : -14, height: index === 0 ? 18 : 28 }} />
                {!last && <span className="stem" style={{ left: 15 + (depth - 1) * 18, top: 14 }} />}
              </>
            )}
            <Nucleus look={look} silent />
            <span className="cut">{agent.name}</span>
            <span className="sr-only">, {WORD[look]} </span>
            {mark.text && <span className={clsx('n', mark.tone)}>{mark.text}</span>}
          </div>
        );
      })}
    </div>
  );
}
