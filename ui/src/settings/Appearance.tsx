import clsx from 'clsx';
import { useScreen, type Theme } from '@/state/screen';

const THEMES: readonly { id: Theme; label: string; says: string }[] = [
  { id: 'system', label: 'System', says: 'Follows this computer' },
  { id: 'light', label: 'Light', says: 'Paper' },
  { id: 'dark', label: 'Dark', says: 'Graphite' },
  { id: 'contrast', label: 'High contrast', says: 'Every edge drawn' },
];

/** A window of each theme, in its own colours. */
function Swatch({ theme }: { theme: Exclude<Theme, 'system'> }) {
  return (
    <span className="swatch" data-theme={theme} aria-hidden="true">
      <i style={{ background: 'var(--chrome)' }} />
      <b style={{ background: 'var(--canvas)' }}>
        <em style={{ background: 'var(--surface)', boxShadow: 'inset 0 0 0 1px var(--line)' }}><u style={{ background: 'var(--accent)' }} /><s style={{ background: 'var(--text-3)' }} /></em>
      </b>
    </span>
  );
}

export function Appearance() {
  const theme = useScreen((state) => state.theme);
  const setTheme = useScreen((state) => state.setTheme);
  return (
    <div className="settings-page">
      <fieldset className="grid gap-3">
        <legend className="font-semibold mb-3">Theme</legend>
        <div className="themes">
          {THEMES.map((each) => (
            <label key={each.id} className={clsx('theme', theme === each.id && 'on')}>
              <input type="radio" name="theme" className="sr-only" checked={theme === each.id} onChange={() => setTheme(each.id)} />
              {each.id === 'system'
                ? <span className="swatch-pair"><Swatch theme="light" /><Swatch theme="dark" /></span>
                : <Swatch theme={each.id} />}
              <span className="font-semibold">{each.label}</span>
              <span className="text-meta text-ink-3">{each.says}</span>
            </label>
          ))}
        </div>
      </fieldset>
      <p className="text-ink-3 text-meta max-w-120">Movement follows this computer too: where it asks for less, cards appear, bonds change and messages arrive without travelling.</p>
    </div>
  );
}
