/** What the server owns and the event stream does not carry. */
import { QueryClient, useQuery } from '@tanstack/react-query';
import type { ActivityRow } from '@/api/types';
import { api, ApiError } from '@/backend';

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      refetchOnWindowFocus: false,
      retry: (failures, error) => failures < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
    },
    mutations: { retry: false },
  },
});

export const HISTORY = 50;

export const keysOf = {
  chat: (id: string) => ['chat', id] as const,
  inflight: (id: string) => ['inflight', id] as const,
  activity: (id: string, filter: string) => ['activity', id, filter] as const,
  search: (id: string, words: string) => ['search', id, words] as const,
  decided: (id: string) => ['decided', id] as const,
  exchange: (id: string, peer: string) => ['exchange', id, peer] as const,
};

/** Newest first on the wire, oldest first here. */
export const useHistory = (id: string) =>
  useQuery({
    queryKey: keysOf.chat(id),
    queryFn: async () => (await api.activity(id, { type: 'a2a_receive', source: 'canvas', limit: HISTORY })).reverse(),
    staleTime: 60_000,
  });

export const useInflight = (id: string) =>
  useQuery({ queryKey: keysOf.inflight(id), queryFn: () => api.inflight(id), staleTime: 0 });

export const useDecided = (id: string) =>
  useQuery({ queryKey: keysOf.decided(id), queryFn: () => api.workspaceApprovals(id), staleTime: 10_000 });

/** What `peer` asked `id`, for a leg of a thread that is opened. */
export const useExchangeRows = (id: string, peer: string, enabled: boolean) =>
  useQuery({
    queryKey: keysOf.exchange(id, peer),
    queryFn: () => api.activity(id, { type: 'a2a_receive', peer_id: peer, limit: 100 }),
    enabled: enabled && id !== '',
    staleTime: 10_000,
  });

/** What `id` sent to others, for turns that came to no end. */
export const useSent = (id: string, enabled: boolean) =>
  useQuery({ queryKey: ['sent', id], queryFn: () => api.activity(id, { type: 'a2a_send', limit: 100 }), enabled, staleTime: 10_000 });

export const useTemplates = () => useQuery({ queryKey: ['templates'], queryFn: api.templates });
export const useBrokenTemplates = () => useQuery({ queryKey: ['templates', 'broken'], queryFn: api.brokenTemplates, retry: false });
export const useOrgTemplates = () => useQuery({ queryKey: ['org-templates'], queryFn: api.orgTemplates });
export const useSecrets = () => useQuery({ queryKey: ['secrets'], queryFn: api.secrets });
export const useWorkspaceSecrets = (id: string) =>
  useQuery({ queryKey: ['secrets', id], queryFn: () => api.workspaceSecrets(id) });
export const useLocalServers = () =>
  useQuery({ queryKey: ['local-servers'], queryFn: async () => (await api.localServers()).servers, staleTime: 30_000 });
export const useHealth = () =>
  useQuery({ queryKey: ['health'], queryFn: api.health, refetchInterval: 5_000, staleTime: 0, retry: false });
export const useSessions = () =>
  useQuery({ queryKey: ['sessions'], queryFn: async () => (await api.sessions()).sessions });

/** A row that came by event joins the lists that show it. */
export function addRow(row: ActivityRow): void {
  const add = (list: ActivityRow[] | undefined, end: 'first' | 'last') => {
    if (!list || list.some((each) => each.id === row.id)) return list;
    return end === 'last' ? [...list, row] : [row, ...list];
  };
  if (row.activity_type === 'a2a_receive' && row.source_id === null) {
    queries.setQueryData<ActivityRow[]>(keysOf.chat(row.workspace_id), (list) => add(list, 'last'));
  }
  queries.setQueriesData<ActivityRow[]>({ queryKey: ['activity', row.workspace_id] }, (list) => add(list, 'first'));
  queries.setQueryData<ActivityRow[]>(['activity-all'], (list) => add(list, 'first'));
  if (row.source_id) {
    queries.setQueryData<ActivityRow[]>(keysOf.exchange(row.workspace_id, row.source_id), (list) => add(list, 'first'));
  }
}
