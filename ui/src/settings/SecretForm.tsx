import { useEffect, useRef, useState, type FormEvent, type ReactNode } from 'react';
import { api, messageOf } from '@/backend';
import { Button, Field } from '@/look/controls';
import { Nucleus } from '@/look/Nucleus';
import { checkWords, nameFault, providerOf, SUGGESTED } from '@/text/keys';

const FORM_MS = 400;
const HIDE_MS = 30_000;

type Check = { state: 'idle' | 'short' | 'testing' | 'ok' | 'bad'; text: string; code?: string };

/** Tries a key as soon as it looks whole, without storing it anywhere. */
function useCheck(key: string, value: string): Check {
  const [check, setCheck] = useState<Check>({ state: 'idle', text: '' });
  const provider = providerOf(key);
  useEffect(() => {
    setCheck({ state: 'idle', text: '' });
    if (!provider || !value) return undefined;
    let gone = false;
    const timer = setTimeout(() => {
      if (provider.form && !provider.form.test.test(value)) {
        setCheck({ state: 'short', text: provider.form.says });
        return;
      }
      setCheck({ state: 'testing', text: `Trying it with ${provider.name}…` });
      api.checkKey(provider.id, value).then(
        (answer) => {
          if (gone) return;
          setCheck(answer.valid
            ? { state: 'ok', text: `${provider.name} accepts this key.` }
            : { state: 'bad', text: checkWords(provider.name, answer.code, answer.error), code: answer.code });
        },
        (error: unknown) => { if (!gone) setCheck({ state: 'bad', text: messageOf(error), code: 'unreachable' }); },
      );
    }, FORM_MS);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [provider, value]);
  return check;
}

interface Props {
  /** Given: this secret gets a new value. Absent: a new name is asked for. */
  name?: string;
  taken: readonly string[];
  save: (key: string, value: string) => Promise<void>;
  onDone: () => void;
  onDelete?: () => void;
  note?: ReactNode;
}

export function SecretForm({ name, taken, save, onDone, onDelete, note }: Props) {
  const [key, setKey] = useState(name ?? '');
  const [value, setValue] = useState('');
  const [shown, setShown] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const [touched, setTouched] = useState(false);
  const first = useRef<HTMLInputElement>(null);
  const check = useCheck(key, value);
  const provider = providerOf(key);
  const wrongName = name ? undefined : nameFault(key, taken);

  useEffect(() => first.current?.focus(), []);
  useEffect(() => {
    if (!shown) return undefined;
    const timer = setTimeout(() => setShown(false), HIDE_MS);
    return () => clearTimeout(timer);
  }, [shown]);

  const reason = wrongName ?? (!value ? 'Paste the value first' : check.state === 'short' ? check.text : check.state === 'testing' ? 'It is being tried' : undefined);
  const anyway = check.state === 'bad';
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTouched(true);
    if (reason) return;
    setBusy(true);
    setError('');
    try {
      await save(key, value);
      onDone();
    } catch (failure) {
      setError(messageOf(failure));
    } finally {
      setBusy(false);
    }
  };

  return (
    <form className="secret-form" onSubmit={(event) => void submit(event)} aria-label={name ? `Replace ${name}` : 'Add a secret'}>
      <div className="flex items-baseline gap-2">
        <span className="font-semibold grow">{name ? <>Replace <span className="code">{name}</span></> : 'Add a secret'}</span>
        {provider?.page && <a className="text-meta" href={provider.page} target="_blank" rel="noreferrer noopener">Get a key from {provider.name}</a>}
      </div>
      {!name && (
        <Field label="Name" error={touched || (key && !/^[A-Z]/.test(key)) ? wrongName : undefined}>
          {(ids) => (
            <>
              <input {...ids} ref={first} className="input code" list="secret-names" autoComplete="off" spellCheck={false} value={key}
                onChange={(event) => setKey(event.target.value.toUpperCase().replace(/[\s-]+/g, '_'))} onBlur={() => setTouched(key !== '')} />
              <datalist id="secret-names">{SUGGESTED.filter((each) => !taken.includes(each)).map((each) => <option key={each} value={each} />)}</datalist>
            </>
          )}
        </Field>
      )}
      <Field label="Value">
        {(ids) => (
          <div className="relative">
            <input {...ids} ref={name ? first : undefined} className="input code pr-14" type={shown ? 'text' : 'password'} autoComplete="off" spellCheck={false}
              value={value} aria-invalid={(check.state === 'bad' && check.code !== 'unreachable') || undefined} onChange={(event) => setValue(event.target.value.trim())} />
            <button type="button" className="absolute right-1 top-1 h-6 px-2 text-meta text-ink-3 rounded-1 hover:text-ink" onClick={() => setShown(!shown)}>{shown ? 'Hide' : 'Show'}</button>
          </div>
        )}
      </Field>
      <p className="flex items-start gap-2 min-h-4.5" role="status">
        {check.state === 'ok' && <Nucleus look="online" silent />}
        {check.state === 'bad' && <Nucleus look={check.code === 'unreachable' ? 'offline' : check.code === 'quota' ? 'degraded' : 'failed'} silent />}
        {check.state === 'testing' && <Nucleus look="starting" silent />}
        <span className={check.state === 'bad' && check.code !== 'unreachable' ? (check.code === 'quota' ? 'text-warn' : 'text-bad') : 'text-ink-2'}>{check.text || note}</span>
      </p>
      {error && <p className="text-bad" role="alert">{error}</p>}
      <div className="flex items-center gap-2">
        <Button kind="pri" type="submit" because={reason} disabled={busy}>
          {busy ? 'Saving…' : check.state === 'testing' ? 'Testing…' : anyway ? 'Save anyway' : 'Save'}
        </Button>
        <Button onClick={onDone}>Cancel</Button>
        {onDelete && <Button kind="danger" className="ghost ml-auto" icon="trash" onClick={onDelete}>Delete secret</Button>}
      </div>
    </form>
  );
}
