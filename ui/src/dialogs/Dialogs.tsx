import { useScreen } from '@/state/screen';
import { Connect } from './Connect';
import { DeleteAgent } from './DeleteAgent';
import { Keys } from './Keys';
import { NewAgent } from './NewAgent';
import { Review } from './Review';
import { StopAll } from './StopAll';

/** The one dialog that may be open. */
export function Dialogs() {
  const dialog = useScreen((state) => state.dialog);
  const show = useScreen((state) => state.show);
  const close = () => show(null);
  switch (dialog?.kind) {
    case 'new-agent': return <NewAgent parentId={dialog.parentId} template={dialog.template} model={dialog.model} external={dialog.external} onClose={close} />;
    case 'connect': return <Connect name={dialog.name} connection={dialog.connection} onClose={close} />;
    case 'delete': return <DeleteAgent key={dialog.id} id={dialog.id} onClose={close} />;
    case 'review': return <Review key={dialog.approvalId} approvalId={dialog.approvalId} onClose={close} />;
    case 'stop-all': return <StopAll onClose={close} />;
    case 'keys': return <Keys key={dialog.dir} dir={dialog.dir} onClose={close} />;
    default: return null;
  }
}
