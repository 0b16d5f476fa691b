import { useEffect, useState } from 'react';
import { Icon } from './Icon';

/** Typing is over. */
const PAUSE_MS = 200;

/** A quiet field for words to find; `onFind` hears them when typing pauses, and at once when they are cleared. */
export function SearchField({ label, onFind }: { label: string; onFind: (words: string) => void }) {
  const [words, setWords] = useState('');
  useEffect(() => {
    const timer = setTimeout(() => onFind(words.trim()), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [words, onFind]);
  const clear = () => {
    setWords('');
    onFind('');
  };
  return (
    <div className="find">
      <Icon name="search" size={14} className="find-glass" />
      <input
        className="input" type="text" role="searchbox" aria-label={label} placeholder={label} autoComplete="off" spellCheck={false} value={words}
        onChange={(event) => setWords(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Escape' || words === '') return;
          event.stopPropagation();
          clear();
        }}
      />
      {words && <button type="button" className="find-clear" aria-label="Clear the search" onClick={clear}><Icon name="x" size={14} /></button>}
    </div>
  );
}
