/** Files of a message: pictures as pictures, everything else as a chip; a click fetches it with the session. */
import { useEffect, useState } from 'react';
import type { Attachment } from '@/api/types';
import { api, messageOf } from '@/backend';
import { Icon } from '@/look/Icon';
import { say } from '@/state/notices';
import { isPicture, sourceOf } from '@/text/files';
import { bytes } from '@/text/say';

async function save(workspaceId: string, path: string, name: string): Promise<void> {
  try {
    const url = URL.createObjectURL(await api.download(workspaceId, path));
    const link = Object.assign(document.createElement('a'), { href: url, download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  } catch (error) {
    say.failed(`${name} could not be fetched`, messageOf(error));
  }
}

function Chip({ workspaceId, file }: { workspaceId: string; file: Attachment }) {
  const source = sourceOf(file.uri);
  const inside = (
    <>
      <Icon name="file" size={14} /><span className="cut">{file.name}</span>
      {file.size !== undefined && <span className="text-ink-3">{bytes(file.size)}</span>}
    </>
  );
  if (source.kind === 'page') return <a className="chip" href={source.url} target="_blank" rel="noreferrer noopener">{inside}</a>;
  if (source.kind === 'none') return <span className="chip text-ink-3">{inside}</span>;
  return (
    <button type="button" className="chip" onClick={() => void save(workspaceId, source.path, file.name)}>
      <span className="sr-only">Download</span>{inside}
    </button>
  );
}

/** The picture behind a path as an address of this page; `failed` where it cannot be fetched. */
function usePicture(workspaceId: string, path: string, type: string): { url?: string; failed: boolean } {
  const [state, setState] = useState<{ url?: string; failed: boolean }>({ failed: false });
  useEffect(() => {
    let gone = false;
    let url: string | undefined;
    api.download(workspaceId, path).then((blob) => {
      if (gone) return;
      // Whatever the agent says it is, the page has it as a picture and as nothing else.
      url = URL.createObjectURL(blob.slice(0, blob.size, type));
      setState({ url, failed: false });
    }).catch(() => {
      if (!gone) setState({ failed: true });
    });
    return () => {
      gone = true;
      if (url) URL.revokeObjectURL(url);
    };
  }, [workspaceId, path, type]);
  return state;
}

function Picture({ workspaceId, file, path }: { workspaceId: string; file: Attachment; path: string }) {
  const picture = usePicture(workspaceId, path, file.mimeType ?? '');
  const [broken, setBroken] = useState(false);
  if (picture.failed || broken) return <Chip workspaceId={workspaceId} file={file} />;
  return (
    <button type="button" className="picture" aria-label={`Download ${file.name}`} onClick={() => void save(workspaceId, path, file.name)}>
      {picture.url ? <img src={picture.url} alt={file.name} onError={() => setBroken(true)} /> : <span className="skeleton h-40 w-56" aria-hidden="true" />}
    </button>
  );
}

export function Files({ workspaceId, files }: { workspaceId: string; files: readonly Attachment[] }) {
  if (files.length === 0) return null;
  const path = (file: Attachment) => {
    const source = sourceOf(file.uri);
    return isPicture(file) && source.kind === 'path' ? source.path : undefined;
  };
  const pictures = files.flatMap((file) => {
    const from = path(file);
    return from === undefined ? [] : [{ file, from }];
  });
  const chips = files.filter((file) => path(file) === undefined);
  return (
    <div className="files">
      {pictures.map(({ file, from }) => <Picture key={file.uri} workspaceId={workspaceId} file={file} path={from} />)}
      {chips.length > 0 && <div className="chips">{chips.map((file) => <Chip key={file.uri} workspaceId={workspaceId} file={file} />)}</div>}
    </div>
  );
}
