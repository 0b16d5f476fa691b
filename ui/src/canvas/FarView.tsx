import clsx from 'clsx';
import { useMemo, type WheelEvent } from 'react';
import { Nucleus } from '@/look/Nucleus';
import { askingAgents, useLive } from '@/state/live';
import { useScreen } from '@/state/screen';
import { WORD, type Look } from '@/state/status';
import { useView } from '@/state/view';
import { tilesOf, type Tile } from './tiles';

const STEP = 28;
const PER_ROW = 7;
const ROW = 30;
const INSET = 14;
const R = 8;

/** One agent from afar: idle hollow, working full, everything else by its silhouette. */
function Atom({ look, x, y }: { look: Look; x: number; y: number }) {
  if (look === 'online') return <circle cx={x} cy={y} r="5.25" fill="none" stroke="var(--ok)" strokeWidth="1.75" opacity=".8" />;
  if (look === 'working') return <circle cx={x} cy={y} r="6" fill="var(--accent)" />;
  return <svg x={x - R} y={y - R} width={R * 2} height={R * 2} overflow="visible"><Nucleus look={look} size={16} silent /></svg>;
}

function Atoms({ looks }: { looks: readonly Look[] }) {
  const spot = (index: number) => {
    const row = Math.floor(index / PER_ROW);
    return { x: 10 + (row % 2) * INSET + (index % PER_ROW) * STEP, y: 10 + row * ROW };
  };
  const rows = Math.ceil(looks.length / PER_ROW);
  return (
    <svg className="atoms" width="202" height={Math.max(1, rows) * ROW - 8} aria-hidden="true">
      <g stroke="var(--bond)" strokeWidth="1.5" strokeLinecap="round">
        {looks.map((_, index) => {
          if (index === 0) return null;
          const b = spot(index);
          const a = index % PER_ROW === 0 ? spot(index - PER_ROW) : spot(index - 1);
          const length = Math.hypot(b.x - a.x, b.y - a.y);
          const k = 10 / length;
          return <path key={index} d={`M${a.x + (b.x - a.x) * k} ${a.y + (b.y - a.y) * k}L${b.x - (b.x - a.x) * k} ${b.y - (b.y - a.y) * k}`} />;
        })}
      </g>
      {looks.map((look, index) => <Atom key={index} look={look} {...spot(index)} />)}
    </svg>
  );
}

function TileView({ tile }: { tile: Tile }) {
  const selected = useScreen((state) => state.selected === tile.id);
  const enter = () => useView.getState().drive?.fit([tile.id]);
  return (
    <button
      type="button"
      className={clsx('tile', tile.tone, selected && 'sel')}
      data-agent={tile.id}
      onClick={enter}
      onWheel={(event) => { if (event.deltaY < 0 && event.ctrlKey) enter(); }}
    >
      <span className="tile-head">
        <span className="font-semibold cut">{tile.name}</span>
        <span className="text-meta text-ink-3">{tile.people}<span className="sr-only"> agents, </span></span>
        <span className={clsx('text-meta ml-auto flex-none', tile.tone === 'warn' ? 'text-warn font-semibold' : tile.tone === 'bad' ? 'text-bad font-semibold' : 'text-ink-3')}>{tile.says}</span>
      </span>
      <Atoms looks={tile.looks} />
    </button>
  );
}

/** A large organisation from a distance: a tile per team, agents as nuclei, activity as mass (LOOK §5). */
export function FarView() {
  const org = useLive((state) => state.org);
  const approvals = useLive((state) => state.approvals);
  const columns = useMemo(() => tilesOf(org, askingAgents(approvals)), [org, approvals]);
  const onWheel = (event: WheelEvent<HTMLDivElement>) => {
    const box = event.currentTarget;
    const still = box.scrollHeight <= box.clientHeight + 1;
    if (event.deltaY < 0 && still && !event.ctrlKey) useView.getState().drive?.zoomBy(1.6);
  };
  return (
    <div className="far nowheel nopan" onWheel={onWheel}>
      {columns.map((column) => (
        <section key={column.id} className={clsx('far-column', column.name === '' && 'loose')} aria-label={column.name || 'Teams'}>
          {column.name && <h2 className="far-title">{column.name}<span>{column.people}</span></h2>}
          {column.tiles.map((tile) => <TileView key={tile.id} tile={tile} />)}
        </section>
      ))}
    </div>
  );
}

/** How many of each, worst first, for the sidebar of a large organisation. */
export function StatusCounts({ counts }: { counts: readonly { look: Look; count: number }[] }) {
  return (
    <ul className="px-2 pb-2">
      {counts.map(({ look, count }) => (
        <li key={look} className="tree-row pl-2">
          <Nucleus look={look} silent /><span className="cut">{WORD[look]}</span><span className="n">{count}</span>
        </li>
      ))}
    </ul>
  );
}
