import { describe, expect, it } from 'vitest';
import { admit, FILE_MOST, isPicture, MESSAGE_MOST, pastedName, sourceOf, type Picked } from './files';

const file = (name: string, size: number): Picked => ({ name, blob: { size } as Blob });
const names = (files: readonly Picked[]) => files.map((each) => each.name);

describe('what goes along', () => {
  it('takes the same file once, and two of one name that differ', () => {
    const { files, refusal } = admit([file('a', 1)], [file('a', 1), file('a', 2), file('b', 1), file('b', 1)]);
    expect(names(files)).toEqual(['a', 'a', 'b']);
    expect(refusal).toBeUndefined();
  });

  it('names the file that is too large, and the limit', () => {
    const one = admit([], [file('ok.txt', 1), file('film.mp4', 31 * 1024 * 1024)]);
    expect(names(one.files)).toEqual(['ok.txt']);
    expect(one.refusal).toBe('film.mp4 is 31.0 MB; 25 MB is the most for one file.');
    expect(admit([], [file('a', FILE_MOST), file('b', FILE_MOST + 1)]).refusal).toContain('b is 25.0 MB');
    expect(admit([], [file('a', FILE_MOST + 1), file('b', FILE_MOST + 1)]).refusal).toBe('a, b are larger than 25 MB.');
  });

  it('leaves out what the message cannot carry', () => {
    const two = admit([file('a', FILE_MOST)], [file('b', MESSAGE_MOST - FILE_MOST), file('c', 5)]);
    expect(names(two.files)).toEqual(['a', 'c']);
    expect(two.refusal).toBe('1 file left out: a message carries at most 100 files and 50 MB together.');
    expect(admit([], Array.from({ length: 103 }, (_, at) => file(`${at}`, 1))).refusal).toContain('3 files left out');
  });
});

describe('pasted pictures', () => {
  it('have names of their own and an extension that fits (R)', () => {
    const all = [pastedName('image/png', 7, 1, 0), pastedName('image/jpeg', 7, 1, 1), pastedName('image/svg+xml', 7, 2, 0), pastedName('image/odd', 7, 3, 0)];
    expect(all).toEqual(['pasted-7-1-0.png', 'pasted-7-1-1.jpg', 'pasted-7-2-0.svg', 'pasted-7-3-0.png']);
  });
});

describe('files of a message', () => {
  it('are pictures only where nothing in them can run', () => {
    expect(isPicture({ mimeType: 'image/PNG', size: 10 })).toBe(true);
    for (const other of [{ mimeType: 'image/svg+xml' }, { mimeType: 'text/html' }, {}, { mimeType: 'image/png', size: 1e9 }]) expect(isPicture(other)).toBe(false);
  });

  it('are fetched from the agent, opened as a page, or neither', () => {
    expect(sourceOf('workspace:/workspace/.molecule/chat-uploads/a')).toEqual({ kind: 'path', path: '/workspace/.molecule/chat-uploads/a' });
    expect(sourceOf('file:///home/agent/a')).toEqual({ kind: 'path', path: '/home/agent/a' });
    expect(sourceOf('/plugins/p/a')).toEqual({ kind: 'path', path: '/plugins/p/a' });
    expect(sourceOf('https://example.com/a')).toEqual({ kind: 'page', url: 'https://example.com/a' });
    for (const uri of ['javascript:alert(1)', 'data:text/html,x', '/etc/passwd', '/workspaces/a', 'a', '']) expect(sourceOf(uri)).toEqual({ kind: 'none' });
  });
});
