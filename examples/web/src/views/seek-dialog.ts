// Asks where to go on reading: an offset, an end of the log, a time, or the newest records.
import type { TopicPartition } from 'distributedlog';
import type { SeekTarget } from '../consumer-run.ts';
import type { Controller } from '../controller.ts';
import { h } from '../dom.ts';
import { messageOf, toLocalInput } from '../format.ts';
import { createFormDialog } from './dialog.ts';

export interface SeekDialog {
  readonly element: HTMLDialogElement;
  /** null: all partitions. */
  open(partition: (TopicPartition & { readonly position: number | null }) | null): void;
}

export function createSeekDialog(controller: Controller): SeekDialog {
  const number = (label: string, value: number, min: number): HTMLInputElement =>
    h('input', { class: 'field', type: 'number', min, step: 1, value, 'aria-label': label, inputmode: 'numeric' });
  const offset = number('Offset', 0, 0);
  const minutes = number('Minutes', 5, 1);
  const count = number('Number of records', 100, 1);
  const time = h('input', { class: 'field', type: 'datetime-local', step: 1, 'aria-label': 'Date and time' });

  const radios = new Map<string, HTMLInputElement>();
  const option = (value: string, label: string, field?: HTMLInputElement, after = ''): HTMLElement => {
    const radio = h('input', { type: 'radio', name: 'seek-to', value, id: `seek-to-${value}` });
    radios.set(value, radio);
    field?.addEventListener('focus', () => {
      radio.checked = true;
    });
    return h('div', { class: 'option' }, radio, h('label', { for: radio.id }, label), field ?? null, after);
  };
  const offsetOption = option('offset', 'Offset', offset);
  const options = h(
    'fieldset',
    { class: 'options' },
    h('legend', { class: 'visually-hidden' }, 'Go to'),
    option('earliest', 'The beginning of the log'),
    option('latest', 'The live end'),
    offsetOption,
    option('minutes', 'Last', minutes, 'minutes, then live'),
    option('last', 'Last', count, 'records, then live'),
    option('at', 'Date and time', time),
  );

  let partition: TopicPartition | null = null;
  const target = (): SeekTarget => {
    const chosen = [...radios].find(([, radio]) => radio.checked)?.[0];
    const whole = (input: HTMLInputElement, min: number): number => {
      const value = Number(input.value);
      if (input.value === '' || !Number.isSafeInteger(value) || value < min) {
        throw new RangeError(`${input.getAttribute('aria-label')} must be a whole number, ${min} or more.`);
      }
      return value;
    };
    switch (chosen) {
      case 'earliest':
      case 'latest':
        return { kind: chosen };
      case 'offset':
        return { kind: 'offset', offset: whole(offset, 0) };
      case 'minutes':
        return { kind: 'minutes', minutes: whole(minutes, 1) };
      case 'last':
        return { kind: 'last', count: whole(count, 1) };
      case 'at': {
        const timestamp = new Date(time.value).getTime();
        if (Number.isNaN(timestamp)) throw new RangeError('Enter a date and a time.');
        return { kind: 'at', timestamp };
      }
      default:
        throw new RangeError('Choose where to go.');
    }
  };
  const dialog = createFormDialog({
    name: 'seek',
    submit: 'Seek',
    content: [options],
    describe: messageOf,
    async onSubmit() {
      const to = target();
      if (partition !== null) await controller.seek(partition, to);
      else if (to.kind !== 'offset') await controller.startFrom(to);
    },
  });
  return {
    element: dialog.element,
    open(wanted) {
      partition = wanted;
      offsetOption.hidden = wanted === null;
      offset.value = String(wanted?.position ?? 0);
      time.value = toLocalInput(Date.now() - 3_600_000);
      const first = radios.get(wanted === null ? 'minutes' : 'offset');
      if (first !== undefined) first.checked = true;
      dialog.open(wanted === null ? 'Seek all partitions' : `Seek ${wanted.topic} / ${wanted.partition}`);
    },
  };
}
