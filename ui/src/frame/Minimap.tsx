import { useMemo, useRef, type PointerEvent } from 'react';
import { useLayout } from '@/state/hooks';
import { boundsOf } from '@/state/layout';
import { askingAgents, useLive } from '@/state/live';
import { useScreen } from '@/state/screen';
import { lookOf, type Look } from '@/state/status';
import { useView } from '@/state/view';

const W = 216;
const H = 116;
const PAD = 8;
/** Beyond so many the dots would be one smear; teams alone stay readable. */
const DOTS_MOST = 60;

const COLOUR: Record<Look, string> = {
  failed: 'var(--bad)', waiting: 'var(--warn)', degraded: 'var(--warn)', working: 'var(--accent)', starting: 'var(--start)',
  awaiting: 'var(--await)', online: 'var(--ok)', paused: 'var(--pause)', sleeping: 'var(--sleep)', offline: 'var(--off)',
};

function Dot({ look, x, y }: { look: Look; x: number; y: number }) {
  const fill = COLOUR[look];
  if (look === 'failed') return <rect x={x - 2.5} y={y - 2.5} width="5" height="5" rx="1" fill={fill} />;
  if (look === 'degraded') return <path d={`M${x} ${y - 3}l3.5 6h-7Z`} fill={fill} />;
  if (look === 'waiting') return <path d={`M${x} ${y - 3.4}l3 1.7v3.4l-3 1.7-3-1.7v-3.4Z`} fill={fill} />;
  if (look === 'working') return <circle cx={x} cy={y} r="2.75" fill={fill} />;
  return <circle cx={x} cy={y} r="2.25" fill="none" stroke={fill} strokeWidth="1.5" />;
}

/** The whole drawing in 216 x 116, with what the canvas shows of it. */
export function Minimap() {
  const layout = useLayout();
  const org = useLive((state) => state.org);
  const approvals = useLive((state) => state.approvals);
  const viewport = useView((state) => state.viewport);
  const size = useView((state) => state.size);
  const view = useScreen((state) => state.view);
  const dragging = useRef(false);
  const boxes = useMemo(() => layout.order.filter((box) => !box.hidden), [layout]);
  const bounds = useMemo(() => boundsOf(boxes), [boxes]);
  const asking = useMemo(() => askingAgents(approvals), [approvals]);
  if (!bounds || view !== 'canvas') return null;

  const seen = {
    x: -viewport.x / viewport.zoom, y: -viewport.y / viewport.zoom,
    w: size.w / viewport.zoom, h: size.h / viewport.zoom,
  };
  const left = Math.min(bounds.x, seen.x);
  const top = Math.min(bounds.y, seen.y);
  const wide = Math.max(bounds.x + bounds.w, seen.x + seen.w) - left;
  const high = Math.max(bounds.y + bounds.h, seen.y + seen.h) - top;
  const k = Math.min((W - PAD * 2) / wide, (H - PAD * 2) / high, 0.16);
  const ox = (W - wide * k) / 2 - left * k;
  const oy = (H - high * k) / 2 - top * k;

  const to = (event: PointerEvent<SVGSVGElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const x = ((event.clientX - box.left) * W) / box.width;
    const y = ((event.clientY - box.top) * H) / box.height;
    useView.getState().drive?.center((x - ox) / k, (y - oy) / k);
  };

  return (
    <div className="mini" aria-hidden="true">
      <svg
        width="100%" height="100%" viewBox={`0 0 ${W} ${H}`}
        onPointerDown={(event) => { dragging.current = true; event.currentTarget.setPointerCapture(event.pointerId); to(event); }}
        onPointerMove={(event) => { if (dragging.current) to(event); }}
        onPointerUp={() => { dragging.current = false; }}
      >
        {boxes.map((box) => {
          const x = ox + box.absX * k;
          const y = oy + box.absY * k;
          if (!box.team || box.folded) return null;
          return box.parentId === null
            ? <rect key={box.id} x={x} y={y} width={box.w * k} height={box.h * k} rx="5" fill="none" stroke="var(--line-2)" />
            : <rect key={box.id} x={x} y={y} width={box.w * k} height={box.h * k} rx="3" fill="var(--line-2)" opacity={box.depth % 2 ? 0.5 : 0.8} />;
        })}
        {boxes.length < DOTS_MOST && boxes.map((box) => {
          const agent = org.agents[box.id];
          if (!agent) return null;
          const team = box.team && !box.folded;
          return <Dot key={box.id} look={lookOf(agent, asking.has(agent.id))} x={ox + (box.absX + (team ? 34 : box.w / 2)) * k} y={oy + (box.absY + (team ? 40 : box.h / 2)) * k} />;
        })}
        <rect x={ox + seen.x * k} y={oy + seen.y * k} width={Math.max(8, seen.w * k)} height={Math.max(6, seen.h * k)} rx="5" fill="none" stroke="var(--text-3)" />
      </svg>
    </div>
  );
}
