import { useEffect } from 'react';
import { useScreen } from '@/state/screen';

const typing = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** Regions in reading order; each remembers its last focus (LOOK §11). */
const REGIONS = ['toolbar', 'sidebar', 'canvas', 'view', 'shelf', 'panel', 'bar'];
const FOCUSABLE = 'button:not(:disabled), [href], input:not(:disabled), textarea:not(:disabled), select, [tabindex="0"]';
const last = new Map<string, HTMLElement>();

function moveRegion(back: boolean): void {
  const regions = REGIONS.flatMap((name) => {
    const element = document.querySelector<HTMLElement>(`[data-region="${name}"]`);
    return element && element.offsetParent !== null ? [{ name, element }] : [];
  });
  const at = regions.findIndex(({ element }) => element.contains(document.activeElement));
  for (let step = 1; step <= regions.length; step += 1) {
    const next = regions[(at + (back ? -step : step) + regions.length * 2) % regions.length];
    if (!next) return;
    const remembered = last.get(next.name);
    const target = remembered?.isConnected && next.element.contains(remembered)
      ? remembered
      : next.element.tabIndex === 0 ? next.element : next.element.querySelector<HTMLElement>(FOCUSABLE);
    if (target) {
      target.focus();
      return;
    }
  }
}

/** The keys of the whole window. Nothing outside the canvas is ever swallowed (50 §19.2). */
export function useKeys(): void {
  useEffect(() => {
    const onFocus = (event: FocusEvent) => {
      const region = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-region]')?.dataset.region : undefined;
      if (region && event.target instanceof HTMLElement) last.set(region, event.target);
    };
    const onKey = (event: KeyboardEvent) => {
      const screen = useScreen.getState();
      const mod = event.metaKey || event.ctrlKey;
      if (mod && !event.shiftKey && !event.altKey && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        screen.setPalette(!screen.palette);
        return;
      }
      if (mod && event.key === ',') {
        event.preventDefault();
        if (screen.panel?.kind === 'settings') screen.closePanel();
        else screen.openSettings();
        return;
      }
      if (event.key === 'F6') {
        event.preventDefault();
        moveRegion(event.shiftKey);
        return;
      }
      // One thing at a time: menus, dialogs and the palette close themselves first.
      if (event.key === 'Escape' && !event.defaultPrevented && !screen.dialog && !screen.palette && !document.querySelector('[role="menu"]')) {
        if (typing(event.target) && screen.panel?.kind !== 'agent') return;
        if (screen.panel) {
          const { selected } = screen;
          screen.closePanel();
          if (selected) screen.focus(selected);
          document.getElementById('canvas')?.focus();
        } else if (screen.selected) screen.select(null);
      }
    };
    document.addEventListener('focusin', onFocus);
    document.addEventListener('keydown', onKey);
    return () => {
      document.removeEventListener('focusin', onFocus);
      document.removeEventListener('keydown', onKey);
    };
  }, []);
}
