import { copyText } from '@/look/clipboard';
import { Component, type ErrorInfo, type ReactNode } from 'react';
import { Button } from '@/look/controls';
import { Nucleus } from '@/look/Nucleus';

interface Props { what: string; whole?: boolean; children: ReactNode }

/** A drawing error stays where it happened: one boundary around the window, one around each part (50 §3.5). */
export class Boundary extends Component<Props, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override componentDidCatch(error: Error, info: ErrorInfo) {
    console.error(`${this.props.what} could not be drawn`, error, info.componentStack);
  }

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    const details = `${error.message}\n${error.stack ?? ''}`;
    return (
      <div role="alert" className={this.props.whole ? 'page-center' : 'p-5 grid gap-3 content-start'}>
        <div className="grid gap-3 max-w-120">
          <div className="flex items-center gap-2.5 font-semibold"><Nucleus look="failed" silent size={20} />{this.props.what} could not be drawn</div>
          <p className="text-ink-2 code overflow-auto">{error.message}</p>
          <p className="text-ink-3 text-meta">Your agents go on working. Nothing was lost.</p>
          <div className="flex gap-2">
            <Button icon="retry" onClick={() => (this.props.whole ? location.reload() : this.setState({ error: null }))}>
              {this.props.whole ? 'Reload' : 'Try again'}
            </Button>
            <Button kind="ghost" icon="copy" onClick={() => void copyText(details)}>Copy details</Button>
          </div>
        </div>
      </div>
    );
  }
}
