import {
  Background, BackgroundVariant, ReactFlow, ReactFlowProvider, useReactFlow,
  type Node, type NodeChange, type NodeProps,
} from '@xyflow/react';
import clsx from 'clsx';
import { ContextMenu } from 'radix-ui';
import { memo, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import type { Viewport } from '@/api/types';
import { moveAgent } from '@/state/actions';
import { currentLayout, useLayout, useTeamSum } from '@/state/hooks';
import { boundsOf, type Layout, type Placed } from '@/state/layout';
import { useLive } from '@/state/live';
import { useScreen } from '@/state/screen';
import { useView } from '@/state/view';
import { Nucleus } from '@/look/Nucleus';
import { plural } from '@/text/say';
import { AgentCard } from './AgentCard';
import { levelAt } from './bonds';
import { Bonds } from './Bonds';
import { FarView } from './FarView';
import { FAR_FROM } from './tiles';
import { CanvasMenu } from './CanvasMenu';
import { neighbour, type Arrow } from './keys';
import { TeamBox } from './TeamBox';
import { useAutoFit } from './useAutoFit';
import { useSavedViewport } from './useSavedViewport';

type BoxNode = Node<{ box: Placed }, 'agent' | 'team' | 'folded'>;

const NOTHING: BoxNode[] = [];
const MARGIN = 32;
const NEARLY = 0.92;
export const ZOOM = { least: 0.1, most: 2 };

const AgentNode = memo(function AgentNode({ id, data }: NodeProps<BoxNode>) {
  return <AgentCard id={id} w={data.box.w} h={data.box.h} />;
});

const FoldedNode = memo(function FoldedNode({ id, data }: NodeProps<BoxNode>) {
  const sum = useTeamSum(id);
  const roomy = useView((state) => state.level !== 'name' && state.level !== 'dot');
  const people = `${plural(sum.people, 'agent')}${sum.working ? `, ${sum.working} working` : ''}`;
  return (
    <>
      <AgentCard id={id} w={data.box.w} h={data.box.h} people={people} />
      {roomy && sum.worst && sum.worst !== 'online' && (
        <span className="unscaled pointer-events-none flex justify-end p-3" style={{ '--w': data.box.w, '--h': data.box.h } as React.CSSProperties}>
          <Nucleus look={sum.worst} size={14} />
        </span>
      )}
    </>
  );
});

const TeamNode = memo(function TeamNode({ id, data }: NodeProps<BoxNode>) {
  return <TeamBox id={id} w={data.box.w} h={data.box.h} depth={data.box.depth} />;
});

const nodeTypes = { agent: AgentNode, team: TeamNode, folded: FoldedNode };

/** Keeps the node objects that did not change, so that only what moved is drawn anew. */
function useNodes(layout: Layout, drag: { id: string; x: number; y: number } | null): BoxNode[] {
  const before = useRef(new Map<string, BoxNode>());
  return useMemo(() => {
    const next = new Map<string, BoxNode>();
    for (const box of layout.order) {
      const at = drag?.id === box.id ? drag : box;
      const type = !box.team ? 'agent' : box.folded ? 'folded' : 'team';
      const old = before.current.get(box.id);
      const same = old && old.data.box === box && old.type === type && old.position.x === at.x && old.position.y === at.y;
      next.set(box.id, same ? old : {
        id: box.id,
        type,
        position: { x: at.x, y: at.y },
        parentId: box.parentId ?? undefined,
        width: box.w,
        height: box.h,
        hidden: box.hidden,
        zIndex: box.depth,
        data: { box },
        className: type === 'team' ? 'is-team' : undefined,
        dragHandle: type === 'team' ? '.team-hit' : undefined,
      });
    }
    before.current = next;
    return [...next.values()];
  }, [layout, drag]);
}

export function fitViewport(layout: Layout, size: { w: number; h: number }, ids?: string[], most = 1): Viewport | null {
  const boxes = layout.order.filter((box) => !box.hidden && (ids ? ids.includes(box.id) : box.parentId === null));
  const bounds = boundsOf(boxes);
  if (!bounds || size.w <= 0 || size.h <= 0) return null;
  let zoom = Math.max(ZOOM.least, Math.min(most, (size.w - MARGIN * 2) / bounds.w, (size.h - MARGIN * 2) / bounds.h));
  // Just under full size the margin gives way, so that every card says everything.
  if (zoom < 1 && zoom > NEARLY && bounds.w + 16 <= size.w && bounds.h + 16 <= size.h) zoom = 1;
  return {
    zoom,
    x: Math.round((size.w - bounds.w * zoom) / 2 - bounds.x * zoom),
    y: Math.round((size.h - bounds.h * zoom) / 2 - bounds.y * zoom),
  };
}

function Plane() {
  const flow = useReactFlow();
  const layout = useLayout();
  const plane = useRef<HTMLDivElement>(null);
  const [drag, setDrag] = useState<{ id: string; x: number; y: number } | null>(null);
  const nodes = useNodes(layout, drag);
  const focused = useScreen((state) => state.focused);
  const loaded = useLive((state) => state.org.loaded);
  const connected = useLive((state) => state.socket.phase === 'live');
  const far = useView((state) => state.level === 'dot') && layout.order.length >= FAR_FROM;
  const roots = layout.order.filter((box) => box.parentId === null).length;

  const onMove = useCallback((viewport: Viewport) => {
    plane.current?.style.setProperty('--zoom', String(viewport.zoom));
    useView.setState((state) => ({ viewport, level: levelAt(viewport.zoom, state.level) }));
  }, []);

  const move = useCallback((to: Viewport | null, ms = 0) => {
    if (!to) return;
    const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    void flow.setViewport(to, { duration: calm ? 0 : ms });
    if (ms === 0 || calm) onMove(to);
  }, [flow, onMove]);

  const fit = useCallback((ids?: string[], ms = 400) => move(fitViewport(currentLayout(), useView.getState().size, ids), ms), [move]);

  // The canvas recentres by half the change when a region opens or closes: the card under the eye stays put.
  useLayoutEffect(() => {
    const element = plane.current;
    if (!element) return undefined;
    const watch = new ResizeObserver(([entry]) => {
      if (!entry) return;
      const next = { w: entry.contentRect.width, h: entry.contentRect.height };
      const { size, viewport } = useView.getState();
      useView.setState({ size: next });
      if (size.w > 0 && next.w > 0 && (size.w !== next.w || size.h !== next.h)) {
        const whole = fitViewport(currentLayout(), size);
        const fitted = whole && Math.abs(whole.zoom - viewport.zoom) < 0.001 && Math.abs(whole.x - viewport.x) < 2 && Math.abs(whole.y - viewport.y) < 2;
        // What showed everything goes on showing everything.
        if (fitted) move(fitViewport(currentLayout(), next));
        else move({ ...viewport, x: viewport.x + (next.w - size.w) / 2, y: viewport.y + (next.h - size.h) / 2 });
      }
    });
    watch.observe(element);
    return () => watch.disconnect();
  }, [move]);

  const { onMoveEnd, ready } = useSavedViewport(move, fit);
  const { onUserMove } = useAutoFit(fit, ready);

  useEffect(() => {
    useView.setState({
      drive: {
        zoomBy: (factor) => {
          const { viewport, size } = useView.getState();
          const zoom = Math.min(ZOOM.most, Math.max(ZOOM.least, viewport.zoom * factor));
          const k = zoom / viewport.zoom;
          move({ zoom, x: size.w / 2 - (size.w / 2 - viewport.x) * k, y: size.h / 2 - (size.h / 2 - viewport.y) * k }, 120);
        },
        fit: (ids) => fit(ids),
        center: (x, y) => {
          const { viewport, size } = useView.getState();
          move({ ...viewport, x: size.w / 2 - x * viewport.zoom, y: size.h / 2 - y * viewport.zoom });
        },
      },
    });
    return () => useView.setState({ drive: null });
  }, [fit, move]);

  // Brings a card into view without more movement than it needs.
  const reveal = useCallback((id: string, ms = 200) => {
    const box = currentLayout().byId.get(id);
    const { viewport, size } = useView.getState();
    if (!box || size.w === 0) return;
    const x = box.absX * viewport.zoom + viewport.x;
    const y = box.absY * viewport.zoom + viewport.y;
    const w = Math.min(box.w * viewport.zoom, size.w - 32);
    const h = Math.min(box.h * viewport.zoom, size.h - 32);
    const dx = x < 16 ? 16 - x : x + w > size.w - 16 ? size.w - 16 - w - x : 0;
    const dy = y < 16 ? 16 - y : y + h > size.h - 16 ? size.h - 16 - h - y : 0;
    if (dx || dy) move({ ...viewport, x: viewport.x + dx, y: viewport.y + dy }, ms);
  }, [move]);

  const look = useScreen((state) => state.look);
  useEffect(() => {
    if (!look || !ready) return;
    if (look.at === 'all') fit();
    else if (currentLayout().byId.get(look.at)?.team) fit([look.at], 500);
    else reveal(look.at, 400);
  }, [look, ready, fit, reveal]);

  const onNodesChange = useCallback((changes: NodeChange<BoxNode>[]) => {
    for (const change of changes) {
      if (change.type === 'position' && change.position && change.dragging) setDrag({ id: change.id, ...change.position });
    }
  }, []);

  const onNodeDragStop = useCallback((_event: unknown, node: BoxNode) => {
    setDrag(null);
    const box = currentLayout().byId.get(node.id);
    if (!box || (node.position.x === box.x && node.position.y === box.y)) return;
    const parent = box.parentId ? currentLayout().byId.get(box.parentId) : undefined;
    // A card that is let go beside its team snaps back into it; leaving a team is a deliberate act.
    const inside = {
      x: parent ? Math.max(8, node.position.x) : node.position.x,
      y: parent ? Math.max(44, node.position.y) : node.position.y,
    };
    void moveAgent(node.id, { x: Math.round((parent?.absX ?? 0) + inside.x), y: Math.round((parent?.absY ?? 0) + inside.y) });
  }, []);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== plane.current || event.altKey) return;
    const screen = useScreen.getState();
    const current = currentLayout();
    const at = screen.focused ?? screen.selected ?? current.order[0]?.id;
    const go = (id: string | null | undefined) => {
      event.preventDefault();
      if (!id) return;
      screen.focus(id);
      reveal(id);
    };
    if (event.metaKey || event.ctrlKey) return;
    switch (event.key) {
      case 'ArrowUp': case 'ArrowDown': case 'ArrowLeft': case 'ArrowRight':
        return go(screen.focused && at ? neighbour(current, at, event.key as Arrow) : at);
      case 'Enter': {
        if (!screen.focused || !at) return go(at);
        if (event.shiftKey) return go(current.byId.get(at)?.parentId);
        const child = current.order.find((box) => box.parentId === at && !box.hidden);
        return child ? go(child.id) : (event.preventDefault(), screen.openAgent(at, undefined, true));
      }
      case ' ':
        event.preventDefault();
        if (at) screen.openAgent(at, undefined, true);
        return undefined;
      case 'z': case 'Z':
        if (at) fit([current.byId.get(at)?.team ? at : (current.byId.get(at)?.parentId ?? at)], 500);
        return undefined;
      case 'Delete':
        if (at) screen.show({ kind: 'delete', id: at });
        return undefined;
      default:
        return undefined;
    }
  };

  const agentAt = (target: EventTarget | null) => (target instanceof Element ? (target.closest<HTMLElement>('[data-agent]')?.dataset.agent ?? null) : null);
  const [menuFor, setMenuFor] = useState<string | null>(null);

  return (
    <ContextMenu.Root modal={false}>
      <ContextMenu.Trigger asChild onContextMenu={(event) => setMenuFor(agentAt(event.target) ?? (event.target === plane.current ? focused : null))}>
        {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- an application handles its own keys */}
        <div
          ref={plane}
          id="canvas"
          data-region="canvas"
          // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- one tab stop for the whole canvas (LOOK §11)
          tabIndex={0}
          role="application"
          aria-roledescription="canvas"
          aria-label="Canvas. Arrow keys move between agents, Enter goes into a team, Space opens."
          aria-activedescendant={focused && layout.byId.has(focused) ? `card-${focused}` : undefined}
          className={clsx('plane', !connected && loaded && 'stale')}
          style={{ '--zoom': 1 } as React.CSSProperties}
          onKeyDown={onKeyDown}
        >
          <ReactFlow<BoxNode>
            nodes={far ? NOTHING : nodes}
            edges={[]}
            nodeTypes={nodeTypes}
            onNodesChange={onNodesChange}
            onNodeDragStop={onNodeDragStop}
            onMove={(event, viewport) => { onMove(viewport); if (event) onUserMove(); }}
            onMoveEnd={(event, viewport) => onMoveEnd(event !== null, viewport)}
            onPaneClick={() => useScreen.getState().select(null)}
            minZoom={ZOOM.least}
            maxZoom={ZOOM.most}
            nodeDragThreshold={4}
            nodesFocusable={false}
            edgesFocusable={false}
            elementsSelectable={false}
            nodesConnectable={false}
            disableKeyboardA11y
            deleteKeyCode={null}
            selectionKeyCode={null}
            multiSelectionKeyCode={null}
            zoomActivationKeyCode={null}
            panActivationKeyCode={null}
            zoomOnDoubleClick={false}
            onlyRenderVisibleElements={layout.order.length > 120}
            proOptions={{ hideAttribution: true }}
          >
            <Background variant={BackgroundVariant.Dots} gap={24} size={2} color="var(--dots)" />
            {!far && <Bonds />}
          </ReactFlow>
          {far && <FarView />}
          <div role="status" className="sr-only">{roots === 0 ? 'No agents' : plural(roots, 'organisation')}</div>
        </div>
      </ContextMenu.Trigger>
      <CanvasMenu id={menuFor} />
    </ContextMenu.Root>
  );
}

export function Canvas() {
  return (
    <ReactFlowProvider>
      <Plane />
    </ReactFlowProvider>
  );
}
