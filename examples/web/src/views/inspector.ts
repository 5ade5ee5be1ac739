// Shows one record whole: where it is, when it was written, its key, value and headers, as JSON, text or bytes. Knows nothing of the table.

import { copyText } from '../clipboard.ts';
import type { Row } from '../controller.ts';
import { h, icon, setText } from '../dom.ts';
import { formatBytes, formatDateTime } from '../format.ts';
import { formatJson } from '../json-format.ts';
import { classify, decodeText, hexDump, preview } from '../payload.ts';

/** Beyond this, text is cut and JSON is not coloured: a look at a record must stay quick. */
const MAX_TEXT = 128 * 1024;
const MAX_COLOURED = 48 * 1024;
const MAX_HEX_BYTES = 8 * 1024;

export interface Inspector {
  readonly element: HTMLElement;
  open(record: Row, focus: boolean): void;
  close(): void;
  isOpen(): boolean;
}

type Format = 'json' | 'text' | 'hex';

export function createInspector(handlers: { onOpen(): void; onClose(): void; onMove(by: number): void }): Inspector {
  const title = h('h2', { id: 'inspector-title', tabindex: -1 });
  const body = h('div', { class: 'inspector-body' });
  const button = (name: 'previous' | 'next' | 'close', label: string, run: () => void): HTMLElement =>
    h(
      'button',
      { type: 'button', class: 'button icon-only', 'aria-label': label, title: label, onclick: run },
      icon(name),
    );
  const element = h(
    'aside',
    {
      class: 'panel inspector',
      'aria-labelledby': 'inspector-title',
      'data-testid': 'inspector',
      hidden: true,
    },
    h(
      'header',
      {},
      title,
      h('span', { class: 'spring' }),
      button('previous', 'Previous record', () => handlers.onMove(-1)),
      button('next', 'Next record', () => handlers.onMove(1)),
      button('close', 'Close the inspector', () => close()),
    ),
    body,
  );
  const close = (): void => {
    if (element.hidden) return;
    element.hidden = true;
    handlers.onClose();
  };
  return {
    element,
    close,
    isOpen: () => !element.hidden,
    open(record, focus) {
      setText(title, `${record.topic} / ${record.partition} @ ${record.offset}`);
      title.title = title.textContent ?? '';
      body.replaceChildren(
        facts(record),
        payload('Key', record.key),
        payload('Value', record.value),
        headersOf(record),
      );
      body.append(copyRecord(record));
      body.scrollTop = 0;
      element.hidden = false;
      handlers.onOpen();
      if (focus) title.focus();
    },
  };
}

function facts(record: Row): HTMLElement {
  const size = (record.key?.length ?? 0) + (record.value?.length ?? 0);
  const list = h('dl', { class: 'facts' });
  const add = (name: string, ...content: (Node | string)[]): void => {
    list.append(h('dt', {}, name), h('dd', {}, ...content));
  };
  add('Local time', formatDateTime(record.timestamp));
  add('UTC', new Date(record.timestamp).toISOString());
  add('Set by', record.timestampType === 'create' ? 'the producer' : 'the log');
  add(
    'Size',
    formatBytes(size),
    h('span', { class: 'muted' }, size < 1024 ? ' key and value' : ` key and value, ${size} bytes`),
  );
  if (record.leaderEpoch !== undefined) add('Leader epoch', String(record.leaderEpoch));
  return list;
}

const KIND_LABELS = { null: 'null', empty: 'empty', json: 'JSON', text: 'text', binary: 'binary' } as const;

