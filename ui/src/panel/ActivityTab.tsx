import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '@/backend';
import { keysOf } from '@/api/queries';
import { ActivityList } from '@/views/ActivityList';
import { FILTERS, type Filter } from '@/text/activity';
import { Segmented } from '@/look/Segmented';

/** What one agent did, newest first; kept true by events, never polled. */
export function ActivityTab({ id }: { id: string }) {
  const [filter, setFilter] = useState<Filter>('all');
  const rows = useQuery({ queryKey: keysOf.activity(id, 'all'), queryFn: () => api.activity(id, { limit: 100 }) });
  return (
    <div className="grid gap-3 p-4 content-start">
      <Segmented label="Which rows" value={filter} options={FILTERS} onChange={setFilter} />
      <ActivityList rows={rows.data} filter={filter} loading={rows.isPending} failed={rows.isError} onRetry={() => void rows.refetch()} of={id} />
    </div>
  );
}
