import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { api, ApiError } from '@/backend';
import { tellOfLoop } from './live';
import { useNotices } from './notices';
import { emptyOrg } from './org';

const list = () => useNotices.getState().list;
const press = async () => { list()[0]?.actions?.[0]?.run(); await vi.advanceTimersByTimeAsync(0); };

describe('two that only answered each other (R-21)', () => {
  beforeEach(() => { vi.useFakeTimers(); useNotices.setState({ list: [], dismissed: {} }); });
  afterEach(() => { vi.useRealTimers(); vi.restoreAllMocks(); });

  it('says so once a pair, and no longer than it lasts', async () => {
    tellOfLoop(emptyOrg, 'a', 'b', new Date(Date.now() + 60_000).toISOString());
    tellOfLoop(emptyOrg, 'b', 'a', new Date(Date.now() + 60_000).toISOString());
    expect(list().map((each) => [each.kind, each.actions?.[0]?.label])).toEqual([['warning', 'Let them talk']]);
    await vi.advanceTimersByTimeAsync(61_000);
    expect(list()).toEqual([]);
  });
  it('lets them talk again, also where the minute was over', async () => {
    const lift = vi.spyOn(api, 'liftPause').mockResolvedValueOnce({});
    tellOfLoop(emptyOrg, 'a', 'b');
    await press();
    expect(lift).toHaveBeenCalledWith('a', 'b');
    expect(list()).toEqual([]);
    lift.mockRejectedValueOnce(new ApiError('these two are not paused', 404, undefined, null, undefined));
    tellOfLoop(emptyOrg, 'a', 'b');
    await press();
    expect(list()).toEqual([]);
    lift.mockRejectedValueOnce(new ApiError('The server cannot be reached.', 0, 'unreachable', null, undefined));
    tellOfLoop(emptyOrg, 'a', 'b');
    await press();
    expect(list().map((each) => each.kind)).toEqual(['warning', 'error']);
  });
});
