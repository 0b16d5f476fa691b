import { useEffect, useRef, type KeyboardEvent, type PointerEvent, type ReactNode } from 'react';
import { CANVAS_LEAST, keep, PANEL, useScreen } from '@/state/screen';
import { useWindowWidth } from './useWindowWidth';

/** How wide the panel is, and whether it takes the whole width because under 480 px of canvas would be left. */
export function panelWidth(kind: 'agent' | 'settings', chosen: number | null, windowWidth: number, side: number): { width: number; filled: boolean } {
  const usual = kind === 'settings' ? PANEL.settings : windowWidth < 1100 ? PANEL.narrow : PANEL.usual;
  const width = kind === 'agent' && chosen !== null ? chosen : usual;
  const room = windowWidth - side - CANVAS_LEAST;
  if (room >= PANEL.least) return { width: Math.min(width, room), filled: kind === 'settings' && room < 560 };
  return { width: windowWidth - side, filled: true };
}

interface Props { label: string; width: number; filled: boolean; resizable: boolean; children: ReactNode }

/** Docks and pushes; its grip and the arrow keys resize it (LOOK §3). */
export function Panel({ label, width, filled, resizable, children }: Props) {
  const setPanelWidth = useScreen((state) => state.setPanelWidth);
  const start = useRef<{ x: number; width: number } | null>(null);
  const windowWidth = useWindowWidth();
  const element = useRef<HTMLElement>(null);
  const openedByKey = useScreen((state) => state.openedByKey);

  useEffect(() => {
    if (openedByKey) element.current?.querySelector<HTMLElement>('[data-panel-title]')?.focus();
  }, [openedByKey, label]);

  const most = Math.min(PANEL.most, windowWidth - CANVAS_LEAST - 56);
  const onKeyDown = (event: KeyboardEvent) => {
    const next: Record<string, number> = {
      ArrowLeft: width + PANEL.step, ArrowRight: width - PANEL.step, Home: PANEL.least, End: most,
    };
    const to = next[event.key];
    if (to === undefined) return;
    event.preventDefault();
    setPanelWidth(Math.min(most, to));
  };
  const onPointerMove = (event: PointerEvent) => {
    if (!start.current) return;
    const to = Math.round(Math.min(most, Math.max(PANEL.least, start.current.width + start.current.x - event.clientX)));
    useScreen.setState({ panelWidth: to });
  };
  const onPointerUp = () => {
    if (!start.current) return;
    start.current = null;
    keep('panel-width', useScreen.getState().panelWidth);
  };

  const Box = filled ? 'main' : 'aside';
  return (
    <Box ref={element} className="panel" data-region="panel" aria-label={label} style={filled ? undefined : { width }}>
      {resizable && !filled && (
        // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- a separator that can be moved is a control (WAI-ARIA)
        <div
          className="grip"
          role="separator"
          aria-orientation="vertical"
          aria-label="Width of the panel"
          aria-valuenow={width}
          aria-valuemin={PANEL.least}
          aria-valuemax={most}
          // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- same
          tabIndex={0}
          onKeyDown={onKeyDown}
          onPointerDown={(event) => { event.currentTarget.setPointerCapture(event.pointerId); start.current = { x: event.clientX, width }; }}
          onPointerMove={onPointerMove}
          onPointerUp={onPointerUp}
          onDoubleClick={() => setPanelWidth(null)}
        />
      )}
      {children}
    </Box>
  );
}
