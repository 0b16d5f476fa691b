/** The one queue of notices that the shelf shows (LOOK §3). Results leave after four seconds, errors stay. */
import { create } from 'zustand';

export interface NoticeAction { label: string; run: () => void; primary?: boolean }

export interface Notice {
  id: string;
  kind: 'error' | 'warning' | 'result';
  title: string;
  detail?: string;
  actions?: NoticeAction[];
}

export const RESULT_MS = 4_000;

interface Notices {
  list: Notice[];
  /** Derived notices (a failed agent, a slow start) that the person waved away. */
  dismissed: Record<string, true>;
  add: (notice: Omit<Notice, 'id'> & { id?: string }) => void;
  dismiss: (id: string) => void;
}

let next = 0;

export const useNotices = create<Notices>()((set) => ({
  list: [],
  dismissed: {},
  add: (notice) => {
    const id = notice.id ?? `n${(next += 1)}`;
    set((state) => ({ list: [...state.list.filter((each) => each.id !== id), { ...notice, id }] }));
    if (notice.kind === 'result') {
      setTimeout(() => set((state) => ({ list: state.list.filter((each) => each.id !== id) })), RESULT_MS);
    }
  },
  dismiss: (id) =>
    set((state) => ({ list: state.list.filter((each) => each.id !== id), dismissed: { ...state.dismissed, [id]: true } })),
}));

export const say = {
  done: (title: string, detail?: string) => useNotices.getState().add({ kind: 'result', title, detail }),
  failed: (title: string, detail?: string, actions?: NoticeAction[]) =>
    useNotices.getState().add({ kind: 'error', title, detail, actions }),
};
