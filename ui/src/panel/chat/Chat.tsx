import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { HISTORY, useHistory, useInflight } from '@/api/queries';
import type { ActivityRow, Attachment } from '@/api/types';
import { api, messageOf } from '@/backend';
import { SkeletonRows, Trouble } from '@/look/controls';
import { Icon } from '@/look/Icon';
import { Nucleus } from '@/look/Nucleus';
import { dismiss, send, stop, useChat, watch, type Said } from '@/state/chat';
import { useLive } from '@/state/live';
import { say } from '@/state/notices';
import { subtree } from '@/state/org';
import { openOnes } from '@/state/exchanges';
import { conversation, textOf, type Turn } from '@/state/turns';
import { day } from '@/text/say';
import { Ask } from './Ask';
import { Composer } from './Composer';
import { FoldedTurn, TurnView } from './TurnView';
import { useDropFiles } from './useDropFiles';

const UNFOLDED = 2;
const FOLD_FROM = 4;
const NONE: Turn[] = [];

function historyOf(turns: readonly Turn[]): Said[] {
  return turns.flatMap((turn): Said[] => {
    const said: Said[] = [];
    if (turn.question) said.push({ role: 'user', parts: [{ kind: 'text', text: turn.question }] });
    const answer = turn.state === 'done' ? textOf(turn.segments) : '';
    if (answer) said.push({ role: 'agent', parts: [{ kind: 'text', text: answer }] });
    return said;
  }).slice(-20);
}

/** Follows the end while the person is at the end; otherwise counts what is new. */
function useFollow(turns: readonly Turn[], signal: unknown) {
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const [seen, setSeen] = useState(0);
  const pieces = turns.reduce((sum, turn) => sum + 1 + turn.segments.length, 0);
  const [away, setAway] = useState(false);

  const toEnd = () => {
    const element = box.current;
    if (!element) return;
    element.scrollTop = element.scrollHeight;
    atEnd.current = true;
    setAway(false);
  };
  useLayoutEffect(() => {
    if (atEnd.current) toEnd();
  }, [turns, signal]);
  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const watch = new ResizeObserver(() => { if (atEnd.current) toEnd(); });
    watch.observe(element);
    for (const child of element.children) watch.observe(child);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    if (!away) setSeen(pieces);
  }, [away, pieces]);
  const onScroll = () => {
    const element = box.current;
    if (!element) return;
    atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < 24;
    setAway(!atEnd.current);
  };
  return { box, onScroll, toEnd, unseen: away ? Math.max(0, pieces - seen) : 0 };
}

/** Pages back through the history, strictly before the oldest row that is here (50 §13.2). */
function useEarlier(id: string, newest: readonly ActivityRow[] | undefined) {
  const [rows, setRows] = useState<ActivityRow[]>([]);
  const [state, setState] = useState<'idle' | 'loading' | 'failed' | 'end'>('idle');
  const oldest = rows[0] ?? newest?.[0];
  const load = async () => {
    if (!oldest) return;
    setState('loading');
    try {
      const page = await api.activity(id, { type: 'a2a_receive', source: 'canvas', limit: HISTORY, before_ts: oldest.created_at });
      setRows((before) => [...page.reverse(), ...before]);
      setState(page.length < HISTORY ? 'end' : 'idle');
    } catch {
      setState('failed');
    }
  };
  return { rows, load, more: (newest?.length ?? 0) >= HISTORY && state !== 'end', loading: state === 'loading', failed: state === 'failed' };
}

