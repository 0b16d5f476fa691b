import type { ReactNode } from 'react';

interface Props { title: string; says?: ReactNode; aside?: ReactNode; children: ReactNode }

/** A page in the place of the canvas. */
export function View({ title, says, aside, children }: Props) {
  return (
    <div className="view" data-region="view" id="canvas" tabIndex={-1}>
      <header className="view-head">
        <div className="grow min-w-0">
          <h2 className="text-page font-semibold">{title}</h2>
          {says && <p className="text-ink-2">{says}</p>}
        </div>
        {aside}
      </header>
      {children}
    </div>
  );
}