function payload(name: 'Key' | 'Value', bytes: Uint8Array | null): HTMLElement {
  const { kind, text } = classify(bytes);
  const label = name === 'Value' && kind === 'null' ? 'tombstone' : KIND_LABELS[kind];
  const head = h(
    'header',
    {},
    h('h3', {}, name),
    h('span', { class: 'tag', 'data-kind': kind }, label),
    bytes === null ? null : h('span', { class: 'muted' }, formatBytes(bytes.length)),
    h('span', { class: 'spring' }),
  );
  const section = h(
    'section',
    { class: 'payload', 'aria-label': name, 'data-testid': `inspector-${name.toLowerCase()}` },
    head,
  );
  if (bytes === null || bytes.length === 0) {
    const what =
      kind === 'empty'
        ? 'Present, and empty.'
        : name === 'Key'
          ? 'No key.'
          : 'No value: a tombstone, which marks the key as deleted.';
    section.append(h('p', { class: 'note' }, what));
    return section;
  }
  const content = h('pre', { tabindex: 0, 'aria-label': `${name} content` });
  const show = (format: Format): void => {
    content.replaceChildren(...render(bytes, text, format));
    for (const tab of buttons) tab.setAttribute('aria-pressed', String(tab.dataset.format === format));
  };
  const formats: readonly Format[] =
    kind === 'binary' ? ['hex'] : kind === 'json' ? ['json', 'text', 'hex'] : ['text', 'hex'];
  const buttons = formats.map((format) =>
    h(
      'button',
      { type: 'button', class: 'button segment', 'data-format': format, onclick: () => show(format) },
      { json: 'Pretty', text: 'Text', hex: 'Hex' }[format],
    ),
  );
  if (buttons.length > 1)
    head.append(h('div', { class: 'segments', role: 'group', 'aria-label': `${name} format` }, ...buttons));
  head.append(
    copyButton(`Copy ${name.toLowerCase()}`, () => (kind === 'binary' ? hexDump(bytes, bytes.length) : text)),
  );
  show(formats[0] ?? 'text');
  section.append(content);
  return section;
}

function render(bytes: Uint8Array, text: string, format: Format): Node[] {
  if (format === 'hex') {
    return [document.createTextNode(hexDump(bytes, MAX_HEX_BYTES)), ...cutNote(bytes.length, MAX_HEX_BYTES, 'bytes')];
  }
  if (format === 'json' && text.length <= MAX_COLOURED) {
    return formatJson(text).map(({ kind, text: token }) =>
      kind === 'plain' ? document.createTextNode(token) : h('span', { class: `json-${kind}` }, token),
    );
  }
  const whole =
    format === 'json'
      ? formatJson(text)
          .map((token) => token.text)
          .join('')
      : text;
  return [document.createTextNode(whole.slice(0, MAX_TEXT)), ...cutNote(whole.length, MAX_TEXT, 'characters')];
}

const cutNote = (length: number, most: number, unit: string): Node[] =>
  length <= most ? [] : [h('span', { class: 'muted' }, `\n… ${length - most} more ${unit}; copy to get them all`)];

function headersOf(record: Row): HTMLElement {
  const section = h(
    'section',
    { class: 'payload', 'aria-label': 'Headers', 'data-testid': 'inspector-headers' },
    h('header', {}, h('h3', {}, 'Headers'), h('span', { class: 'muted' }, String(record.headers.length))),
  );
  if (record.headers.length === 0) {
    section.append(h('p', { class: 'note' }, 'No headers.'));
    return section;
  }
  const list = h('dl', { class: 'facts mono' });
  for (const header of record.headers) {
    const shown = preview(header.value);
    list.append(
      h('dt', {}, header.key),
      h(
        'dd',
        { 'data-kind': shown.kind },
        shown.kind === 'null' ? 'null' : shown.kind === 'empty' ? 'empty' : shown.text,
      ),
    );
  }
  section.append(list);
  return section;
}

function copyButton(label: string, text: () => string): HTMLElement {
  const caption = h('span', { class: 'visually-hidden', role: 'status' });
  const button = h(
    'button',
    {
      type: 'button',
      class: 'button icon-only small',
      'aria-label': label,
      title: label,
      onclick: async () => {
        const copied = await copyText(text());
        caption.textContent = copied ? 'Copied' : 'The browser did not allow copying';
        button.dataset.tone = copied ? 'good' : 'bad';
        setTimeout(() => {
          caption.textContent = '';
          delete button.dataset.tone;
        }, 1500);
      },
    },
    icon('copy'),
  );
  return h('span', { class: 'copy' }, button, caption);
}

/** The record as JSON: text where it is text, else base64. */
function copyRecord(record: Row): HTMLElement {
  const shown = (bytes: Uint8Array | null): unknown =>
    bytes === null
      ? null
      : (decodeText(bytes) ?? { base64: btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')) });
  return h(
    'p',
    { class: 'copy-record' },
    'Copy the record as JSON',
    copyButton('Copy the record as JSON', () =>
      JSON.stringify(
        {
          topic: record.topic,
          partition: record.partition,
          offset: record.offset,
          timestamp: new Date(record.timestamp).toISOString(),
          key: shown(record.key),
          value: shown(record.value),
          headers: record.headers.map(({ key, value }) => [key, shown(value)]),
        },
        null,
        2,
      ),
    ),
  );
}
