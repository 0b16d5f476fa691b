/** Files of the chat: what may go along, how a refusal reads, and where a file is fetched from (50 §13.2). Pure. */
import { bytes, plural } from './say';

/** What agents and the server take: 25 MB a file, 50 MB and a hundred files a message (10 §13.1). */
export const FILE_MOST = 25 * 1024 * 1024;
export const MESSAGE_MOST = 50 * 1024 * 1024;
export const FILES_MOST = 100;
export const FILE_MOST_SAID = `${FILE_MOST / 1024 / 1024} MB`;
/** What stands around one file on its way. */
const AROUND = 1024;

/** A file on its way into a message. Its name is not the blob's: a pasted picture has none of its own. */
export interface Picked { name: string; blob: Blob }

export interface Admitted<T extends Picked> { files: T[]; refusal: string | undefined }

/** Which of `more` go along with `files`, and why the others do not. The same name and size is one file. */
export function admit<T extends Picked>(files: readonly T[], more: readonly T[]): Admitted<T> {
  const taken = [...files];
  const tooLarge = more.filter((each) => each.blob.size > FILE_MOST);
  let total = taken.reduce((sum, each) => sum + each.blob.size + AROUND, 0);
  let left = 0;
  for (const each of more) {
    if (tooLarge.includes(each) || taken.some((known) => known.name === each.name && known.blob.size === each.blob.size)) continue;
    if (total + each.blob.size + AROUND > MESSAGE_MOST || taken.length === FILES_MOST) {
      left += 1;
      continue;
    }
    total += each.blob.size + AROUND;
    taken.push(each);
  }
  const said: string[] = [];
  const [first, ...others] = tooLarge;
  if (first) {
    said.push(others.length === 0
      ? `${first.name} is ${bytes(first.blob.size)}; ${FILE_MOST_SAID} is the most for one file.`
      : `${tooLarge.map((each) => each.name).join(', ')} are larger than ${FILE_MOST_SAID}.`);
  }
  if (left > 0) said.push(`${plural(left, 'file')} left out: a message carries at most ${FILES_MOST} files and ${MESSAGE_MOST / 1024 / 1024} MB together.`);
  return { files: taken, refusal: said.join(' ') || undefined };
}

const EXTENSIONS: Readonly<Record<string, string>> = {
  'image/png': 'png', 'image/jpeg': 'jpg', 'image/gif': 'gif', 'image/webp': 'webp', 'image/avif': 'avif', 'image/bmp': 'bmp',
  'image/svg+xml': 'svg', 'image/tiff': 'tiff', 'image/heic': 'heic',
};

/** A name that no other paste has: `nth` counts pastes of this page, `at` the pictures of one. */
export function pastedName(type: string, time: number, nth: number, at: number): string {
  return `pasted-${time}-${nth}-${at}.${EXTENSIONS[type] ?? 'png'}`;
}

/** Pictures that a browser draws and that can run nothing. */
const PICTURES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif', 'image/bmp']);
const PICTURE_MOST = 15 * 1024 * 1024;

/** Whether a file is shown as a picture rather than as a chip. */
export function isPicture(file: { mimeType?: string; size?: number }): boolean {
  return PICTURES.has((file.mimeType ?? '').toLowerCase()) && (file.size ?? 0) <= PICTURE_MOST;
}

const ROOTS = ['/configs', '/workspace', '/home', '/plugins'];

export type Source = { kind: 'path'; path: string } | { kind: 'page'; url: string } | { kind: 'none' };

/** Where a file is fetched from: the agent's path, a page elsewhere, or nowhere that a browser may go. */
export function sourceOf(uri: string): Source {
  if (/^https?:\/\//i.test(uri)) return { kind: 'page', url: uri };
  const path = uri.replace(/^workspace:/, '').replace(/^file:\/\//, '');
  return ROOTS.some((root) => path.startsWith(`${root}/`)) ? { kind: 'path', path } : { kind: 'none' };
}
