/** Files that wait in a composer, and their way to the agent before the message is sent (50 §13.2). */
import { create } from 'zustand';
import type { Attachment } from '@/api/types';
import { api, ApiError, messageOf } from '@/backend';
import { admit, FILE_MOST_SAID, pastedName, type Picked } from '@/text/files';

export interface Pending extends Picked { key: string }

interface Attachments {
  /** Per agent, in the order in which they were picked. */
  pending: Record<string, Pending[]>;
  /** Per agent: the upload that runs, as a share of 1. */
  uploads: Record<string, { share: number; cut: AbortController }>;
  /** Per agent: why the last files were not taken. */
  refusals: Record<string, string>;
}

export const useAttachments = create<Attachments>()(() => ({ pending: {}, uploads: {}, refusals: {} }));

const without = <T>(record: Record<string, T>, id: string): Record<string, T> => {
  const { [id]: _gone, ...rest } = record;
  return rest;
};

let keys = 0;
let pastes = 0;

export function attach(id: string, picked: readonly Picked[]): void {
  if (picked.length === 0 || useAttachments.getState().uploads[id]) return;
  useAttachments.setState((state) => {
    const more = picked.map((each) => ({ name: each.name, blob: each.blob, key: `f${(keys += 1)}` }));
    const { files, refusal } = admit(state.pending[id] ?? [], more);
    return {
      pending: { ...state.pending, [id]: files },
      refusals: refusal ? { ...state.refusals, [id]: refusal } : without(state.refusals, id),
    };
  });
}

/** Pictures of a clipboard. */
export function attachPasted(id: string, pictures: readonly Blob[]): void {
  pastes += 1;
  const now = Date.now();
  attach(id, pictures.map((blob, at) => ({ name: pastedName(blob.type, now, pastes, at), blob })));
}

export function refuse(id: string, why: string): void {
  useAttachments.setState((state) => ({ refusals: { ...state.refusals, [id]: why } }));
}

export function detach(id: string, key: string): void {
  useAttachments.setState((state) => ({
    pending: { ...state.pending, [id]: (state.pending[id] ?? []).filter((each) => each.key !== key) },
    refusals: without(state.refusals, id),
  }));
}

function inWords(error: unknown): string {
  if (!(error instanceof ApiError)) return messageOf(error);
  if (error.status === 0) return 'The files did not reach the server. They are kept here; send again.';
  if (error.code === 'inbound_secret_made') return 'This agent has to be introduced first. Send again in half a minute.';
  if (error.status === 413) return error.message.includes(' ') ? `Too large: ${error.message}.` : `Too large: ${FILE_MOST_SAID} is the most for one file.`;
  if (error.status === 502) return 'The agent cannot be reached, so the files were not sent.';
  return `The files were not sent: ${error.message}`;
}

/**
 * Takes what waits to the agent. Answers what the message is to carry; `undefined` when it did not work or was called
 * off, and then everything is as it was.
 */
export async function upload(id: string): Promise<Attachment[] | undefined> {
  const state = useAttachments.getState();
  const files = state.pending[id] ?? [];
  if (files.length === 0) return [];
  if (state.uploads[id]) return undefined;
  const cut = new AbortController();
  const share = (done: number) =>
    useAttachments.setState((now) => (now.uploads[id]?.cut === cut ? { uploads: { ...now.uploads, [id]: { share: done, cut } } } : {}));
  useAttachments.setState((now) => ({ uploads: { ...now.uploads, [id]: { share: 0, cut } }, refusals: without(now.refusals, id) }));
  try {
    const answer = await api.upload(id, files, share, cut.signal);
    if (answer.files.length !== files.length) throw new Error('The agent did not take all of the files.');
    useAttachments.setState((now) => ({ pending: without(now.pending, id) }));
    return answer.files;
  } catch (error) {
    if (!cut.signal.aborted) refuse(id, inWords(error));
    return undefined;
  } finally {
    useAttachments.setState((now) => ({ uploads: without(now.uploads, id) }));
  }
}

export function cancelUpload(id: string): void {
  useAttachments.getState().uploads[id]?.cut.abort();
}
