import clsx from 'clsx';
import { Checkbox, Dialog as RDialog, Tooltip } from 'radix-ui';
import { forwardRef, useId, type ButtonHTMLAttributes, type ReactNode } from 'react';
import { Icon, type IconName } from './Icon';
import { Nucleus } from './Nucleus';

export function Tip({ text, children, side = 'bottom' }: { text: ReactNode; children: ReactNode; side?: 'top' | 'bottom' | 'left' | 'right' }) {
  if (!text) return children;
  return (
    <Tooltip.Root delayDuration={400}>
      <Tooltip.Trigger asChild>{children}</Tooltip.Trigger>
      <Tooltip.Portal>
        <Tooltip.Content className="tip" side={side} sideOffset={6} collisionPadding={8}>{text}</Tooltip.Content>
      </Tooltip.Portal>
    </Tooltip.Root>
  );
}

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: 'plain' | 'pri' | 'ghost' | 'danger' | 'danger-fill';
  icon?: IconName;
  big?: boolean;
  /** A disabled button stays in the tab order and says why (LOOK §10). */
  because?: string;
}

export const Button = forwardRef<HTMLButtonElement, ButtonProps>(function Button(
  { kind = 'plain', icon, big, because, className, children, onClick, ...rest }, ref,
) {
  const button = (
    <button
      ref={ref}
      type="button"
      className={clsx('btn', kind !== 'plain' && kind, big && 'big', className)}
      aria-disabled={because ? true : undefined}
      onClick={because ? (event) => event.preventDefault() : onClick}
      {...rest}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
  return because ? <Tip text={because}>{button}</Tip> : button;
});

interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  icon: IconName;
  label: string;
  hint?: ReactNode;
  size?: 14 | 16 | 20;
  side?: 'top' | 'bottom' | 'left' | 'right';
}

export const IconButton = forwardRef<HTMLButtonElement, IconButtonProps>(function IconButton(
  { icon, label, hint, size = 16, side, className, ...rest }, ref,
) {
  return (
    <Tip text={hint ?? label} side={side}>
      <button ref={ref} type="button" className={clsx('btn ghost icon', className)} aria-label={label} {...rest}>
        <Icon name={icon} size={size} />
      </button>
    </Tip>
  );
});

export function Check({ checked, onChange, label }: { checked: boolean; onChange: (checked: boolean) => void; label: ReactNode }) {
  const id = useId();
  return (
    <div className="flex items-start gap-2">
      <Checkbox.Root id={id} className="check mt-px" checked={checked} onCheckedChange={(value) => onChange(value === true)}>
        <Checkbox.Indicator><Icon name="check" size={14} /></Checkbox.Indicator>
      </Checkbox.Root>
      <label htmlFor={id}>{label}</label>
    </div>
  );
}

export function Field({ label, hint, error, children }: {
  label: ReactNode;
  hint?: ReactNode;
  error?: ReactNode;
  children: (ids: { id: string; 'aria-describedby': string | undefined; 'aria-invalid': boolean | undefined }) => ReactNode;
}) {
  const id = useId();
  const note = error ?? hint;
  return (
    <div className="grid gap-1.5 content-start">
      <label htmlFor={id} className="text-meta text-ink-2 font-semibold">{label}</label>
      {children({ id, 'aria-describedby': note ? `${id}-note` : undefined, 'aria-invalid': error ? true : undefined })}
      {note && <p id={`${id}-note`} className={clsx('text-meta', error ? 'text-bad' : 'text-ink-3')}>{note}</p>}
    </div>
  );
}

interface DialogProps {
  title: ReactNode;
  says?: ReactNode;
  size?: 'simple' | 'normal' | 'plan';
  onClose: () => void;
  /** The left side of the foot: what blocks the verb. */
  note?: ReactNode;
  actions?: ReactNode;
  corner?: ReactNode;
  /** Esc and the backdrop do not close what is shown only once. */
  firm?: boolean;
  large?: boolean;
  children?: ReactNode;
}

export function Dialog({ title, says, size = 'normal', onClose, note, actions, corner, firm, large, children }: DialogProps) {
  const hold = firm ? (event: Event) => event.preventDefault() : undefined;
  return (
    <RDialog.Root open onOpenChange={(open) => { if (!open) onClose(); }}>
      <RDialog.Portal>
        <RDialog.Overlay className="scrim" />
        <RDialog.Content
          className={clsx('dialog', size)}
          onEscapeKeyDown={hold}
          onPointerDownOutside={hold}
          {...(says ? {} : { 'aria-describedby': undefined })}
        >
          <header className="dialog-head">
            <div className="grow min-w-0">
              <RDialog.Title className={clsx('font-semibold', large ? 'text-page' : 'text-title')}>{title}</RDialog.Title>
              {says && <RDialog.Description className="text-body text-ink-2 mt-0.5">{says}</RDialog.Description>}
            </div>
            {corner}
          </header>
          {children}
          {(actions || note) && (
            <footer className="dialog-foot">
              <div className="text-meta text-ink-3 min-w-0 mr-auto">{note}</div>
              {actions}
            </footer>
          )}
        </RDialog.Content>
      </RDialog.Portal>
    </RDialog.Root>
  );
}

/** What failed, in one line, with the way on (LOOK §10). */
export function Trouble({ text, onRetry, className }: { text: ReactNode; onRetry?: () => void; className?: string }) {
  return (
    <div role="alert" className={clsx('flex items-center gap-2.5', className)}>
      <Nucleus look="failed" silent />
      <span className="grow min-w-0">{text}</span>
      {onRetry && <Button icon="retry" onClick={onRetry}>Retry</Button>}
    </div>
  );
}

export function Nothing({ icon, children }: { icon: IconName; children: ReactNode }) {
  return (
    <div className="flex items-center gap-2.5 text-ink-2">
      <Icon name={icon} className="text-ink-3" />
      <span>{children}</span>
    </div>
  );
}

export function SkeletonRows({ rows = 3 }: { rows?: number }) {
  return (
    <div aria-hidden="true" className="grid gap-4">
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} className="flex items-center gap-2.5">
          <span className="skeleton size-5 rounded-full!" />
          <span className="grid gap-1.5 grow">
            <span className="skeleton h-3" style={{ width: `${52 - index * 8}%` }} />
            <span className="skeleton h-3" style={{ width: `${84 - index * 6}%` }} />
          </span>
        </div>
      ))}
    </div>
  );
}

const mac = typeof navigator !== 'undefined' && /Mac|iPhone|iPad/.test(navigator.platform);

/** Keys as the platform writes them. */
export function keys(combo: string): string {
  return combo
    .split('+')
    .map((key) => (key === 'Mod' ? (mac ? '⌘' : 'Ctrl') : key === 'Shift' && mac ? '⇧' : key))
    .join(mac ? ' ' : ' ');
}

export function Kbd({ combo }: { combo: string }) {
  return <kbd className="kbd">{keys(combo)}</kbd>;
}
