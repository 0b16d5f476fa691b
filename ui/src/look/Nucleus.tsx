import clsx from 'clsx';
import { memo, type ReactNode } from 'react';
import { WORD, type Look } from '@/state/status';

const ring = { fill: 'none', stroke: 'currentColor', strokeLinecap: 'round' } as const;

/** One silhouette per status, on a 24 unit box (LOOK §2). Shape first, colour second. */
const GLYPH: Record<Look, ReactNode> = {
  online: <><circle cx="12" cy="12" r="9" {...ring} strokeWidth="1.75" opacity=".45" /><circle cx="12" cy="12" r="4.75" fill="currentColor" /></>,
  working: (
    <>
      <circle cx="12" cy="12" r="9" {...ring} strokeWidth="1.75" opacity=".3" />
      <g className="turns"><path d="M12 3a9 9 0 0 1 9 9" {...ring} strokeWidth="1.75" /><circle cx="12" cy="3" r="2.6" fill="currentColor" /></g>
      <circle cx="12" cy="12" r="4.75" fill="currentColor" />
    </>
  ),
  starting: <><circle cx="12" cy="12" r="9" {...ring} strokeWidth="2.5" opacity=".28" /><path d="M12 3a9 9 0 1 1-6.9 14.8" {...ring} strokeWidth="2.5" /></>,
  degraded: <><path d="M12 3.2 21.6 20.2H2.4Z" fill="currentColor" stroke="currentColor" strokeWidth="2" strokeLinejoin="round" /><path d="M12 9.4v4.8M12 17.2v.1" fill="none" stroke="var(--canvas)" strokeWidth="2.2" strokeLinecap="round" /></>,
  waiting: <><path d="M12 2.2 20.5 7.1v9.8L12 21.8 3.5 16.9V7.1Z" fill="none" stroke="currentColor" strokeWidth="2" strokeLinejoin="round" /><circle cx="12" cy="12" r="4" fill="currentColor" /></>,
  failed: <><rect x="3.5" y="3.5" width="17" height="17" rx="4" fill="currentColor" /><path d="m8.6 8.6 6.8 6.8m0-6.8-6.8 6.8" fill="none" stroke="var(--canvas)" strokeWidth="2.2" strokeLinecap="round" /></>,
  paused: <><circle cx="12" cy="12" r="9" {...ring} strokeWidth="1.75" opacity=".45" /><path d="M9.4 8.4v7.2m5.2-7.2v7.2" {...ring} strokeWidth="2.6" /></>,
  sleeping: <path d="M19.6 14.6A8.4 8.4 0 1 1 9.6 4.3a6.8 6.8 0 0 0 10 10.3Z" fill="currentColor" />,
  offline: <><circle cx="12" cy="12" r="8.5" {...ring} strokeWidth="2" /><path d="M6.2 17.8 17.8 6.2" {...ring} strokeWidth="2" /></>,
  awaiting: <><circle cx="12" cy="12" r="9" {...ring} strokeWidth="2" strokeDasharray="2.8 4.27" /><circle cx="12" cy="12" r="2.6" fill="currentColor" /></>,
};

interface Props {
  look: Look;
  size?: 12 | 14 | 16 | 20 | 22 | 28;
  /** Whether the electron moves; never for long lists. */
  lively?: boolean;
  /** Beside its own word the glyph needs no name. */
  silent?: boolean;
  className?: string;
}

export const Nucleus = memo(function Nucleus({ look, size = 16, lively = false, silent = false, className }: Props) {
  return (
    <svg
      className={clsx('nucleus', `s-${look}`, lively && look === 'working' && 'lively', className)}
      width={size}
      height={size}
      viewBox="0 0 24 24"
      {...(silent ? { 'aria-hidden': true } : { role: 'img', 'aria-label': WORD[look] })}
    >
      {GLYPH[look]}
    </svg>
  );
});
