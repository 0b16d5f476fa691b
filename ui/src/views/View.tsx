import type { ReactNode } from 'react';

interface Props { title: string; says?: ReactNode; aside?: ReactNode; children: ReactNode }

/** A page in the place of the canvas. */
export function View({ title, says, aside, children }: Props) {
  return (
    <div className="view" data-region="view">
      <header className="view-head">
        <div className="grow min-w-0">
          <h1 className="text-page font-semibold">{title}</h1>
          {says && <p className="text-ink-2">{says}</p>}
        </div>
        {aside}
      </header>
      {children}
    </div>
  );
}
