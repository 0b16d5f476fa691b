import { useEffect, useState } from 'react';
import { session, type Opening } from '@/backend';
import { useLive, startLive } from '@/state/live';
import { Boundary } from '@/frame/Boundary';
import { Window } from '@/frame/Window';
import { Loading, NoSession, ServerGone, StoreDown } from '@/frame/pages';
import '@/api/follow';

type Phase = 'opening' | Opening;

/** Which page is shown: the window, or what stands in its way. */
export function App() {
  const [phase, setPhase] = useState<Phase>('opening');
  const failure = useLive((state) => state.failure);
  const loaded = useLive((state) => state.org.loaded);

  useEffect(() => {
    void session.open().then(setPhase);
    return session.onSignedOut(() => setPhase('no-token'));
  }, []);
  useEffect(() => (phase === 'ready' ? startLive() : undefined), [phase]);

  if (phase === 'opening') return <Loading />;
  if (phase === 'unreachable') return <ServerGone />;
  if (phase !== 'ready') return <NoSession used={phase === 'ticket-used'} />;
  if (failure && !loaded) {
    return failure.status === 503 && failure.code === 'platform_unavailable' ? <StoreDown failure={failure} /> : <ServerGone failure={failure} />;
  }
  return <Boundary what="The window" whole><Window /></Boundary>;
}
