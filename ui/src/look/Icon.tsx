import clsx from 'clsx';
import type { ReactNode } from 'react';

const dot = (cx: number, cy: number, r: number) => <circle cx={cx} cy={cy} r={r} className="fill" />;

const SHAPES = {
  canvas: <><circle cx="8" cy="3.5" r="1.9" /><circle cx="3.5" cy="12" r="1.9" /><circle cx="12.5" cy="12" r="1.9" /><path d="M7.1 5.2 4.4 10.3m4.5-5.1 2.7 5.1" /></>,
  turns: <path d="M2 3.5h6M5 8h7M8.5 12.5H14" />,
  hex: <><path d="M8 1.5 13.6 4.75v6.5L8 14.5 2.4 11.25v-6.5Z" />{dot(8, 8, 1.6)}</>,
  grid: <><rect x="2" y="2" width="5" height="5" rx="1.2" /><rect x="9" y="2" width="5" height="5" rx="1.2" /><rect x="2" y="9" width="5" height="5" rx="1.2" /><rect x="9" y="9" width="5" height="5" rx="1.2" /></>,
  pulse: <path d="M1.5 8.5h3l2-5 3 9 2-4h3" />,
  gear: <><path d="M2 4.5h6m4 0h2M2 11.5h2m4 0h6" /><circle cx="10" cy="4.5" r="2" /><circle cx="6" cy="11.5" r="2" /></>,
  search: <><circle cx="7" cy="7" r="4.5" /><path d="m10.5 10.5 3.5 3.5" /></>,
  plus: <path d="M8 3v10M3 8h10" />,
  minus: <path d="M3 8h10" />,
  x: <path d="m4 4 8 8m0-8-8 8" />,
  check: <path d="m3 8.5 3.2 3.2L13 4.8" />,
  down: <path d="m4 6 4 4 4-4" />,
  right: <path d="m6 4 4 4-4 4" />,
  left: <path d="m10 4-4 4 4 4" />,
  arrow: <path d="M2.5 8H13M9 4l4 4-4 4" />,
  stop: <rect x="3.5" y="3.5" width="9" height="9" rx="1.5" />,
  send: <path d="M8 13V3.5M3.8 7.4 8 3.2l4.2 4.2" />,
  side: <><rect x="2" y="3" width="12" height="10" rx="2" /><path d="M6.2 3v10" /></>,
  fit: <path d="M2.5 5.5v-3h3m5 0h3v3m0 5v3h-3m-5 0h-3v-3" />,
  plug: <path d="M5.5 2v3.5m5-3.5v3.5M3.5 5.5h9V8a4.5 4.5 0 0 1-9 0ZM8 12.5v2" />,
  key: <><circle cx="5.5" cy="10.5" r="3" /><path d="m7.7 8.3 5.8-5.8m-2.5 2.5 2 2" /></>,
  clip: <path d="m13.2 7.4-5.4 5.4a3.3 3.3 0 0 1-4.7-4.7l5.7-5.7a2.2 2.2 0 0 1 3.1 3.1l-5.6 5.6a1.1 1.1 0 0 1-1.5-1.5l5-5" />,
  file: <path d="M4 1.8h5l3.2 3.2v9.2H4ZM9 1.8V5h3.2" />,
  wrench: <path d="M10.2 2.2a3.6 3.6 0 0 0-3.8 5L2.2 11.4l2.4 2.4 4.2-4.2a3.6 3.6 0 0 0 5-3.8l-2.2 2.2-2.2-.6-.6-2.2Z" />,
  more: <>{dot(3.5, 8, 1.2)}{dot(8, 8, 1.2)}{dot(12.5, 8, 1.2)}</>,
  pause: <path d="M5.5 3.5v9m5-9v9" />,
  play: <path d="M4.5 2.8v10.4L13 8Z" />,
  clock: <><circle cx="8" cy="8" r="6" /><path d="M8 4.5V8l2.3 1.6" /></>,
  lock: <><rect x="3" y="7" width="10" height="7" rx="1.5" /><path d="M5.2 7V5a2.8 2.8 0 0 1 5.6 0v2" /></>,
  trash: <path d="M2.5 4.2h11M6 4V2.5h4V4m2.3 0-.7 9.5H4.4L3.7 4" />,
  copy: <><rect x="5.5" y="5.5" width="8" height="8" rx="1.5" /><path d="M10.5 5.5V3.5a1 1 0 0 0-1-1h-6a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h2" /></>,
  retry: <><path d="M13 3v3.5H9.5" /><path d="M13 6.5A5.5 5.5 0 1 0 13.5 9" /></>,
  folder: <path d="M2 4a1 1 0 0 1 1-1h3l1.5 2H13a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1Z" />,
  chat: <path d="M2.5 3.5h11v7.5H8l-3 2.5V11H2.5Z" />,
  chip: <><rect x="4" y="4" width="8" height="8" rx="1.5" /><path d="M6.5 1.5V4m3-2.5V4m-3 8v2.5m3-2.5v2.5M1.5 6.5H4m-2.5 3H4m8-3h2.5M12 9.5h2.5" /></>,
  team: <><circle cx="8" cy="4" r="2" /><circle cx="3.5" cy="12" r="1.5" /><circle cx="8" cy="12" r="1.5" /><circle cx="12.5" cy="12" r="1.5" /><path d="M8 6v4.5M8 8H3.5v2.5M8 8h4.5v2.5" /></>,
  spine: <path d="M3.5 2.5v10h3m-3-6h3M8.5 4.5h5v4h-5Zm0 6h5v3.5h-5Z" />,
  monitor: <><rect x="2" y="3" width="12" height="8.5" rx="1.5" /><path d="M6 14h4" /></>,
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof SHAPES;

export function Icon({ name, size = 16, className }: { name: IconName; size?: 14 | 16 | 20; className?: string }) {
  return (
    <svg className={clsx('i', size === 14 && 's14', size === 20 && 's20', className)} viewBox="0 0 16 16" aria-hidden="true">
      {SHAPES[name]}
    </svg>
  );
}

/** The mark: the one molecule of the window's frame. */
export function Mark({ size = 20 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <path d="M12 9 5.2 17M12 9l6.8 8" stroke="var(--bond)" strokeWidth="2" />
      <circle cx="12" cy="8" r="4.6" fill="var(--accent)" />
      <circle cx="4.8" cy="17.5" r="3" fill="var(--text)" />
      <circle cx="19.2" cy="17.5" r="3" fill="var(--text)" />
    </svg>
  );
}
