/** Keeps the read lists true to the event stream: no list is polled. */
import type { ActivityRow, LiveEvent, TraceEntry } from '@/api/types';
import { onLiveEvent } from '@/state/live';
import { addRow, keysOf, queries } from './queries';

const text = (value: unknown): string | null => (typeof value === 'string' && value ? value : null);

function rowOf(event: LiveEvent): ActivityRow {
  const { payload } = event;
  return {
    id: text(payload.id) ?? `event:${event.seq ?? event.timestamp}:${event.workspace_id}`,
    workspace_id: event.workspace_id,
    activity_type: text(payload.activity_type) ?? '',
    status: text(payload.status) ?? 'ok',
    created_at: event.timestamp,
    source_id: text(payload.source_id),
    target_id: text(payload.target_id),
    method: text(payload.method),
    summary: text(payload.summary),
    error_detail: text(payload.error_detail),
    duration_ms: typeof payload.duration_ms === 'number' ? payload.duration_ms : null,
    request_body: payload.request_body ?? undefined,
    response_body: payload.response_body ?? undefined,
    tool_trace: Array.isArray(payload.tool_trace) ? (payload.tool_trace as TraceEntry[]) : undefined,
  };
}

function follow(event: LiveEvent): void {
  const id = event.workspace_id;
  switch (event.event) {
    case 'ACTIVITY_LOGGED': {
      const row = rowOf(event);
      addRow(row);
      if (row.source_id === null) {
        queries.setQueryData<{ message_id: string }[]>(keysOf.inflight(id), (list) => {
          const done = (row.request_body as { params?: { message?: { messageId?: string } } } | undefined)?.params?.message?.messageId;
          return list?.filter((each) => each.message_id !== done);
        });
      }
      break;
    }
    case 'A2A_RESPONSE':
      // The row says which question it answers; this event does not. Read again only if the row did not come along.
      setTimeout(() => void queries.invalidateQueries({ queryKey: keysOf.inflight(id) }), 400);
      break;
    case 'WORKSPACE_UPDATED':
      // A message began or ceased to wait: which one, only the list says.
      if (typeof event.payload.queued_messages === 'number') void queries.invalidateQueries({ queryKey: keysOf.inflight(id) });
      break;
    case 'WORKSPACE_ONLINE':
    case 'WORKSPACE_OFFLINE':
    case 'WORKSPACE_PROVISION_FAILED':
      void queries.invalidateQueries({ queryKey: keysOf.chat(id) });
      void queries.invalidateQueries({ queryKey: keysOf.inflight(id) });
      break;
    case 'APPROVAL_APPROVED':
    case 'APPROVAL_DENIED':
    case 'APPROVAL_EXPIRED':
    case 'APPROVAL_REQUESTED':
      void queries.invalidateQueries({ queryKey: keysOf.decided(id) });
      break;
    case 'TEMPLATES_CHANGED':
      void queries.invalidateQueries({ queryKey: ['templates'] });
      void queries.invalidateQueries({ queryKey: ['org-templates'] });
      break;
    default:
  }
}

onLiveEvent(follow);