export function Chat({ id }: { id: string }) {
  const agent = useLive((state) => state.org.agents[id]);
  const org = useLive((state) => state.org);
  const approvals = useLive((state) => state.approvals);
  const exchanges = useLive((state) => state.exchanges);
  const live = useChat((state) => state.live[id] ?? NONE);
  const stopping = useChat((state) => state.stopping);
  const history = useHistory(id);
  const inflight = useInflight(id);
  const [unfolded, setUnfolded] = useState<Record<string, boolean>>({});
  const [now] = useState(() => Date.now());

  const drop = useDropFiles(id);

  const earlier = useEarlier(id, history.data);
  const turns = useMemo(
    () => conversation(id, [...earlier.rows, ...(history.data ?? [])], live, inflight.data ?? []),
    [id, earlier.rows, history.data, live, inflight.data],
  );
  useEffect(() => {
    const known = new Set(live.map((turn) => turn.id));
    for (const turn of turns) {
      if (turn.state === 'open' && turn.kind === 'turn' && !known.has(turn.id)) void watch(turn);
    }
  }, [turns, live]);

  const running = useMemo(() => turns.filter((turn) => turn.state === 'open'), [turns]);
  const follow = useFollow(turns, approvals);

  // Approvals of people below whose leg this thread does not show are asked at its end.
  const asked = useMemo(() => {
    const below = new Set(subtree(org, id).slice(1).map((each) => each.id));
    const inThread = new Set(running.length > 0 ? openOnes(exchanges).filter((each) => running.some((turn) => turn.id === each.parentTask)).map((each) => each.to) : []);
    for (const turn of running) {
      for (const segment of turn.segments) if (segment.kind === 'thread') segment.legs.forEach((leg) => { if (leg.state === 'open') inThread.add(leg.targetId); });
    }
    return Object.values(approvals).filter((each) =>
      (below.has(each.workspace_id) && !inThread.has(each.workspace_id)) || (each.workspace_id === id && running.length === 0));
  }, [approvals, org, id, exchanges, running]);

  if (!agent) return null;
  const onSend = (text: string, files: readonly Attachment[]) => {
    follow.toEnd();
    void send(id, text, historyOf(turns), files);
  };
  const onRetry = (turn: Turn) => {
    dismiss(id, turn.id);
    onSend(turn.question, turn.files);
  };
  const onStop = () => {
    for (const turn of running) void stop(id, turn).catch((error: unknown) => say.failed('It could not be stopped', messageOf(error)));
  };
  const folds = turns.length >= FOLD_FROM ? turns.length - UNFOLDED : 0;
  const tokens = turns.at(-1)?.usage;

  return (
    // eslint-disable-next-line jsx-a11y/no-static-element-interactions -- dropping is one more way in; the button beside Send is the other
    <div className="chat-tab" onDragEnter={drop.onDragEnter} onDragLeave={drop.onDragLeave} onDragOver={drop.onDragOver} onDrop={drop.onDrop}>
      <div ref={follow.box} className="chat" onScroll={follow.onScroll} role="log" aria-label={`Conversation with ${agent.name}`}
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a region that scrolls must be reachable by key
        tabIndex={0}>
        <div className="chat-flow">
          {earlier.more && (
            <button type="button" className="fold justify-center" disabled={earlier.loading} onClick={() => void earlier.load()}>
              {earlier.loading ? 'Loading…' : earlier.failed ? 'Could not be loaded. Try again' : 'Show earlier turns'}
            </button>
          )}
          {history.isPending && turns.length === 0 && <SkeletonRows />}
          {history.isError && turns.length === 0 && <Trouble text="The conversation could not be loaded." onRetry={() => void history.refetch()} />}
          {history.isSuccess && turns.length === 0 && (
            <div className="text-ink-2 text-read grid gap-1 py-6">
              <p className="text-ink font-semibold">{agent.role || agent.name}</p>
              <p>{hint(agent.name, org.agents, id)}</p>
            </div>
          )}
          {turns.map((turn, index) => {
            const today = day(turn.at, now);
            const before = turns[index - 1];
            const rule = !before || day(before.at, now) !== today;
            const folded = index < folds && turn.state !== 'open' && unfolded[turn.id] !== true;
            return (
              <div key={turn.id} className="contents">
                {rule && <div className="day"><span />{today}<span /></div>}
                {folded
                  ? <FoldedTurn turn={turn} onOpen={() => setUnfolded({ ...unfolded, [turn.id]: true })} />
                  : (
                    <TurnView
                      turn={turn}
                      name={agent.name}
                      onRetry={turn.state === 'failed' || turn.state === 'interrupted' ? () => onRetry(turn) : undefined}
                      onFold={index < folds && turn.state !== 'open' ? () => setUnfolded({ ...unfolded, [turn.id]: false }) : undefined}
                    />
                  )}
              </div>
            );
          })}
          {asked.map((approval) => (
            <div key={approval.id} className="grid gap-1">
              <div className="who"><Nucleus look="waiting" silent /><b>{org.agents[approval.workspace_id]?.name ?? approval.workspace_name}</b>waits for you</div>
              <Ask approval={approval} />
            </div>
          ))}
        </div>
      </div>
      <Composer
        agent={agent}
        running={running.length > 0}
        stopping={running.some((turn) => stopping[turn.id])}
        tokens={tokens ? tokens.input + tokens.output : 0}
        unseen={follow.unseen}
        onUnseen={follow.toEnd}
        onSend={onSend}
        onStop={onStop}
      />
      {drop.dropping && <div className="drop-here"><Icon name="clip" />Drop to attach</div>}
    </div>
  );
}

function hint(name: string, agents: Readonly<Record<string, { parentId: string | null; name: string }>>, id: string): string {
  const team = Object.values(agents).filter((each) => each.parentId === id).map((each) => each.name);
  if (team.length === 0) return `Ask ${name} something. Start small.`;
  const names = team.length > 1 ? `${team.slice(0, -1).join(', ')} and ${team.at(-1)}` : team[0];
  return `${name} hands work on to ${names}. Ask something that needs more than one head, and watch the bonds.`;
}
