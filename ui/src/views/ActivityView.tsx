import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '@/backend';
import { Segmented } from '@/look/Segmented';
import { FILTERS, type Filter } from '@/text/activity';
import { ActivityList } from './ActivityList';
import { View } from './View';

const ROWS = 200;

export function ActivityView() {
  const [filter, setFilter] = useState<Filter>('all');
  const rows = useQuery({ queryKey: ['activity-all'], queryFn: () => api.allActivity(ROWS), staleTime: 5_000 });
  return (
    <View title="Activity" says="Every message and task of every agent, newest first." aside={<Segmented label="Which rows" value={filter} options={FILTERS} onChange={setFilter} />}>
      <ActivityList rows={rows.data} filter={filter} loading={rows.isPending} failed={rows.isError} onRetry={() => void rows.refetch()} wide />
    </View>
  );
}
