import { copyText } from '@/look/clipboard';
import { memo, useState, type ComponentProps } from 'react';
import ReactMarkdown from 'react-markdown';
import remarkGfm from 'remark-gfm';

function Pre({ children }: ComponentProps<'pre'>) {
  const [copied, setCopied] = useState(false);
  const [element, setElement] = useState<HTMLPreElement | null>(null);
  return (
    <div className="md-code">
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a region that scrolls must be reachable by key */}
      <pre ref={setElement} tabIndex={0}>{children}</pre>
      <button
        type="button"
        className="btn ghost"
        onClick={() => void copyText(element?.textContent ?? '').then(() => {
          setCopied(true);
          setTimeout(() => setCopied(false), 1_500);
        })}
      >
        {copied ? 'Copied' : 'Copy'}
      </button>
    </div>
  );
}

/** Only addresses that a browser may open; anything else stays text. */
function safe(url: string): string {
  return /^(https?:|mailto:)/i.test(url) ? url : '';
}

const components = {
  pre: Pre,
  a: ({ href, children }: ComponentProps<'a'>) =>
    (href ? <a href={href} target="_blank" rel="noreferrer noopener">{children}</a> : <span>{children}</span>),
  // A picture from elsewhere would call home; its words remain.
  img: ({ alt, src }: ComponentProps<'img'>) => <span className="text-ink-2">{alt || (typeof src === 'string' ? src : 'picture')}</span>,
  table: ({ children }: ComponentProps<'table'>) => (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a region that scrolls must be reachable by key
    <div className="md-table" role="region" aria-label="Table" tabIndex={0}><table>{children}</table></div>
  ),
};

/** What an agent writes: Markdown without raw HTML (ARCHITECTURE §3). */
export const Markdown = memo(function Markdown({ text }: { text: string }) {
  return (
    <div className="md">
      <ReactMarkdown remarkPlugins={[remarkGfm]} components={components} urlTransform={safe} skipHtml>{text}</ReactMarkdown>
    </div>
  );
});
