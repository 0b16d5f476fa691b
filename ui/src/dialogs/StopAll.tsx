import { Button, Dialog } from '@/look/controls';
import { Nucleus } from '@/look/Nucleus';
import { stopAll } from '@/state/actions';
import { useLive } from '@/state/live';
import { plural } from '@/text/say';

export function StopAll({ onClose }: { onClose: () => void }) {
  const agents = useLive((state) => state.org.agents);
  const busy = Object.values(agents).filter((agent) => agent.activeTasks > 0);
  return (
    <Dialog
      size="simple"
      title={`Stop ${plural(busy.length, 'task')}?`}
      says="What runs now is cancelled. The agents stay online and keep what they know."
      onClose={onClose}
      actions={(
        <>
          <Button autoFocus onClick={onClose}>Cancel</Button>
          <Button kind="danger-fill" onClick={() => { void stopAll(busy.map((agent) => agent.id)); onClose(); }}>Stop {busy.length}</Button>
        </>
      )}
    >
      <ul className="dialog-body">
        {busy.map((agent) => (
          <li key={agent.id} className="flex items-center gap-2.5 min-h-7">
            <Nucleus look="working" silent /><span className="font-semibold flex-none">{agent.name}</span><span className="text-ink-3 cut">{agent.currentTask}</span>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
