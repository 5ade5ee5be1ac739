// The form that writes one record, with a hint whether the value is JSON, and where the record landed.
import type { AppState } from '../app-state.ts';
import type { Controller } from '../controller.ts';
import { h, icon, setText } from '../dom.ts';
import { messageOf } from '../format.ts';
import { parseHeaderLines } from '../header-lines.ts';
import type { Store } from '../store.ts';

export function createProduce(store: Store<AppState>, controller: Controller): HTMLElement {
  const topics = h('datalist', { id: 'known-topics' });
  const field = { class: 'field', autocomplete: 'off', spellcheck: 'false' } as const;
  const topic = h('input', { ...field, id: 'produce-topic', list: 'known-topics', required: true, maxlength: 249 });
  const key = h('input', { ...field, id: 'produce-key', placeholder: 'None: partitions take turns' });
  const value = h('textarea', { ...field, id: 'produce-value', rows: 6, 'aria-describedby': 'produce-hint' });
  const tombstone = h('input', { type: 'checkbox', id: 'produce-tombstone', onchange: () => hintValue() });
  const headers = h('textarea', {
    ...field,
    id: 'produce-headers',
    rows: 2,
    placeholder: 'name: value, one a line',
  });
  const hint = h('span', { class: 'hint', id: 'produce-hint' });
  const result = h('output', { class: 'result', 'data-testid': 'produce-result' });
  const send = h(
    'button',
    { type: 'submit', class: 'button primary', 'data-testid': 'produce-send' },
    icon('send'),
    'Send',
  );

  const hintValue = (): void => {
    value.disabled = tombstone.checked;
    const text = value.value;
    if (tombstone.checked) setHint('', 'Null: marks the key as deleted');
    else if (text.trim() === '') setHint('', 'Empty');
    else {
      try {
        JSON.parse(text);
        setHint('good', 'Valid JSON');
      } catch (error) {
        setHint('', /^\s*[{[]/.test(text) ? `Not JSON: ${messageOf(error)}` : 'Plain text');
      }
    }
  };
  const setHint = (tone: string, text: string): void => {
    hint.dataset.tone = tone;
    setText(hint, text);
    hint.title = text;
  };
  value.addEventListener('input', hintValue);
  hintValue();

  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const parsed = parseHeaderLines(headers.value);
    if (!parsed.ok) {
      show('bad', parsed.message);
      return;
    }
    send.disabled = true;
    try {
      const written = await controller.produce({
        topic: topic.value.trim(),
        key: key.value === '' ? null : key.value,
        value: tombstone.checked ? null : value.value,
        headers: parsed.headers,
      });
      show('good', `Written to ${written.topic} / ${written.partition} at offset ${written.offset}`);
    } catch (error) {
      show('bad', messageOf(error));
    } finally {
      send.disabled = false;
    }
  };
  const show = (tone: string, text: string): void => {
    result.dataset.tone = tone;
    result.textContent = text;
  };

  store.watch(
    (state) => state.known,
    (known) => topics.replaceChildren(...(known ?? []).map(({ name }) => h('option', { value: name }))),
  );
  store.watch(
    (state) => state.reading,
    (reading) => {
      const first = reading.find((name) => !name.startsWith('telemetry.'));
      if (topic.value === '' && first !== undefined) topic.value = first;
    },
  );

  const row = (id: string, label: string, ...content: Node[]): HTMLElement =>
    h('div', { class: 'form-row' }, h('label', { for: id }, label), ...content);
  return h(
    'form',
    {
      class: 'produce',
      'aria-label': 'Produce a record',
      onsubmit: submit,
      onkeydown: (event: KeyboardEvent) => {
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) send.form?.requestSubmit();
      },
    },
    row(topic.id, 'Topic', topic, topics),
    row(key.id, 'Key', key),
    row(value.id, 'Value', value),
    h('div', { class: 'form-note' }, hint, h('label', { class: 'check', for: tombstone.id }, tombstone, 'Tombstone')),
    row(headers.id, 'Headers', headers),
    h('div', { class: 'actions' }, result, send),
  );
}
