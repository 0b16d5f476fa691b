import { useState, type DragEvent } from 'react';
import { attach, refuse } from '@/state/attachments';

const carriesFiles = (event: DragEvent) => event.dataTransfer.types.includes('Files');

/** Takes files that are dropped. Enters and leaves are counted, because each child tells its own (R). */
export function useDropFiles(id: string) {
  const [depth, setDepth] = useState(0);
  const moved = (by: 1 | -1) => (event: DragEvent) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    setDepth((now) => Math.max(0, now + by));
  };
  const onDrop = (event: DragEvent) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    setDepth(0);
    const items = [...event.dataTransfer.items].filter((item) => item.kind === 'file');
    const folders = items.filter((item) => item.webkitGetAsEntry()?.isDirectory === true).length;
    const files = folders === 0
      ? [...event.dataTransfer.files]
      : items.filter((item) => item.webkitGetAsEntry()?.isDirectory !== true).flatMap((item) => item.getAsFile() ?? []);
    attach(id, files.map((blob) => ({ name: blob.name, blob })));
    if (folders > 0) refuse(id, 'A folder cannot be attached. Drop the files in it.');
  };
  return {
    dropping: depth > 0,
    onDragEnter: moved(1),
    onDragLeave: moved(-1),
    onDragOver: (event: DragEvent) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = 'copy';
    },
    onDrop,
  };
}
