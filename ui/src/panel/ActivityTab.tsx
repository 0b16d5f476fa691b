import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '@/backend';
import { keysOf } from '@/api/queries';
import { ActivityList } from '@/views/ActivityList';
import { FILTERS, rowOf, type Filter } from '@/text/activity';
import { SearchField } from '@/look/SearchField';
import { Segmented } from '@/look/Segmented';

/** What one agent did, newest first; kept true by events, never polled. Words find older rows and what it remembers. */
export function ActivityTab({ id }: { id: string }) {
  const [filter, setFilter] = useState<Filter>('all');
  const [words, setWords] = useState('');
  const rows = useQuery({ queryKey: keysOf.activity(id, 'all'), queryFn: () => api.activity(id, { limit: 100 }) });
  const found = useQuery({
    queryKey: keysOf.search(id, words),
    queryFn: async () => (await api.search(id, words)).map(rowOf),
    enabled: words !== '',
    placeholderData: keepPreviousData,
    gcTime: 60_000,
  });
  const shown = words ? found : rows;
  return (
    <div className="grid gap-3 p-4 content-start">
      <SearchField label="Find in activity and memory" onFind={setWords} />
      <Segmented label="Which rows" value={filter} options={FILTERS} onChange={setFilter} />
      <ActivityList
        rows={shown.data} filter={filter} loading={shown.isPending} failed={shown.isError} onRetry={() => void shown.refetch()} of={id}
        words={words}
      />
    </div>
  );
}
