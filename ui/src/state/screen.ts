/** What only this screen knows: selection, open regions, preferences, drafts. */
import { create } from 'zustand';
import type { Connection } from '@/api/types';

export type View = 'canvas' | 'approvals' | 'templates' | 'activity' | 'health';
export type AgentTab = 'chat' | 'activity' | 'details';
export type SettingsTab = 'secrets' | 'appearance' | 'sessions';
export type Theme = 'system' | 'light' | 'dark' | 'contrast';

export type Panel =
  | { kind: 'agent'; id: string; tab: AgentTab }
  | { kind: 'settings'; tab: SettingsTab }
  | null;

export type Dialog =
  | { kind: 'new-agent'; parentId?: string; template?: string; model?: string; external?: boolean }
  | { kind: 'connect'; name: string; connection: Connection }
  | { kind: 'delete'; id: string }
  | { kind: 'review'; approvalId: string }
  | { kind: 'stop-all' }
  | { kind: 'keys'; dir: string }
  | null;

export const PANEL = { least: 320, most: 800, usual: 448, narrow: 384, settings: 672, step: 16 };
export const CANVAS_LEAST = 480;

interface Screen {
  view: View;
  panel: Panel;
  dialog: Dialog;
  palette: boolean;
  selected: string | null;
  /** The card that the canvas keys move from; it need not be selected. */
  focused: string | null;
  sidebar: 'open' | 'rail';
  panelWidth: number | null;
  theme: Theme;
  drafts: Record<string, string>;
  /** Asks the canvas to bring something into view, once. */
  look: { at: 'all' | string; nonce: number } | null;
  /** Whether the panel was opened with a key: then its heading takes the focus (LOOK §11). */
  openedByKey: boolean;
  /** Id of a root whose arrival from an import this page awaits, to be stacked as a spine. */
  go: (view: View) => void;
  openAgent: (id: string, tab?: AgentTab, byKey?: boolean) => void;
  setTab: (tab: AgentTab) => void;
  openSettings: (tab?: SettingsTab) => void;
  closePanel: () => void;
  select: (id: string | null) => void;
  focus: (id: string | null) => void;
  show: (dialog: Dialog) => void;
  setPalette: (open: boolean) => void;
  toggleSidebar: () => void;
  setPanelWidth: (width: number | null) => void;
  setTheme: (theme: Theme) => void;
  setDraft: (id: string, text: string) => void;
  lookAt: (at: 'all' | string) => void;
  forgetAgent: (id: string) => void;
}

function read<T>(key: string, accept: (value: unknown) => value is T, otherwise: T): T {
  try {
    const raw: unknown = JSON.parse(localStorage.getItem(`molecule.${key}`) ?? 'null');
    return accept(raw) ? raw : otherwise;
  } catch {
    return otherwise;
  }
}

export function keep(key: string, value: unknown): void {
  try {
    localStorage.setItem(`molecule.${key}`, JSON.stringify(value));
  } catch {
    // Preferences are a comfort, never a need.
  }
}

/** Which panel was open in this window; a reload opens it again. */
function readPanel(): Panel {
  try {
    const raw = JSON.parse(sessionStorage.getItem('molecule.panel') ?? 'null') as Panel;
    return raw && (raw.kind === 'agent' ? typeof raw.id === 'string' : raw.kind === 'settings') ? raw : null;
  } catch {
    return null;
  }
}

const isWidth = (value: unknown): value is number => typeof value === 'number' && value >= PANEL.least && value <= PANEL.most;
const isDrafts = (value: unknown): value is Record<string, string> =>
  value !== null && typeof value === 'object' && Object.values(value).every((each) => typeof each === 'string');

function readTheme(): Theme {
  try {
    const raw = localStorage.getItem('molecule.theme');
    return raw === 'light' || raw === 'dark' || raw === 'contrast' ? raw : 'system';
  } catch {
    return 'system';
  }
}

export function resolveTheme(theme: Theme): Exclude<Theme, 'system'> {
  if (theme !== 'system') return theme;
  if (window.matchMedia('(prefers-contrast: more)').matches) return 'contrast';
  return window.matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark';
}

export const useScreen = create<Screen>()((set, get) => ({
  view: 'canvas',
  panel: readPanel(),
  dialog: null,
  palette: false,
  selected: ((panel) => (panel?.kind === 'agent' ? panel.id : null))(readPanel()),
  focused: null,
  sidebar: read('sidebar', (value): value is 'open' | 'rail' => value === 'open' || value === 'rail', 'open'),
  panelWidth: read<number | null>('panel-width', (value): value is number | null => value === null || isWidth(value), null),
  theme: readTheme(),
  drafts: read('drafts', isDrafts, {}),
  look: null,
  openedByKey: false,

  go: (view) => set({ view }),
  openAgent: (id, tab, byKey = false) =>
    set((state) => ({
      selected: id,
      focused: id,
      openedByKey: byKey,
      panel: { kind: 'agent', id, tab: tab ?? (state.panel?.kind === 'agent' ? state.panel.tab : 'chat') },
    })),
  setTab: (tab) => set((state) => (state.panel?.kind === 'agent' ? { panel: { ...state.panel, tab } } : {})),
  openSettings: (tab = 'secrets') => set({ panel: { kind: 'settings', tab }, openedByKey: false }),
  closePanel: () => set({ panel: null }),
  select: (id) => set({ selected: id, focused: id ?? get().focused }),
  focus: (id) => set({ focused: id }),
  // What is shown only once gives way to nothing but its own button.
  show: (dialog) => set((state) => (state.dialog?.kind === 'connect' && dialog ? {} : { dialog })),
  // A dialog is modal: the palette does not open over it.
  setPalette: (palette) => set((state) => ({ palette: palette && state.dialog === null })),
  toggleSidebar: () => {
    const sidebar = get().sidebar === 'open' ? 'rail' : 'open';
    keep('sidebar', sidebar);
    set({ sidebar });
  },
  setPanelWidth: (width) => {
    const panelWidth = width === null ? null : Math.round(Math.min(PANEL.most, Math.max(PANEL.least, width)));
    keep('panel-width', panelWidth);
    set({ panelWidth });
  },
  setTheme: (theme) => {
    try {
      if (theme === 'system') localStorage.removeItem('molecule.theme');
      else localStorage.setItem('molecule.theme', theme);
    } catch {
      // The choice then lasts as long as the page.
    }
    document.documentElement.dataset.theme = resolveTheme(theme);
    set({ theme });
  },
  setDraft: (id, text) => {
    const drafts = { ...get().drafts, [id]: text };
    if (!text) delete drafts[id];
    keep('drafts', drafts);
    set({ drafts });
  },
  lookAt: (at) => set({ view: 'canvas', look: { at, nonce: Date.now() + Math.random() } }),
  forgetAgent: (id) =>
    set((state) => ({
      selected: state.selected === id ? null : state.selected,
      focused: state.focused === id ? null : state.focused,
      panel: state.panel?.kind === 'agent' && state.panel.id === id ? null : state.panel,
    })),
}));

useScreen.subscribe((state, before) => {
  if (state.panel === before.panel) return;
  try {
    sessionStorage.setItem('molecule.panel', JSON.stringify(state.panel));
  } catch {
    // A comfort only.
  }
});
