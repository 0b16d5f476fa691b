import { beforeEach, describe, expect, it } from 'vitest';
import type { Connection } from '@/api/types';
import { useScreen } from './screen';

const connection: Connection = {
  workspace_id: 'w', platform_url: '', auth_token: 'once', registry_endpoint: '', heartbeat_endpoint: '', curl_register_template: '', python_snippet: '',
};

describe('what is shown only once', () => {
  beforeEach(() => useScreen.setState({ dialog: null, palette: false }));
  it('s193: outlives the dialog that made it, and gives way to no other', () => {
    const { show } = useScreen.getState();
    show({ kind: 'new-agent', external: true });
    // As the create dialog does it: it closes, then shows how to connect.
    show(null);
    show({ kind: 'connect', name: 'Scout', connection });
    show({ kind: 'review', approvalId: 'a' });
    show({ kind: 'new-agent' });
    useScreen.getState().setPalette(true);
    useScreen.getState().openAgent('w', 'chat');
    expect(useScreen.getState().dialog).toEqual({ kind: 'connect', name: 'Scout', connection });
    expect(useScreen.getState().palette).toBe(false);
    show(null);
    expect(useScreen.getState().dialog).toBeNull();
    show({ kind: 'review', approvalId: 'a' });
    expect(useScreen.getState().dialog?.kind).toBe('review');
  });
});
